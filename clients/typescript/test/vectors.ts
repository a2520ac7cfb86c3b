/** The streams that all implementations of the format in this repository share. */

import { readFileSync } from "node:fs";
import type { Finding } from "./findings.js";

interface Case {
  name: string;
  chunks: string[];
  expect: { t: string; d: string; i: string }[];
}

/** One stream, as it comes, and the events in it. */
export interface Vector {
  name: string;
  chunks: Uint8Array[];
  events: Finding[];
}

const file = new URL("../../../../vectors/wire-cases.json", import.meta.url);
const cases = JSON.parse(readFileSync(file, "utf8")) as Case[];

export const vectors: Vector[] = cases.map(({ name, chunks, expect }) => ({
  name,
  chunks: chunks.map((chunk) => Uint8Array.from(Buffer.from(chunk, "base64"))),
  events: expect.map(({ t, d, i }) => ({ event: t, data: d, id: i })),
}));
