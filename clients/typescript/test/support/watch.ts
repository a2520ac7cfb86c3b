/** What a test sees of a stream: its events, awaited one by one or noted in order. */

import type { TestContext } from "node:test";
import type { FailureEvent, OpenEvent, StreamMessageEvent } from "../../src/index.js";
import { type PerAttempt, Stream, type StreamError, type StreamOptions } from "../../src/index.js";
import type { Failure, Opened } from "../../src/source.js";

/** Attempts follow each other at once. */
export const AT_ONCE = { base: 0 };

/** Opens a stream that is closed when the test ends. */
export function open(
  t: TestContext,
  url: PerAttempt<string | URL>,
  options: StreamOptions = {},
): Stream {
  const stream = new Stream(url, { backoff: AT_ONCE, ...options });
  t.after(() => stream.close());
  return stream;
}

interface Kinds {
  open: OpenEvent;
  error: FailureEvent;
}

/** The next event of a type. */
export function next<Type extends string>(
  stream: EventTarget,
  type: Type,
): Promise<Type extends keyof Kinds ? Kinds[Type] : StreamMessageEvent> {
  return new Promise((resolve) => {
    stream.addEventListener(type, resolve as never, { once: true });
  });
}

/** The next so many messages. */
export function messages(stream: EventTarget, count: number): Promise<StreamMessageEvent[]> {
  const seen: StreamMessageEvent[] = [];
  return new Promise((resolve) => {
    const note = (event: Event) => {
      seen.push(event as StreamMessageEvent);
      if (seen.length < count) return;
      stream.removeEventListener("message", note);
      resolve(seen);
    };
    stream.addEventListener("message", note);
  });
}

/** The first failure that is the end of the stream. */
export async function end(stream: EventTarget): Promise<FailureEvent> {
  for (;;) {
    const failure = await next(stream, "error");
    if (!failure.willRetry) return failure;
  }
}

/** The words of an error, as a program that logs it whole would show them. */
export function shown(error: unknown): string {
  const { message, stack, cause } = error as StreamError;
  return `${String(error)} ${message} ${stack} ${cause} ${JSON.stringify(error)}`;
}

export type { Failure, Opened };
