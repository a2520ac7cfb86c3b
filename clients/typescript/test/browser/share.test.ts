/** One connection for several tabs: who has it, what each tab gets, and what happens when tabs go. */

import assert from "node:assert/strict";
import test from "node:test";

import { readerToken } from "./hub.js";
import type { Tab } from "./tab.js";
import { leaderOf, worlds } from "./world.js";

const start = worlds();
const STREAMS = "tidings_streams";
const SHARED = '{ headers: bearer, share: "alice" }';

/** Waits until another of the tabs leads. */
async function nextLeader(tabs: Tab[]): Promise<Tab> {
  return Promise.any(tabs.map((tab) => tab.until("seen.leads").then(() => tab)));
}

test("five tabs share one connection, and each has everything from when it came", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(5, SHARED);
  await world.publish(20);
  for (const tab of tabs) await world.complete(tab);
  assert.equal(await world.hub.metric(STREAMS), 1);
  assert.equal(world.site.asked.length, 1);
  const first = await leaderOf(tabs);
  assert.equal(first, tabs[0]);

  // A sixth begins with what comes next.
  const [late] = (await world.listeningTabs(1, SHARED)) as [Tab];
  await world.publish(5);
  await world.complete(late, 21);
  assert.equal(await world.hub.metric(STREAMS), 1);
  for (const tab of tabs) assert.deepEqual(tab.console, []);
});

for (const end of ["close", "crash"] as const) {
  test(`five tabs outlive the leader's end again and again with nothing lost or doubled: ${end}`, async (t) => {
    const world = await start(t);
    let tabs = await world.listeningTabs(5, SHARED);
    await world.publish(3);
    while (tabs.length > 1) {
      const leader = await leaderOf(tabs);
      // Updates are published before, while and after it goes.
      const before = world.publish(30);
      const gone = leader[end]();
      const during = before.then(() => world.publish(30));
      await Promise.all([before, gone, during]);
      tabs = tabs.filter((tab) => tab !== leader);
      await nextLeader(tabs);
      await world.publish(3);
      for (const tab of tabs) await world.complete(tab);
      await world.hub.until(STREAMS, 1);
    }
    const states = await (tabs[0] as Tab).read<string[]>("seen.states");
    assert.ok(!states.includes("gap"));
    assert.deepEqual(states.slice(0, 3), ["open", "error", "open"]);
  });
}

test("a leader that falls silent is followed by another, and doubles nothing when it wakes up", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(3, SHARED);
  await world.publish(3);
  for (const tab of tabs) await world.complete(tab);
  const stalled = await leaderOf(tabs);
  await stalled.hold();
  // It cannot read these, though its connection gets them.
  await world.publish(5);
  const others = tabs.filter((tab) => tab !== stalled);
  await nextLeader(others);
  await world.publish(5);
  for (const tab of others) await world.complete(tab);

  await stalled.letGo();
  await world.publish(5);
  for (const tab of tabs) await world.complete(tab);
  await world.hub.until(STREAMS, 1);
  await stalled.until("seen.leads === false");
});

test("a frozen tab hands over, and comes back to what it has missed", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(3, SHARED);
  await world.publish(3);
  for (const tab of tabs) await world.complete(tab);
  const frozen = await leaderOf(tabs);
  await frozen.lifecycle("frozen");
  const others = tabs.filter((tab) => tab !== frozen);
  await nextLeader(others);
  await world.publish(50);
  for (const tab of others) await world.complete(tab);
  await frozen.lifecycle("active");
  await world.publish(1);
  for (const tab of tabs) await world.complete(tab);
  await world.hub.until(STREAMS, 1);
});

test("a tab that was away for more than the others keep catches up by itself, and returns", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(2, SHARED);
  await world.publish(3);
  for (const tab of tabs) await world.complete(tab);
  const [stays, away] = tabs as [Tab, Tab];
  await away.lifecycle("frozen");
  for (let batch = 0; batch < 4; batch += 1) await world.publish(500);
  await world.complete(stays);
  await away.lifecycle("active");
  await world.complete(away);
  await world.hub.until(STREAMS, 1);
  await world.publish(3);
  for (const tab of tabs) await world.complete(tab);
  assert.equal(world.site.asked.length, 2);
});

