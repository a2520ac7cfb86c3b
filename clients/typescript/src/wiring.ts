/**
 * What feeds a stream: the network, or with `share` the one connection of all tabs; and in a page, what its life does to it.
 *
 * The one place that knows both the engine and what surrounds it. The code for shared streams is large and rarely wanted, so
 * it is loaded when it is; a source must be there at once, so that one passes commands on.
 */

import { Engine } from "./engine.js";
import { StreamError } from "./errors.js";
import { followPage } from "./lifecycle.js";
import type { PerAttempt, StreamOptions } from "./options.js";
import type { Sink, Source } from "./source.js";

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
  // Node and pages without HTTPS lack what sharing takes: a stream has its own connection there.
  const shared = options.share && globalThis.BroadcastChannel && globalThis.navigator?.locks;
  const source = shared ? openShared(url, options, sink) : new Engine(url, options, sink);
  return followPage(source, options.visibility);
}

/** A source that does what it is told once its code has come. */
function openShared(url: PerAttempt<string | URL>, options: StreamOptions, sink: Sink): Source {
  let source: Source | undefined;
  let closed = false;
  const coming = import("./share.js").then(
    ({ SharedSource }) => {
      source = new SharedSource(url, options, sink);
    },
    (error: unknown) => {
      if (!closed)
        sink.stopped(new StreamError("cannot load share.js", "request", undefined, error));
    },
  );
  const tell = (act: (source: Source) => void) => {
    if (source) act(source);
    else coming.then(() => source && act(source));
  };
  return {
    pause: () => tell((source) => source.pause()),
    resume: () => tell((source) => source.resume()),
    reconnectNow: (quietFor) => tell((source) => source.reconnectNow(quietFor)),
    close: () => {
      closed = true;
      tell((source) => source.close());
    },
  };
}
