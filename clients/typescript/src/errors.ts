/** What can go wrong with a stream, as one error class with a closed list of kinds, in words without secrets. */

/**
 * Why an attempt failed or a stream ended:
 * - `network`: no connection, or it broke.
 * - `ended`: the server ended the stream.
 * - `timeout`: no answer within `connectTimeout`.
 * - `idle`: no byte within `idleTimeout`, or the machine slept.
 * - `status`: the answer's status is none that opens a stream; it is in {@link StreamError.status}.
 * - `type`: the answer is not `text/event-stream`.
 * - `limit`: an event or a line larger than `maxEventBytes`.
 * - `request`: the `url` or `headers` function failed, or no request can be made of what they gave.
 */
export type StreamErrorKind =
  | "network"
  | "ended"
  | "timeout"
  | "idle"
  | "status"
  | "type"
  | "limit"
  | "request";

/**
 * Why a stream failed. Its message says what happened, where, and what comes next; the URL in it is without user, password
 * and query, for tokens live there. `cause` is the error of the `url` or `headers` function, as it was thrown.
 */
export class StreamError extends Error {
  override name = "StreamError";

  constructor(
    message: string,
    /** What happened. */
    readonly kind: StreamErrorKind,
    /** The answer's status, where it is the reason. */
    readonly status?: number,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? {} : { cause });
  }
}

/** The words of a URL or of a foreign error, without what may be secret in a URL, and not too many of them. */
export function plain(thrown: unknown): string {
  const error = Object(thrown) as { cause?: { code?: string; message?: string }; message?: string };
  return String(error.cause?.code || error.cause?.message || error.message || thrown)
    .replace(/\/\/[^/\s]*@/g, "//")
    .replace(/[?#]\S*/g, "")
    .slice(0, 200);
}
