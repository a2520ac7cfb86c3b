/** How a stream stays open: attempts, answers, waits, silence, limits, and the words for what went wrong. */

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { mock, test } from "node:test";
import { Stream, StreamError } from "../src/index.js";
import { serve, stream } from "./support/serve.js";
import { AT_ONCE, end, type Failure, next, open, shown } from "./support/watch.js";

test("statuses that pass are retried, all others stop", async (t) => {
  let status = 0;
  const server = await serve(t, (response, _, count) => {
    if (count % 2) response.writeHead(204).end();
    else response.writeHead(status).end();
  });
  for (status of [408, 425, 429, 500, 501, 502, 503, 504, 599]) {
    const failure = await next(open(t, server.url), "error");
    assert.ok(failure.willRetry, `${status}`);
    assert.equal(failure.error?.status, status);
    await end(failure.target as Stream);
  }
  const asked = server.asked.length;
  const stops = [201, 202, 205, 206, 299, 300, 304, 400, 401, 403, 404, 405, 410, 418, 451, 499];
  for (status of stops) {
    const one = await serve(t, (response) => response.writeHead(status).end());
    const source = open(t, one.url);
    const failure = await next(source, "error");
    assert.ok(!failure.willRetry, `${status}`);
    assert.equal(failure.error?.kind, "status");
    assert.match(failure.error.message, new RegExp(`answered ${status}; the stream has stopped`));
    assert.equal(source.readyState, source.CLOSED);
  }
  assert.equal(server.asked.length, asked);
});

test("204 ends it without an error", async (t) => {
  const server = await serve(t, (response) => response.writeHead(204).end());
  const source = open(t, server.url, { onError: () => assert.fail("no error") });
  const failure = await next(source, "error");
  assert.deepEqual([failure.error, failure.willRetry, source.readyState], [undefined, false, 2]);
  for await (const _ of source) assert.fail("no event");
});

test("the caller can have another policy for each status", async (t) => {
  const statuses = [404, 503, 500];
  const server = await serve(t, (response, _, count) =>
    response.writeHead(statuses[count] ?? 0).end(),
  );
  const statusPolicy = (status: number) =>
    status === 404 ? "retry" : status === 500 ? "stop" : undefined;
  const failure = await end(open(t, server.url, { statusPolicy }));
  assert.equal(failure.error?.status, 500);
  assert.equal(server.asked.length, 3);
});

test("headers, method and body are sent at every attempt", async (t) => {
  const server = await serve(t, (response) => stream(response, "id: 5\n\n").end());
  const headers = { Authorization: "Bearer t", Accept: "text/event-stream, */*", "X-A": "b" };
  const source = open(t, server.url, {
    method: "REPORT",
    body: "question",
    headers,
    lastEventId: "4",
  });
  await next(source, "error");
  await next(source, "error");
  for (const [at, id] of ["4", "5"].entries()) {
    const { method, body, headers } = server.asked[at] ?? assert.fail();
    assert.deepEqual([method, body], ["REPORT", "question"]);
    assert.deepEqual(
      [headers.authorization, headers["x-a"], headers.accept, headers["last-event-id"]],
      ["Bearer t", "b", "text/event-stream, */*", id],
    );
  }
});

test("functions for URL and headers are asked at every attempt", async (t) => {
  const server = await serve(t, (response, _, count) =>
    count ? response.writeHead(204).end() : stream(response).end(),
  );
  const told: number[] = [];
  let token = 0;
  const source = new Stream(async ({ failures }) => `${server.url}/${failures}`, {
    headers: ({ failures, refused, signal }) => {
      assert.ok(!signal.aborted && refused === undefined);
      told.push(failures);
      return [["Authorization", `Bearer ${token++}`]];
    },
    backoff: AT_ONCE,
  });
  assert.equal(source.url, "");
  await end(source);
  assert.deepEqual(told, [0, 1]);
  assert.equal(source.url, `${server.url}/0`);
  assert.deepEqual(
    server.asked.map(({ url, headers }) => [url, headers.authorization]),
    [
      ["/0", "Bearer 0"],
      ["/1", "Bearer 1"],
    ],
  );
});

