/**
 * What the life of a page does to a stream: hidden, frozen, put into the back/forward cache, asleep with its machine, offline.
 *
 * In workers only what they have of it; on servers nothing.
 */

import type { Source } from "./source.js";

/** How often the clock is looked at. */
const TICK_MS = 10_000;
/** How much later than that a look must be for the machine to have slept: timers of hidden pages run once in a minute. */
const SLEPT_MS = 75_000;
/** For how long a connection must have been quiet to be given up after a sleep. */
const QUIET_MS = 1_000;

/**
 * Has a source follow the life of the page.
 *
 * @param visibility what to do while the page is hidden.
 * @returns how to stop that.
 */
export function followPage(source: Source, visibility: "keep" | "pause"): () => void {
  const { document, addEventListener } = globalThis;
  if (typeof addEventListener !== "function" || (document === undefined && !inWorker())) {
    return () => {};
  }
  const ended = new AbortController();
  const { signal } = ended;

  /** Why the source is paused: it goes on when no reason is left. */
  const reasons = new Set<string>();
  const pause = (reason: string): void => {
    if (reasons.size === 0) source.pause();
    reasons.add(reason);
  };
  const resume = (reason: string): void => {
    if (reasons.delete(reason) && reasons.size === 0) source.resume();
  };

  let looked = Date.now();
  /** After a sleep the connection may be dead without anybody having been told. */
  const look = (): void => {
    const since = Date.now() - looked;
    looked = Date.now();
    if (since > SLEPT_MS) source.reconnectNow(QUIET_MS);
  };
  const timer = setInterval(look, TICK_MS);
  signal.addEventListener("abort", () => clearInterval(timer));

  addEventListener("online", () => source.reconnectNow(), { signal });
  if (document === undefined) return () => ended.abort();

  // A page that may come back is not told that its connections have ended, and holds up others with a lock.
  const leave = (event: PageTransitionEvent): void => {
    if (event.persisted) pause("cached");
  };
  addEventListener("pagehide", leave, { signal });
  addEventListener("pageshow", () => resume("cached"), { signal });
  document.addEventListener("freeze", () => pause("frozen"), { signal });
  document.addEventListener("resume", () => resume("frozen"), { signal });

  const turn = (): void => {
    look();
    if (visibility === "keep") return;
    if (document.visibilityState === "hidden") pause("hidden");
    else resume("hidden");
  };
  document.addEventListener("visibilitychange", turn, { signal });
  turn();
  return () => ended.abort();
}

function inWorker(): boolean {
  return typeof (globalThis as { importScripts?: unknown }).importScripts === "function";
}
