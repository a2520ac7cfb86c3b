/** A short run of the fuzzer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "./fuzz.js";

test("nothing is found in a second of fuzzing", () => {
  assert.ok(fuzz(1, Date.now() % 1_000_000_000) > 100);
});
