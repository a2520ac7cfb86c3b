/** What a browser adds to a stream: the one connection of all tabs, and what the life of the page does to it. */

import { Engine } from "./engine.js";
import { followPage } from "./lifecycle.js";
import type { PerAttempt, StreamOptions } from "./options.js";
import { connectionOptions } from "./share-key.js";
import type { Sink, Source } from "./source.js";

/**
 * Has a source follow the life of the page, or opens the one that is shared.
 *
 * @param source none yet if it is to be shared.
 * @returns how to close it.
 */
export function inPage(
  url: PerAttempt<string | URL>,
  options: StreamOptions,
  sink: Sink,
  source: Source | undefined,
): () => void {
  return followPage(source ?? openShared(url, options, sink), options.visibility);
}

function openShared(url: PerAttempt<string | URL>, options: StreamOptions, sink: Sink): Source {
  const connect = () => new Engine(url, connectionOptions(options), sink);
  // Old browsers and pages without HTTPS lack what sharing takes: a stream has its own connection there.
  const possible = globalThis.BroadcastChannel && globalThis.navigator?.locks;
  if (!possible) return connect();

  const coming = import("./share.js").then(
    ({ SharedSource }) => new SharedSource(url, options, sink),
    connect,
  );
  let source: Source | undefined;
  coming.then((come) => {
    source = come;
  });
  // What it is told before it has come it does then, in order.
  const tell = (act: (source: Source) => void): void => {
    if (source === undefined) coming.then(act);
    else act(source);
  };
  return {
    pause: () => tell((source) => source.pause()),
    resume: () => tell((source) => source.resume()),
    reconnectNow: (quietFor) => tell((source) => source.reconnectNow(quietFor)),
    close: () => tell((source) => source.close()),
  };
}
