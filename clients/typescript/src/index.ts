/** What `import ... from "tidings"` offers: the receiving half. */

export { StreamError, type StreamErrorKind } from "./errors.js";
export {
  type Drain,
  type Expired,
  type Gap,
  type HubEvent,
  hubEvent,
  type Refused,
} from "./hub-event.js";
export type { Attempt, Backoff, PerAttempt, StreamOptions } from "./options.js";
export { type ParsedEvent, Parser, type ParserHandlers } from "./parser.js";
export type { Failure, Opened } from "./source.js";
export { Stream } from "./stream.js";
export { StreamEvent, StreamMessageEvent } from "./stream-event.js";
export type {
  EventOf,
  FailureEvent,
  OpenEvent,
  StreamEventMap,
  StreamListener,
} from "./stream-types.js";
