/** What a parser finds in a stream, as one list in which the order can be compared. */

import { Parser, type ParserOptions } from "../src/parser.js";

/** One call of a handler, or how the stream ended. */
export type Finding =
  | { event: string; data: string; id: string }
  | { comment: string }
  | { retry: number }
  | { id: string }
  | "too large";

/** What the parser finds in these chunks, and the last event id at the end. */
export function parse(
  chunks: Iterable<Uint8Array>,
  options?: ParserOptions,
): { findings: Finding[]; lastEventId: string } {
  const findings: Finding[] = [];
  const parser = new Parser(
    {
      onEvent: ({ type, data, lastEventId }) =>
        findings.push({ event: type, data, id: lastEventId }),
      onComment: (comment) => findings.push({ comment }),
      onRetry: (retry) => findings.push({ retry }),
      onId: (id) => findings.push({ id }),
    },
    options,
  );
  try {
    for (const chunk of chunks) parser.push(chunk);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    findings.push("too large");
  }
  return { findings, lastEventId: parser.lastEventId };
}

/** The bytes in pieces that end at these offsets. */
export function cutAt(bytes: Uint8Array, offsets: Iterable<number>): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (const offset of [...offsets, bytes.length]) {
    chunks.push(bytes.subarray(from, offset));
    from = offset;
  }
  return chunks;
}

/** The bytes one by one, each in memory of its own. */
export function singly(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

/** Chunks end to end. */
export function joined(chunks: Iterable<Uint8Array>): Uint8Array {
  return Uint8Array.from([...chunks].flatMap((chunk) => [...chunk]));
}
