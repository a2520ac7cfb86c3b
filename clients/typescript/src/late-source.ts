/** A source whose code is still on its way: it is loaded when it is wanted, and does then what it was told meanwhile. */

import { StreamError } from "./errors.js";
import type { Sink, Source } from "./source.js";

/** A source that comes later. */
export class LateSource implements Source {
  #source: Source | undefined;
  #paused = false;
  #closed = false;

  /** @param load makes the source. If it fails, that is the end of the stream. */
  constructor(load: () => Promise<Source>, sink: Sink) {
    load().then(
      (source) => {
        this.#source = source;
        if (this.#closed) source.close();
        else if (this.#paused) source.pause();
      },
      (error: unknown) => {
        if (this.#closed) return;
        sink.stopped(
          new StreamError(
            "The code for shared streams could not be loaded",
            "request",
            undefined,
            error,
          ),
        );
      },
    );
  }

  pause(): void {
    this.#paused = true;
    this.#source?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#source?.resume();
  }

  reconnectNow(quietFor?: number): void {
    this.#source?.reconnectNow(quietFor);
  }

  close(): void {
    this.#closed = true;
    this.#source?.close();
  }
}
