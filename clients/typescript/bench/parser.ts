/**
 * The parser's throughput beside that of `eventsource-parser`: `npm run bench [-- WORKLOAD...]`, `--smoke` for one
 * quick round.
 *
 * Each has a thread of its own, so that neither is compiled with regard to what the other does, and they take turns. Both
 * are given bytes; `eventsource-parser` takes text, so it gets what `TextDecoderStream` would make of them.
 */

import { once } from "node:events";
import { cpus } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createParser } from "eventsource-parser";
import { Parser } from "../src/parser.js";
import { workloads } from "./workloads.js";

type Contender = (chunks: Uint8Array[], onEvent: (event: { data: string }) => void) => void;

const contenders: Record<string, Contender> = {
  tidings(chunks, onEvent) {
    const parser = new Parser({ onEvent });
    for (const chunk of chunks) parser.push(chunk);
  },
  "eventsource-parser"(chunks, onEvent) {
    const decoder = new TextDecoder();
    const parser = createParser({ onEvent });
    for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
  },
};

/** What a thread is told to measure. */
interface Task {
  contender: string;
  workload: string;
}

/** What one round took, and what it found, which must be the same for all. */
interface Round {
  ms: number;
  bytes: number;
  found: string;
}

if (isMainThread) await measureAll();
else serve(workerData as Task);

/** In a thread: runs a round each time it is asked. */
function serve({ contender, workload }: Task): void {
  const chunks = workloads[workload]?.() ?? [];
  const parse = contenders[contender] as Contender;
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  parentPort?.on("message", () => {
    let events = 0;
    let characters = 0;
    let last = 0;
    const start = performance.now();
    parse(chunks, ({ data }) => {
      events++;
      characters += data.length;
      // What uses an event reads it; where it is still in pieces, it is put together then.
      last ^= data.charCodeAt(data.length - 1);
    });
    const ms = performance.now() - start;
    const round: Round = { ms, bytes, found: `${events} events, ${characters} ${last}` };
    parentPort?.postMessage(round);
  });
}

async function measureAll(): Promise<void> {
  const asked = process.argv.slice(2).filter((argument) => argument !== "--smoke");
  const smoke = process.argv.includes("--smoke");
  const names = Object.keys(workloads).filter((name) => !asked.length || asked.includes(name));
  const [ours, theirs] = Object.keys(contenders) as [string, string];
  console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}; MB/s, medians\n`);
  console.log(`| workload | ${ours} | ${theirs} | ratio | events |`);
  console.log("|---|---:|---:|---:|---:|");
  const ratios: number[] = [];
  for (const name of names) {
    const { rates, events } = await measure(name, smoke);
    const [our, their] = rates as [number, number];
    ratios.push(our / their);
    const ratio = (our / their).toFixed(2);
    console.log(`| ${name} | ${our.toFixed(0)} | ${their.toFixed(0)} | ${ratio} | ${events} |`);
  }
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  console.log(`\ngeometric mean of the ratios: ${mean.toFixed(2)}`);
}

/** MB/s of each contender, in their order. */
async function measure(
  workload: string,
  smoke: boolean,
): Promise<{ rates: number[]; events: number }> {
  const workers = Object.keys(contenders).map(
    (contender) => new Worker(new URL(import.meta.url), { workerData: { contender, workload } }),
  );
  const rounds: Round[][] = workers.map(() => []);
  const [warmUp, measured] = smoke ? [0, 1] : [6, 21];
  for (let turn = 0; turn < warmUp + measured; turn++) {
    for (const [index, worker] of workers.entries()) {
      worker.postMessage("go");
      const [round] = (await once(worker, "message")) as [Round];
      if (turn >= warmUp) rounds[index]?.push(round);
    }
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  const found = new Set(rounds.flat().map((round) => round.found));
  if (found.size !== 1) throw new Error(`${workload}: found ${[...found].join(" and ")}`);
  const events = Number.parseInt([...found][0] ?? "", 10);
  return {
    rates: rounds.map((of) => median(of.map(({ bytes, ms }) => bytes / ms / 1_000))),
    events,
  };
}

function median(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