test("a tab that says where it has been begins there", async (t) => {
  const world = await start(t);
  const [first] = (await world.listeningTabs(1, SHARED)) as [Tab];
  await world.publish(10);
  await world.complete(first);
  const ids = await first.read<string[]>("seen.ids");
  const from = (id = ""): string => `{ headers: bearer, share: "alice", lastEventId: "${id}" }`;
  const [fourth, last] = [
    ...(await world.listeningTabs(1, from(ids[3]))),
    ...(await world.listeningTabs(1, from(ids[9]))),
  ] as [Tab, Tab];
  await world.publish(1);
  await world.complete(fourth, 5);
  await world.complete(last, 11);
  assert.equal(await world.hub.metric(STREAMS), 1);
});

test("a slow loop holds up nobody else, and gets everything by its own connection", async (t) => {
  const world = await start(t);
  const [quick] = (await world.listeningTabs(1, SHARED)) as [Tab];
  const slow = await world.tab();
  await slow.read(`void loop("/hub?topic=feed", ${SHARED})`);
  await slow.until("stream.readyState === 1");
  for (let batch = 0; batch < 3; batch += 1) await world.publish(500);
  await world.complete(quick);
  await world.hub.until(STREAMS, 2);
  assert.equal(await slow.read("seen.data.length"), 1);
  await slow.read("void setInterval(go, 0)");
  await world.complete(slow);
  await world.hub.until(STREAMS, 1);
});

test("what is no event waits for a slow loop like events, and not without end", async (t) => {
  const world = await start(t);
  // Two events, of which the loop takes one, and then comments of half a million characters for as long as they are read.
  const flood = `{ share: "alice", fetch: async () => {
    asked = true;
    changed();
    const encoder = new TextEncoder();
    const events = ["id: 1\\ndata: 1\\n\\n", "id: 2\\ndata: 2\\n\\n"];
    const comment = encoder.encode(":" + "x".repeat(500_000) + "\\n");
    const pull = async (controller) => {
      if (!events.length) await poured;
      if (pulls > 60) return controller.close();
      controller.enqueue(events.length ? encoder.encode(events.shift()) : (pulls += 1, comment));
      // What is held up is not asked for more, and then this is the last time.
      clearTimeout(resting);
      resting = setTimeout(() => { rests = pulls > 0; changed(); }, 1_000);
    };
    const headers = { "Content-Type": "text/event-stream" };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), { headers });
  } }`;
  const globals = `void Object.assign(globalThis, {
    asked: false, pulls: 0, rests: false, resting: undefined, poured: new Promise((pour) => { globalThis.pour = pour; }) })`;
  const [leader, follower] = [await world.tab(), await world.tab()];
  for (const tab of [leader, follower]) {
    await tab.read(globals);
    await tab.read(`void loop("/hub?topic=feed", ${flood})`);
    await tab.until("stream.readyState === 1");
  }
  assert.deepEqual(await follower.read("asked"), false);
  await leader.read("pour()");
  await leader.until("rests");
  assert.ok((await leader.read<number>("pulls")) < 20);
  // The other one is to lead then.
  await follower.read("pour()");
  await follower.until("asked && rests");
  assert.ok((await follower.read<number>("pulls")) < 20);
});

test("tabs of different users, or of different streams, do not share", async (t) => {
  const world = await start(t);
  await world.listeningTabs(2, SHARED);
  await world.listeningTabs(1, '{ headers: bearer, share: "bob" }');
  await world.listeningTabs(
    1,
    `{ headers: { Authorization: "Bearer ${readerToken("alice", 60)}" }, share: true }`,
  );
  await world.listeningTabs(1, '{ headers: bearer, share: "alice", withCredentials: true }');
  assert.equal(await world.hub.metric(STREAMS), 4);
  for (const options of [
    "headers: bearer",
    "withCredentials: true",
    "fetch: (...all) => fetch(...all)",
  ]) {
    const tab = await world.listening(`{ share: true, ${options} }`);
    await tab.until('seen.states.at(-1) === "closed"');
    assert.deepEqual(await tab.read("seen.errors"), ["request"]);
  }
  assert.equal(await world.hub.metric(STREAMS), 4);
});

test("a stream that anybody may see sends no cookie", async (t) => {
  const world = await start(t);
  const tab = await world.tab();
  await tab.read('void (document.cookie = "user=alice")');
  await tab.read('listen("/hub?topic=feed", { share: true })');
  await tab.until('seen.states.includes("open")');
  await tab.read('listen("/hub?topic=feed", { share: "alice" })');
  await tab.until("seen.states.length === 2");
  const cookies = world.site.asked.map(({ headers }) => headers.cookie);
  assert.deepEqual(cookies, [undefined, "user=alice"]);
});

