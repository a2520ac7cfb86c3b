/** `Stream`: the two faces of a stream, an `EventSource` and an async iterable. How its events come is the source's affair. */

import type { StreamError } from "./errors.js";
import { Handoff } from "./handoff.js";
import type { PerAttempt, StreamOptions } from "./options.js";
import { absolute } from "./request.js";
import type { SourceEvent } from "./source.js";
import { StreamEvent, StreamMessageEvent } from "./stream-event.js";
import type {
  AnyListener,
  EventOf,
  FailureEvent,
  ListenOptions,
  MessageOf,
  OpenEvent,
  StreamEventMap,
  StreamListener,
} from "./stream-types.js";
import { openSource } from "./wiring.js";

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

/** The listener that stands for a handler attribute. */
interface Handling extends EventListenerObject {
  handler(event: Event): unknown;
}

/**
 * A stream of server-sent events that stays open: it reconnects by the last id until it is closed.
 *
 * It is used like `EventSource`, by listeners, or by a loop, `for await (const event of stream)`. A loop takes events at its
 * own pace: while it is busy nothing more is read from the network. Leaving the loop closes the stream; an error that is
 * final is thrown. There is one loop at a time. Until the first listener or loop is there, events wait for it.
 *
 * Where it differs from `EventSource` on purpose: the answers 408, 425, 429 and 5xx are retried, `Retry-After` honoured; the
 * wait between attempts grows, with a random part; silence ends a connection after `idleTimeout`; the `error` event
 * says what happened. Events are not trusted (`isTrusted`), as no script's can be, and at other origins `Last-Event-ID`
 * needs a preflight.
 *
 * @typeParam Events maps event types to what their data is as JSON, for `event.json()`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface only types a method that EventTarget has.
export class Stream<Events = Record<never, unknown>> extends EventTarget {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSED: 2;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSED: 2;
  declare onopen: ((event: OpenEvent) => unknown) | null;
  declare onmessage: ((event: MessageOf<Events>) => unknown) | null;
  declare onerror: ((event: FailureEvent) => unknown) | null;

  readonly #withCredentials: boolean;
  readonly #closeSource: () => void;
  readonly #handoff = new Handoff<EventOf<Events>>(
    (event) => this.#advance(event),
    () => this.close(),
  );
  readonly #handlers: Record<string, Handling | undefined> = {};
  #url: string;
  #readyState: 0 | 1 | 2 = CONNECTING;
  #lastEventId: string;
  #reconnectionTime = 0;
  /** Somebody has listened, so events are dispatched. */
  #listened = false;
  /** Somebody has begun a loop. */
  #looped = false;
  /** Lets the first event go once somebody listens or loops. */
  #begin: () => void = () => {};
  readonly #begun = new Promise<void>((resolve) => {
    this.#begin = resolve;
  });
  /** Takes the listener off the caller's signal. */
  #unlink: () => void = () => {};

  /**
   * @param url absolute, or relative to the page; or a function that gives it, asked at every attempt.
   * @throws DOMException named `SyntaxError` if the URL is none.
   */
  constructor(url: PerAttempt<string | URL>, options: StreamOptions = {}) {
    super();
    let given = url;
    if (typeof given !== "function") {
      try {
        given = absolute(given).href;
      } catch {
        throw new DOMException("Invalid URL", "SyntaxError");
      }
    }
    this.#url = typeof given === "function" ? "" : (given as string);
    this.#withCredentials = Boolean(options.withCredentials);
    this.#lastEventId = options.lastEventId ?? "";
    const { onOpen, onComment, onError, signal } = options;

    this.#closeSource = openSource(given, options, {
      opened: (opened) => {
        if (!this.#url) this.#url = opened.url;
        this.#turn(OPEN, "open", opened, onOpen);
      },
      event: (event) =>
        this.#listened || this.#looped
          ? this.#deliver(event)
          : this.#begun.then(() => this.#deliver(event)),
      moved: (lastEventId) => {
        this.#lastEventId = lastEventId;
      },
      comment: (text) => tell(onComment, text),
      retry: (ms) => {
        this.#reconnectionTime = ms;
      },
      failed: (failure) => {
        this.#turn(CONNECTING, "error", { ...failure, willRetry: true }, onError);
      },
      paused: () => {
        this.#readyState = CONNECTING;
      },
      stopped: (error) => {
        this.#end(error && { error });
        const told = { error: error as StreamError, willRetry: false as const };
        this.#turn(CLOSED, "error", told, error && onError);
      },
    });
    if (signal) {
      const abort = () => this.#end({ error: signal.reason });
      this.#unlink = () => signal.removeEventListener("abort", abort);
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
    }
  }

  static {
    const value = (value: number) => ({ value, enumerable: true });
    const constants = { CONNECTING: value(CONNECTING), OPEN: value(OPEN), CLOSED: value(CLOSED) };
    Object.defineProperties(Stream, constants);
    Object.defineProperties(Stream.prototype, constants);
    for (const type of ["open", "message", "error"]) {
      Object.defineProperty(Stream.prototype, `on${type}`, {
        get(this: Stream) {
          return this.#handlers[type]?.handler ?? null;
        },
        set(this: Stream, handler: unknown) {
          this.#handle(type, handler);
        },
        configurable: true,
        enumerable: true,
      });
    }
  }

  /** The URL, absolute. Where a function gives it, the URL that answered first, and empty before. */
  get url(): string {
    return this.#url;
  }

  /** Whether cookies are sent to other origins, too. */
  get withCredentials(): boolean {
    return this.#withCredentials;
  }

  /** `CONNECTING`, also while it waits or is paused; `OPEN`; or `CLOSED`, for good. */
  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  /** Where to resume: the last id up to the event that was dispatched or taken last. Empty if there is none. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** The server's last `retry:` in milliseconds, 0 if there was none: the least wait before another attempt, up to 5 minutes. */
  get reconnectionTime(): number {
    return this.#reconnectionTime;
  }

  /** Adds a listener: for `open`, `error`, or events of a type. */
  override addEventListener<Type extends keyof StreamEventMap<Events> & string>(
    type: Type,
    listener: StreamListener<Events, Type> | null,
    options?: ListenOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: ((event: StreamMessageEvent) => unknown) | null,
    options?: ListenOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: AnyListener | null,
    options?: ListenOptions,
  ): void;
  override addEventListener(type: string, listener: unknown, options?: ListenOptions): void {
    super.addEventListener(type, listener as EventListener | null, options);
    this.#listened = true;
    this.#begin();
  }

  /** Closes the stream for good. A loop over it ends. No listener is called any more. */
  close(): void {
    this.#end();
  }

  /**
   * A loop over the events of all types, at the loop's own pace. Leaving it closes the stream. It ends when the stream is
   * closed, or by the server with 204.
   *
   * @throws StreamError from the loop if the stream stops by an error; the reason of an aborted `signal`.
   * @throws TypeError if there is a loop already.
   */
  [Symbol.asyncIterator](): AsyncIterator<EventOf<Events>, undefined> {
    if (this.#looped && this.#readyState !== CLOSED) {
      throw new TypeError("A stream has one loop at a time");
    }
    this.#looped = true;
    this.#begin();
    return this.#handoff;
  }

  #deliver(event: SourceEvent): void | Promise<void> {
    if (this.#readyState === CLOSED) return;
    if (this.#listened) {
      this.#advance(event);
      this.dispatchEvent(new StreamMessageEvent(event));
    }
    if (this.#looped) return this.#handoff.give(new StreamEvent(event) as EventOf<Events>);
  }

  #advance(event: { lastEventId: string }): void {
    this.#lastEventId = event.lastEventId;
  }

  /** Is in another state now, and says so: to the callback, and unless that has closed the stream, to the listeners. */
  #turn<T>(state: 0 | 1 | 2, type: string, told: T, callback?: (told: T) => void): void {
    this.#readyState = state;
    tell(callback, told);
    if (this.#readyState === state) this.dispatchEvent(Object.assign(new Event(type), told));
  }

  #end(failure?: { error: unknown }): void {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CLOSED;
    this.#unlink();
    this.#closeSource();
    this.#handoff.end(failure);
  }

  #handle(type: string, handler: unknown): void {
    const handling = this.#handlers[type];
    if (typeof handler !== "function") {
      if (handling) this.removeEventListener(type, handling);
      this.#handlers[type] = undefined;
    } else if (handling) {
      handling.handler = handler as Handling["handler"];
    } else {
      const made: Handling = {
        handler: handler as Handling["handler"],
        // Not by `currentTarget`: Node 20 has it for the first listener only.
        handleEvent: (event) => made.handler.call(this, event),
      };
      this.#handlers[type] = made;
      this.addEventListener(type, made);
    }
  }
}

/** Only in types: what is removed is what was added. */
export interface Stream<Events> {
  removeEventListener<Type extends keyof StreamEventMap<Events> & string>(
    type: Type,
    listener: StreamListener<Events, Type> | null,
    options?: ListenOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: ((event: StreamMessageEvent) => unknown) | null,
    options?: ListenOptions,
  ): void;
  removeEventListener(type: string, listener: AnyListener | null, options?: ListenOptions): void;
}

/** Calls a callback of the caller's, in the order of what is told. What it throws is nobody else's affair. */
function tell<T>(callback: ((value: T) => void) | undefined, value: T): void {
  try {
    callback?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
