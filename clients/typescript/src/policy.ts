/** What an answer means, and how long to wait before another attempt. No clock, no network. */

import { End } from "./end.js";
import type { Backoff, StreamOptions } from "./options.js";

/** The longest timer that platforms have, in milliseconds; a longer one fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** The longest wait that a server can ask for, in milliseconds. */
const MOST_ASKED = 300_000;

/** Whether an answer with this status may be another one later. */
export function isPassing(status: number): boolean {
  return [408, 425, 429].includes(status) || (status >= 500 && status < 600);
}

/**
 * Returns if the answer opens a stream.
 *
 * @param mayAsk whether the functions that made the request may be asked for another one.
 * @throws End if it opens none.
 */
export function judge(response: Response, options: StreamOptions, mayAsk: boolean): void {
  const { status, headers } = response;
  const type = headers.get("content-type") ?? "";
  if (status === 200) {
    if (/^\s*text\/event-stream\s*(;|$)/i.test(type)) return;
    const what = `the answer is ${JSON.stringify(type.slice(0, 100))}, not "text/event-stream"`;
    throw new End("type", what, { final: true });
  }
  if (status === 204) throw new End(undefined, "", { final: true });
  const verdict = options.statusPolicy?.(status);
  const atOnce = !verdict && mayAsk && (status === 401 || status === 403);
  throw new End("status", `the server answered ${status}`, {
    status,
    atOnce,
    final: !atOnce && (verdict ? verdict === "stop" : !isPassing(status)),
    asked: retryAfter(headers),
  });
}

/** The `Retry-After` of an answer in milliseconds: seconds or a date; 0 if there is none. */
export function retryAfter(headers: Headers): number {
  const value = headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Math.max(ms || 0, 0);
}

/**
 * The wait before the next attempt in milliseconds: what the server asked for, and a random part ("full jitter"), so that
 * clients that were cut off together do not come back together.
 *
 * @param failures how many ends and failed attempts in a row came before this one.
 */
export function waitFor(asked: number, failures: number, backoff: Backoff): number {
  const { base = 1_000, cap = 30_000 } = backoff;
  return (
    Math.min(asked, MOST_ASKED) + Math.random() * Math.min(cap, base * 2 ** Math.min(failures, 50))
  );
}
