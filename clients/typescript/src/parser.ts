/** The parser: bytes in, in chunks cut anywhere, events out, exactly as WHATWG HTML 9.2.6 says. */

/** An event as a receiver sees it. */
export interface ParsedEvent {
  /** The type: `message` where the stream names none. */
  type: string;
  /** The `data` lines, joined with LF. */
  data: string;
  /** The last id of the stream up to this event, its own or an earlier one; empty if there is none. */
  lastEventId: string;
}

/** What a {@link Parser} calls, in the order of the stream. */
export interface ParserHandlers {
  /** An event, at its blank line. */
  onEvent(event: ParsedEvent): void;
  /** A comment, at the end of its line, without the colon and one space after it. */
  onComment?(text: string): void;
  /** How many milliseconds to wait before reconnecting; any size up to `Number.MAX_SAFE_INTEGER`. */
  onRetry?(ms: number): void;
  /** An id that a blank line has confirmed, also that of a block without data. Called before its event. */
  onId?(id: string): void;
}

/** What a {@link Parser} can be given besides its handlers. */
export interface ParserOptions {
  /** The last event id that events have until the stream brings another. Empty by default. */
  lastEventId?: string;
  /** The longest line and the most data of one event, in bytes. 16 MiB by default. */
  maxEventBytes?: number;
}

/** The stream has a line or an event larger than the parser accepts. */
export class TooLargeError extends Error {
  override name = "TooLargeError";

  constructor(limit: number) {
    super(
      `The stream has an event or a line of more than ${limit} bytes: raise maxEventBytes to accept it`,
    );
  }
}

/** Parses one event stream. */
export class Parser {
  constructor(handlers: ParserHandlers, options: ParserOptions = {}) {
    void handlers;
    void options;
  }

  /** The last event id that a blank line has confirmed; empty if there is none. */
  get lastEventId(): string {
    return "";
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @throws TooLargeError past the limit; the parser stays failed.
   */
  push(chunk: Uint8Array): void {
    void chunk;
  }
}
