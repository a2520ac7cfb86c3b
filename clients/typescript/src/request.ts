/** One request for a stream: what the caller gave, asked for anew, as `fetch` takes it. */

import { End } from "./end.js";
import type { Attempt, PerAttempt, StreamOptions } from "./options.js";

/** Makes a URL absolute, by the page's or the worker's own where there is one. Throws where it is none. */
export function absolute(url: string | URL): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}

/**
 * What to call `fetch` with.
 *
 * @throws End of kind `request`.
 */
export async function prepare(
  givenUrl: PerAttempt<string | URL>,
  options: StreamOptions,
  lastEventId: string,
  attempt: Attempt,
): Promise<[url: string, init: RequestInit]> {
  const id = bytes(encodeURIComponent(lastEventId));
  // Pages can send control characters; elsewhere each attempt would fail.
  if (!globalThis.location && /[^\t -\xff]|\x7f/.test(id)) {
    throw new End("request", "the last event id fits no header", { final: true });
  }
  const askedUrl = await ask("url", givenUrl, attempt);
  const askedHeaders = await ask("headers", options.headers, attempt);
  try {
    const url = absolute(askedUrl);
    const headers = new Headers(askedHeaders);
    const preset = (name: string, value: string) => headers.has(name) || headers.set(name, value);
    preset("accept", "text/event-stream");
    // In a page `cache` does it, and the header would cost a preflight at other origins.
    if (!globalThis.location) preset("cache-control", "no-cache");
    if (id) headers.set("last-event-id", id);
    if (url.username || url.password) {
      // `EventSource` takes such a URL, `fetch` does not.
      preset("authorization", `Basic ${btoa(bytes(`${url.username}:${url.password}`))}`);
      url.username = url.password = "";
    }
    return [
      url.href,
      {
        method: options.method ?? "GET",
        headers,
        body: options.body ?? null,
        credentials: options.withCredentials ? "include" : "same-origin",
        cache: "no-store",
        signal: attempt.signal,
      },
    ];
  } catch {
    // What the platform says has the value in it, and that may be a token.
    throw new End("request", "invalid URL or header");
  }
}

async function ask<T>(what: string, given: PerAttempt<T>, attempt: Attempt): Promise<T> {
  if (typeof given !== "function") return given;
  try {
    // Not before the caller has the stream, and not once it is closed.
    await null;
    attempt.signal.throwIfAborted();
    return await (given as (attempt: Attempt) => T | Promise<T>)(attempt);
  } catch (cause) {
    throw new End("request", `the ${what} function failed`, { cause });
  }
}

/** What is percent-encoded, one character for each byte: what a header can carry. */
function bytes(encoded: string): string {
  return encoded.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number(`0x${hex}`)));
}