test("functions can use the stream from the first time on, and are not asked once it is closed", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const source = open(t, () => `${server.url}/?after=${source.lastEventId}`, { lastEventId: "5" });
  source.onerror = ({ error }) => assert.fail(error);
  await next(source, "open");
  assert.equal(server.asked[0]?.url, "/?after=5");

  const ask = () => assert.fail("nobody wants to know");
  open(t, ask, { headers: ask, signal: AbortSignal.abort() });
  open(t, server.url, { headers: ask }).close();
  let asked: () => void = assert.fail;
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const url = () => {
    asked();
    return server.url;
  };
  const closing = open(t, url, { headers: ask });
  await isAsked;
  closing.close();
  await new Promise(setImmediate);
});

test("a function that fails is a failed attempt, and its error is told", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const thrown = new Error("no session");
  const failing = [
    () => Promise.reject(thrown),
    () => {
      throw thrown;
    },
    () => ({ "X-A": "s3cret\nvalue" }),
    () => ({}),
  ];
  const source = open(t, server.url, { headers: () => failing.shift()?.() });
  const first = await next(source, "error");
  const second = await next(source, "error");
  assert.deepEqual(
    [first.error?.kind, first.willRetry, first.error?.cause],
    ["request", true, thrown],
  );
  assert.equal(second.error?.cause, thrown);
  const third = await next(source, "error");
  assert.ok(
    third.error?.kind === "request" && !shown(third.error).includes("s3cret"),
    shown(third.error),
  );
  await next(source, "open");
  assert.equal(server.asked.length, 1);
});

test("401 and 403 ask the functions once more at once, and stop at the second", async (t) => {
  const statuses = [401, 0, 403, 0, 401, 403];
  const server = await serve(t, (response, _, count) => {
    const status = statuses[count];
    if (status) response.writeHead(status).end();
    else stream(response).end();
  });
  const refusals: unknown[] = [];
  const failures: Failure[] = [];
  const source = open(t, server.url, {
    headers: ({ refused }) => {
      refusals.push(refused);
      return {};
    },
    backoff: { base: 1_000, cap: 5 },
    onError: (failure) => failures.push(failure as Failure),
  });
  const last = await end(source);
  assert.deepEqual(refusals, [undefined, 401, undefined, 403, undefined, 401]);
  assert.equal(last.error?.status, 403);
  assert.deepEqual(
    failures.map(({ error, wait }) => [error.status, wait === 0]),
    [
      [401, true],
      [undefined, false],
      [403, true],
      [undefined, false],
      [401, true],
      [403, false],
    ],
  );
});

test("without a function to ask, 401 stops at once", async (t) => {
  const server = await serve(t, (response) => response.writeHead(401).end());
  await end(open(t, server.url, { headers: { Authorization: "Bearer old" } }));
  assert.equal(server.asked.length, 1);
});

test("Retry-After and retry are the least wait, the greater of them, up to five minutes", async (t) => {
  mock.method(Math, "random", () => 0);
  t.after(() => mock.restoreAll());
  const inTwoMinutes = new Date(Date.now() + 120_500).toUTCString();
  const cases: [retryAfter: string, from: number, to: number][] = [
    ["7", 7_000, 7_000],
    ["0", 0, 0],
    ["-1", 0, 0],
    ["soon", 0, 0],
    ["Sun, 06 Nov 1994 08:49:37 GMT", 0, 0],
    [inTwoMinutes, 110_000, 120_500],
    [`1${"0".repeat(30)}`, 300_000, 300_000],
    ["Fri, 31 Dec 9999 23:59:59 GMT", 300_000, 300_000],
  ];
  for (const [after, from, to] of cases) {
    const server = await serve(t, (response) =>
      response.writeHead(503, { "Retry-After": after }).end(),
    );
    const source = open(t, server.url, { backoff: {} });
    const { wait = -1 } = await next(source, "error");
    assert.ok(wait >= from && wait <= to, `${after}: ${wait}`);
    source.close();
  }
  for (const [retry, wait] of [
    [`1${"0".repeat(30)}`, 300_000],
    ["9".repeat(1_000), 300_000],
    ["299999", 299_999],
  ] as const) {
    const server = await serve(t, (response) => stream(response, `retry: ${retry}\n`).end());
    const source = open(t, server.url, { backoff: {} });
    assert.equal((await next(source, "error")).wait, wait, retry);
    source.close();
  }
  const server = await serve(t, (response, _, count) => {
    if (count) response.writeHead(503, { "Retry-After": "2" }).end();
    else stream(response, "retry: 1\n").end();
  });
  const source = open(t, server.url, { backoff: {} });
  assert.equal((await next(source, "error")).wait, 1);
  assert.equal((await next(source, "error")).wait, 2_000);
});

