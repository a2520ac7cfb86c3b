/** Types of a stream's events: what the caller's map of types to data makes of listeners and loops. */

import type { StreamError } from "./errors.js";
import type { HubEvent } from "./hub-event.js";
import type { Opened } from "./source.js";
import type { StreamEvent, StreamMessageEvent } from "./stream-event.js";

/** The `open` event: as from `EventSource`, and what is known about the answer. */
export type OpenEvent = Event & Opened;

/** The `error` event: as from `EventSource`, and what happened. */
export interface FailureEvent extends Event {
  /** What happened; `undefined` if the server ended the stream for good with 204. */
  readonly error: StreamError | undefined;
  /** Whether there will be another attempt. If not, `readyState` is `CLOSED`. */
  readonly willRetry: boolean;
  /** How long until then, in milliseconds. */
  readonly wait?: number;
}

/**
 * The events that listeners can be for. `Events` maps event types to what their JSON is, for `event.json()`. A server can
 * send events of type `open` and `error`, too: then they are `MessageEvent`s, as with `EventSource`.
 */
export type StreamEventMap<Events> = {
  [Type in keyof Events]: StreamMessageEvent<Events[Type]>;
} & {
  [Type in Exclude<HubEvent["kind"], keyof Events>]: StreamMessageEvent;
} & { message: MessageOf<Events>; open: OpenEvent; error: FailureEvent };

/** The event of type `message`. */
export type MessageOf<Events> = StreamMessageEvent<
  Events extends { message: infer Data } ? Data : unknown
>;

/** The events of a loop: one of those of the map, to be told apart by `type`; of any type where there is no map. */
export type EventOf<Events> = [keyof Events] extends [never]
  ? StreamEvent
  :
      | { [Type in keyof Events & string]: StreamEvent<Events[Type], Type> }[keyof Events & string]
      | StreamEvent<unknown, Exclude<HubEvent["kind"] | "message", keyof Events>>;

/** A listener for `Type` of a stream. */
export type StreamListener<Events, Type extends keyof StreamEventMap<Events>> =
  | ((event: StreamEventMap<Events>[Type]) => unknown)
  | { handleEvent(event: StreamEventMap<Events>[Type]): unknown };

/** What any `EventTarget` takes, by no name of its own: programs for servers leave the names of the DOM's types out. */
type Listening = Parameters<EventTarget["addEventListener"]>;
export type AnyListener = Listening[1];
export type ListenOptions = Listening[2];
