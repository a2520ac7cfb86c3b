/** The parser, with the streams that all implementations share. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Parser } from "../src/index.js";

test("a parser begins without an id", () => {
  assert.equal(new Parser({ onEvent() {} }).lastEventId, "");
});
