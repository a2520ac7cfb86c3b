/** The stream against the real hub: what it does when tokens expire, proxies refuse, and connections die without a word. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type HubEvent, hubEvent, Stream, type StreamOptions } from "../src/index.js";
import { publish } from "../src/publish.js";
import { startHub, token, WITH_HUB } from "./support/hub.js";
import { startProxy } from "./support/proxy.js";
import { next } from "./support/watch.js";

const QUICK: StreamOptions = { backoff: { base: 50, cap: 100 } };
const KEY = "a key that is long enough for HS256, and for tests only";

/** Takes messages until it has one with the data `last`, and checks that each number up to it came once, in order. */
async function count(stream: Stream, last: number): Promise<void> {
  let expected = 0;
  for await (const event of stream) {
    if (event.type !== "message") continue;
    assert.equal(event.data, String(expected));
    expected += 1;
    if (event.data === String(last)) return;
  }
  assert.fail(`the loop ended at ${expected}`);
}

test("a token that expires is refreshed, and nothing is missed", WITH_HUB, async (t) => {
  const keys = [`auth.subscriber_key=${KEY}`, `auth.publisher_key=${KEY}`, "stream.retry=10ms"];
  const hub = await startHub(t, keys);
  const reasons: unknown[] = [];
  let opened = 0;
  const stream = new Stream(`${hub.url}?topic=a`, {
    ...QUICK,
    headers: async () => ({ Authorization: `Bearer ${token(KEY, 1)}` }),
    onOpen: () => {
      opened += 1;
    },
  });
  t.after(() => stream.close());
  stream.addEventListener("expired", (event) => reasons.push(hubEvent(event)));
  await next(stream, "open");
  const counted = count(stream, 149);
  for (let n = 0; n < 150; n++) {
    await publish(
      hub.url,
      { topic: "a", data: String(n), private: true },
      { token: token(KEY, 60) },
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await counted;
  assert.ok(opened >= 3, `${opened} connections`);
  assert.ok(reasons.length >= 2);
  assert.deepEqual(reasons[0], { kind: "expired", reason: "token_expired" });
});

test("a token that the hub refuses is asked for once more", WITH_HUB, async (t) => {
  const hub = await startHub(t, [`auth.subscriber_key=${KEY}`]);
  const tokens = [token(KEY, -5), token(KEY, 60), token(KEY, -5)];
  const refusals: unknown[] = [];
  const headers: StreamOptions["headers"] = ({ refused }) => {
    refusals.push(refused);
    return { Authorization: `Bearer ${tokens[refused ? 1 : 0]}` };
  };
  const stream = new Stream(`${hub.url}?topic=a`, { ...QUICK, headers });
  t.after(() => stream.close());
  await next(stream, "open");
  assert.deepEqual(refusals, [undefined, 401]);
  const stale = new Stream(`${hub.url}?topic=a`, {
    ...QUICK,
    headers: () => ({ Authorization: `Bearer ${tokens[2]}` }),
  });
  await assert.rejects(count(stale, 0), { kind: "status", status: 401 });
});

test("503 for a while: it comes back, and nothing is missed", WITH_HUB, async (t) => {
  const hub = await startHub(t, ["stream.retry=10ms"]);
  const proxy = await startProxy(t, hub.url);
  const stream = new Stream(`${proxy.url}?topic=a`, QUICK);
  t.after(() => stream.close());
  await next(stream, "open");
  const counted = count(stream, 29);
  const statuses = new Set<unknown>();
  stream.onerror = ({ error, willRetry }) => {
    assert.ok(willRetry);
    // A body without a length that is cut off cannot be told from one that has ended.
    statuses.add(error?.status ?? error?.kind);
  };
  for (let n = 0; n < 30; n++) {
    if (n === 10) proxy.refuse(true);
    if (n === 20) proxy.refuse(false);
    await publish(hub.url, { topic: "a", data: String(n) });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await counted;
  assert.deepEqual(statuses, new Set(["ended", 503]));
});

test("a hub that stops answering without closing is left, and found again", WITH_HUB, async (t) => {
  const hub = await startHub(t, ["stream.retry=10ms", "stream.keep_alive=1s"]);
  const kinds: unknown[] = [];
  const stream = new Stream(`${hub.url}?topic=a`, {
    ...QUICK,
    idleTimeout: 1_500,
    connectTimeout: 300,
    onError: ({ error }) => kinds.push(error.kind),
  });
  t.after(() => stream.close());
  await next(stream, "open");
  const counted = count(stream, 1);
  await publish(hub.url, { topic: "a", data: "0" });
  hub.signal("SIGSTOP");
  while (!kinds.includes("timeout")) await next(stream, "error");
  hub.signal("SIGCONT");
  await publish(hub.url, { topic: "a", data: "1" });
  await counted;
  assert.equal(kinds[0], "idle");
});

test(
  "a connection that dies without a word is left, and nothing is missed",
  WITH_HUB,
  async (t) => {
    const hub = await startHub(t, ["stream.retry=10ms", "stream.keep_alive=1s"]);
    const proxy = await startProxy(t, hub.url);
    const stream = new Stream(`${proxy.url}?topic=a`, { ...QUICK, idleTimeout: 1_500 });
    t.after(() => stream.close());
    await next(stream, "open");
    const counted = count(stream, 2);
    const first = next(stream, "message");
    await publish(hub.url, { topic: "a", data: "0" });
    await first;
    proxy.stall();
    await publish(hub.url, { topic: "a", data: "1" });
    const failure = await next(stream, "error");
    assert.equal(failure.error?.kind, "idle");
    await publish(hub.url, { topic: "a", data: "2" });
    await counted;
  },
);

test("keep-alives of the hub are enough to be taken for alive", WITH_HUB, async (t) => {
  const hub = await startHub(t, ["stream.keep_alive=1s"]);
  const stream = new Stream(`${hub.url}?topic=a`, { ...QUICK, idleTimeout: 1_500 });
  t.after(() => stream.close());
  await next(stream, "open");
  stream.onerror = ({ error }) => assert.fail(error);
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  stream.close();
});

test("the hub's own events come as values", WITH_HUB, async (t) => {
  const hub = await startHub(t, ["limits.per_topic=1", "stream.retry=10ms", "drain.time=1s"]);
  const said: (HubEvent | undefined)[] = [];
  const first = new Stream(`${hub.url}?topic=a`, { ...QUICK, lastEventId: "#nowhere-7" });
  t.after(() => first.close());
  await next(first, "open");
  const second = new Stream(`${hub.url}?topic=a`, QUICK);
  t.after(() => second.close());
  for (const [stream, type] of [
    [first, "gap"],
    [second, "refused"],
  ] as const) {
    said.push(hubEvent(await next(stream, type)));
  }
  second.close();
  hub.signal("SIGTERM");
  said.push(hubEvent(await next(first, "drain")));
  assert.deepEqual(
    said.map((event) => event?.kind),
    ["gap", "refused", "drain"],
  );
  const [gap, refused] = said;
  assert.ok(gap?.kind === "gap" && gap.lastEventId === "#nowhere-7");
  assert.ok(refused?.kind === "refused" && refused.reason === "topic_limit");
  assert.equal(refused.status, 429);
});
