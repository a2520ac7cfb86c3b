/** The parser: bytes in, in chunks cut anywhere, events out, exactly as WHATWG HTML 9.2.6 says. */

import { Utf8 } from "./utf8.js";

/** An event as a receiver sees it. */
export interface ParsedEvent {
  /** The type: `message` where the stream names none. */
  type: string;
  /** The `data` lines, joined with LF. */
  data: string;
  /** The last id of the stream up to this event, its own or an earlier one; empty if there is none. */
  lastEventId: string;
}

/** What a {@link Parser} calls, in the order of the stream. What one throws, `push` throws. */
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
  lastEventId?: string | undefined;
  /**
   * The longest line and the most data of one event that are accepted, in bytes; text beyond ASCII may be longer, since
   * it is counted as `data.length` is. It holds for every line, also for those that are read past. 16 MiB by default.
   */
  maxEventBytes?: number | undefined;
}

const LF = 10;
const SPACE = 32;
const COLON = 58;
const A = 97;
const D = 100;
const E = 101;
const I = 105;
const N = 110;
const R = 114;
const T = 116;
const V = 118;
const BOM = 0xfeff;

/** From so many characters of a line its field is known: the longest name and the colon. */
const HEAD_LENGTH = 6;
/** What a piece of text costs besides its characters, about. */
const PIECE_BYTES = 64;
/** How much more than twice their length pieces may keep in memory. */
const SLACK_BYTES = 65_536;

/**
 * Parses one event stream. The work is linear in the bytes, whatever the chunks are, and the memory is at most a
 * small multiple of the limit. A CR is not held back for the LF that may follow it.
 */
export class Parser {
  readonly #handlers: ParserHandlers;
  readonly #limit: number;
  readonly #utf8 = new Utf8();
  #failure: RangeError | undefined;
  #hasBegun = false;
  /** Whether the last line ended with CR at the end of a chunk: an LF that follows belongs to that end. */
  #isAfterCr = false;

  /** The line that the end of a chunk has cut; empty if it is read past. */
  #line = "";
  #lineLength = 0;

  /** The values of the block's `data` lines. */
  #data: string | undefined;
  #type = "";
  /** What the next blank line makes the last event id. */
  #id: string | undefined;
  #lastEventId: string;

  /** How much memory `#line` and `#data` keep, at most: they consist of pieces, and each keeps what it was cut from. */
  #kept = 0;

  constructor(handlers: ParserHandlers, options: ParserOptions = {}) {
    this.#handlers = handlers;
    this.#limit = options.maxEventBytes ?? 2 ** 24; // 16 MiB
    this.#lastEventId = options.lastEventId ?? "";
  }

