/**
 * The engine: keeps a stream open over the network, by the rules that all clients of the project share.
 *
 * A loop of attempts. Each asks for the stream by the last id, reads it to its end, and says how it ended; the loop decides
 * whether there is another one, and when. It knows no page and no other tab: see source.ts for the commands it obeys.
 */

import { orAborted } from "./abort.js";
import { End } from "./end.js";
import { plain, type StreamError, type StreamErrorKind } from "./errors.js";
import type { Attempt, PerAttempt, StreamOptions } from "./options.js";
import { Parser, type ParserHandlers } from "./parser.js";
import { judge, LONGEST_TIMER, waitFor } from "./policy.js";
import { prepare } from "./request.js";
import type { Sink, Source } from "./source.js";

/** A source that is the network. */
export class Engine implements Source {
  readonly #url: PerAttempt<string | URL>;
  readonly #options: StreamOptions;
  readonly #sink: Sink;
  /** The URL of the last request, for words about it. */
  #lastUrl: string;
  #lastEventId: string;
  /** The server's `retry:`, in milliseconds. */
  #retry = 0;
  /** Ends and failed attempts in a row. */
  #failures = 0;
  /** The status at which the functions are asked once more; until a stream opens. */
  #refused: number | undefined;
  #closed = false;
  #paused = false;
  /** Ends the attempt or the connection under way. */
  #control: AbortController | undefined;
  /** Ends the wait under way. */
  #wake: (() => void) | undefined;
  /** When the present connection was opened, and last had a byte; 0 while there is none. */
  #openedAt = 0;
  #byteAt = 0;

  constructor(url: PerAttempt<string | URL>, options: StreamOptions, sink: Sink) {
    this.#url = url;
    this.#lastUrl = typeof url === "function" ? "" : String(url);
    this.#options = options;
    this.#sink = sink;
    this.#lastEventId = options.lastEventId ?? "";
    void this.#run();
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#interrupt();
    this.#sink.paused();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wake?.();
  }

