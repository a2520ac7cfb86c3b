/** What runs in the pages of the tests: it opens a stream as told, and keeps what comes for the test to read. */

import { Stream, type StreamOptions } from "../../src/index.js";

/** What a page has seen of its stream. */
interface Seen {
  /** The data of all events of the type `message`, and their ids. */
  data: string[];
  ids: string[];
  /** `open`, `error` and `closed`, in order, and the hub's own events. */
  states: string[];
  /** The kinds of the errors. */
  errors: (string | undefined)[];
  /** Whether this tab has the connection, as it was told last. */
  leads: boolean | undefined;
  readyState: number | undefined;
}

const seen: Seen = {
  data: [],
  ids: [],
  states: [],
  errors: [],
  leads: undefined,
  readyState: undefined,
};
const waiting = new Set<() => void>();
let stream: Stream | undefined;

/** Has what is awaited be looked at again. */
function changed(): void {
  for (const look of waiting) look();
}

/** Waits until something holds; says whether it did in time. */
function until(holds: () => boolean, patience: number): Promise<boolean> {
  return new Promise((settle) => {
    const finish = (met: boolean): void => {
      waiting.delete(look);
      clearTimeout(timer);
      settle(met);
    };
    const look = (): void => {
      if (holds()) finish(true);
    };
    const timer = setTimeout(finish, patience, false);
    waiting.add(look);
    look();
  });
}

function note(state: string): void {
  seen.states.push(state);
  changed();
}

/** Whether the browser loses what other tabs say to this one. */
let deaf = false;

class LossyChannel extends BroadcastChannel {
  constructor(name: string) {
    super(name);
    this.addEventListener("message", (event) => deaf && event.stopImmediatePropagation());
  }
}
globalThis.BroadcastChannel = LossyChannel;

/** Opens the stream and listens. */
function listen(url: string, options: StreamOptions = {}): void {
  stream = new Stream(url, options);
  stream.onopen = ({ leads }) => {
    seen.leads = leads;
    note("open");
  };
  stream.onmessage = (event) => {
    seen.data.push(event.data);
    seen.ids.push(event.lastEventId);
    changed();
  };
  for (const type of ["gap", "expired", "refused", "drain"]) {
    stream.addEventListener(type, () => note(type));
  }
  stream.onerror = ({ error }) => {
    seen.errors.push(error?.kind);
    note(stream?.readyState === Stream.CLOSED ? "closed" : "error");
  };
}

/** Opens the stream and loops over it, so slowly that `go()` must be called for each event. */
let go: () => void = () => {};
async function loop(url: string, options: StreamOptions = {}): Promise<void> {
  stream = new Stream(url, { ...options, onOpen: changed });
  for await (const event of stream) {
    seen.data.push(event.data);
    seen.ids.push(event.lastEventId);
    changed();
    await new Promise<void>((next) => {
      go = next;
    });
  }
  note("closed");
}

/** Headers with a token that is asked for at every attempt. */
async function bearer(): Promise<HeadersInit> {
  const response = await fetch("/token");
  return { Authorization: `Bearer ${await response.text()}` };
}

Object.assign(globalThis, {
  bearer,
  changed,
  close: () => stream?.close(),
  deafen: (now: boolean) => {
    deaf = now;
  },
  go: () => go(),
  listen,
  loop,
  seen,
  state: () => ({ ...seen, readyState: stream?.readyState }),
  until,
});
Object.defineProperty(globalThis, "stream", { get: () => stream });