  /** The last event id that a blank line has confirmed; empty if there is none. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /**
   * Takes the next bytes of the stream. What they complete is handed out before this returns.
   *
   * @throws RangeError past the limit; the parser stays failed.
   */
  push(chunk: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    const text = this.#utf8.decode(chunk);
    if (!text) return;

    let at = 0;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      if (text.charCodeAt(0) === BOM) at = 1;
    }
    if (this.#isAfterCr) {
      this.#isAfterCr = false;
      if (text.charCodeAt(0) === LF) at = 1;
    }
    let lf = text.indexOf("\n", at);
    let cr = text.indexOf("\r", at);
    while (lf >= 0 || cr >= 0) {
      const isCr = cr >= 0 && (lf < 0 || cr < lf);
      const end = isCr ? cr : lf;
      if (this.#lineLength) {
        this.#endCutLine(text.slice(at, end));
        at = end + 1;
      } else {
        at = this.#takeLine(text, at, end);
      }
      if (isCr) {
        cr = text.indexOf("\r", at);
        this.#isAfterCr = at === text.length;
        if (at !== lf) continue;
        at++;
      }
      lf = text.indexOf("\n", at);
    }
    if (at < text.length) this.#cutLine(text.slice(at));
    this.#boundKept(text.length);
  }

  /** Acts on a line that lies in the text as a whole. Answers where the next one begins that is still to be taken. */
  #takeLine(text: string, from: number, end: number): number {
    const next = end + 1;
    if (from === end) {
      this.#endBlock(this.#data);
      return next;
    }
    this.#check(end - from);
    const at = valueAt(text, from, end);
    if (at < 0) return next;
    switch (text.charCodeAt(from)) {
      case D: {
        const value = text.slice(at, end);
        if (this.#data !== undefined) {
          this.#check(this.#data.length + 1 + value.length);
          this.#data += `\n${value}`;
          this.#kept += PIECE_BYTES;
        } else if (text.charCodeAt(end) === LF && text.charCodeAt(next) === LF) {
          // Most events: one line of data and the blank line.
          this.#endBlock(value);
          return next + 1;
        } else {
          this.#data = value;
        }
        break;
      }
      case E:
        this.#type = text.slice(at, end);
        break;
      case I: {
        const id = text.slice(at, end);
        if (id.indexOf("\0") < 0) this.#id = id;
        break;
      }
      case R: {
        const digits = text.slice(at, end);
        if (/^\d+$/.test(digits)) {
          this.#handlers.onRetry?.(Math.min(Number(digits), Number.MAX_SAFE_INTEGER));
        }
        break;
      }
      default:
        this.#handlers.onComment?.(text.slice(at, end));
    }
    return next;
  }

  /** Acts on a blank line. */
  #endBlock(data: string | undefined): void {
    const id = this.#id;
    const type = this.#type || "message";
    this.#id = this.#data = undefined;
    this.#type = "";
    if (id !== undefined) {
      this.#lastEventId = id;
      this.#handlers.onId?.(id);
    }
    if (data !== undefined) {
      this.#handlers.onEvent({ type, data, lastEventId: this.#lastEventId });
    }
  }

  /** Takes the part of a line that lies before the end of a chunk. */
  #cutLine(part: string): void {
    const before = this.#lineLength;
    this.#lineLength += part.length;
    this.#check(this.#lineLength);
    if (before && !this.#line) return;
    this.#line += part;
    if (before < HEAD_LENGTH && this.#lineLength >= HEAD_LENGTH && !this.#isWanted())
      this.#line = "";
  }

  /** Acts on the line that earlier chunks began. */
  #endCutLine(part: string): void {
    this.#check(this.#lineLength + part.length);
    const line = this.#line && this.#line + part;
    this.#line = "";
    this.#lineLength = 0;
    if (line) this.#takeLine(line, 0, line.length);
  }

  /** Whether the cut line is not to be read past. */
  #isWanted(): boolean {
    if (this.#line.charCodeAt(0) === COLON) return this.#handlers.onComment !== undefined;
    return valueAt(this.#line, 0, this.#line.length) >= 0;
  }

  #check(length: number): void {
    if (length <= this.#limit) return;
    this.#line = "";
    this.#data = undefined;
    this.#failure = new RangeError(
      `a line or an event is longer than maxEventBytes (${this.#limit})`,
    );
    throw this.#failure;
  }

  /** Copies what pieces keep a text of this length for, when they keep too much. */
  #boundKept(textLength: number): void {
    const length = this.#line.length + (this.#data?.length ?? 0);
    if (!length) {
      this.#kept = 0;
      return;
    }
    this.#kept += textLength + PIECE_BYTES;
    if (this.#kept <= 2 * length + SLACK_BYTES) return;
    this.#line = copy(this.#line);
    if (this.#data) this.#data = copy(this.#data);
    this.#kept = length;
  }
}

/** Where the value begins in a line; -1 if the field is unknown. */
function valueAt(text: string, from: number, end: number): number {
  const first = text.charCodeAt(from);
  let after = from;
  if (first === D && spells(text, from + 1, A, T, A)) after += 4;
  else if (first === E && text.charCodeAt(from + 1) === V && spells(text, from + 2, E, N, T))
    after += 5;
  else if (first === I && text.charCodeAt(from + 1) === D) after += 2;
  else if (first === R && text.startsWith("retry", from)) after += 5;
  else if (first !== COLON) return -1;
  if (after === end) return end;
  if (text.charCodeAt(after) !== COLON) return -1;
  return text.charCodeAt(after + 1) === SPACE ? after + 2 : after + 1;
}

/** Whether these characters are there. Most lines are asked this, and `startsWith` takes several times as long. */
function spells(text: string, at: number, a: number, b: number, c: number): boolean {
  return (
    text.charCodeAt(at) === a && text.charCodeAt(at + 1) === b && text.charCodeAt(at + 2) === c
  );
}

/** The same text in one piece of its own: engines copy what they join. */
function copy(text: string): string {
  return [text.slice(0, 1), text.slice(1)].join("");
}
