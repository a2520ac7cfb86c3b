/** What a tab keeps of a shared stream, and who is given what of it. */

import assert from "node:assert/strict";
import test from "node:test";

import { further, History, type Place } from "../src/share-history.js";

const START: Place = { line: "a", seq: 0, term: 1, lastEventId: "" };

/** The numbers of the events after a place. */
function numbers(history: History, place: Partial<Place>): number[] | undefined {
  const found = history.since({ line: "", seq: 0, term: 0, lastEventId: "", ...place });
  return found?.entries.map(({ seq }) => seq);
}

/** A history of events with these ids, the first two numbered in term 1, the others in term 2. */
function history(...ids: string[]): History {
  const history = new History(START);
  ids.forEach((lastEventId, index) => {
    const event = { type: "message", data: "x", lastEventId, origin: "http://a" };
    history.add({ seq: index + 1, term: index < 2 ? 1 : 2, event });
  });
  return history;
}

test("a place is found by its number, if the same leader gave it", () => {
  const kept = history("i1", "i2", "i3", "i4");
  assert.deepEqual(numbers(kept, START), [1, 2, 3, 4]);
  assert.deepEqual(numbers(kept, { line: "a", seq: 2, term: 1 }), [3, 4]);
  assert.deepEqual(numbers(kept, { line: "a", seq: 4, term: 2 }), []);
  // Another leader's third event is not this third event.
  assert.equal(numbers(kept, { line: "a", seq: 3, term: 1 }), undefined);
  assert.equal(numbers(kept, { line: "b", seq: 2, term: 1 }), undefined);
  assert.equal(numbers(kept, { line: "a", seq: 5, term: 2 }), undefined);
});

test("a place is found by its id, if there is one such place", () => {
  const kept = history("i1", "same", "same", "i4");
  assert.deepEqual(numbers(kept, { lastEventId: "i1" }), [2, 3, 4]);
  assert.deepEqual(numbers(kept, { lastEventId: "i4" }), []);
  assert.equal(numbers(kept, { lastEventId: "same" }), undefined);
  assert.equal(numbers(kept, { lastEventId: "other" }), undefined);
  assert.equal(numbers(kept, {}), undefined);
  // Not where the same leader's number says otherwise: that place is exact.
  assert.deepEqual(numbers(kept, { line: "a", seq: 3, term: 2, lastEventId: "i1" }), [4]);
});

test("the place before the first event counts, too, where an event has the id of that", () => {
  const kept = new History({ ...START, lastEventId: "i0" });
  assert.deepEqual(numbers(kept, { lastEventId: "i0" }), []);
  const inherited = { type: "message", data: "x", lastEventId: "i0", origin: "http://a" };
  kept.add({ seq: 1, term: 1, event: inherited });
  assert.equal(numbers(kept, { lastEventId: "i0" }), undefined);
  kept.add({ seq: 2, term: 1, event: { ...inherited, lastEventId: "i2" } });
  assert.deepEqual(numbers(kept, { lastEventId: "i2" }), []);
  // Back to an id from before: who has it may have seen nothing since, or all.
  kept.moved("i2");
  assert.deepEqual(numbers(kept, { lastEventId: "i2" }), []);
  kept.add({ seq: 3, term: 1, event: { ...inherited, lastEventId: "i3" } });
  kept.moved("i2");
  assert.equal(numbers(kept, { lastEventId: "i2" }), undefined);
});

test("an id that has moved without an event is the end of what is kept", () => {
  const kept = history("i1", "i2");
  kept.moved("i9");
  assert.deepEqual(numbers(kept, { lastEventId: "i9" }), []);
  assert.deepEqual(kept.place, { line: "a", seq: 2, term: 1, lastEventId: "i9" });
});

test("what is kept is bounded, and nobody is given a part of what is not", () => {
  const many = history(...Array.from({ length: 5_000 }, (_, index) => `i${index + 1}`));
  assert.equal(many.place.seq, 5_000);
  assert.deepEqual(numbers(many, { line: "a", seq: 4_998, term: 2 }), [4_999, 5_000]);
  assert.equal(numbers(many, { line: "a", seq: 3_000, term: 2, lastEventId: "i3000" }), undefined);
  let oldest = 5_000;
  while (numbers(many, { line: "a", seq: oldest - 1, term: 2 }) !== undefined) oldest -= 1;
  assert.ok(oldest > 4_000 && oldest <= 4_501, `${oldest}`);

  const event = { type: "message", data: "x".repeat(3_000_000), lastEventId: "i", origin: "" };
  const large = new History(START);
  for (let seq = 1; seq <= 3; seq += 1) large.add({ seq, term: 1, event });
  assert.deepEqual(numbers(large, { line: "a", seq: 3, term: 1 }), []);
  assert.equal(numbers(large, { line: "a", seq: 1, term: 1 }), undefined);
});

test("a later leader's numbers are further than an earlier one's", () => {
  assert.ok(further({ ...START, seq: 5 }, { ...START, seq: 4 }));
  assert.ok(further({ ...START, term: 2, seq: 4 }, { ...START, seq: 5 }));
  assert.ok(!further(START, START));
});
