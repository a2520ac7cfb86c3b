/** What the parser costs in time and memory where a stream is made to cost much. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Parser } from "../src/parser.js";

const MIB = 1024 * 1024;
const bytes = (text: string) => new TextEncoder().encode(text);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** How much more memory is in use after this than before. */
function growth(work: () => void): number {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  work();
  collectGarbage();
  return process.memoryUsage().heapUsed - before;
}

test("a long line in small chunks takes time in proportion", { timeout: 20_000 }, () => {
  // Were it copied or searched again with each chunk, it would take hours.
  let length = 0;
  const parser = new Parser({ onEvent: ({ data }) => (length = data.length) });
  parser.push(bytes("data: "));
  const part = bytes("1234567");
  for (let sent = 0; sent < 4 * MIB; sent += part.length) parser.push(part);
  parser.push(bytes("\n\n"));
  assert.ok(length >= 4 * MIB);
});

test("a little data among much else keeps little of it in memory", () => {
  const parser = new Parser({ onEvent: () => assert.fail() });
  const noise = `: ${"x".repeat(65_000)}\n`;
  const grown = growth(() => {
    for (let chunk = 0; chunk < 500; chunk++) {
      parser.push(bytes(`data: ${chunk}, a value that is not tiny\n${noise}`));
    }
  });
  assert.ok(grown < 2 * MIB, `${grown} B for 500 short values`);
  parser.push(bytes(""));
});

test("empty data lines and tiny chunks keep a small multiple of what they bring", () => {
  const lines = bytes("data:\n".repeat(1_000));
  const letter = bytes("x");
  const parser = new Parser({ onEvent: () => assert.fail() });
  const grown = growth(() => {
    for (let times = 0; times < 1_000; times++) parser.push(lines);
    parser.push(bytes("data:"));
    for (let times = 0; times < MIB; times++) parser.push(letter);
  });
  assert.ok(grown < 8 * MIB, `${grown} B for 2 MiB`);
  parser.push(bytes(""));
});

test("a line that is read past keeps nothing", () => {
  const parser = new Parser({ onEvent: () => assert.fail() });
  const part = bytes("x".repeat(MIB));
  const grown = growth(() => {
    for (let times = 0; times < 12; times++) parser.push(part);
  });
  assert.ok(grown < 3 * MIB, `${grown} B`);
  parser.push(bytes(""));
});
