/** Who leads: the holder of a Web Lock. The browser passes it on when the holder's tab is closed or crashes. */

/** One wish for the lead. */
interface Wish {
  /** Takes it out of the queue. */
  leave: AbortController;
  /** Gives the lead up, once the wish is fulfilled. */
  release?: () => void;
}

/** A place in the queue for the lead, and then the lead itself. */
export class Lead {
  readonly #name: string;
  readonly #won: () => void;
  readonly #lost: () => void;
  #wish: Wish | undefined;

  /**
   * @param won the lead is here.
   * @param lost another has taken it, because this one was silent.
   */
  constructor(name: string, won: () => void, lost: () => void) {
    this.#name = name;
    this.#won = won;
    this.#lost = lost;
  }

  /** Whether this member leads. */
  get held(): boolean {
    return this.#wish?.release !== undefined;
  }

  /** Waits for the lead, unless it does already. */
  queue(): void {
    const leave = new AbortController();
    if (this.#wish === undefined) this.#request({ leave }, { signal: leave.signal });
  }

  /** Takes the lead if nobody has it. */
  takeIfFree(): void {
    if (this.#wish !== undefined) return;
    this.#request({ leave: new AbortController() }, { ifAvailable: true });
  }

  /** Takes the lead from whoever has it. */
  steal(): void {
    this.leave();
    this.#request({ leave: new AbortController() }, { steal: true });
  }

  /** Gives the lead up, or the place in the queue. */
  leave(): void {
    const wish = this.#wish;
    this.#wish = undefined;
    wish?.leave.abort();
    wish?.release?.();
  }

  /** How many others wait for the lead, frozen ones included. */
  async others(): Promise<number> {
    const { pending = [] } = await navigator.locks.query();
    return pending.filter(({ name }) => name === this.#name).length;
  }

  async #request(wish: Wish, options: LockOptions): Promise<void> {
    this.#wish = wish;
    try {
      await navigator.locks.request(this.#name, options, (lock) => {
        if (lock === null || this.#wish !== wish) return undefined;
        return new Promise<void>((release) => {
          wish.release = release;
          this.#won();
        });
      });
    } catch {
      // Out of the queue on purpose, or robbed: only the latter leaves the wish in its place.
    }
    if (this.#wish !== wish) return;
    this.#wish = undefined;
    if (wish.release !== undefined) this.#lost();
  }
}
