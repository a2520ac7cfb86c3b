/** What a stream can be told: every option with its meaning, unit and default. */

import type { StreamError } from "./errors.js";
import type { Failure, Opened } from "./source.js";

/** What is known about an attempt before it is made. */
export interface Attempt {
  /** How many attempts and connections have failed in a row: 0 at first, and after a connection that stayed open. */
  failures: number;
  /** The status, 401 or 403, if the server has just refused what the functions gave: a token in a cache is of no use then. */
  refused: number | undefined;
  /** Aborted when the attempt is given up. */
  signal: AbortSignal;
}

/** A value, or a function that is asked for it at every attempt. If the function fails, so does the attempt. */
export type PerAttempt<T> = T | ((attempt: Attempt) => T | Promise<T>);

/** How long to wait before another attempt, beyond what the server asks for. */
export interface Backoff {
  /** The most to wait after the first failure, in milliseconds; it doubles with each in a row. 1,000 by default. */
  base?: number;
  /** The most to wait whatever the number of failures, in milliseconds. 30,000 by default. */
  cap?: number;
  /** How long a connection must have been open for the failures before it to be forgotten, in milliseconds. 10,000 by default. */
  healthyAfter?: number;
  /** After how many failures in a row to stop. None by default: it is tried for ever. */
  maxAttempts?: number;
}

/** Options of a stream. All are optional. */
export interface StreamOptions {
  /** Request headers. `Accept` and `Cache-Control` are set unless given here, `Last-Event-ID` where there is an id. */
  headers?: PerAttempt<RequestInit["headers"] | undefined>;
  /** The method, `GET` by default. A `body` needs another. */
  method?: string;
  /** The body, sent again at every attempt. */
  body?: string | URLSearchParams | FormData | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>;
  /** Replaces the platform's `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** The id to resume from at first, as a former stream's `lastEventId` told it. */
  lastEventId?: string;
  /** Send cookies to other origins, too. `false` by default. */
  withCredentials?: boolean;
  /** How long to wait between attempts. */
  backoff?: Backoff;
  /**
   * What to do at an answer's status that opens no stream; `undefined` leaves it to the default: 408, 425, 429 and 5xx are
   * retried, 401 and 403 ask the `headers` and `url` functions once more and then stop, everything else stops.
   */
  statusPolicy?: (status: number) => "retry" | "stop" | undefined;
  /**
   * For how long no byte may come, comments included, before the connection is given up, in milliseconds. 60,000 by default;
   * 0 is for ever. Servers send a comment now and then as a sign of life; set it to more than twice the time between two.
   * Node's `fetch` breaks a body off by itself after 300 s of silence: that is a lost connection like any other.
   */
  idleTimeout?: number;
  /** How long the head of the answer may take, in milliseconds, `url` and `headers` functions included. 30,000 by default; 0 is for ever. */
  connectTimeout?: number;
  /** The longest line and the most data of one event, in bytes; past it the stream stops. 16 MiB by default. */
  maxEventBytes?: number;
  /** Closes the stream when aborted. A loop over the stream throws its reason. */
  signal?: AbortSignal;
  /**
   * What to do while the page is hidden: `"keep"` the connection, the default, or `"pause"`: give it up, and resume by id when
   * the page is shown again.
   */
  visibility?: "keep" | "pause";
  /**
   * One connection for all tabs of this origin that ask for the same stream; one tab leads, and another takes over by the
   * last id when it is gone. `false` by default.
   *
   * What is the same must be the same for who sees it. `true`: URL, method, body and headers are equal, no cookies are sent,
   * and none of it is a function. A name for whose stream it is, such as a user's id, is needed for the rest: cookies,
   * functions, a `fetch` of one's own; tabs with the same name and an equal URL, method, body and headers share, as far as
   * these are no functions. The leader's other options count for all. In one tab of them a slow loop holds nobody up.
   *
   * Where the browser lacks Web Locks or `BroadcastChannel` (pages without HTTPS do, too), each stream has its own connection.
   */
  share?: boolean | string;
  /** Told each time a connection opens. */
  onOpen?: (opened: Opened) => void;
  /** Told each comment; servers send them as a sign of life. */
  onComment?: (text: string) => void;
  /** Told each failure that is followed by another attempt (`willRetry`), and the error that is the end. */
  onError?: (
    failure:
      | (Failure & { willRetry: true })
      | { error: StreamError; willRetry: false; wait?: undefined },
  ) => void;
}
