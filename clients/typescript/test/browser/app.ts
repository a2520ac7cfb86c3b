/** An example app beside its hub, as its README says to run it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** The examples, seen from the compiled tests. */
const EXAMPLES = new URL("../../../../../examples/", import.meta.url);

/** How long a line that is awaited may take; the first start installs what the app needs. */
const PATIENCE_MS = 60_000;

/** A running example. */
export class App {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** What it said of errors. */
  complaints = "";
  #ended = false;

  private constructor(process: ChildProcess, output: Readable, errors: Readable) {
    this.#process = process;
    this.#lines = createInterface(output)[Symbol.asyncIterator]();
    errors.setEncoding("utf8").on("data", (text: string) => {
      this.complaints += text;
    });
  }

  /** Starts an example by the line of its README that does so. */
  static start(name: string, env: Record<string, string>): App {
    if (!existsSync(new URL("../../../dist/index.js", import.meta.url))) {
      throw new Error("the examples need the built package: run `npm run build`");
    }
    const app = spawn("sh", ["-c", "npm ci --no-audit --no-fund && npm start"], {
      cwd: fileURLToPath(new URL(`${name}/`, EXAMPLES)),
      // A group of its own, so that it can be ended with all that it has started.
      detached: true,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new App(app, app.stdout, app.stderr);
  }

  /** Waits for a line of its output. */
  async says(wanted: RegExp): Promise<string> {
    const timer = setTimeout(() => void this.end(), PATIENCE_MS);
    try {
      for (;;) {
        const { done, value } = await this.#lines.next();
        if (done) throw new Error(`it did not say ${wanted}, but: ${this.complaints}`);
        if (wanted.test(value)) return value;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks it to end, as Ctrl-C does, and waits until nobody of its group is left who could say anything. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const closed = once(this.#process, "close", { signal: AbortSignal.timeout(PATIENCE_MS) });
    process.kill(-(this.#process.pid ?? 0), "SIGINT");
    await closed;
  }
}
