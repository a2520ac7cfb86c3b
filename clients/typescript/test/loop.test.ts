/** The second face: a loop over the stream, at its own pace. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hubEvent, Stream } from "../src/index.js";
import { serve, stream } from "./support/serve.js";
import { AT_ONCE, next, open } from "./support/watch.js";

test("a loop takes every event of every type, over reconnects, until 204", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count === 3) return response.writeHead(204).end();
    return stream(response, `id: ${count}\ndata: ${count}\n\nevent: x\ndata: y\n\n`).end();
  });
  const seen: string[] = [];
  for await (const event of open(t, server.url)) {
    seen.push(`${event.type} ${event.data} ${event.lastEventId}`);
    assert.equal(event.origin, server.url);
  }
  assert.deepEqual(
    seen,
    [0, 1, 2].flatMap((n) => [`message ${n} ${n}`, `x y ${n}`]),
  );
});

test("leaving a loop closes the stream, and lastEventId is that of the event taken last", async (t) => {
  const server = await serve(t, (response) =>
    stream(response, "id: 1\ndata: 1\n\nid: 2\n\nid: 3\ndata: 3\n\nid: 4\ndata: 4\n\n"),
  );
  const source = open(t, server.url);
  for await (const event of source) {
    // What has no data counts as taken with what is before it.
    const expected = event.data === "1" ? "2" : "3";
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(source.lastEventId, expected);
    if (event.data === "3") break;
  }
  assert.equal(source.readyState, source.CLOSED);
  assert.equal(source.lastEventId, "3");
  for await (const _ of source) assert.fail("an event after the end");
});

test("while the loop is busy nothing more is read, and silence does not count", async (t) => {
  const line = `data: ${"x".repeat(10_000)}\n\n`;
  let written = 0;
  const server = await serve(t, (response) => {
    stream(response);
    const write = () => {
      while (response.write(line)) written += line.length;
      written += line.length;
      response.once("drain", write);
    };
    write();
  });
  const source = open(t, server.url, { idleTimeout: 100 });
  source.onerror = (event) => assert.fail(event.error);
  let taken = 0;
  for await (const _ of source) {
    taken += 1;
    if (taken === 1) {
      // Until the buffers on the way are full; then for longer than idleTimeout.
      for (let before = -1; before !== written; ) {
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      assert.ok(written < 20_000_000, `${written} bytes were read ahead`);
    }
    if (taken * line.length > written + 1_000_000) break;
    if (taken === 5_000) break;
  }
  assert.equal(server.asked.length, 1);
});

test("an error that is final is thrown, once", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count) response.writeHead(404).end();
    else stream(response, "data: 1\n\n").end();
  });
  const source = open(t, server.url);
  let seen = 0;
  const loop = async () => {
    for await (const _ of source) seen += 1;
  };
  await assert.rejects(loop(), { name: "StreamError", kind: "status", status: 404 });
  assert.equal(seen, 1);
  await loop();
});

test("an error that came before the loop is thrown by it", async (t) => {
  const server = await serve(t, (response) => response.writeHead(404).end());
  let failed = () => {};
  const isOver = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const source = open(t, server.url, { onError: failed });
  await isOver;
  await assert.rejects(
    async () => {
      for await (const _ of source) assert.fail("an event");
    },
    { status: 404 },
  );
});

test("an aborted signal throws its reason in the loop, and close ends it", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\n"));
  const reason = new Error("enough");
  const control = new AbortController();
  const loop = async (source: Stream, then: () => void) => {
    for await (const _ of source) setTimeout(then, 10);
  };
  const aborted = loop(open(t, server.url, { signal: control.signal }), () =>
    control.abort(reason),
  );
  await assert.rejects(aborted, reason);
  const closed = open(t, server.url);
  await loop(closed, () => closed.close());
});

test("the iterator can be returned while it waits", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const loop = open(t, server.url)[Symbol.asyncIterator]();
  const waiting = [loop.next(), loop.next()];
  assert.deepEqual(await loop.return?.(), { value: undefined, done: true });
  for (const one of waiting) assert.deepEqual(await one, { value: undefined, done: true });
});

test("several calls of next at once get events in order", async (t) => {
  const server = await serve(t, (response) =>
    stream(response, "data: 1\n\ndata: 2\n\ndata: 3\n\n"),
  );
  const loop = open(t, server.url)[Symbol.asyncIterator]();
  const seen = await Promise.all([loop.next(), loop.next(), loop.next()]);
  assert.deepEqual(
    seen.map(({ value }) => value?.data),
    ["1", "2", "3"],
  );
});

test("there is one loop at a time", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const source = open(t, server.url);
  source[Symbol.asyncIterator]();
  assert.throws(() => source[Symbol.asyncIterator](), TypeError);
});

test("listeners hear what the loop takes", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n"));
  const source = open(t, server.url);
  const heard: string[] = [];
  source.onmessage = (event) => heard.push(event.data);
  for await (const event of source) if (event.data === "2") break;
  assert.deepEqual(heard, ["1", "2"]);
});

test("a listener that closes the stream ends a busy loop, too", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n"));
  const source = open(t, server.url);
  source.onmessage = (event) => event.data === "2" && source.close();
  const taken: string[] = [];
  for await (const event of source) {
    taken.push(event.data);
    while (source.readyState !== source.CLOSED) await next(source, "message");
  }
  assert.deepEqual(taken, ["1"]);
});

test("the data is read as JSON when asked for, and kept as it came", async (t) => {
  const server = await serve(t, (response) => stream(response, 'data: {"n": 1}\n\ndata: no\n\n'));
  interface Events {
    message: { n: number };
    other: string[];
  }
  const source = new Stream<Events>(server.url, { backoff: AT_ONCE });
  t.after(() => source.close());
  source.addEventListener("message", (event) => event.data === "no" || event.json().n.toFixed());
  source.addEventListener("other", (event) => event.json().length);
  for await (const event of source) {
    if (event.data === "no") {
      assert.throws(() => event.json(), SyntaxError);
      break;
    }
    if (event.type === "other") event.json().map((text) => text.length);
    else if (event.type === "message") assert.equal(event.json().n, 1);
    assert.equal(event.data, '{"n": 1}');
  }
});

test("the hub's own events are typed values, and bad payloads ordinary events", async (t) => {
  const gap = '{"last_event_id":"#a-1","resumed_after":"#a-4","missed":3}';
  const body = [
    ["gap", gap],
    ["gap", '{"resumed_after":"#a-4"}'],
    ["refused", '{"status":429,"reason":"user_limit","retry_ms":2718}'],
    ["expired", '{"reason":"kicked","more":1}'],
    ["drain", '{"retry_ms":2718}'],
    ["gap", '{"resumed_after":5}'],
    ["gap", '{"resumed_after":"#a-4","missed":-1}'],
    ["refused", "{}"],
    ["drain", "null"],
    ["drain", "{"],
    ["constructor", "{}"],
    ["message", gap],
  ];
  const server = await serve(t, (response) =>
    stream(response, body.map(([type, data]) => `event: ${type}\ndata: ${data}\n\n`).join("")),
  );
  const source = open(t, server.url);
  const heard: unknown[] = [];
  source.addEventListener("drain", (event) => heard.push(hubEvent(event)));
  const seen: unknown[] = [];
  for await (const event of source) {
    const hub = hubEvent(event);
    seen.push(hub);
    if (hub?.kind === "gap") assert.equal(hub.resumedAfter, "#a-4");
    if (seen.length === body.length) break;
  }
  assert.deepEqual(seen.slice(0, 5), [
    { kind: "gap", lastEventId: "#a-1", resumedAfter: "#a-4", missed: 3 },
    { kind: "gap", resumedAfter: "#a-4" },
    { kind: "refused", status: 429, reason: "user_limit", retryMs: 2718 },
    { kind: "expired", reason: "kicked" },
    { kind: "drain", retryMs: 2718 },
  ]);
  assert.deepEqual(new Set(seen.slice(5)), new Set([undefined]));
  assert.deepEqual(heard, [{ kind: "drain", retryMs: 2718 }, undefined, undefined]);
});
