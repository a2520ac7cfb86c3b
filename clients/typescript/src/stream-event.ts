/** An event as applications see it: the text as it came, and what can be read out of it. */

import type { SourceEvent } from "./source.js";

/** An event of a loop over a stream. `Data` is what its JSON is, `Type` its type. */
export class StreamEvent<Data = unknown, Type extends string = string> {
  /** The type; `message` where the stream names none. */
  declare readonly type: Type;
  /** The data, exactly as it came. */
  declare readonly data: string;
  /** The last id of the stream up to this event, its own or an earlier one: where to resume after it. */
  declare readonly lastEventId: string;
  /** The origin of the URL that answered, after redirects. */
  declare readonly origin: string;

  constructor(event: SourceEvent) {
    Object.assign(this, event);
  }

  /**
   * The data as JSON, parsed at each call. That it has the shape of `T` is the caller's word: nothing checks it.
   *
   * @throws SyntaxError if it is not JSON.
   */
  json<T = Data>(): T {
    return JSON.parse(this.data) as T;
  }
}

/** The same event as listeners get it: a `MessageEvent`, as from `EventSource`. */
export class StreamMessageEvent<Data = unknown> extends MessageEvent<string> {
  constructor(event: SourceEvent) {
    super(event.type, event);
  }

  /** As {@link StreamEvent.json}. */
  json<T = Data>(): T {
    return JSON.parse(this.data) as T;
  }
}
