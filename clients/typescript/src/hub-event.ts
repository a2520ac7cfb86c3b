/** What a Tidings hub says about the stream itself, by four events of its own (docs/protocol.md), as typed values. */

/** Updates are lost that the subscriber may have been owed; what follows came after them. */
export interface Gap {
  kind: "gap";
  /** The id that was resumed from; absent if the subscriber fell behind while it was connected. */
  lastEventId?: string;
  /** The place just before the first update that can follow. */
  resumedAfter: string;
  /** How many updates are lost, on whatever topics; absent if the hub cannot know. */
  missed?: number;
}

/** The request is turned away for now; the stream ends after it, and is tried again. */
export interface Refused {
  kind: "refused";
  status: number;
  /** One of the protocol's reasons, such as `user_limit`. */
  reason: string;
  /** When to come back, in milliseconds. */
  retryMs: number;
}

/** The token has expired, or its holder was thrown out; the stream ends after it. */
export interface Expired {
  kind: "expired";
  /** `token_expired` or `kicked`. */
  reason: string;
}

/** The hub goes down; the stream ends after it. */
export interface Drain {
  kind: "drain";
  /** When to come back, in milliseconds. */
  retryMs: number;
}

export type HubEvent = Gap | Refused | Expired | Drain;

/** The members of each payload: `s` a text, `n` a whole number, `?` may be absent. */
const SHAPES = new Map([
  ["gap", "last_event_id:s? resumed_after:s missed:n?"],
  ["refused", "status:n reason:s retry_ms:n"],
  ["expired", "reason:s"],
  ["drain", "retry_ms:n"],
]);

/**
 * Reads an event, of a listener or a loop, as one of the hub's own.
 *
 * ```
 * stream.addEventListener("gap", (event) => hubEvent(event) && reload());
 * ```
 *
 * @returns `undefined` if it is another event, or its payload is not as it should be.
 */
export function hubEvent(event: { type: string; data: string }): HubEvent | undefined {
  const shape = SHAPES.get(event.type);
  if (!shape) return;
  try {
    const payload = JSON.parse(event.data) as Record<string, unknown>;
    const said: Record<string, unknown> = { kind: event.type };
    for (const member of shape.split(" ")) {
      const [name = "", rule = ""] = member.split(":");
      const value = payload[name];
      if (value === undefined && rule[1]) continue;
      const fits = rule[0] === "s" ? typeof value === "string" : isCount(value);
      if (!fits) return;
      said[name.replace(/_./g, ([, letter = ""]) => letter.toUpperCase())] = value;
    }
    return said as unknown as HubEvent;
  } catch {
    return;
  }
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}