test("the random part doubles with each failure in a row, up to the cap", async (t) => {
  // No half: a wait is a whole number all the same.
  let random = 0.49;
  mock.method(Math, "random", () => random);
  t.after(() => mock.restoreAll());
  const server = await serve(t, (response, _, count) => {
    if (count % 2) response.writeHead(503).end();
    else stream(response).end();
  });
  const source = open(t, server.url, { backoff: { base: 8, cap: 50 } });
  const waits: unknown[] = [];
  for (let count = 0; count < 6; count++) {
    const { error, wait } = await next(source, "error");
    assert.match(error?.message ?? "", new RegExp(`; trying again in ${wait} ms$`));
    waits.push(wait);
  }
  random = 0;
  waits.push((await next(source, "error")).wait);
  assert.deepEqual(waits, [4, 8, 16, 25, 25, 25, 0]);
});

test("only a connection that stayed open for healthyAfter makes failures forgotten", async (t) => {
  const server = await serve(t, (response, _, count) => {
    const opened = stream(response);
    if (count === 3) setTimeout(() => opened.end(), 100);
    else opened.end();
  });
  const told: number[] = [];
  const source = open(t, server.url, {
    headers: ({ failures }) => void told.push(failures),
    backoff: { base: 0, healthyAfter: 50 },
  });
  while (told.length < 6) await next(source, "open");
  assert.deepEqual(told.slice(0, 6), [0, 1, 2, 3, 1, 2]);
});

test("maxAttempts failures in a row stop it", async (t) => {
  const server = await serve(t, (response) => response.writeHead(503).end());
  const failure = await end(open(t, server.url, { backoff: { base: 0, maxAttempts: 3 } }));
  assert.equal(failure.error?.status, 503);
  assert.equal(server.asked.length, 3);
});

test("a wait longer than a timer can be is not none", async (t) => {
  mock.method(Math, "random", () => 1);
  t.after(() => mock.restoreAll());
  const server = await serve(t, (response) => response.writeHead(503).end());
  const source = open(t, server.url, {
    backoff: { base: 2 ** 40, cap: 2 ** 40 },
    idleTimeout: 2 ** 40,
  });
  assert.equal((await next(source, "error")).wait, 2 ** 40);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.asked.length, 1);
  const silent = await serve(t, (response) => stream(response));
  const quiet = open(t, silent.url, { idleTimeout: 2 ** 40, connectTimeout: 2 ** 40 });
  await next(quiet, "open");
  quiet.onerror = () => assert.fail("given up");
  await new Promise((resolve) => setTimeout(resolve, 50));
});

test("silence for idleTimeout ends a connection, and the next resumes by id", async (t) => {
  const server = await serve(t, (response, _, count) => stream(response, `id: ${count}\n\n`));
  const source = open(t, server.url, { idleTimeout: 60 });
  const failure = await next(source, "error");
  assert.equal(failure.error?.kind, "idle");
  assert.match(failure.error.message, /no byte within 60 ms; trying again in \d+ ms/);
  await next(source, "open");
  assert.equal(server.asked[1]?.headers["last-event-id"], "0");
});

