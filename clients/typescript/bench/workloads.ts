/** The streams that parsers are measured with: each stresses something else. The same at every run. */

const MEGABYTE = 1_000_000;
/** A full TCP segment, and a full TLS record. */
const SEGMENT = 1_400;
const RECORD = 16_384;

const encoder = new TextEncoder();
const english = "the quick brown fox jumps over lazy dogs while streams of tokens arrive".split(
  " ",
);
const worldly = "你好 世界 grüße wörld 🎉 данные поток ストリーム naïve".split(" ");

/** Each by its name: its chunks, made when they are called for. */
export const workloads: Record<string, () => Uint8Array[]> = {
  "llm, 1400 B": () => cut(llm(), SEGMENT),
  "llm, 16 KiB": () => cut(llm(), RECORD),
  "id+event+data, 1400 B": () => cut(resumable(), SEGMENT),
  "id+event+data, 16 KiB": () => cut(resumable(), RECORD),
  "4 MiB line, 1400 B": () => cut(longLine(), SEGMENT),
  "4 MiB line, 16 KiB": () => cut(longLine(), RECORD),
  "data-only": () => cut(many(4 * MEGABYTE, dataOnly), SEGMENT),
  named: () => cut(many(4 * MEGABYTE, named), SEGMENT),
  identified: () => cut(many(4 * MEGABYTE, identified), SEGMENT),
  multibyte: () => cut(many(4 * MEGABYTE, multibyte), SEGMENT),
  "multibyte, 16 KiB": () => cut(many(4 * MEGABYTE, multibyte), RECORD),
  heartbeat: () => cut(many(4 * MEGABYTE, heartbeat), SEGMENT),
  "idle-stream": () => blocks(many(MEGABYTE / 2, idle)),
  "event a chunk": () => blocks(many(4 * MEGABYTE, dataOnly)),
  "small-chunk": () => cut(many(MEGABYTE, dataOnly), 8),
  "large-multiline": () => cut(many(4 * MEGABYTE, multiline), SEGMENT),
  "huge-line-drip": () => cut(longLine(), 64),
  "invalid-line-drip": () => cut(`${"x".repeat(4 * MEGABYTE)}\n\n`, 64),
  crlf: () => cut(many(4 * MEGABYTE, named).replaceAll("\n", "\r\n"), SEGMENT),
  cr: () => cut(many(4 * MEGABYTE, named).replaceAll("\n", "\r"), SEGMENT),
};

const llm = () => many(4 * MEGABYTE, completion);
const resumable = () => many(4 * MEGABYTE, update);
const longLine = () => `data: ${many(4_194_304, (random) => `${words(english, 9, random)} `)}\n\n`;

function completion(random: Random): string {
  const delta = JSON.stringify({ content: words(english, 1 + random(4), random) });
  const head = `{"id":"chatcmpl-${random(1e9)}","object":"chat.completion.chunk","created":1700000000`;
  return `data: ${head},"model":"large","choices":[{"index":0,"delta":${delta},"finish_reason":null}]}\n\n`;
}

function update(random: Random, index: number): string {
  return `id: ${100_000 + index}\nevent: update\ndata: {"value":${random(1e6)}}\n\n`;
}

function dataOnly(random: Random): string {
  return `data: ${words(english, 1 + random(12), random)}\n\n`;
}

function named(random: Random): string {
  return `event: ${words(english, 1, random)}\ndata: ${words(english, 1 + random(10), random)}\n\n`;
}

function identified(random: Random, index: number): string {
  return `id: ${index}\ndata: ${words(english, 1 + random(10), random)}\n\n`;
}

function multibyte(random: Random): string {
  return `data: ${words(worldly, 1 + random(20), random)}\n\n`;
}

function heartbeat(random: Random): string {
  return random(3) ? ": keep-alive\n\n" : dataOnly(random);
}

function idle(random: Random): string {
  return random(50) ? ":\n\n" : dataOnly(random);
}

function multiline(random: Random): string {
  return `${Array.from({ length: 50 }, () => `data: ${words(english, 8, random)}\n`).join("")}\n`;
}

type Random = (below: number) => number;

/** Numbers that are the same at every run (a linear congruential generator). */
function generator(): Random {
  let state = 42;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function words(from: string[], count: number, random: Random): string {
  return Array.from({ length: count }, () => from[random(from.length)]).join(" ");
}

function many(length: number, block: (random: Random, index: number) => string): string {
  const random = generator();
  const parts: string[] = [];
  for (let index = 0, made = 0; made < length; index++) {
    const part = block(random, index);
    parts.push(part);
    made += part.length;
  }
  return parts.join("");
}

/** The stream in chunks of this many bytes, each in memory of its own as from a socket. */
function cut(stream: string, size: number): Uint8Array[] {
  const bytes = encoder.encode(stream);
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.slice(at * size, (at + 1) * size));
}

/** The stream with one block in each chunk. */
function blocks(stream: string): Uint8Array[] {
  return stream.split(/(?<=\n\n)/).map((block) => encoder.encode(block));
}
