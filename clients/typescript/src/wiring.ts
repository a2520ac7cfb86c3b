/**
 * What feeds a stream: the network, or with `share` the one connection of all tabs; and in a page, what its life does to it.
 *
 * The one place that knows both the engine and what surrounds it. The share module is large and rarely wanted, so it is
 * imported when it is; a source must be there at once, so that one forwards commands until the module has come.
 */

import { Engine } from "./engine.js";
import { LateSource } from "./late-source.js";
import { followPage } from "./lifecycle.js";
import type { PerAttempt, StreamOptions } from "./options.js";
import { shareable } from "./shareable.js";
import type { Sink, Source } from "./source.js";

/**
 * Opens the source of a stream. Its sink is called later than this returns.
 *
 * @param url absolute, or a function that gives one.
 * @throws TypeError if the stream cannot be shared as `share` asks for.
 */
export function openSource(
  url: PerAttempt<string | URL>,
  options: StreamOptions,
  sink: Sink,
): Source {
  const load = async () => new (await import("./share.js")).SharedSource(url, options, sink);
  const source = shareable(url, options)
    ? new LateSource(load, sink)
    : new Engine(url, options, sink);
  return followPage(source, options.visibility);
}