test("trouble and the end are told in every tab", async (t) => {
  const world = await start(t, "stream.retry=100ms");
  const tabs = await world.listeningTabs(
    3,
    '{ headers: bearer, share: "alice", backoff: { base: 200 } }',
  );
  world.site.refuseWith = 503;
  world.site.cut();
  for (const tab of tabs) {
    await tab.until('seen.errors.includes("status")');
    assert.equal(await tab.read("stream.readyState"), 0);
  }
  world.site.refuseWith = 404;
  for (const tab of tabs) await tab.until('seen.states.at(-1) === "closed"');
  const asked = world.site.asked.length;
  for (const tab of tabs) assert.equal(await tab.read("stream.readyState"), 2);

  // Whoever comes then tries by itself.
  world.site.refuseWith = undefined;
  const [late] = (await world.listeningTabs(1, SHARED)) as [Tab];
  await world.publish(1);
  await world.complete(late);
  assert.equal(world.site.asked.length, asked + 1);
});

test("without locks or channels each tab has its own connection", async (t) => {
  const world = await start(t);
  for (const missing of ["navigator.locks", "BroadcastChannel"]) {
    const tab = await world.tab();
    await tab.read(`void Object.defineProperty(${missing === "BroadcastChannel" ? "globalThis" : "navigator"},
      "${missing.split(".").at(-1)}", { value: undefined })`);
    await tab.read(`listen("/hub?topic=feed", ${SHARED})`);
    await tab.until('seen.states.includes("open")');
  }
  assert.equal(await world.hub.metric(STREAMS), 2);
});

test("a tab that closes its stream leaves the connection to the others", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(2, SHARED);
  await world.publish(1);
  for (const tab of tabs) await world.complete(tab);
  await (tabs[0] as Tab).read("close()");
  const other = tabs[1] as Tab;
  await other.until("seen.leads");
  await world.publish(1);
  await world.complete(other);
  await other.read("close()");
  await world.hub.until(STREAMS, 0);
});

// It was a rejection that nobody handled, and a leader that was asked for its right never asked again.
test("a tab leads also where the browser does not say who else waits", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(3, SHARED);
  const [leader, next, third] = tabs as [Tab, Tab, Tab];
  await next.read("navigator.locks.query = () => Promise.reject(new Error('being left'))");
  await leader.close();
  await next.until("seen.leads");
  await world.publish(2);
  for (const tab of [next, third]) await world.complete(tab);
  assert.deepEqual(next.console, []);
});

test("a tab that is behind when its turn comes is given what it lacks", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(3, SHARED);
  await world.publish(3);
  for (const tab of tabs) await world.complete(tab);
  const [leader, behind, third] = tabs as [Tab, Tab, Tab];
  await behind.hold();
  await world.publish(5);
  await world.complete(third);
  // The next in the queue is the one that stands still.
  await leader.close();
  await world.publish(5);
  await third.until("seen.leads");
  await world.complete(third);
  await behind.letGo();
  await world.publish(5);
  for (const tab of [behind, third]) await world.complete(tab);
  await world.hub.until(STREAMS, 1);
});

test("a tab that has lost messages is given them by the leader, or by the others when it leads", async (t) => {
  const world = await start(t);
  const tabs = await world.listeningTabs(3, SHARED);
  const [leader, lossy, third] = tabs as [Tab, Tab, Tab];
  for (const leaderStays of [true, false]) {
    await world.publish(1);
    for (const tab of [lossy, third]) await world.complete(tab);
    await lossy.read("deafen(true)");
    await world.publish(5);
    await world.complete(third);
    await lossy.read("deafen(false)");
    if (leaderStays) continue;
    await leader.close();
    await lossy.until("seen.leads");
  }
  await world.publish(1);
  for (const tab of [lossy, third]) await world.complete(tab);
  assert.equal(world.site.asked.length, 2);
  // It resumed from where the other one was.
  const ids = await third.read<string[]>("seen.ids");
  assert.equal(world.site.asked[1]?.headers["last-event-id"], ids.at(-2));
  await world.hub.until(STREAMS, 1);
});
