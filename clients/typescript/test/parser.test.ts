/** The parser: the shared streams at every cut, and what they do not show. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Parser } from "../src/parser.js";
import { cutAt, type Finding, joined, parse, singly } from "./findings.js";
import { vectors } from "./vectors.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const findings = (...chunks: string[]) => parse(chunks.map(bytes)).findings;
const events = (chunks: Uint8Array[]) =>
  parse(chunks).findings.filter((finding) => typeof finding === "object" && "event" in finding);

test("there are 37 shared streams", () => assert.equal(vectors.length, 37));

for (const { name, chunks, events: expected } of vectors) {
  test(`shared stream ${name}, cut everywhere`, () => {
    const stream = joined(chunks);
    assert.deepEqual(events(chunks), expected, "as given");
    assert.deepEqual(events([stream]), expected, "as a whole");
    assert.deepEqual(events(singly(stream)), expected, "byte by byte");
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        assert.deepEqual(events(cutAt(stream, [first, second])), expected, `${first}, ${second}`);
      }
    }
  });
}

test("an event is handed out at the first byte of its blank line's end", () => {
  const seen: string[] = [];
  const parser = new Parser({ onEvent: ({ data }) => seen.push(data) });
  parser.push(bytes("data: a\r\n\r"));
  assert.deepEqual(seen, ["a"]);
  parser.push(bytes("\ndata: b\r\r"));
  assert.deepEqual(seen, ["a", "b"]);
  parser.push(bytes("\ndata: c\n\n"));
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("a blank line is not passed with the line before it when the blank line ends with CR LF", () => {
  const event: Finding = { event: "message", data: "a", id: "" };
  assert.deepEqual(findings("data: a\n\r\ndata: a\r\n\ndata: a\n\n"), [event, event, event]);
});

test("an id is told before its event, and also without one", () => {
  assert.deepEqual(findings("id: 1\ndata: a\n\nid: 2\n\nid\ndata: b\n\nid: lost\n"), [
    { id: "1" },
    { event: "message", data: "a", id: "1" },
    { id: "2" },
    { id: "" },
    { event: "message", data: "b", id: "" },
  ]);
});

test("the last event id is the one given until the stream brings another", () => {
  const stream = [bytes("data: a\n\nid: 8\ndata: b\n\nid: 9\n")];
  const { findings, lastEventId } = parse(stream, { lastEventId: "7" });
  assert.deepEqual(findings, [
    { event: "message", data: "a", id: "7" },
    { id: "8" },
    { event: "message", data: "b", id: "8" },
  ]);
  assert.equal(lastEventId, "8");
});

test("retry takes digits only, of any number", () => {
  const stream = `retry: 03000\nretry:-1\nretry: 1000x\nretry\nretry: \nretry: ${"9".repeat(31)}\n`;
  assert.deepEqual(findings(stream), [{ retry: 3000 }, { retry: Number.MAX_SAFE_INTEGER }]);
});

test("comments are told at the end of their line, without one space", () => {
  assert.deepEqual(findings(":\n: a\n:  b\n", ":c", "d\n:e"), [
    { comment: "" },
    { comment: "a" },
    { comment: " b" },
    { comment: "cd" },
  ]);
});

test("a comment that nobody wants is read past", () => {
  const seen: string[] = [];
  const parser = new Parser({ onEvent: ({ data }) => seen.push(data) });
  for (const chunk of [": long com", "ment\ndata: a\n:", "\n\n"]) parser.push(bytes(chunk));
  assert.deepEqual(seen, ["a"]);
});

for (const [what, line] of Object.entries({
  data: "data:",
  "unknown fields": "unknown:",
  comments: ":",
  ids: "id:",
})) {
  test(`${what} are refused past the limit, however they come`, () => {
    const rest = "x".repeat(100 - line.length);
    for (const cut of [[], [3], [50], [99, 100]]) {
      const fits = cutAt(bytes(`${line}${rest}\n`), cut);
      assert.ok(!parse(fits, { maxEventBytes: 100 }).findings.includes("too large"));
      const exceeds = cutAt(bytes(`${line}${rest}x`), cut);
      assert.deepEqual(parse(exceeds, { maxEventBytes: 100 }).findings, ["too large"]);
    }
  });
}

test("an event of many lines is refused past the limit", () => {
  const lines = (count: number) => [bytes(`${"data: 123456789\n".repeat(count)}\n`)];
  const [event] = parse(lines(10), { maxEventBytes: 99 }).findings;
  assert.equal(typeof event === "object" && "data" in event && event.data.length, 99);
  assert.deepEqual(parse(lines(10), { maxEventBytes: 98 }).findings, ["too large"]);
});

test("a parser that has refused a stream stays so", () => {
  for (const refused of ["data: 123456789", "data: 1\ndata: 123\ndata: 123456\ndata\n"]) {
    const parser = new Parser({ onEvent: () => assert.fail() }, { maxEventBytes: 12 });
    assert.throws(() => parser.push(bytes(refused)), RangeError);
    assert.throws(() => parser.push(bytes("\n\ndata: a\n\n")), /maxEventBytes \(12\)/);
  }
});

test("a chunk's memory can be used again once it was taken", () => {
  const stream = bytes("data: 你\n\n");
  const chunk = Buffer.alloc(1);
  const seen: string[] = [];
  const parser = new Parser({ onEvent: ({ data }) => seen.push(data) });
  for (const byte of stream) {
    chunk[0] = byte;
    parser.push(chunk);
  }
  assert.deepEqual(seen, ["你"]);
});
