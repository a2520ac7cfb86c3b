/** The commands that the engine obeys, for the page's life and other tabs: the rules of source.ts. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Engine } from "../src/engine.js";
import type { StreamOptions } from "../src/index.js";
import type { Sink } from "../src/source.js";
import { serve, stream } from "./support/serve.js";

/** An engine whose sink notes what it is told, and lets a test wait for it. */
function drive(t: TestContext, url: string, options: StreamOptions = {}, sink: Partial<Sink> = {}) {
  const told: string[] = [];
  let wake = () => {};
  const note = (what: string) => {
    told.push(what);
    wake();
  };
  const engine = new Engine(
    url,
    { backoff: { base: 60_000, cap: 60_000 }, ...options },
    {
      opened: () => note("opened"),
      event: ({ data }) => note(data),
      moved: (id) => note(`moved ${id}`),
      comment: () => {},
      retry: () => {},
      failed: ({ error, wait }) => note(`failed ${error.kind} ${wait === 0 ? "at once" : "later"}`),
      paused: () => note("paused"),
      stopped: () => note("stopped"),
      ...sink,
    },
  );
  t.after(() => engine.close());
  const until = async (count: number) => {
    while (told.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return told;
  };
  return { engine, told, until };
}

test("a pause gives the connection up, and resuming goes on by id", async (t) => {
  const server = await serve(t, (response, _, count) =>
    stream(response, `id: ${count}\ndata: ${count}\n\n`),
  );
  const { engine, told, until } = drive(t, server.url);
  await until(2);
  engine.pause();
  engine.pause();
  await new Promise((resolve) => setTimeout(resolve, 30));
  engine.reconnectNow();
  assert.deepEqual(told, ["opened", "0", "paused"]);
  engine.resume();
  engine.resume();
  assert.deepEqual(await until(5), ["opened", "0", "paused", "opened", "1"]);
  assert.deepEqual(
    server.asked.map(({ headers }) => headers["last-event-id"]),
    [undefined, "0"],
  );
});

test("a pause ends an attempt under way, and a wait", async (t) => {
  let arrived = () => {};
  const isThere = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const server = await serve(t, (response, _, count) => {
    if (count === 0) arrived();
    if (count === 1) response.writeHead(503).end();
    if (count === 2) stream(response);
  });
  const { engine, until } = drive(t, server.url);
  await isThere;
  engine.pause();
  engine.resume();
  await until(2);
  engine.pause();
  engine.resume();
  assert.deepEqual(await until(4), ["paused", "failed status later", "paused", "opened"]);
});

test("reconnectNow ends a wait", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count) stream(response);
    else response.writeHead(503).end();
  });
  const { engine, until } = drive(t, server.url);
  await until(1);
  await new Promise(setImmediate);
  engine.reconnectNow(60_000);
  assert.deepEqual(await until(2), ["failed status later", "opened"]);
});

test("reconnectNow gives up an open connection that was quiet, and leaves one that was not", async (t) => {
  const server = await serve(t, (response, _, count) => stream(response, `id: ${count}\n\n`));
  const { engine, told, until } = drive(t, server.url);
  await until(2);
  engine.reconnectNow(60_000);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(told.length, 2);
  engine.reconnectNow(20);
  engine.reconnectNow(20);
  const expected = ["opened", "moved 0", "failed idle at once", "opened", "moved 1"];
  assert.deepEqual(await until(5), expected);
  assert.equal(server.asked.length, 2);
});

test("what had come before a pause is still given, one by one", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n: c\n\n"));
  const seen: string[] = [];
  let take = () => {};
  let came = () => {};
  const isThere = () =>
    new Promise<void>((resolve) => {
      came = resolve;
    });
  const { engine, until } = drive(
    t,
    server.url,
    {},
    {
      event: ({ data }) => {
        seen.push(data);
        came();
        return new Promise<void>((resolve) => {
          take = resolve;
        });
      },
    },
  );
  await isThere();
  engine.pause();
  const second = isThere();
  take();
  await second;
  take();
  await until(2);
  assert.deepEqual(seen, ["1", "2"]);
});

test("what had come before close is kept back", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n"));
  const seen: string[] = [];
  const { engine, until } = drive(
    t,
    server.url,
    {},
    {
      event: ({ data }) => {
        seen.push(data);
        engine.close();
      },
    },
  );
  await until(1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(seen, ["1"]);
});

test("a body that knows no signals is given up like any other", async (t) => {
  const headers = { "Content-Type": "text/event-stream" };
  const fetch = async () => new Response(new ReadableStream(), { headers });
  const { engine, until } = drive(t, "http://127.0.0.1:9/", { fetch });
  await until(1);
  engine.pause();
  engine.resume();
  await until(3);
  engine.reconnectNow();
  const expected = ["opened", "paused", "opened", "failed idle at once", "opened"];
  assert.deepEqual(await until(5), expected);
});

test("nothing is told after close", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n"));
  const { engine, told, until } = drive(t, server.url);
  await until(2);
  engine.close();
  engine.close();
  engine.pause();
  engine.resume();
  engine.reconnectNow();
  const count = told.length;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(told.length, count);
});
