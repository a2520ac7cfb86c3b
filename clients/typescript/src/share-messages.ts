/** What the tabs that share a stream say to each other. */

import { StreamError, type StreamErrorKind } from "./errors.js";
import type { Found, Place } from "./share-history.js";
import type { Opened, SourceEvent } from "./source.js";

/** An error as it can be sent. The cause of a leader's own function stays in its tab. */
export interface SentError {
  message: string;
  kind: StreamErrorKind;
  status: number | undefined;
}

/** What the leader's connection tells beside events. */
export type News =
  | { opened: Opened }
  | { failed: SentError; wait: number }
  | { stopped: SentError | undefined }
  | { moved: string }
  | { comment: string }
  | { retry: number };

/**
 * The messages. `from` and `to` are members. Whoever leads says its `term`: those of higher terms are believed.
 *
 * A leader begins by asking all how far they are (`ask`, `have`), so that it resumes from the place of who got furthest.
 * Then it says where it begins (`lead`). Whoever is not at just that place, or misses a number later, asks to be let in
 * (`join`) and is given what it lacks (`welcome`), if the leader still has it (`unknown`).
 */
export type Message =
  | { kind: "ask"; term: number; from: string; place: Place }
  | { kind: "have"; to: string; place: Place; found: Found | undefined }
  | { kind: "lead"; term: number; place: Place }
  | { kind: "join"; from: string; place: Place }
  | {
      kind: "welcome";
      term: number;
      to: string;
      found: Found;
      lastEventId: string;
      opened: Opened | undefined;
    }
  | { kind: "unknown"; term: number; to: string }
  | { kind: "event"; term: number; seq: number; event: SourceEvent }
  | { kind: "news"; term: number; news: News }
  /** Is the leader there? A timer of the leader's would be slowed down in a hidden page; an answer is not. */
  | { kind: "ping" }
  | { kind: "pong"; term: number }
  /** A follower has reason to think that the connection is dead. */
  | { kind: "nudge"; quietFor: number };

/** An error as it can be sent. */
export function sent({ message, kind, status }: StreamError): SentError {
  return { message, kind, status };
}

/** An error that was sent. */
export function received({ message, kind, status }: SentError): StreamError {
  return new StreamError(message, kind, status);
}
