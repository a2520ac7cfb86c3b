/** The hub is killed again and again under steady publishing: each acknowledged update arrives exactly once, in order. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stream } from "../src/index.js";
import { publish, type Update } from "../src/publish.js";
import { startHub, WITH_HUB } from "./support/hub.js";
import { next } from "./support/watch.js";

const KILLS = 20;
const backoff = { base: 20, cap: 100 };

test(`${KILLS} kills lose nothing and double nothing`, WITH_HUB, async (t) => {
  const hub = await startHub(t, ["log.store=disk", "stream.retry=10ms"]);
  const url = `${hub.url}?topic=one&topic=many`;
  const listening = new Stream(url, { backoff });
  const looping = new Stream(url, { backoff });
  t.after(() => {
    listening.close();
    looping.close();
  });
  const gaps: unknown[] = [];
  const heard: string[] = [];
  listening.onmessage = (event) => heard.push(`${event.lastEventId} ${event.data}`);
  listening.addEventListener("gap", (event) => gaps.push(event.data));
  const taken: string[] = [];
  const opened = Promise.all([next(listening, "open"), next(looping, "open")]);
  const loop = (async () => {
    for await (const event of looping) {
      if (event.type === "gap") gaps.push(event.data);
      else if (event.data === "end") return;
      else taken.push(`${event.lastEventId} ${event.data}`);
    }
  })();
  await opened;

  let over = false;
  const acknowledged: Record<string, string[]> = { one: [], many: [] };
  const retrying = { backoff: { ...backoff, maxAttempts: 1_000 }, timeout: 2_000 };
  const one = async () => {
    for (let n = 0; !over; n++) {
      const id = await publish(hub.url, { topic: "one", data: `one ${n}` }, retrying);
      acknowledged.one?.push(`${id} one ${n}`);
    }
  };
  const many = async () => {
    for (let n = 0; !over; n += 10) {
      const updates = Array.from(
        { length: 10 },
        (_, at): Update => ({ topic: "many", data: `many ${n + at}` }),
      );
      const results = await publish(hub.url, updates, retrying);
      for (const [at, { id, error }] of results.entries()) {
        assert.ifError(error);
        acknowledged.many?.push(`${id} many ${n + at}`);
      }
    }
  };
  const publishing = Promise.all([one(), many()]);
  for (let kills = 0; kills < KILLS; kills++) {
    const before = acknowledged.one?.length ?? 0;
    while ((acknowledged.one?.length ?? 0) < before + 5) {
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 50));
    }
    await hub.kill();
    await hub.start();
  }
  over = true;
  await publishing;
  const ended = next(listening, "end");
  await publish(hub.url, { topic: "one", type: "end", data: "end" }, retrying);
  await Promise.all([ended, loop]);

  const position = (line: string) => Number(line.match(/-(\d+) /)?.[1]);
  const expected = Object.values(acknowledged)
    .flat()
    .sort((a, b) => position(a) - position(b));
  t.diagnostic(`${expected.length} updates over ${KILLS} kills`);
  assert.deepEqual(gaps, []);
  assert.deepEqual(heard, expected);
  assert.deepEqual(taken, expected);
});
