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
  const askedUrl = await ask("url", givenUrl, attempt);
  const askedHeaders = await ask("headers", options.headers, attempt);
  try {
    const url = absolute(askedUrl);
    const headers = new Headers(askedHeaders);
    const preset = (name: string, value: string) => headers.has(name) || headers.set(name, value);
    preset("accept", "text/event-stream");
    // In a page `cache` does it, and the header would cost a preflight at other origins.
    if (!globalThis.location) preset("cache-control", "no-cache");
    if (lastEventId) headers.set("last-event-id", latin1(lastEventId));
    if (url.username || url.password) {
      // `EventSource` takes such a URL, `fetch` does not.
      preset(
        "authorization",
        `Basic ${btoa(latin1(decodeURIComponent(`${url.username}:${url.password}`)))}`,
      );
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
    throw new End("request", "the URL or a header is not valid");
  }
}

async function ask<T>(what: string, given: PerAttempt<T>, attempt: Attempt): Promise<T> {
  if (typeof given !== "function") return given;
  try {
    return await (given as (attempt: Attempt) => T | Promise<T>)(attempt);
  } catch (cause) {
    throw new End("request", `the ${what} function failed`, { cause });
  }
}

/** The UTF-8 bytes of a text, one character each: what a header can carry. */
function latin1(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
