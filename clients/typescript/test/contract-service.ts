/**
 * The contract test service: whoever tests clients asks it, over HTTP, to open streams with this client, and is told over
 * HTTP what the client tells. The protocol is that of LaunchDarkly's `sse-contract-tests`; `cargo xtask contract` runs it.
 *
 * The first line that it prints is its URL. An argument sets the port.
 */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Stream } from "../src/index.js";

/** What the client can do: all that the protocol knows. */
const CAPABILITIES = [
  "204",
  "bom",
  "comments",
  "empty-or-missing-location",
  "event-type-listeners",
  "headers",
  "last-event-id",
  "payload-size-stress-testable",
  "post",
  "read-timeout",
  "report",
  "restart",
  "server-directed-shutdown-request",
];

/** How large an event may be: twice the largest that the suite sends. */
const MAX_EVENT_BYTES = 2 ** 28;

/** The stream that is asked for. What is left out may be null: the suite writes the times so. */
interface Wanted {
  streamUrl: string;
  callbackUrl: string;
  initialDelayMs?: number | null;
  readTimeoutMs?: number | null;
  lastEventId?: string | null;
  headers?: Record<string, string> | null;
  method?: string | null;
  body?: string | null;
}

type Command = { command: "listen"; listen: { type: string } } | { command: "restart" };

/** A stream that is open, and what tells of it. */
class Told {
  readonly #wanted: Wanted;
  readonly #types = ["message"];
  #stream: Stream;
  #count = 0;
  /** Settles when everything up to now has been told: one thing after the other. */
  #told: Promise<unknown> = Promise.resolve();

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
    this.#stream = this.#open(wanted.lastEventId ?? "");
  }

  listen(type: string): void {
    this.#types.push(type);
    this.#listenTo(this.#stream, type);
  }

  /** Ends the connection and makes another, by the last id. */
  restart(): void {
    this.#stream.close();
    this.#stream = this.#open(this.#stream.lastEventId);
  }

  close(): void {
    this.#stream.close();
  }

  #open(lastEventId: string): Stream {
    const { streamUrl, initialDelayMs, readTimeoutMs, headers, method, body } = this.#wanted;
    const stream = new Stream(streamUrl, {
      lastEventId,
      maxEventBytes: MAX_EVENT_BYTES,
      ...(given(initialDelayMs) && { backoff: { base: initialDelayMs } }),
      ...(given(readTimeoutMs) && { idleTimeout: readTimeoutMs }),
      ...(headers && { headers }),
      ...(method && { method }),
      ...(given(body) && { body }),
      onComment: (comment) => this.#tell({ kind: "comment", comment }),
      // The protocol's text calls it `comment`, its suite `error`.
      onError: ({ error: { message } }) =>
        this.#tell({ kind: "error", error: message, comment: message }),
    });
    for (const type of this.#types) this.#listenTo(stream, type);
    return stream;
  }

  #listenTo(stream: Stream, type: string): void {
    stream.addEventListener(type, ({ data, lastEventId }) =>
      this.#tell({ kind: "event", event: { type, data, id: lastEventId } }),
    );
  }

  #tell(message: object): void {
    const url = `${this.#wanted.callbackUrl}/${++this.#count}`;
    const post = () => fetch(url, { method: "POST", body: JSON.stringify(message) });
    // Who asked may have gone.
    this.#told = this.#told.then(post).catch(() => {});
  }
}

function given<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

const streams = new Map<string, Told>();
let opened = 0;

/** The answer to one request: its status, and its body or the place of the new stream. */
async function answer(request: IncomingMessage): Promise<[number, unknown?, string?]> {
  const { method, url = "/" } = request;
  const body = await text(request);
  if (url === "/") {
    switch (method) {
      case "GET":
        return [200, { name: "tidings (TypeScript)", capabilities: CAPABILITIES }];
      case "DELETE":
        setImmediate(() => process.exit());
        return [204];
      case "POST": {
        const wanted = JSON.parse(body) as Wanted;
        if (!URL.canParse(wanted.callbackUrl)) return [400];
        const path = `/streams/${++opened}`;
        streams.set(path, new Told(wanted));
        return [201, undefined, path];
      }
    }
    return [405];
  }
  const stream = streams.get(url);
  if (!stream) return [404];
  if (method === "DELETE") {
    stream.close();
    streams.delete(url);
    return [204];
  }
  const command = JSON.parse(body) as Command;
  switch (command.command) {
    case "listen":
      stream.listen(command.listen.type);
      return [202];
    case "restart":
      stream.restart();
      return [202];
    default:
      return [400];
  }
}

const server = createServer(async (request, response) => {
  const [status, body, location] = await answer(request).catch(() => [400] as const);
  response.writeHead(status, location === undefined ? {} : { location });
  response.end(body === undefined ? undefined : JSON.stringify(body));
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
