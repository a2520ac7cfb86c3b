/** Whether a stream can be shared: asked at once and everywhere, where the sharing itself is loaded on demand. */

import type { PerAttempt, StreamOptions } from "./options.js";

/**
 * Whether to share: the option is set, and the platform has what it takes. Node 20, old browsers and pages without HTTPS do
 * not; a stream has its own connection there.
 *
 * @throws TypeError if `share: true` is given with what cannot be compared with another tab's.
 */
export function shareable(url: PerAttempt<string | URL>, options: StreamOptions): boolean {
  const { body, fetch, headers, share, withCredentials } = options;
  if (share === undefined || share === false) return false;
  const secret =
    typeof url === "function" ||
    typeof headers === "function" ||
    fetch !== undefined ||
    withCredentials === true ||
    !(body === undefined || typeof body === "string" || body instanceof URLSearchParams);
  if (share === "" || (share === true && secret)) {
    throw new TypeError(
      "This stream may differ from user to user, and only the same user's tabs may share it: " +
        "say whose it is, as in `share: userId`",
    );
  }
  return typeof BroadcastChannel === "function" && globalThis.navigator?.locks !== undefined;
}
