/** What `import ... from "tidings/publish"` offers: the sending half, for backends. */

import { LONGEST_TIMER, waitFor } from "./policy.js";
import { PublishError } from "./publish-error.js";
import { Publishing } from "./publishing.js";

export { PublishError };

/** What is published (docs/protocol.md). */
export interface Update {
  /** What it is about; a subscriber that matches several gets it once. */
  topic: string | readonly string[];
  /** A text is sent as it is, anything else as JSON. */
  data?: unknown;
  /** Only subscribers with a grant for one of the topics receive it. */
  private?: boolean;
  /** An id of your own. */
  id?: string;
  /** The event's type. */
  type?: string;
  /** A reconnection time for the subscribers, in milliseconds. */
  retry?: number;
}

/** The result of one of many updates: its id, or why there is none. */
export type Published = { id: string; error?: undefined } | { id?: undefined; error: PublishError };

/** Options of a publish. All are optional. */
export interface PublishOptions {
  /** The bearer token, or a function that gives it, asked at every attempt. `refused` tells that the last one was refused. */
  token?: string | ((attempt: { refused: boolean }) => string | Promise<string>);
  /** Makes repeating safe also for another process: 1 to 255 ASCII characters. A random one by default. */
  idempotencyKey?: string;
  /** The waits between attempts, in milliseconds, as of a stream (1,000 and 30,000), and the most attempts: 8 by default. */
  backoff?: { base?: number; cap?: number; maxAttempts?: number };
  /** For how long nothing may come from the hub, in milliseconds. 30,000 by default; 0 is for ever. */
  timeout?: number;
  /** Gives up when aborted, with its reason. What is under way may be published. */
  signal?: AbortSignal;
  /** Replaces the platform's `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * Publishes an update, and gives its id once it is in the hub's log. It is tried again where that may help: no connection, no
 * answer, 408, 425, 429, 5xx; and not published twice by that, because all attempts have the same `Idempotency-Key`.
 *
 * @param url the hub's, such as `https://hub.example/events`.
 * @throws PublishError if the hub refuses it, or all attempts have failed; the reason of an aborted `signal`.
 */
export function publish(
  url: string | URL,
  update: Update,
  options?: PublishOptions,
): Promise<string>;
/**
 * Publishes many updates in one request (NDJSON), and gives their results in order. An update that the hub refuses does not
 * keep back the others. It is tried again as one update is; each update has a key of its own, made of the
 * `Idempotency-Key` and its place.
 *
 * @throws PublishError if nothing is known of any of them; the reason of an aborted `signal`.
 */
export function publish(
  url: string | URL,
  updates: Iterable<Update>,
  options?: PublishOptions,
): Promise<Published[]>;
export async function publish(
  url: string | URL,
  given: Update | Iterable<Update>,
  options: PublishOptions = {},
): Promise<string | Published[]> {
  const many = Symbol.iterator in given;
  const updates = many ? [...given] : [given];
  if (!updates.length) return [];
  const { backoff = {}, signal } = options;
  const { maxAttempts = 8 } = backoff;
  const publishing = new Publishing(new URL(url), updates, many, options);
  for (let failures = 0; ; failures++) {
    signal?.throwIfAborted();
    const again = await publishing.attempt();
    if (!again || failures + 1 >= maxAttempts) break;
    if (!again.atOnce) await sleep(waitFor(again.asked, failures, backoff), signal);
  }
  if (many) return publishing.results();
  const [result] = publishing.results();
  if (result?.id === undefined) throw result?.error;
  return result.id;
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      },
      Math.min(ms, LONGEST_TIMER),
    );
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}
