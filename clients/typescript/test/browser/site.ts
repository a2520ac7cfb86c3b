/**
 * What a page comes from and talks to: its files, and on the same origin the hub, by way of a proxy that can be told to
 * misbehave.
 */

import { createReadStream } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { type Hub, readerToken } from "./hub.js";

/** The folder of the compiled client and tests, whose modules a page imports. */
const BUILD = new URL("../../", import.meta.url);

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A page of the tests</title>
<link rel="icon" href="data:,">
<script type="module" src="/test/browser/page.js"></script>
`;

/** How long something may take to come true. */
const PATIENCE_MS = 20_000;

/** A request for a stream that came through the proxy. */
export interface Asked {
  headers: IncomingHttpHeaders;
  /** What it was answered; none while it was not. */
  status?: number;
}

/** Serves pages, tokens, and the hub. */
export class Site {
  readonly #server: Server;
  readonly #hub: Hub;
  readonly #waiting = new Set<() => void>();
  readonly #sockets = new Set<Socket>();
  /** The hub's answers that are being passed on. */
  readonly #passing = new Set<IncomingMessage>();
  /** Every request for a stream. */
  readonly asked: Asked[] = [];
  /** How many tokens were given out. */
  tokens = 0;
  /** For how many seconds tokens are good. */
  tokenSeconds = 60;
  /** What requests for a stream are answered in place of what the hub says. */
  refuseWith: number | undefined;

  private constructor(hub: Hub) {
    this.#hub = hub;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Starts a site before a hub. */
  static async start(hub: Hub): Promise<Site> {
    const site = new Site(hub);
    await new Promise<void>((listening) => site.#server.listen(0, "127.0.0.1", listening));
    return site;
  }

  /** Its origin. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing more comes of the streams that are open, and nothing says so. */
  stall(): void {
    for (const answer of this.#passing) answer.pause().removeAllListeners("data");
  }

  /** Ends the connections of the streams that are open. */
  cut(): void {
    for (const answer of this.#passing) answer.destroy();
  }

  /** Waits until a condition holds that the requests of pages bring about. */
  async until(condition: () => boolean): Promise<void> {
    const end = AbortSignal.timeout(PATIENCE_MS);
    while (!condition()) {
      await new Promise<void>((changed, late) => {
        this.#waiting.add(changed);
        const error = new Error(`did not come true: ${condition}`);
        end.addEventListener("abort", () => late(error));
      });
    }
  }

  /** Ends it, and all connections. */
  async close(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search } = new URL(request.url ?? "/", this.url);
    if (pathname === "/hub") {
      this.#pass(search, request, response);
    } else if (pathname === "/token") {
      this.tokens += 1;
      response.end(readerToken("alice", this.tokenSeconds));
    } else if (pathname.endsWith(".js")) {
      response.setHeader("Content-Type", "text/javascript");
      const file = createReadStream(new URL(`.${pathname}`, BUILD));
      file.on("error", () => response.writeHead(404).end()).pipe(response);
    } else {
      response.setHeader("Content-Type", "text/html").end(PAGE);
    }
    this.#changed();
  }

  #pass(query: string, asking: IncomingMessage, response: ServerResponse): void {
    const asked: Asked = { headers: asking.headers };
    this.asked.push(asked);
    const refusal = this.refuseWith;
    if (refusal !== undefined) {
      asked.status = refusal;
      response.writeHead(refusal).end();
      this.#changed();
      return;
    }
    const { host: _, connection: __, ...headers } = asking.headers;
    const passed = request(`${this.#hub.url}/events${query}`, { headers });
    passed.on("response", (answer) => {
      asked.status = answer.statusCode ?? 0;
      this.#passing.add(answer);
      answer.on("close", () => {
        this.#passing.delete(answer);
        response.destroy();
      });
      response.writeHead(asked.status, { "Content-Type": answer.headers["content-type"] ?? "" });
      response.flushHeaders();
      answer.on("data", (chunk) => response.write(chunk));
      answer.on("end", () => response.end());
      this.#changed();
    });
    passed.on("error", () => response.destroy());
    response.on("close", () => passed.destroy());
    passed.end();
  }
}
