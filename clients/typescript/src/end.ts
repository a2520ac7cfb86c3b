/** How an attempt ended, and what that means for the next one: what the engine's parts throw at each other. */

import { plain, StreamError, type StreamErrorKind } from "./errors.js";

/** What is known of an end beside its kind and words. */
interface Facts {
  /** The answer's status, where it is the reason. */
  status?: number;
  /** The error of the caller's function. */
  cause?: unknown;
  /** There is no other attempt. */
  final?: boolean;
  /** The next attempt is made at once. */
  atOnce?: boolean;
  /** What the answer's `Retry-After` asks for, in milliseconds. */
  asked?: number;
}

/** The end of an attempt, or of the stream that it opened. Not an error yet: its words still lack what comes next. */
export class End {
  constructor(
    /** None where it is no error: the server said that there is nothing more. */
    readonly kind: StreamErrorKind | undefined,
    readonly what: string,
    readonly facts: Facts = {},
  ) {}

  /** The error that callers see, with what comes next. */
  error(url: string, next: string): StreamError | undefined {
    const { status, cause } = this.facts;
    return (
      this.kind && new StreamError(`${plain(url)}: ${this.what}; ${next}`, this.kind, status, cause)
    );
  }
}
