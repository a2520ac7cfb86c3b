/** What a tab has received of a shared stream, by whatever connection, and what its sink is told of it. */

import { plain, StreamError } from "./errors.js";
import { type Found, History, type Place, same, weight } from "./share-history.js";
import { type News, received } from "./share-messages.js";
import { Outbox } from "./share-outbox.js";
import type { Opened, Sink, SourceEvent } from "./source.js";

/** The receiving end of a shared stream in one tab. */
export class Intake {
  /** What the sink has not taken yet. */
  readonly outbox: Outbox;
  /** What the sink knows of the open connection, whoever has it. */
  opened: Opened | undefined;
  /** The shared stream as this tab has it; none before it has a place in it, and while it is alone. */
  history: History | undefined;
  /** The id of what was received last. */
  #lastEventId: string;

  constructor(sink: Sink, lastEventId: string) {
    this.outbox = new Outbox(sink);
    this.#lastEventId = lastEventId;
  }

  /** Where to resume from. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Where this tab is. Without a line it is an id alone, or nothing. */
  get place(): Place {
    const outside = { line: "", seq: 0, term: 0, lastEventId: this.#lastEventId };
    return this.history?.place ?? outside;
  }

  /** What comes after another's place, as far as this tab has it. Who has no id to resume from goes on from here. */
  find(place: Place): Found | undefined {
    if (this.history === undefined) return undefined;
    const found = this.history.since(place);
    if (found !== undefined || place.lastEventId !== "") return found;
    return { from: this.history.place, entries: [] };
  }

  /** Begins a line where this tab is. */
  beginLine(term: number): void {
    const lastEventId = this.#lastEventId;
    this.history = new History({ line: crypto.randomUUID(), seq: 0, term, lastEventId });
  }

  /** Goes on from a place, and takes what was lacking. */
  adopt({ from, entries }: Found, lastEventId: string): void {
    if (this.history === undefined || !same(this.place, from)) this.history = new History(from);
    for (const entry of entries) {
      this.history.add(entry);
      this.event(entry.event);
    }
    this.move(lastEventId);
  }

  /** Gives an event to the sink, when its turn comes; and to the caller what is over then, if that is later. */
  event(event: SourceEvent): Promise<void> | undefined {
    this.#lastEventId = event.lastEventId;
    return this.outbox.add((sink) => sink.event(event), weight(event));
  }

  /** The place to resume from has moved without an event. */
  move(lastEventId: string): Promise<void> | undefined {
    this.history?.moved(lastEventId);
    if (lastEventId === this.#lastEventId) return undefined;
    this.#lastEventId = lastEventId;
    return this.outbox.add((sink) => sink.moved(lastEventId), lastEventId.length);
  }

  /** A connection is open: this tab's own for all (`leads`), another's, or its own for itself (`undefined`). */
  open(opened: Opened, leads: boolean | undefined): Promise<void> | undefined {
    this.opened = opened;
    return this.outbox.add((sink) =>
      sink.opened(leads === undefined ? opened : { ...opened, leads }),
    );
  }

  /** There is no open connection any more, or still none. */
  fail(error: StreamError, wait: number): Promise<void> | undefined {
    this.opened = undefined;
    return this.outbox.add((sink) => sink.failed({ error, wait }));
  }

  /** The connection that fed this tab is gone, or feeds it no more. */
  handOver(): void {
    if (this.opened === undefined) return;
    const url = plain(this.opened.url);
    const error = new StreamError(
      `${url}: the tab with the connection is gone; going on by id`,
      "ended",
    );
    this.fail(error, 0);
  }

  /** What the connection has told beside events; not the end. Gives what an event does. */
  news(
    news: Exclude<News, { stopped: unknown }>,
    leads: boolean | undefined,
  ): Promise<void> | undefined {
    if ("opened" in news) return this.open(news.opened, leads);
    if ("failed" in news) return this.fail(received(news.failed), news.wait);
    if ("moved" in news) return this.move(news.moved);
    if ("retry" in news) return this.outbox.add((sink) => sink.retry(news.retry));
    return this.outbox.add((sink) => sink.comment(news.comment), news.comment.length);
  }
}
