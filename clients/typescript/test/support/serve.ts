/** An HTTP server of a test: answers as the test says, and keeps what it was asked. */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";

/** A request as it came. Header values have one character for each byte. */
export interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Served {
  /** Without a slash at the end. */
  url: string;
  asked: Asked[];
  /** Ends every connection without a word. */
  cut(): void;
}

/** Serves until the test ends. `count` is how many requests came before. */
export async function serve(
  t: TestContext,
  answer: (response: ServerResponse, asked: Asked, count: number) => void,
): Promise<Served> {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (request, response) => {
    const { method = "", url = "", headers } = request;
    const one = { method, url, headers, body: await text(request) };
    asked.push(one);
    answer(response, one, asked.length - 1);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    cut();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, cut };
}

/** Opens an event stream and leaves it open. */
export function stream(response: ServerResponse, body = ""): ServerResponse {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.flushHeaders();
  if (body) response.write(body);
  return response;
}
