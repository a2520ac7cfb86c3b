/** Servers that misbehave, shared with the other clients: a clear error or a sane retry, bounded memory, no secret told. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { StreamError } from "../src/index.js";
import { Stream } from "../src/index.js";
import { misbehave, type Step } from "./support/misbehave.js";
import { shown } from "./support/watch.js";

type Outcome = "stops" | "ends" | "retries" | "opens";

interface Case {
  name: string;
  does: Step[];
  then: Outcome | Outcome[];
  why?: string;
  wait_at_least_ms?: number;
}

const VECTORS = new URL("../../../../vectors/misbehaving-servers.json", import.meta.url);
const cases = JSON.parse(readFileSync(VECTORS, "utf8")) as Case[];

/** How many of them are met at the same time. */
const AT_A_TIME = 10;
/** Attempts in the first two seconds, of a client whose base wait is 100 ms. */
const MOST_ATTEMPTS = 12;
/** Connections of an attempt: `fetch` follows 20 redirects. */
const MOST_CONNECTIONS = 21;
/** Five minutes for what servers ask, and the cap of the random part. */
const LONGEST_WAIT = 330_000;
/**
 * What all that are met at a time may have in memory, servers included, which are in the same process: events of up to
 * 16 MiB in pieces and whole, and what the garbage collector has not got round to. Without bounds it is a gigabyte.
 */
const MOST_MEMORY = 512 * 1024 * 1024;

test("there are servers that misbehave", { concurrency: AT_A_TIME }, async (t) => {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, used() - before);
  }, 20);
  const meet = (one: Case) =>
    t.test(one.name, async (t) => {
      const server = await misbehave(t, one.does);
      const outcomes = [one.then].flat();
      let attempts = 1;
      let firstWait: number | undefined;
      let isOver = false;
      let happened: (outcome: Outcome) => void = () => {};
      const first = new Promise<Outcome>((resolve) => {
        happened = resolve;
      });
      const errors: StreamError[] = [];
      const stream = new Stream(server.url, {
        backoff: { base: 100 },
        connectTimeout: 1_000,
        idleTimeout: 1_000,
        onOpen: () => {
          if (outcomes.includes("opens")) setTimeout(() => happened("opens"), 500);
        },
        onError: ({ error, wait }) => {
          errors.push(error);
          if (wait === undefined) {
            isOver = outcomes.includes("stops");
            return happened("stops");
          }
          attempts += 1;
          firstWait ??= wait;
          assert.ok(wait <= LONGEST_WAIT && wait >= (one.wait_at_least_ms ?? 0), `waits ${wait}`);
          happened("retries");
        },
      });
      stream.onerror = ({ error, willRetry }) => error || willRetry || happened("ends");
      const began = performance.now();
      const outcome = await first;
      if (outcome === "retries") {
        const second = Math.min(firstWait ?? 0, 1_000) + 500;
        const rest = Math.max(2_000 - (performance.now() - began), second);
        await new Promise((resolve) => setTimeout(resolve, rest));
      }
      // On a busy machine it comes later than it said, but it does.
      if (outcome === "retries" && !isOver && (firstWait ?? 0) < 1_000) await server.comesBack;
      stream.close();
      const told = errors.map(shown).join("\n");
      assert.ok(outcomes.includes(outcome), `${outcome} and not ${one.then}: ${told}`);
      assert.doesNotMatch(told, /s3cret/);
      if (one.why && outcome !== "opens") {
        assert.ok(told.toLowerCase().includes(one.why.toLowerCase()), `not ${one.why}: ${told}`);
      }
      if (outcome === "retries") {
        assert.ok(attempts <= MOST_ATTEMPTS, `${attempts} attempts`);
        assert.ok(server.connections() <= attempts * MOST_CONNECTIONS);
      }
    });
  const waiting = [...cases];
  const meetAll = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) await meet(one);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, meetAll));
  clearInterval(watching);
  t.diagnostic(`at most ${Math.round(most / 1024 / 1024)} MiB`);
  assert.ok(most < MOST_MEMORY, `${most} bytes`);
});