  reconnectNow(quietFor = 0): void {
    if (this.#paused) return;
    this.#wake?.();
    const quiet = performance.now() - this.#byteAt;
    if (this.#openedAt && quiet >= quietFor) {
      const what = `no byte within ${Math.round(quiet)} ms`;
      this.#control?.abort(new End("idle", what, { atOnce: true }));
    }
  }

  close(): void {
    this.#closed = true;
    this.#interrupt();
  }

  #interrupt(): void {
    this.#control?.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { backoff = {} } = this.#options;
    const { healthyAfter = 10_000, maxAttempts = Infinity } = backoff;
    while (!this.#closed) {
      if (this.#paused) {
        await this.#sleep(LONGEST_TIMER);
        continue;
      }
      const end = await this.#attempt();
      if (this.#openedAt && performance.now() - this.#openedAt >= healthyAfter) this.#failures = 0;
      this.#openedAt = 0;
      if (this.#closed) return;
      if (!end) continue;
      const { final, atOnce, asked = 0, status } = end.facts;
      if (atOnce) this.#refused = status;
      const wait = atOnce
        ? 0
        : Math.ceil(waitFor(Math.max(this.#retry, asked), this.#failures, backoff));
      if (final || ++this.#failures >= maxAttempts) {
        this.#closed = true;
        this.#sink.stopped(end.error(this.#lastUrl, "the stream has stopped"));
        return;
      }
      const error = end.error(this.#lastUrl, `trying again in ${wait} ms`);
      this.#sink.failed({ error: error as StreamError, wait });
      if (!this.#closed && !this.#paused) await this.#sleep(wait);
    }
  }

  /** Asks for the stream once, and reads it to its end; no end if it was given up on purpose. */
  async #attempt(): Promise<End | undefined> {
    const control = new AbortController();
    const { signal } = control;
    this.#control = control;
    const { connectTimeout = 30_000 } = this.#options;
    const timer = deadline(control, connectTimeout, "timeout", "no answer");
    try {
      const response = await orAborted(this.#answer(signal), signal);
      clearTimeout(timer);
      await this.#read(response, control);
      return new End("ended", "the stream ended");
    } catch (thrown) {
      const reason: unknown = signal.aborted ? signal.reason : thrown;
      if (reason instanceof End) return reason;
      return signal.aborted ? undefined : new End("network", `connection lost: ${plain(thrown)}`);
    } finally {
      clearTimeout(timer);
      control.abort();
    }
  }

  async #answer(signal: AbortSignal): Promise<Response> {
    const attempt: Attempt = { failures: this.#failures, refused: this.#refused, signal };
    const [url, init] = await prepare(this.#url, this.#options, this.#lastEventId, attempt);
    this.#lastUrl = url;
    const response = await (this.#options.fetch ?? fetch)(url, init);
    // A `fetch` that knows no signals may answer when nobody waits any more.
    if (signal.aborted) response.body?.cancel().catch(ignore);
    return response;
  }

  async #read(response: Response, control: AbortController): Promise<void> {
    const { signal } = control;
    const { headers: given, idleTimeout = 60_000 } = this.#options;
    const reader = response.body?.getReader();
    signal.addEventListener("abort", () => reader?.cancel().catch(ignore));
    const asks = typeof this.#url === "function" || typeof given === "function";
    judge(response, this.#options, asks && !this.#refused);

    const { status, headers } = response;
    const url = response.url || this.#lastUrl;
    const { queue, parser } = this.#parser(new URL(url).origin);
    this.#refused = undefined;
    this.#openedAt = this.#byteAt = performance.now();
    this.#sink.opened({ url, status, headers: Object.fromEntries(headers) });
    while (reader) {
      // While the consumer takes its time nothing is read, so silence counts only from here on.
      const timer = deadline(control, idleTimeout, "idle", "no byte");
      const chunk = await reader.read().finally(() => clearTimeout(timer));
      signal.throwIfAborted();
      if (chunk.done) return;
      this.#byteAt = performance.now();
      let tooLarge: unknown;
      try {
        parser.push(chunk.value);
      } catch (error) {
        tooLarge = error;
      }
      for (const deliver of queue.splice(0)) {
        const taken = this.#closed || deliver();
        if (taken instanceof Object) await taken;
      }
      if (tooLarge) throw new End("limit", plain(tooLarge), { final: true });
    }
  }

  /** A parser that goes on from the last id, and the queue of what it finds, to be delivered one by one. */
  #parser(origin: string) {
    const sink = this.#sink;
    const queue: (() => void | PromiseLike<void>)[] = [];
    let move: (typeof queue)[number] | undefined;
    const handlers: ParserHandlers = {
      onEvent: (event) => {
        // An id is told by its event, so that it does not count before the event is taken.
        if (queue.at(-1) === move) queue.pop();
        queue.push(() => {
          this.#lastEventId = event.lastEventId;
          return sink.event(Object.assign(event, { origin }));
        });
      },
      onId: (id) => {
        move = () => {
          this.#lastEventId = id;
          return sink.moved(id);
        };
        queue.push(move);
      },
      onComment: (text) => queue.push(() => sink.comment(text)),
      onRetry: (ms) => {
        this.#retry = ms;
        queue.push(() => sink.retry(ms));
      },
    };
    const { maxEventBytes } = this.#options;
    const parser = new Parser(handlers, { lastEventId: this.#lastEventId, maxEventBytes });
    return { queue, parser };
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Gives an attempt up unless it is cleared in time. 0 is no deadline. */
function deadline(control: AbortController, ms: number, kind: StreamErrorKind, what: string) {
  if (!ms) return;
  const end = new End(kind, `${what} within ${ms} ms`);
  return setTimeout(() => control.abort(end), Math.min(ms, LONGEST_TIMER));
}

function ignore(): void {}
