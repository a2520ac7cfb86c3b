/**
 * What a tab has received and its consumer not yet taken, in order.
 *
 * A slow consumer cannot hold up the shared connection, because the other tabs are on it, too. What waits for it waits here;
 * when it is too much, the tab goes on by a connection of its own, which it does hold up.
 */

import type { Sink } from "./source.js";

/** How much may wait: as many calls, and as many characters in their events. */
const MAX_CALLS = 1_000;
const MAX_CHARACTERS = 4_000_000;

type Call = (sink: Sink) => void | PromiseLike<void>;

/** The calls that wait for a sink. */
export class Outbox {
  readonly #sink: Sink;
  #waiting: { call: Call; size: number }[] = [];
  #characters = 0;
  #draining: Promise<void> | undefined;
  #closed = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Whether more waits than may. */
  get full(): boolean {
    return this.#waiting.length > MAX_CALLS || this.#characters > MAX_CHARACTERS;
  }

  /** Whether anything waits. */
  get waits(): boolean {
    return this.#draining !== undefined;
  }

  /** Makes a call as soon as those before it are done. Gives what is over when nothing waits, if anything does. */
  add(call: Call, size = 0): Promise<void> | undefined {
    if (this.#closed) return undefined;
    if (this.#draining === undefined) {
      const taken = call(this.#sink);
      if (taken === undefined) return undefined;
      this.#draining = this.#drain(taken);
    } else {
      this.#waiting.push({ call, size });
      this.#characters += size;
    }
    return this.#draining;
  }

  /** Makes no further call. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  async #drain(taken: PromiseLike<void>): Promise<void> {
    await taken;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#characters -= next.size;
      await next.call(this.#sink);
    }
    this.#draining = undefined;
  }
}
