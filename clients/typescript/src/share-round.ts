/** A new leader's question to the others, and their answers. */

import type { Message } from "./share-messages.js";

/** How long the answers may take. Only a frozen tab takes so long, and it comes back by itself. */
const PATIENCE_MS = 1_000;

/** What a member says of its place. */
export type Answer = Message & { kind: "have" };

/** The answers to one question, until all have come or it has taken too long. */
export class Round {
  readonly #answers: Answer[] = [];
  readonly #timer: ReturnType<typeof setTimeout>;
  #expected = Number.POSITIVE_INFINITY;
  #finish: () => void = () => {};
  /** The answers that have come. */
  readonly done: Promise<Answer[]>;

  constructor() {
    this.done = new Promise((resolve) => {
      this.#finish = () => resolve(this.#answers);
    });
    this.#timer = setTimeout(this.#finish, PATIENCE_MS);
  }

  /** Says how many will answer, once that is known. */
  expect(count: number): void {
    this.#expected = count;
    this.#check();
  }

  /** Takes an answer. */
  add(answer: Answer): void {
    this.#answers.push(answer);
    this.#check();
  }

  #check(): void {
    if (this.#answers.length < this.#expected) return;
    clearTimeout(this.#timer);
    this.#finish();
  }
}
