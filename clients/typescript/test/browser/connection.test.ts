/** One stream in one page, against a real hub and what stands between: tokens, refusals, silence. */

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { TOPIC, worlds } from "./world.js";

const start = worlds();

test("a stream with a bearer token gets private updates", async (t) => {
  const world = await start(t);
  const tab = await world.listening();
  await tab.until('seen.states.includes("open")');
  await world.publish(3);
  await world.complete(tab);
  assert.match(world.site.asked[0]?.headers.authorization ?? "", /^Bearer /);
  assert.deepEqual(tab.console, []);
});

test("a stream with a bearer token works at another origin", async (t) => {
  const world = await start(t);
  const tab = await world.tab();
  await tab.read(`listen("${world.hub.url}/events?topic=${TOPIC}", { headers: bearer })`);
  await tab.until('seen.states.includes("open")');
  await world.publish(3);
  await world.complete(tab);
  assert.deepEqual(tab.console, []);
});

test("a stream outlives five seconds of 503, and misses nothing", async (t) => {
  const world = await start(t, "stream.retry=100ms");
  const tab = await world.listening("{ headers: bearer, backoff: { base: 200, cap: 1000 } }");
  await tab.until('seen.states.includes("open")');
  await world.publish(1);
  await tab.until("seen.data.length === 1");

  world.site.refuseWith = 503;
  world.site.cut();
  await tab.until('seen.states.at(-1) === "error"');
  await world.publish(5);
  await sleep(5_000);
  const attempts = world.site.asked.length;
  assert.ok(attempts > 3 && attempts < 40, `${attempts} attempts`);
  assert.equal(await tab.read("stream.readyState"), 0);

  world.site.refuseWith = undefined;
  await world.complete(tab);
  assert.equal(await tab.read("stream.readyState"), 1);
});

test("a server that falls silent without closing is left, and nothing is missed", async (t) => {
  const world = await start(t, "stream.keep_alive=1s", "stream.retry=100ms");
  const tab = await world.listening("{ headers: bearer, idleTimeout: 2500 }");
  await tab.until('seen.states.includes("open")');
  await world.publish(1);
  await tab.until("seen.data.length === 1");
  // The hub's signs of life keep it.
  await sleep(3_000);
  assert.deepEqual(await tab.read("seen.states"), ["open"]);

  world.site.stall();
  await world.publish(5);
  await world.complete(tab);
  assert.deepEqual(await tab.read("seen.states"), ["open", "error", "open"]);
  assert.deepEqual(await tab.read("seen.errors"), ["idle"]);
});

test("a token that expires in the middle of a stream is replaced, and nothing is missed", async (t) => {
  const world = await start(t, "stream.retry=100ms");
  world.site.tokenSeconds = 1.5;
  const tab = await world.listening("{ headers: bearer, backoff: { base: 200, cap: 400 } }");
  await tab.until('seen.states.includes("open")');
  await world.publish(2);
  for (let ended = 1; ended <= 3; ended += 1) {
    await tab.until(`seen.states.filter((state) => state === "expired").length >= ${ended}`);
    await world.publish(2);
  }
  await world.complete(tab);
  assert.ok(world.site.tokens > 3);
  assert.ok(world.site.asked.every(({ status }) => status === 200));
  assert.ok(!(await tab.read<string[]>("seen.states")).includes("gap"));
});
