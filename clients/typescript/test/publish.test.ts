/** Publishing: what is sent, when it is tried again, and that nothing is published twice by that. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stream } from "../src/index.js";
import { PublishError, publish } from "../src/publish.js";
import { startHub, token, WITH_HUB } from "./support/hub.js";
import { startProxy } from "./support/proxy.js";
import { serve } from "./support/serve.js";
import { shown } from "./support/watch.js";

const backoff = { base: 0 };
const KEY = "a key that is long enough for HS256, and for tests only";
const JSON_TYPE = { "Content-Type": "application/json" };
const NDJSON_TYPE = { "Content-Type": "application/x-ndjson" };
const result = (id: string) => `${JSON.stringify({ id })}\n`;

test("an update is sent as JSON, with a key of its own", async (t) => {
  const server = await serve(t, (response) =>
    response.writeHead(200, JSON_TYPE).end(result("#a-1")),
  );
  const update = { topic: ["a", "b"], data: { n: 1 }, private: true, type: "x" };
  assert.equal(await publish(server.url, update, { token: "t" }), "#a-1");
  await publish(server.url, update, { idempotencyKey: "order-17" });
  const [first, second] = server.asked;
  assert.equal(first?.method, "POST");
  assert.equal(first.headers["content-type"], "application/json");
  assert.equal(first.headers.authorization, "Bearer t");
  assert.match(String(first.headers["idempotency-key"]), /^[0-9a-f-]{36}$/);
  assert.deepEqual(JSON.parse(first.body), update);
  assert.equal(second?.headers.authorization, undefined);
  assert.equal(second?.headers["idempotency-key"], "order-17");
});

test("attempts that may help are made, all with one key", async (t) => {
  const server = await serve(t, (response, _, count) => {
    const passing = [408, 425, 429, 500, 503][count - 1];
    if (count === 0) response.destroy();
    else if (passing) response.writeHead(passing).end();
    else if (count === 6) response.writeHead(200, JSON_TYPE).end('{"id":"#a');
    else response.writeHead(200, JSON_TYPE).end(result("#a-1"));
  });
  assert.equal(await publish(server.url, { topic: "a" }, { backoff }), "#a-1");
  assert.equal(server.asked.length, 8);
  assert.equal(new Set(server.asked.map(({ headers }) => headers["idempotency-key"])).size, 1);
});

test("there are at most maxAttempts, and the key is told for another publish", async (t) => {
  const server = await serve(t, (response) => response.writeHead(503).end());
  const options = { backoff: { base: 0, maxAttempts: 3 } };
  await assert.rejects(publish(server.url, { topic: "a" }, options), (error: PublishError) => {
    assert.equal(error.status, 503);
    assert.equal(error.idempotencyKey, server.asked[0]?.headers["idempotency-key"]);
    return true;
  });
  assert.equal(server.asked.length, 3);
});

test("Retry-After is waited for", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count) response.writeHead(200, JSON_TYPE).end(result("#a-1"));
    else response.writeHead(429, { "Retry-After": "1" }).end();
  });
  const began = performance.now();
  await publish(server.url, { topic: "a" }, { backoff });
  assert.ok(performance.now() - began >= 990);
});

test("a refusal is told with its reason, and not tried again", async (t) => {
  const problem = JSON.stringify({ status: 403, reason: "forbidden", detail: "not this topic" });
  const server = await serve(t, (response) => response.writeHead(403).end(problem));
  for (const given of [{ topic: "a" }, [{ topic: "a" }]]) {
    await assert.rejects(publish(`${server.url}/e?q`, given as { topic: string }, { token: "t" }), {
      name: "PublishError",
      message: `${server.url}/e: the hub answered 403 (forbidden): not this topic`,
      status: 403,
      reason: "forbidden",
    });
  }
  assert.equal(server.asked.length, 2);
});

test("what is not a hub's answer, and a redirect, end it at once", async (t) => {
  const server = await serve(t, (response, { url }) => {
    if (url === "/") response.writeHead(200, { "Content-Type": "text/html" }).end("<p>hello");
    else response.writeHead(302, { Location: "/" }).end();
  });
  await assert.rejects(publish(server.url, { topic: "a" }), /not a hub's/);
  await assert.rejects(publish(`${server.url}/there`, { topic: "a" }), { status: 302 });
  assert.equal(server.asked.length, 2);
});

test("a token function is asked at every attempt, and once more after a refusal", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count === 0) response.writeHead(503).end();
    else response.writeHead(401).end();
  });
  const asked: boolean[] = [];
  const options = {
    backoff,
    token: async ({ refused }: { refused: boolean }) => {
      asked.push(refused);
      return `t${asked.length}`;
    },
  };
  await assert.rejects(publish(server.url, { topic: "a" }, options), { status: 401 });
  assert.deepEqual(asked, [false, false, true]);
  assert.deepEqual(
    server.asked.map(({ headers }) => headers.authorization),
    ["Bearer t1", "Bearer t2", "Bearer t3"],
  );
});

test("a token function that fails is a failed attempt", async (t) => {
  const server = await serve(t, (response) =>
    response.writeHead(200, JSON_TYPE).end(result("#a-1")),
  );
  const cause = new Error("no key");
  const tokens = [() => Promise.reject(cause), () => "t"];
  const token = () => tokens.shift()?.() ?? "";
  assert.equal(await publish(server.url, { topic: "a" }, { backoff, token }), "#a-1");
  const failing = () => Promise.reject(cause);
  const options = { backoff: { base: 0, maxAttempts: 2 }, token: failing };
  await assert.rejects(publish(server.url, { topic: "a" }, options), { cause });
  assert.equal(server.asked.length, 1);
});

test("no error shows a token or a query", async () => {
  const errors: unknown[] = [];
  const note = (error: unknown) => errors.push(error);
  const once = { backoff: { base: 0, maxAttempts: 1 } };
  const nowhere = "http://127.0.0.1:9/?token=s3cret";
  await publish(nowhere, { topic: "a" }, { ...once, token: "s3cret" }).catch(note);
  await publish(nowhere, { topic: "a" }, { ...once, token: "s3cret\nx" }).catch(note);
  await publish(nowhere, { topic: "a" }, { ...once, token: () => "s3cret\nx" }).catch(note);
  await publish("http://u:s3cret@127.0.0.1:9/", { topic: "a" }, once).catch(note);
  assert.equal(errors.length, 4);
  for (const error of errors) {
    assert.ok(error instanceof PublishError);
    assert.doesNotMatch(shown(error), /s3cret/);
  }
});

test("many updates are one request, a line each, and have their results in order", async (t) => {
  const server = await serve(t, (response) => {
    response.writeHead(200, NDJSON_TYPE);
    response.end(
      `${result("#a-1")}{"error":"missing_topic","detail":"no topic","line":2}\n${result("#a-2")}`,
    );
  });
  const updates = [{ topic: "a", data: "1\n2" }, { topic: "" }, { topic: "b" }];
  const results = await publish(server.url, updates);
  assert.deepEqual(
    results.map(({ id, error }) => id ?? error?.reason),
    ["#a-1", "missing_topic", "#a-2"],
  );
  assert.ok(results[1]?.error instanceof PublishError);
  const [asked] = server.asked;
  assert.equal(asked?.headers["content-type"], "application/x-ndjson");
  assert.deepEqual(
    asked.body.split("\n").map((line) => JSON.parse(line)),
    updates,
  );
  assert.deepEqual(await publish(server.url, []), []);
  assert.equal(server.asked.length, 1);
});

test("many updates are sent again until each has its result", async (t) => {
  const away = '{"error":"log_unavailable","detail":"away","line":2}\n';
  const answers = [
    result("#a-1"),
    result("#a-1") + away + result("#a-3"),
    result("#a-1") + result("#a-4") + result("#a-3"),
  ];
  const server = await serve(t, (response, _, count) =>
    response.writeHead(200, NDJSON_TYPE).end(answers[count]),
  );
  const updates = ["1", "2", "3"].map((data) => ({ topic: "a", data }));
  const results = await publish(server.url, updates, { backoff });
  assert.deepEqual(results, [{ id: "#a-1" }, { id: "#a-4" }, { id: "#a-3" }]);
  assert.equal(new Set(server.asked.map(({ headers }) => headers["idempotency-key"])).size, 1);
  assert.equal(new Set(server.asked.map(({ body }) => body)).size, 1);
});

test("what was acknowledged once stays so", async (t) => {
  const away = '{"error":"log_unavailable","detail":"away","line":1}\n';
  const answers = [result("#a-1"), away + result("#a-2")];
  const server = await serve(t, (response, _, count) => {
    response.writeHead(200, NDJSON_TYPE).end(answers[count]);
  });
  const results = await publish(server.url, [{ topic: "a" }, { topic: "b" }], { backoff });
  assert.deepEqual(results, [{ id: "#a-1" }, { id: "#a-2" }]);
  assert.equal(server.asked.length, 2);
});

test("what is known of some updates is given though the rest failed", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count) response.destroy();
    else response.writeHead(200, NDJSON_TYPE).end(result("#a-1"));
  });
  const updates = [{ topic: "a" }, { topic: "b" }];
  const results = await publish(server.url, updates, { backoff: { base: 0, maxAttempts: 2 } });
  assert.equal(results[0]?.id, "#a-1");
  assert.match(String(results[1]?.error), /no answer/);
  await assert.rejects(
    publish(server.url, updates, { backoff: { base: 0, maxAttempts: 2 } }),
    PublishError,
  );
});

test("silence for the timeout is a failed attempt; an aborted signal gives up", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count === 0) return;
    response.writeHead(200, JSON_TYPE);
    if (count === 1) response.write('{"id":');
    else response.end(result("#a-1"));
  });
  assert.equal(await publish(server.url, { topic: "a" }, { backoff, timeout: 50 }), "#a-1");
  assert.equal(server.asked.length, 3);

  const silent = await serve(t, () => {});
  const control = new AbortController();
  const reason = new Error("enough");
  const published = publish(silent.url, { topic: "a" }, { signal: control.signal });
  setTimeout(() => control.abort(reason), 20);
  await assert.rejects(published, reason);
  const waiting = await serve(t, (response) =>
    response.writeHead(503, { "Retry-After": "60" }).end(),
  );
  const second = new AbortController();
  setTimeout(() => second.abort(reason), 50);
  await assert.rejects(publish(waiting.url, { topic: "a" }, { signal: second.signal }), reason);
});

test("a token function or a fetch that never comes back is given up like a silent hub", async () => {
  const never = () => new Promise<never>(() => {});
  const url = "http://127.0.0.1:9/";
  const token = () => "t";
  for (const hanging of [{ token: never }, { token, fetch: never }]) {
    const options = { ...hanging, timeout: 20, backoff: { base: 0, maxAttempts: 2 } };
    await assert.rejects(publish(url, { topic: "a" }, options), /nothing came within 20 ms/);
    const abort = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => abort.abort(reason), 20);
    const signal = abort.signal;
    await assert.rejects(publish(url, { topic: "a" }, { ...hanging, signal }), reason);
  }
});

test("an answer without end is not read without end", async (t) => {
  const server = await serve(t, (response) => {
    response.writeHead(200, JSON_TYPE);
    const write = () => {
      while (!response.closed && response.write("x".repeat(65_536)));
      response.once("drain", write);
    };
    write();
  });
  const options = { backoff: { base: 0, maxAttempts: 1 } };
  await assert.rejects(publish(server.url, { topic: "a" }, options), /too large/);
});

test("the hub takes one update, many, and a repeated key once", WITH_HUB, async (t) => {
  const hub = await startHub(t, [`auth.publisher_key=${KEY}`]);
  const key = { token: () => token(KEY, 60), idempotencyKey: "order-17" };
  const first = await publish(hub.url, { topic: "a", data: "x" }, key);
  assert.equal(await publish(hub.url, { topic: "a", data: "x" }, key), first);
  await assert.rejects(publish(hub.url, { topic: "a", data: "y" }, key), {
    status: 422,
    reason: "idempotency_key_reused",
  });
  await assert.rejects(publish(hub.url, { topic: "a" }, { token: token(KEY, -5) }), {
    status: 401,
    reason: "expired",
  });
  await assert.rejects(publish(hub.url, { topic: "a", colour: 1 } as never, key), {
    reason: "unknown_field",
  });
  const updates = Array.from({ length: 3_000 }, (_, n) => ({ topic: "b", data: { n } }));
  const many = { token: token(KEY, 60), idempotencyKey: "batch-1" };
  const results = await publish(hub.url, [...updates, { topic: "" }], many);
  assert.equal(results.at(-1)?.error?.reason, "empty_topic");
  assert.equal(new Set(results.map(({ id }) => id)).size, 3_001);
  assert.deepEqual(
    await publish(hub.url, [...updates, { topic: "" }], many).then((all) => all.slice(0, -1)),
    results.slice(0, -1),
  );
});

test("an answer that is lost on the way does not double the update", WITH_HUB, async (t) => {
  const hub = await startHub(t, []);
  const proxy = await startProxy(t, hub.url);
  const stream = new Stream(`${hub.url}?topic=a`, { lastEventId: "earliest" });
  t.after(() => stream.close());
  proxy.swallowAnswers(1);
  const id = await publish(proxy.url, { topic: "a", data: "once" }, { backoff });
  await publish(hub.url, { topic: "a", data: "end" });
  const seen: string[] = [];
  for await (const { data, lastEventId } of stream) {
    if (data === "end") break;
    seen.push(`${lastEventId} ${data}`);
  }
  assert.deepEqual(seen, [`${id} once`]);
});
