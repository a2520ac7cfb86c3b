/** What holds of the parser for every stream and every cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cutAt, parse, singly } from "./findings.js";
import { parseNaively } from "./naive.js";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Streams of what the format gives a meaning, in any order, and of bytes that are no text. */
const streams = fc
  .array(
    fc
      .oneof(
        fc.constantFrom("data", "event", "id", "retry", ":", ": ", " ", "\n", "\r", "\r\n", "\n\n"),
        fc.constantFrom(
          "data: a\n\n",
          "id: 1\n",
          "event: b\r\n",
          "retry: 12\n",
          ": c\n",
          "\0",
          "\ufeff",
        ),
        fc.string({ unit: "binary", maxLength: 8 }),
      )
      .map(bytes),
    { maxLength: 40 },
  )
  .chain((parts) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(parts) },
      fc.uint8Array({ maxLength: 5 }).map((garbage) => [garbage, ...parts, garbage, ...parts]),
    ),
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

const cuts = fc.array(fc.nat(400)).map((offsets) => offsets.sort((a, b) => a - b));

test("it finds what the standard's text says, wherever the stream is cut", () => {
  fc.assert(
    fc.property(streams, cuts, fc.constantFrom("", "seed"), (stream, offsets, lastEventId) => {
      const expected = parseNaively(stream, lastEventId);
      assert.deepEqual(parse([stream], { lastEventId }), expected);
      assert.deepEqual(parse(cutAt(stream, offsets), { lastEventId }), expected);
      assert.deepEqual(parse(singly(stream), { lastEventId }), expected);
    }),
    { numRuns: 2_000 },
  );
});

test("where it refuses a stream does not depend on the cuts", () => {
  fc.assert(
    fc.property(streams, cuts, fc.integer({ min: 1, max: 12 }), (stream, offsets, limit) => {
      const options = { maxEventBytes: limit };
      const expected = parse([stream], options);
      assert.deepEqual(parse(cutAt(stream, offsets), options), expected);
      assert.deepEqual(parse(singly(stream), options), expected);
    }),
    { numRuns: 2_000 },
  );
});
