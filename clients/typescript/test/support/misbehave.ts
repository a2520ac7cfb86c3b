/** A server that does wrong as `vectors/misbehaving-servers.json` says. */

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

export type Step =
  | { send: string }
  | { send_base64: string }
  | { repeat: string; times: number | null }
  | { pause_ms: number }
  | { stall: true }
  | { close: true }
  | { reset: true };

/** The most that is sent of what has no end. */
const ENDLESS_BYTES = 64 * 1024 * 1024;
/** Repetitions are written so many bytes at a time. */
const PIECE_BYTES = 65_536;

export interface Misbehaving {
  url: string;
  /** How many connections there have been. */
  connections(): number;
}

/** Does the steps on every connection, once a request's head has come, until the test ends. */
export async function misbehave(t: TestContext, steps: Step[]): Promise<Misbehaving> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    let head = "";
    const read = (chunk: Buffer) => {
      head += chunk.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", read).resume();
      void act(socket, steps, port);
    };
    socket.on("data", read);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${port}/?token=s3cret`, connections: () => connections };
}

async function act(socket: Socket, steps: Step[], port: number): Promise<void> {
  for (const step of steps) {
    if (socket.destroyed) return;
    if ("send" in step) await write(socket, Buffer.from(step.send.replaceAll("{port}", `${port}`)));
    else if ("send_base64" in step) await write(socket, Buffer.from(step.send_base64, "base64"));
    else if ("repeat" in step) await repeat(socket, Buffer.from(step.repeat), step.times);
    else if ("pause_ms" in step) await new Promise((done) => setTimeout(done, step.pause_ms));
    else if ("stall" in step) return;
    else if ("reset" in step) return void socket.resetAndDestroy();
    else break;
  }
  socket.end();
}

async function repeat(socket: Socket, text: Buffer, times: number | null): Promise<void> {
  const perPiece = Math.max(1, Math.floor(PIECE_BYTES / text.length));
  const piece = Buffer.concat(Array.from({ length: perPiece }, () => text));
  const total = times === null ? ENDLESS_BYTES : times * text.length;
  for (let sent = 0; sent < total && !socket.destroyed; sent += piece.length) {
    await write(socket, piece.subarray(0, Math.min(piece.length, total - sent)));
  }
}

async function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed || socket.write(bytes)) return;
  await new Promise<void>((done) => {
    const go = () => {
      socket.off("drain", go).off("close", go);
      done();
    };
    socket.on("drain", go).on("close", go);
  });
}
