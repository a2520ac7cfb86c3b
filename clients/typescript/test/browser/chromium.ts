/**
 * The browser: a headless Chromium in a home of its own that is gone afterwards.
 *
 * It is spoken to in its own protocol over two pipes. A package for that would bring some sixty others, or need a newer
 * Node than the client does; what the tests use of it is this file and `tab.ts`.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

import { Tab } from "./tab.js";

/** Headless; without the sandbox, which containers do not allow; without traffic of its own. */
const ARGUMENTS = [
  "--headless",
  "--remote-debugging-pipe",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-crash-reporter",
];

/** How long the browser may take to answer, and to end. */
const PATIENCE_MS = 30_000;

/** What a command gives, or an event tells: its fields are known to who asks. */
export type Fields = Record<string, unknown>;

/** A running browser. */
export class Chromium {
  readonly #process: ChildProcess;
  readonly #home: string;
  readonly #commands: Writable;
  readonly #waiting = new Map<number, (answer: Fields) => void>();
  /** Who listens to the events of a tab, by its session. */
  readonly #listeners = new Map<string, (method: string, params: Fields) => void>();
  #count = 0;
  /** The beginning of a message whose end has not come. */
  #rest = "";

  private constructor(process: ChildProcess, home: string) {
    this.#process = process;
    this.#home = home;
    const [, , , commands, answers] = process.stdio;
    this.#commands = commands as Writable;
    // Both pipes break when the browser ends; that it has ended is seen elsewhere.
    this.#commands.on("error", () => {});
    (answers as Readable).setEncoding("utf8").on("data", (text: string) => this.#take(text));
    process.on("exit", () => {
      const answer = { error: { message: "the browser has ended" } };
      for (const settle of this.#waiting.values()) settle(answer);
    });
  }

  /** Starts a browser, with more arguments if need be. */
  static async start(...more: string[]): Promise<Chromium> {
    const home = mkdtempSync(join(tmpdir(), "tidings-browser-"));
    const process = spawn(
      globalThis.process.env.CHROMIUM ?? "chromium",
      [...ARGUMENTS, ...more, `--user-data-dir=${join(home, "profile")}`],
      {
        // A group of its own, so that whatever it starts can be ended with it.
        detached: true,
        env: { ...globalThis.process.env, HOME: home, TMPDIR: home },
        stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      },
    );
    await once(process, "spawn");
    return new Chromium(process, home);
  }

  /** Opens a tab, in front of the others, and waits until its page has loaded. */
  async tab(url: string): Promise<Tab> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = await Tab.attach(this, String(targetId), String(sessionId));
    await tab.goto(url);
    return tab;
  }

  /** Sends a command and gives its result. */
  async send(method: string, params: Fields = {}, session?: string): Promise<Fields> {
    this.#count += 1;
    const id = this.#count;
    const message = {
      id,
      method,
      params,
      ...(session === undefined ? {} : { sessionId: session }),
    };
    const answer = await new Promise<Fields>((settle) => {
      const late = { error: { message: `no answer within ${PATIENCE_MS} ms` } };
      const timer = setTimeout(settle, PATIENCE_MS, late);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        settle(answer);
      });
      this.#commands.write(`${JSON.stringify(message)}\0`);
    });
    this.#waiting.delete(id);
    const error = answer.error as { message: string } | undefined;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return answer.result as Fields;
  }

  /** Has the events of a session told to a listener. */
  listen(session: string, listener: (method: string, params: Fields) => void): void {
    this.#listeners.set(session, listener);
  }

  /** Ends the browser and all that it has started, and removes its home. */
  async close(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, "exit", { signal: AbortSignal.timeout(PATIENCE_MS) });
      await this.send("Browser.close").catch(() => {});
      await ended.catch(() => {});
    }
    try {
      process.kill(-(this.#process.pid ?? 0), "SIGKILL");
    } catch {
      // Nobody of its group is left.
    }
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #take(text: string): void {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop() ?? "";
    for (const text of messages) {
      const message = JSON.parse(text) as Fields;
      if (typeof message.id === "number") this.#waiting.get(message.id)?.(message);
      else
        this.#listeners.get(String(message.sessionId))?.(
          String(message.method),
          message.params as Fields,
        );
    }
  }
}
