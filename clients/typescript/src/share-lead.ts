/** Who leads: the holder of a Web Lock. The browser passes it on when the holder's tab is closed or crashes. */

/** One wish for the lead. */
interface Wish {
  /** Takes it out of the queue. */
  leave: AbortController;
  /** Gives the lead up, once the wish is fulfilled. */
  release?: () => void;
}

/** What the holder of a place is told. */
interface Told {
  /** The lead is here. */
  won(): void;
  /** Another has taken it, because this one was silent. */
  lost(): void;
  /** This page can have no lead. */
  denied(): void;
}

/** A place in the queue for the lead, and then the lead itself. */
export class Lead {
  readonly #name: string;
  readonly #told: Told;
  #wish: Wish | undefined;

  constructor(name: string, told: Told) {
    this.#name = name;
    this.#told = told;
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

  /** How many others wait for the lead, frozen ones included; infinitely many where the browser does not say. */
  async others(): Promise<number> {
    // It says nothing to a page that is being left.
    const known = await navigator.locks.query().catch(() => undefined);
    return known?.pending?.filter(({ name }) => name === this.#name).length ?? Infinity;
  }

  async #request(wish: Wish, options: LockOptions): Promise<void> {
    this.#wish = wish;
    let denied = false;
    try {
      await navigator.locks.request(this.#name, options, (lock) => {
        if (lock === null || this.#wish !== wish) return undefined;
        return new Promise<void>((release) => {
          wish.release = release;
          this.#told.won();
        });
      });
    } catch (error) {
      // Otherwise it is out of the queue on purpose, or robbed.
      denied = (error as Error).name !== "AbortError";
    }
    if (this.#wish !== wish) return;
    this.#wish = undefined;
    if (wish.release !== undefined) this.#told.lost();
    else if (denied) this.#told.denied();
  }
}
