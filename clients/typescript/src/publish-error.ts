/** Why an update is not published, as far as the publisher knows. */

/** What may be known of a failed publish beside its words. */
interface Facts {
  status?: number | undefined;
  reason?: string | undefined;
  cause?: unknown;
}

/**
 * Why an update is not published. The message has the hub's URL without user, password and query.
 *
 * Without a {@link status} the answer is missing or not understood: the update may be published all the same. Publishing it
 * again with the same {@link idempotencyKey} is safe.
 */
export class PublishError extends Error {
  override name = "PublishError";
  /** The answer's status, where it is the reason. */
  readonly status: number | undefined;
  /** The hub's stable reason, such as `data_too_large`, where it gives one. */
  readonly reason: string | undefined;

  constructor(
    message: string,
    /** The key that this publish was sent with. */
    readonly idempotencyKey: string,
    { status, reason, cause }: Facts = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.status = status;
    this.reason = reason;
  }
}
