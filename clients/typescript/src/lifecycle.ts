/**
 * What the life of a page does to a stream: hidden, frozen, put into the back/forward cache, asleep with its machine, offline.
 *
 * Workers have the two last of these. Servers have none, and never load this.
 */

import type { Source } from "./source.js";

/** How often it is looked whether the machine has slept. */
const TICK_MS = 10_000;
/** How late a look must be for that: timers of hidden pages may run once in a minute. */
const SLEPT_MS = 75_000;
/** How long a connection must have been quiet to be given up after a sleep. */
const QUIET_MS = 1_000;

/**
 * Has a source follow the life of the page that this runs in.
 *
 * @param visibility what to do while the page is hidden.
 * @returns how to close the source.
 */
export function followPage(source: Source, visibility?: "keep" | "pause"): () => void {
  const { addEventListener, document } = globalThis;
  const ended = new AbortController();
  const { signal } = ended;
  /** Why the source is paused: it goes on when no reason is left. */
  const reasons = new Set<string>();
  const because = (reason: string, holds: boolean): void => {
    if (holds) reasons.add(reason);
    else if (!reasons.delete(reason)) return;
    if (reasons.size) source.pause();
    else source.resume();
  };

  let looked = Date.now();
  /** After a sleep the connection may be dead, and nobody has been told. */
  const look = (): void => {
    const since = Date.now() - looked;
    looked = Date.now();
    if (since > SLEPT_MS) source.reconnectNow(QUIET_MS);
  };
  const ticking = setInterval(look, TICK_MS);
  addEventListener("online", () => source.reconnectNow(), { signal });

  if (document) {
    const turn = (): void => {
      look();
      because("hidden", visibility === "pause" && document.hidden);
    };
    turn();
    document.addEventListener("visibilitychange", turn, { signal });
    // With a connection or a lock a page is not kept for its return; closed in time, both are there again after it.
    addEventListener("pagehide", ({ persisted }) => because("cached", persisted), { signal });
    addEventListener("pageshow", () => because("cached", false), { signal });
    document.addEventListener("freeze", () => because("frozen", true), { signal });
    document.addEventListener("resume", () => because("frozen", false), { signal });
  }
  return () => {
    ended.abort();
    clearInterval(ticking);
    source.close();
  };
}
