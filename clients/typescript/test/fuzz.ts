/**
 * Mutates the shared streams at random and compares what the parser finds with what the naive one does.
 * `npm run fuzz -- SECONDS [SEED]` runs it by itself; a failure names the seed that shows it again.
 */

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { cutAt, joined, parse } from "./findings.js";
import { parseNaively } from "./naive.js";
import { vectors } from "./vectors.js";

const corpus = vectors.map(({ chunks }) => joined(chunks));
const words = [
  "data:",
  "data: ",
  "event:",
  "id:",
  "id",
  "retry: 1",
  ":",
  "\n",
  "\r",
  "\n\n",
  "\ufeff",
];
const dictionary = [
  ...words.map((word) => new TextEncoder().encode(word)),
  Uint8Array.of(0xef, 0xbb),
  Uint8Array.of(0xf0, 0x9f, 0x98),
  Uint8Array.of(0x80),
  Uint8Array.of(0xff),
  Uint8Array.of(0),
];

/** Fuzzes for so many seconds, from this seed on. Answers how many streams it tried. */
export function fuzz(seconds: number, firstSeed: number): number {
  const end = performance.now() + seconds * 1000;
  let seed = firstSeed;
  for (; performance.now() < end; seed++) {
    const random = generator(seed);
    const stream = mutated(random);
    const offsets = Array.from({ length: random(6) }, () => random(stream.length + 1));
    const chunks = cutAt(
      stream,
      offsets.sort((a, b) => a - b),
    );
    assert.deepEqual(parse(chunks), parseNaively(stream), `npm run fuzz -- 0.001 ${seed}`);
  }
  return seed - firstSeed;
}

/** A random number below its argument (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function mutated(random: (below: number) => number): Uint8Array {
  const pick = <T>(from: T[]): T => from[random(from.length)] as T;
  let stream = pick(corpus);
  for (let left = 1 + random(8); left > 0; left--) {
    const at = random(stream.length + 1);
    const until = Math.min(stream.length, at + random(4));
    const middle = [
      () => pick(dictionary),
      () => Uint8Array.of(random(256)),
      () => new Uint8Array(),
      () => pick(corpus),
      () => stream.subarray(random(at + 1), at),
    ];
    stream = joined([stream.subarray(0, at), pick(middle)(), stream.subarray(until)]);
    if (stream.length > 2_000) break;
  }
  return stream;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const seconds = Number(process.argv[2] ?? 10);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
  console.log(`fuzzing for ${seconds} s from seed ${seed}`);
  console.log(`${fuzz(seconds, seed)} streams, nothing found`);
}
