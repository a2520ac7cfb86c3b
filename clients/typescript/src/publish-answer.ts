/** What a hub answers to a publish, read within bounds: whoever answers may be anybody. */

/** The most that is read of an answer beside the results, and for each result, in bytes. */
const ANSWER_BYTES = 65_536;
const RESULT_BYTES = 16_384;

/** The result of one update: its id, or the stable reason why there is none, and the same for people. */
export type Result =
  | { id: string; reason?: undefined }
  | { id?: undefined; reason: string; detail: string };

/** What came as an answer: the results in order, or a refusal of all. */
export interface Answer {
  status: number;
  headers: Headers;
  results: Result[];
  reason?: string;
  detail?: string;
}

/**
 * Reads an answer to its end.
 *
 * @param count how many updates were sent.
 * @param onByte called whenever something has come.
 */
export async function readAnswer(
  response: Response,
  count: number,
  onByte: () => void,
): Promise<Answer> {
  const { status, headers } = response;
  const text = await readText(response, ANSWER_BYTES + count * RESULT_BYTES, onByte);
  const lines = text.split("\n").filter((line) => line.trim());
  const parsed = status === 200 ? lines.slice(0, count).map(parse) : [];
  const results: Result[] = [];
  for (const line of parsed) {
    if (typeof line.id === "string") results.push({ id: line.id });
    else if (typeof line.error === "string")
      results.push({ reason: line.error, detail: String(line.detail) });
    else break;
  }
  const { reason, detail } = status === 200 ? {} : parse(text);
  return {
    status,
    headers,
    results,
    ...(typeof reason === "string" && { reason }),
    ...(typeof detail === "string" && { detail }),
  };
}

async function readText(response: Response, limit: number, onByte: () => void): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const chunk = await reader?.read();
    onByte();
    if (!chunk || chunk.done) return text + decoder.decode();
    size += chunk.value.length;
    if (size > limit) {
      await reader?.cancel();
      throw new Error("the answer is too large for a hub's");
    }
    text += decoder.decode(chunk.value, { stream: true });
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
