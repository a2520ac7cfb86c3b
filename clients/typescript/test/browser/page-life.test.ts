/** What the life of a page does to its stream. */

import assert from "node:assert/strict";
import test from "node:test";

import { worlds } from "./world.js";

const start = worlds();
const STREAMS = "tidings_streams";

test("a page that is hidden pauses its stream if it is asked to, and misses nothing", async (t) => {
  const world = await start(t);
  const tab = await world.listening('{ headers: bearer, visibility: "pause" }');
  await tab.until('seen.states.includes("open")');
  await world.publish(2);
  await tab.until("seen.data.length === 2");

  const other = await world.tab();
  await other.show();
  await world.hub.until(STREAMS, 0);
  await world.publish(3);
  await tab.show();
  await world.complete(tab);
  assert.deepEqual(await tab.read("seen.states"), ["open", "open"]);
});

test("a page that is hidden keeps its stream if it is not asked to pause", async (t) => {
  const world = await start(t);
  const tab = await world.listening();
  await tab.until('seen.states.includes("open")');
  const other = await world.tab();
  await other.show();
  await tab.until("document.hidden");
  await world.publish(3);
  await world.complete(tab);
  assert.deepEqual(await tab.read("seen.states"), ["open"]);
});

for (const options of ["{ headers: bearer }", '{ headers: bearer, share: "alice" }']) {
  test(`a page returns from the back/forward cache and misses nothing: ${options}`, async (t) => {
    const world = await start(t);
    const tab = await world.listening(options);
    await tab.until('seen.states.includes("open")');
    await world.publish(2);
    await tab.until("seen.data.length === 2");

    await tab.goto(`${world.site.url}/another`);
    await world.hub.until(STREAMS, 0);
    await world.publish(3);
    await tab.back();
    // It is the page that was left, not a new one.
    await world.complete(tab);
    assert.deepEqual(await tab.read("seen.states"), ["open", "open"]);
  });
}

test("a frozen page lets go of its stream, and misses nothing", async (t) => {
  const world = await start(t);
  const tab = await world.listening();
  await tab.until('seen.states.includes("open")');
  await world.publish(2);
  await tab.until("seen.data.length === 2");
  await tab.lifecycle("frozen");
  await world.hub.until(STREAMS, 0);
  await world.publish(3);
  await tab.lifecycle("active");
  await world.complete(tab);
});

test("a page that is online again reconnects at once", async (t) => {
  const world = await start(t, "stream.retry=100ms");
  const tab = await world.listening("{ headers: bearer, backoff: { base: 60000, cap: 60000 } }");
  await tab.until('seen.states.includes("open")');
  await world.publish(1);
  await tab.until("seen.data.length === 1");
  await tab.offline(true);
  world.site.cut();
  await tab.until('seen.states.includes("error")');
  await world.publish(3);
  await tab.offline(false);
  await world.complete(tab);
});

test("after a sleep of the machine a stream reconnects at once", async (t) => {
  const world = await start(t);
  const tab = await world.listening("{ headers: bearer, idleTimeout: 0 }");
  await tab.until('seen.states.includes("open")');
  await world.publish(1);
  await tab.until("seen.data.length === 1");
  world.site.stall();
  await world.publish(3);
  // What is seen of a sleep is that the clock has jumped.
  await tab.read("void (() => { const now = Date.now; Date.now = () => now() + 3_600_000; })()");
  await world.complete(tab);
  assert.deepEqual(await tab.read("seen.errors"), ["idle"]);
});
