/** A proxy between a client and a hub that misbehaves when it is told to. */

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

export interface Proxy {
  /** The URL with the proxy in the place of the server. */
  url: string;
  /** Answers 503 from now on, to who comes and in place of every open stream, which it cuts; or passes on again. */
  refuse(refusing: boolean): void;
  /** Cuts so many of the next connections when their answer comes, which goes nowhere. */
  swallowAnswers(count: number): void;
  /** Passes nothing on any more on the connections that are open, and closes none. */
  stall(): void;
}

/** Passes TCP connections on to the server of a URL until the test ends. */
export async function startProxy(t: TestContext, target: string): Promise<Proxy> {
  const url = new URL(target);
  const port = Number(url.port);
  const sockets = new Set<Socket>();
  const pairs = new Set<[Socket, Socket]>();
  let refusing = false;
  let swallowing = 0;
  const server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    if (refusing) {
      client.once("data", () => {
        client.end(
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
      });
      return;
    }
    const upstream = connect(port, url.hostname);
    sockets.add(upstream);
    upstream.on("error", () => client.destroy());
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
    pairs.add([client, upstream]);
    client.pipe(upstream);
    if (swallowing > 0) {
      swallowing -= 1;
      upstream.once("data", () => client.destroy());
    } else {
      upstream.pipe(client);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    refuse(now) {
      refusing = now;
      if (now) for (const socket of sockets) socket.destroy();
    },
    swallowAnswers(count) {
      swallowing = count;
    },
    stall() {
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream);
        upstream.unpipe(client);
      }
      pairs.clear();
    },
  };
}
