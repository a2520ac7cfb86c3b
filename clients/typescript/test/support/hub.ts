/** The real hub, started by a test from the binary that TIDINGS_BIN names. */

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

const BINARY = process.env.TIDINGS_BIN;

/** The hub takes every variable of its own name for a setting. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith("TIDINGS_")),
);

/** Options of a test that needs the hub: it is left out, and says why, where there is none. */
export const WITH_HUB = { skip: BINARY ? false : "TIDINGS_BIN does not name the hub's binary" };

export interface Hub {
  /** Where updates are published and subscribed to. */
  url: string;
  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void;
  /** Kills it as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again, at the same address, with the same log. */
  start(): Promise<void>;
}

/** Starts a hub in a directory of its own, with `--set` settings; both are gone when the test ends. */
export async function startHub(
  t: TestContext,
  settings: string[],
  flags = ["--dev"],
): Promise<Hub> {
  const directory = mkdtempSync(join(tmpdir(), "tidings-ts-"));
  const listen = `127.0.0.1:${await freePort()}`;
  let hub: ChildProcess | undefined;
  const kill = async () => {
    if (!hub || hub.exitCode !== null || hub.signalCode !== null) return;
    const gone = once(hub, "exit");
    hub.kill("SIGKILL");
    await gone;
  };
  const start = async () => {
    const set = settings.flatMap((setting) => ["--set", setting]);
    const args = ["serve", ...flags, "--listen", listen, "--admin-listen", "127.0.0.1:0", ...set];
    hub = spawn(String(BINARY), args, {
      cwd: directory,
      env: ENVIRONMENT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await serving(hub);
  };
  t.after(async () => {
    await kill();
    rmSync(directory, { recursive: true, force: true });
  });
  await start();
  return {
    url: `http://${listen}/events`,
    // Not `hub.kill`: Deno takes a process for dead after its first signal.
    signal: (signal) => void process.kill(hub?.pid ?? Number.NaN, signal),
    kill,
    start,
  };
}

/** A token for all topics, signed with `key`, good for so many seconds. */
export function token(key: string, seconds: number): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Date.now() / 1_000 + seconds;
  const body = `${part({ alg: "HS256" })}.${part({ exp, mercure: { publish: ["*"], subscribe: ["*"] } })}`;
  return `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
}

async function serving(hub: ChildProcess): Promise<void> {
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    for (const output of [hub.stdout, hub.stderr]) {
      createInterface({ input: output ?? process.stdin }).on("line", (line) => {
        lines.push(line);
        if (line.includes("serving address=")) resolve();
      });
    }
    hub.once("exit", () => reject(new Error(`the hub does not start:\n${lines.join("\n")}`)));
    hub.once("error", reject);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