test("any byte counts against silence", async (t) => {
  const server = await serve(t, (response) => {
    const opened = stream(response);
    const timer = setInterval(() => opened.write(":"), 20);
    opened.on("close", () => clearInterval(timer));
  });
  const source = open(t, server.url, { idleTimeout: 100 });
  source.onerror = (event) => assert.fail(event.error);
  await next(source, "open");
  await new Promise((resolve) => setTimeout(resolve, 400));
});

test("an answer that does not come within connectTimeout is a failed attempt", async (t) => {
  const server = await serve(t, (response, _, count) => void (count && stream(response)));
  const source = open(t, server.url, { connectTimeout: 60 });
  const failure = await next(source, "error");
  assert.equal(failure.error?.kind, "timeout");
  await next(source, "open");
});

test("functions and a fetch that never answer are given up by connectTimeout, too", async (t) => {
  const never = () => new Promise<never>(() => {});
  for (const options of [{ headers: never }, { fetch: never }]) {
    const source = open(t, "http://127.0.0.1:9/", { connectTimeout: 30, ...options });
    assert.equal((await next(source, "error")).error?.kind, "timeout");
    assert.equal((await next(source, "error")).error?.kind, "timeout");
    source.close();
  }
});

test("a fetch that knows no signals: what it brings too late is thrown away", async (t) => {
  let cancelled: () => void = assert.fail;
  const isCancelled = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  let answer: (response: Response) => void = () => assert.fail();
  const source = open(t, "http://127.0.0.1:9/", {
    connectTimeout: 30,
    fetch: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  await next(source, "error");
  source.close();
  const headers = { "Content-Type": "text/event-stream" };
  answer(new Response(new ReadableStream({ cancel: cancelled }), { headers }));
  await isCancelled;
});

test("close gives the connection up, also of a body that knows no signals", async (t) => {
  let cancelled: () => void = assert.fail;
  const isCancelled = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  const headers = { "Content-Type": "text/event-stream" };
  const body = new ReadableStream({ cancel: cancelled });
  const source = open(t, "http://127.0.0.1:9/", {
    fetch: async () => new Response(body, { headers }),
  });
  await next(source, "open");
  source.close();
  await isCancelled;
});

test("an answer without a body is a stream that ended, and leaves no timer", async (t) => {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const running = new Map<unknown, number | undefined>();
  // Deno knows no `mock.method` of these two.
  Object.assign(globalThis, {
    setTimeout(act: () => void, ms?: number) {
      const timer = set(act, ms);
      running.set(timer, ms);
      return timer;
    },
    clearTimeout(timer: NodeJS.Timeout | undefined) {
      running.delete(timer);
      clear(timer);
    },
  });
  t.after(() => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }));
  const headers = { "Content-Type": "text/event-stream" };
  const source = open(t, "http://127.0.0.1:9/", {
    fetch: async () => new Response(null, { headers }),
    backoff: { maxAttempts: 1 },
    connectTimeout: 111_111,
    idleTimeout: 222_222,
  });
  assert.equal((await end(source)).error?.kind, "ended");
  const left = [...running.values()];
  assert.ok(!left.includes(111_111) && !left.includes(222_222), `${left}`);
});

test("an event larger than maxEventBytes stops it, after those before", async (t) => {
  const server = await serve(t, (response) =>
    stream(response, `data: 1\n\ndata: ${"x".repeat(99)}\n\n`),
  );
  const source = open(t, server.url, { maxEventBytes: 64 });
  const first = next(source, "message");
  const failure = await end(source);
  assert.equal((await first).data, "1");
  assert.equal(failure.error?.kind, "limit");
  assert.match(failure.error.message, /maxEventBytes \(64\); the stream has stopped$/);
});

