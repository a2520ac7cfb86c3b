/** A hub of its own for a test: the real program, its log in memory, on free ports. */

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** What signs the tokens of the tests. */
export const KEY = "a key for the tests of the browser client, 32 bytes+";

/** How often a figure is looked at again, and for how long. */
const LOOK_MS = 50;
const PATIENCE_MS = 20_000;

/** A token with these claims. */
export function token(claims: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", KEY).update(signed).digest("base64url")}`;
}

/** A token that lets its holder read the private updates of every topic for some seconds. */
export function readerToken(user: string, seconds: number): string {
  const exp = Date.now() / 1000 + seconds;
  return token({ sub: user, exp, mercure: { subscribe: ["*"] } });
}

/** A running hub. */
export class Hub {
  readonly #process: ChildProcess;
  /** Where publishers and subscribers connect. */
  readonly url: string;
  readonly #admin: string;

  private constructor(process: ChildProcess, address: string, admin: string) {
    this.#process = process;
    this.url = `http://${address}`;
    this.#admin = `http://${admin}`;
  }

  /** Starts a hub with these settings (`name=value`), and waits until it serves. */
  static async start(...settings: string[]): Promise<Hub> {
    const program = process.env.TIDINGS_BIN;
    if (program === undefined) {
      throw new Error("the browser tests need a hub: set TIDINGS_BIN to the `tidings` program");
    }
    const set = ["telemetry.log_format=json", "auth.anonymous=true", "cors.origins=*", ...settings];
    const hub = spawn(
      program,
      [
        ...["serve", "--store", "memory", "--listen", "127.0.0.1:0"],
        ...["--admin-listen", "127.0.0.1:0", ...set.flatMap((setting) => ["--set", setting])],
      ],
      {
        // Nothing else: variables that begin with TIDINGS_ are settings.
        env: { TIDINGS_AUTH_PUBLISHER_KEY: KEY, TIDINGS_AUTH_SUBSCRIBER_KEY: KEY },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    const said: string[] = [];
    for await (const line of createInterface(hub.stderr)) {
      said.push(line);
      if (!line.includes('"serving"')) continue;
      const { fields } = JSON.parse(line) as { fields: Record<string, string> };
      // It may never wait for its output to be read.
      hub.stderr.resume();
      return new Hub(hub, fields.address ?? "", fields.admin ?? "");
    }
    throw new Error(`the hub did not start: ${said.join("\n")}`);
  }

  /** Publishes private updates to a topic, in order, and gives their ids. */
  async publish(topic: string, ...data: string[]): Promise<string[]> {
    const updates = data.map((data) => ({ topic, data, private: true }));
    const response = await fetch(`${this.url}/events`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${token({ mercure: { publish: ["*"] } })}`,
      },
      body: JSON.stringify(updates),
    });
    if (!response.ok) throw new Error(`not published: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { id: string }[]).map(({ id }) => id);
  }

  /** The value of one line of the metrics, named with its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.#admin}/metrics`)).text();
    const line = text.split("\n").find((line) => line.startsWith(`${name} `));
    if (line === undefined) throw new Error(`no ${name} in ${text}`);
    return Number(line.slice(name.length));
  }

  /** Waits until a metric has a value. The hub tells nobody, so it is asked again and again. */
  async until(name: string, wanted: number): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = await this.metric(name);
      if (value === wanted) return;
      if (Date.now() > end) throw new Error(`${name} is ${value}, not ${wanted}`);
      await sleep(LOOK_MS);
    }
  }

  /** Kills the hub. */
  async close(): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}
