/** From hand to hand: the iterator of a loop over a stream, which keeps who gives waiting until the loop takes. */

interface Taker<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** An async iterator that holds at most one value. */
export class Handoff<T> implements AsyncIterator<T, undefined> {
  readonly #onTake: (value: T) => void;
  readonly #onReturn: () => void;
  /** Calls of `next` that wait for a value. */
  readonly #takers: Taker<T>[] = [];
  /** A value that waits for a call of `next`, and who waits for it to be taken. */
  #held: { value: T; taken: () => void } | undefined;
  #over: { error?: unknown } | undefined;

  /**
   * @param onTake called when a value is taken, before the loop sees it.
   * @param onReturn called when the loop is left early.
   */
  constructor(onTake: (value: T) => void, onReturn: () => void) {
    this.#onTake = onTake;
    this.#onReturn = onReturn;
  }

  /** Gives a value. If nobody waits for it, the promise is fulfilled once it is taken; make no other call until then. */
  give(value: T): void | Promise<void> {
    const taker = this.#takers.shift();
    if (taker) return this.#hand(value, taker);
    return new Promise((taken) => {
      this.#held = { value, taken };
    });
  }

  /** There is nothing more: the loop ends, or throws if there is an error. Only the first call counts. */
  end(failure: { error?: unknown } = {}): void {
    this.#over ??= failure;
    this.#held = undefined;
    for (const taker of this.#takers.splice(0)) this.next().then(taker.resolve, taker.reject);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const held = this.#held;
      const over = this.#over;
      if (over) {
        this.#over = {};
        if ("error" in over) reject(over.error);
        else resolve({ value: undefined, done: true });
      } else if (held) {
        this.#held = undefined;
        this.#hand(held.value, { resolve, reject });
        held.taken();
      } else {
        this.#takers.push({ resolve, reject });
      }
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  #hand(value: T, taker: Taker<T>): void {
    this.#onTake(value);
    taker.resolve({ value, done: false });
  }
}