test("a connection that breaks, or is refused, is tried again by id", async (t) => {
  const server = await serve(t, (response, _, count) => {
    stream(response, `id: ${count}\ndata: x\n\n`);
    if (!count) response.write("data: half");
  });
  const source = open(t, server.url);
  await next(source, "message");
  server.cut();
  assert.equal((await next(source, "error")).error?.kind, "network");
  await next(source, "message");
  assert.equal(server.asked[1]?.headers["last-event-id"], "0");

  const nobody = createServer();
  await new Promise<void>((resolve) => nobody.listen(0, "127.0.0.1", resolve));
  const { port } = nobody.address() as { port: number };
  await new Promise((resolve) => nobody.close(resolve));
  const failure = await next(open(t, `http://127.0.0.1:${port}/`), "error");
  assert.equal(failure.willRetry, true);
  assert.match(
    String(failure.error?.message),
    /^http:\/\/127.0.0.1:\d+\/: .*(ECONNREFUSED|refused).*; trying again/,
  );
});

test("no error shows a password, a query, or a header", async (t) => {
  const secret = /s3cret/;
  const server = await serve(t, (response, asked, count) => {
    if (asked.url.startsWith("/loop")) response.writeHead(302, { Location: asked.url }).end();
    else if (count === 0) stream(response).destroy();
    else if (count === 1) stream(response, "data: 1\n\n").end();
    else if (count === 2) stream(response);
    else response.writeHead(404).end();
  });
  const at = (path: string) => server.url.replace("//", "//u:s3cret@") + path;
  const errors: unknown[] = [];
  const onError = ({ error }: { error: StreamError }) => errors.push(error);
  const headers = { Authorization: "Bearer s3cret" };
  await end(open(t, at("/a?token=s3cret)s3cret"), { headers, onError, idleTimeout: 40 }));
  await next(open(t, at("/loop?token=s3cret"), { headers, onError }), "error");
  await next(open(t, "http://u:s3cret@127.0.0.1:9/?s3cret", { onError }), "error");
  await next(open(t, "http://nowhere.invalid/?s3cret", { onError }), "error");
  await next(open(t, at("/"), { onError, headers: () => ({ "X-A": "s3cret\nx" }) }), "error");
  await next(open(t, server.url, { onError, headers: () => ({ "s3cret\n": "" }) }), "error");
  assert.ok(errors.length >= 9, `${errors.length}`);
  for (const error of errors) {
    assert.ok(error instanceof StreamError);
    assert.doesNotMatch(shown(error), secret);
  }
});

test("an error in a callback is the caller's, and the stream goes on", async (t) => {
  const server = await serve(t, (response) => stream(response, ":hi\ndata: 1\n\n"));
  const uncaught: unknown[] = [];
  const { queueMicrotask } = globalThis;
  mock.method(globalThis, "queueMicrotask", (task: () => void) => {
    queueMicrotask(() => {
      try {
        task();
      } catch (error) {
        uncaught.push(error);
      }
    });
  });
  t.after(() => mock.restoreAll());
  const thrown = new Error("of the caller");
  const fail = () => {
    throw thrown;
  };
  await next(open(t, server.url, { onOpen: fail, onComment: fail }), "message");
  assert.deepEqual(uncaught, [thrown, thrown]);
});

// A comment came after the event that followed it, where both were in one chunk.
test("comments are told in their place, also within an event", async (t) => {
  const server = await serve(t, (response) =>
    stream(response, ": a\ndata: 1\n:b\n\n:c\ndata: 2\n\n"),
  );
  const told: string[] = [];
  const source = open(t, server.url, { onComment: (text) => told.push(text) });
  source.onmessage = ({ data }) => told.push(data);
  while (!told.includes("2")) await next(source, "message");
  assert.deepEqual(told, ["a", "b", "1", "c", "2"]);
});

test("a signal closes it, also one that is aborted already", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const control = new AbortController();
  const source = open(t, server.url, { signal: control.signal });
  await next(source, "open");
  source.onerror = () => assert.fail("an error after the end");
  control.abort();
  assert.equal(source.readyState, source.CLOSED);
  assert.equal(open(t, server.url, { signal: control.signal }).readyState, source.CLOSED);
});
