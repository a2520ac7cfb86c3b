/**
 * The seam between a stream and what feeds it.
 *
 * A `Stream` (stream.ts) is a face: it knows how events are dispatched and looped over, and nothing of where they come
 * from. It makes one {@link Source} through `openSource` (wiring.ts) and hands it a {@link Sink}. There are two kinds of
 * source: the engine (engine.ts), which is the network, and a shared one (share.ts), which in one tab of an origin holds
 * an engine and in the others is fed by that tab. Both obey the same few commands, which is all that the page's life
 * (lifecycle.ts) needs: hidden and frozen pages pause, shown ones resume, `online` and a jump of the clock reconnect.
 *
 * Rules that both sides keep:
 * - A source begins by itself, and calls its sink never within its own constructor, so that whoever made the stream can
 *   add listeners first.
 * - The sink is called in the order of the stream, one call at a time: while a promise that it returned is pending the
 *   source tells nothing more of what came, and reads nothing more from the network.
 * - After `close()`, and after `stopped`, the sink is not called any more.
 * - Everything that a sink is given can be cloned (`structuredClone`), but for errors: of a `StreamError` send
 *   `message`, `kind` and `status`, and make another one of them.
 */

import type { StreamError } from "./errors.js";
import type { ParsedEvent } from "./parser.js";

/** An event with where it came from. */
export interface SourceEvent extends ParsedEvent {
  /** The origin of the URL that answered, after redirects. */
  origin: string;
}

/** What is known when a stream opens. */
export interface Opened {
  /** The URL that answered, after redirects. It may hold secrets in its query: it is for the caller, not for logs. */
  url: string;
  /** The answer's status: 200. */
  status: number;
  /** The answer's headers, names in lower case, as far as the platform shows them. */
  headers: Record<string, string>;
  /** With `share`: whether this tab has the connection, or another. Absent where it has one for itself alone. */
  leads?: boolean;
}

/** An attempt that failed, or an open stream that ended, and will be tried again. */
export interface Failure {
  error: StreamError;
  /** How long until the next attempt, in milliseconds. */
  wait: number;
}

/** What a source tells, in the order of the stream. No method may throw. */
export interface Sink {
  /** A connection is open. Comes again after every reconnect. */
  opened(opened: Opened): void;
  /**
   * An event. `lastEventId` has its id, own or inherited. A promise that is returned holds the source up until the
   * consumer has taken the event: that is all there is to backpressure.
   */
  event(event: SourceEvent): void | PromiseLike<void>;
  /** A block without data has moved the place to resume from (the hub's opening and keep-alive do). */
  moved(lastEventId: string): void | PromiseLike<void>;
  /** A comment, without its colon and one space. */
  comment(text: string): void | PromiseLike<void>;
  /** The server's `retry:`, in milliseconds. */
  retry(ms: number): void | PromiseLike<void>;
  /** The connection is gone, or did not come about, and there will be another attempt. */
  failed(failure: Failure): void;
  /** `pause()` has given the connection up; the sink is told nothing more of it, and `opened` comes after `resume()`. */
  paused(): void;
  /** It is over: with an error, or without one when the server said so (204). Never after `close()`. */
  stopped(error?: StreamError): void;
}

/** What a source obeys. All methods can be called at any time, any number of times, and do not throw. */
export interface Source {
  /**
   * Gives the connection up, or the wait for one, and makes no attempt until `resume()`. Events that had arrived are still
   * delivered. It is not a failure: the sink is told `paused`, and not `failed`.
   */
  pause(): void;
  /** After `pause()`: connects at once, by the last id. Otherwise nothing. */
  resume(): void;
  /**
   * There is reason to think that the connection is dead, or that waiting is pointless (`online`, a sleep).
   * - Waiting for the next attempt: makes it at once.
   * - Open, and no byte has come for `quietFor` milliseconds (0, the default: in any case): gives the connection up, tells
   *   `failed` with `wait` 0, and connects at once by the last id.
   * - An attempt under way, or paused: nothing.
   */
  reconnectNow(quietFor?: number): void;
  /** Ends it for good. Releases everything. The sink is not called any more. */
  close(): void;
}
