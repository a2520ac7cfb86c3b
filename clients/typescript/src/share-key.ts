/**
 * What makes two streams the same, so that one connection may serve both.
 *
 * The danger is that a tab is given what another user may see: the request is made by one tab, and the tabs of an origin
 * need not be logged in as the same user. So two streams are the same only if nothing that is sent can differ:
 *
 * - `share: true`: the URL, the method, the body and all headers are equal, `Authorization` included. What cannot be
 *   compared is not allowed: functions, a body that is no text, a `fetch` of one's own. Cookies cannot be compared, so
 *   none are sent.
 * - `share: "name"`: the caller vouches for what cannot be compared, cookies among it, with a name for whose stream it is:
 *   a user's id, or a session's. Names must be equal, and all that can be compared.
 *
 * Both are only between pages of one origin in one partition of the browser's storage: these already trust each other.
 */

import { StreamError } from "./errors.js";
import type { PerAttempt, StreamOptions } from "./options.js";

/** Told apart from other uses of the names, and from tabs that run a version that speaks another protocol. */
const PROTOCOL = "tidings-share-1";

/**
 * The name under which the tabs that share a stream meet. It is a digest: nothing of a token or a name is in it.
 *
 * @returns an error where no name can be made: what cannot be compared needs one from the caller.
 */
export async function shareName(
  url: PerAttempt<string | URL>,
  options: StreamOptions,
): Promise<string | StreamError> {
  const { body, fetch, headers, method, share, withCredentials } = options;
  if (share !== true && typeof share !== "string") {
    // Types are gone at run time, and a number would be the same key as any other.
    return new StreamError("`share` is `true` or a text: say `share: String(userId)`", "request");
  }
  const functions = [url, headers, fetch].some((each) => typeof each === "function");
  const comparable = !functions && withCredentials !== true && (body === undefined || isText(body));
  if (typeof share !== "string" && !comparable) {
    return new StreamError(
      "`share: true` is for streams that are the same for all who make the same request; with functions, cookies or a " +
        "body that is no text this one may not be: say whose it is, as in `share: userId`",
      "request",
    );
  }
  const key = [
    typeof share === "string" ? share : null,
    typeof url === "function" ? null : String(url),
    method ?? null,
    isText(body) ? String(body) : null,
    withCredentials === true,
    typeof headers === "function" ? null : [...new Headers(headers)].sort(),
  ];
  const bytes = new TextEncoder().encode(JSON.stringify(key));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `${PROTOCOL} ${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The options with which the connection is made: those of `share: true` send no cookies. */
export function connectionOptions(options: StreamOptions): StreamOptions {
  if (options.share !== true) return options;
  return { ...options, fetch: (url, init) => fetch(url, { ...init, credentials: "omit" }) };
}

function isText(body: StreamOptions["body"]): boolean {
  return typeof body === "string" || body instanceof URLSearchParams;
}
