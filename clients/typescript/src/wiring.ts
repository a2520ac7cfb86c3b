/**
 * What feeds a stream: the network, and in a browser what page.ts makes of that.
 *
 * The one place that knows both the engine and what surrounds it. That is large, and of no use on servers, so it is loaded
 * where it is wanted; unless the stream is to be shared it is connected meanwhile.
 */

import { Engine } from "./engine.js";
import type { PerAttempt, StreamOptions } from "./options.js";
import type { Sink } from "./source.js";

/**
 * Opens the source of a stream. Its sink is called later than this returns.
 *
 * @param url absolute, or a function that gives one.
 * @returns how to close it.
 */
export function openSource(
  url: PerAttempt<string | URL>,
  options: StreamOptions,
  sink: Sink,
): () => void {
  const connect = () => new Engine(url, options, sink);
  const inBrowser = globalThis.navigator?.onLine != null;
  let source = inBrowser && options.share ? undefined : connect();
  /** None once it is closed. */
  let close: (() => void) | undefined = () => source?.close();
  if (inBrowser) {
    import("./page.js").then(
      ({ inPage }) => {
        close &&= inPage(url, options, sink, source);
      },
      // Where it cannot be loaded, a shared stream has its own connection, too.
      () => {
        if (close) source ??= connect();
      },
    );
  }
  return () => {
    close?.();
    close = undefined;
  };
}
