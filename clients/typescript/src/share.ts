/**
 * A source that is one connection for all tabs of an origin that want the same stream.
 *
 * The tabs queue for a lock; who holds it leads: it has the connection and passes on what comes. Events are numbered, so
 * that each tab knows its place in the stream (share-history.ts); the messages are in share-messages.ts. When the leader
 * is gone the next one asks all for their places, is given by the furthest what it lacks itself, and resumes from there. So
 * what the server then sends is new to everybody, no event is compared with another, and a tab that is behind gets the
 * rest from the leader.
 *
 * A leader that is silent, because its tab is frozen or busy, is robbed of the lock. When it wakes up it has a lower term
 * than the new one, so nobody listens to it, and it asks to be let in like a tab that comes back from the
 * back/forward cache.
 *
 * A tab goes on *alone*, by a connection of its own from its own last id, where what it lacks is in no tab any more, and
 * where its consumer is too slow for the others. It returns once the leader knows the place of its last id.
 *
 * Without ids it is as with any single connection: what the server sends while there is none is lost, and a tab that has
 * lost its place goes on with what comes next.
 */

import { Engine } from "./engine.js";
import { plain, StreamError } from "./errors.js";
import type { PerAttempt, StreamOptions } from "./options.js";
import { type Found, further, same } from "./share-history.js";
import { Intake } from "./share-intake.js";
import { connectionOptions, shareName } from "./share-key.js";
import { Lead } from "./share-lead.js";
import { type Message, type News, received, sent } from "./share-messages.js";
import { Round } from "./share-round.js";
import type { Sink, Source, SourceEvent } from "./source.js";

/** How often it is looked whether the leader is silent. Ticks are counted, not time: a tab that slept has not listened. */
const TICK_MS = 2_500;
/** After how many silent ticks the leader is asked for a sign of life, and after how many it is robbed. */
const PING_AT = 2;
const STEAL_AT = 4;
/** How long a connection must have been quiet before a follower can have it given up. */
const NUDGE_QUIET_MS = 5_000;

/**
 * - `away`: not yet begun, paused, or closed.
 * - `joining`: has no place with a leader yet, or not any more.
 * - `following`: is fed by the leader.
 * - `gathering`: leads, and asks the others for their places.
 * - `leading`: has the connection for all.
 * - `alone`: has a connection for itself.
 */
type Role = "away" | "joining" | "following" | "gathering" | "leading" | "alone";

/** A tab's part of a shared stream. */
export class SharedSource implements Source {
  readonly #url: PerAttempt<string | URL>;
  readonly #options: StreamOptions;
  readonly #name: Promise<string | StreamError>;
  readonly #me = crypto.randomUUID();
  readonly #intake: Intake;
  #closed = false;
  #paused = false;
  #role: Role = "away";
  #channel: BroadcastChannel | undefined;
  #lead: Lead | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;
  /** For how many ticks no leader was heard. */
  #silent = 0;
  /** The highest term that is known, the one of the leader that was followed last, and this tab's own when it last led. */
  #term = 0;
  #followed = 0;
  #reign = 0;
  /** The connection, where this tab has one. */
  #engine: Engine | undefined;
  /** Whether it is being found out who leads. */
  #disputed = false;
  /** The question that is out while this tab gathers. */
  #round: Round | undefined;

  constructor(url: PerAttempt<string | URL>, options: StreamOptions, sink: Sink) {
    this.#url = url;
    this.#options = connectionOptions(options);
    this.#name = shareName(url, options).catch(
      (error: unknown) => new StreamError(`cannot share a stream: ${plain(error)}`, "request"),
    );
    this.#intake = new Intake(sink, options.lastEventId ?? "");
    void this.#begin();
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#leave();
    this.#intake.outbox.add((sink) => sink.paused());
  }

  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    void this.#begin();
  }

  reconnectNow(quietFor = 0): void {
    if (this.#engine !== undefined) this.#engine.reconnectNow(quietFor);
    // What all pages learn at the same time the leader's does, too. Of its own sleep it may be the last to know.
    else if (quietFor > 0) this.#say({ kind: "nudge", quietFor });
  }

  close(): void {
    this.#closed = true;
    this.#leave();
    this.#intake.outbox.close();
  }

  async #begin(): Promise<void> {
    const name = await this.#name;
    if (this.#closed || this.#paused || this.#role !== "away") return;
    if (name instanceof StreamError) {
      this.#stop(name);
      return;
    }
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ currentTarget, data }) => {
      if (this.#channel === currentTarget) this.#hear(data as Message);
    };
    this.#lead = new Lead(name, {
      won: () => this.#won(),
      lost: () => this.#lost(),
      denied: () => this.#goAlone(),
    });
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    this.#join();
  }

  #leave(): void {
    this.#role = "away";
    this.#intake.opened = undefined;
    this.#engine?.close();
    this.#engine = undefined;
    clearInterval(this.#ticking);
    this.#channel?.close();
    this.#channel = undefined;
    this.#lead?.leave();
    this.#lead = undefined;
  }

  #tick(): void {
    this.#silent += 1;
    const wanted = this.#silent >= PING_AT;
    if (this.#role === "alone" && !this.#intake.outbox.waits) {
      this.#say({ kind: "join", from: this.#me, place: this.#intake.place });
      if (wanted) this.#lead?.takeIfFree();
    } else if (this.#role === "joining" || this.#role === "following") {
      if (this.#silent >= STEAL_AT) {
        this.#silent = 0;
        this.#lead?.steal();
      } else if (wanted) {
        if (this.#role === "joining") this.#join();
        else this.#say({ kind: "ping" });
      }
    }
  }

  #say(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #hear(message: Message): void {
    if ("to" in message && message.to !== this.#me) return;
    if (!("term" in message)) {
      if (message.kind === "have") this.#round?.add(message);
      else if (this.#role === "leading") this.#serve(message);
    } else if (message.term < this.#term) {
      this.#hearFormer(message);
    } else if (this.#lead?.held) {
      if (!this.#disputed) void this.#dispute(message.term);
    } else {
      this.#term = message.term;
      this.#silent = 0;
      this.#obey(message);
    }
  }

  /** What a leader does for the others. */
  #serve(message: Message & { kind: "join" | "ping" | "nudge" }): void {
    if (message.kind === "join") this.#admit(message);
    else if (message.kind === "ping") this.#say({ kind: "pong", term: this.#reign });
    else this.#engine?.reconnectNow(Math.max(message.quietFor, NUDGE_QUIET_MS));
  }

  /** What the others do at a leader's word. */
  #obey(message: Message & { term: number }): void {
    if (message.kind === "ask") this.#answer(message);
    else if (message.kind === "lead") this.#follow(message);
    else if (message.kind === "welcome") this.#enter(message);
    else if (message.kind === "event") this.#take(message);
    else if (message.kind === "unknown" && this.#role === "joining") this.#goAlone();
    else if (message.kind === "news" && this.#role === "following") this.#tell(message.news);
  }

  /** A leader that has reached the end says so and goes, and somebody may lead already when that is heard. */
  #hearFormer(message: Message): void {
    if (message.kind !== "news" || !("stopped" in message.news)) return;
    const searching = this.#role === "joining" || this.#role === "gathering";
    if (searching && message.term === this.#followed) this.#tell(message.news);
  }

  /** What another tab's connection has told. */
  #tell(news: News): void {
    if ("stopped" in news) this.#stop(news.stopped && received(news.stopped));
    else this.#bound(this.#intake.news(news, false));
  }

  #stop(error: StreamError | undefined): void {
    this.#closed = true;
    this.#leave();
    this.#intake.outbox.add((sink) => sink.stopped(error));
  }

  // Following.

  /** Asks to be let in, and waits for the lead, in case that nobody has it. */
  #join(): void {
    this.#role = "joining";
    this.#lead?.queue();
    this.#say({ kind: "join", from: this.#me, place: this.#intake.place });
  }

  /** Tells a new leader how far this tab is. From here on it does not listen to the one before. */
  #answer({ from, place }: Message & { kind: "ask" }): void {
    if (this.#role !== "joining" && this.#role !== "following") return;
    this.#role = "joining";
    this.#intake.handOver();
    this.#say({
      kind: "have",
      to: from,
      place: this.#intake.place,
      found: this.#intake.find(place),
    });
  }

  #follow({ term, place }: Message & { kind: "lead" }): void {
    if (this.#role !== "joining" && this.#role !== "following") return;
    this.#followed = term;
    if (same(this.#intake.place, place)) this.#role = "following";
    else this.#join();
  }

  #enter({ term, found, lastEventId, opened }: Message & { kind: "welcome" }): void {
    if (this.#role === "alone") {
      // Meanwhile it may have received more by itself, and be somewhere else.
      if (this.#intake.outbox.waits || found.from.lastEventId !== this.#intake.lastEventId) return;
      this.#engine?.close();
      this.#engine = undefined;
      this.#lead?.queue();
    } else if (this.#role !== "joining") return;
    this.#role = "following";
    this.#followed = term;
    this.#intake.adopt(found, lastEventId);
    if (opened === undefined) this.#intake.handOver();
    else if (this.#intake.opened === undefined) this.#intake.open(opened, false);
  }

  #take({ term, seq, event }: Message & { kind: "event" }): void {
    if (this.#role !== "following" || this.#intake.history === undefined) return;
    // They come in turn, unless the browser has lost one.
    if (seq !== this.#intake.history.place.seq + 1) {
      this.#join();
      return;
    }
    this.#intake.history.add({ seq, term, event });
    this.#bound(this.#intake.event(event));
  }

  // Leading.

  #won(): void {
    this.#reign = this.#nextTerm();
    if (this.#role === "alone") {
      this.#intake.beginLine(this.#reign);
      this.#proclaim();
    } else void this.#gather();
  }

  /** The lead was taken away: this tab must have been silent. */
  #lost(): void {
    this.#engine?.close();
    this.#engine = undefined;
    this.#intake.handOver();
    this.#join();
  }

  /** Somebody else leads in a higher term, or believes so. */
  async #dispute(term: number): Promise<void> {
    this.#disputed = true;
    const lead = this.#lead;
    // If the lead is lost, that is told before this is answered.
    await lead?.others();
    this.#disputed = false;
    if (lead !== this.#lead || !lead?.held) return;
    this.#term = Math.max(term, this.#term);
    this.#reign = this.#nextTerm();
    if (this.#role === "leading") this.#proclaim();
    else void this.#gather();
  }

  #nextTerm(): number {
    this.#term = Math.max(Date.now() * 1_000 + Math.floor(Math.random() * 1_000), this.#term + 1);
    return this.#term;
  }

  /** Finds out who is furthest, and connects from there. */
  async #gather(): Promise<void> {
    this.#role = "gathering";
    this.#intake.handOver();
    const round = new Round();
    this.#round = round;
    this.#say({ kind: "ask", term: this.#reign, from: this.#me, place: this.#intake.place });
    this.#lead?.others().then((count) => round.expect(count));
    const answers = await round.done;
    if (this.#round !== round || this.#role !== "gathering") return;

    let best = this.#intake.place;
    let found: Found | undefined = { from: best, entries: [] };
    for (const answer of answers) {
      if (further(answer.place, best)) [best, found] = [answer.place, answer.found];
    }
    if (found === undefined) return void this.#goAlone();
    if (best.line === "") this.#intake.beginLine(this.#reign);
    else this.#intake.adopt(found, best.lastEventId);
    this.#proclaim();
    this.#connect();
  }

  #proclaim(): void {
    this.#role = "leading";
    this.#say({ kind: "lead", term: this.#reign, place: this.#intake.place });
  }

  #admit({ from: to, place }: Message & { kind: "join" }): void {
    const term = this.#reign;
    const found = this.#intake.find(place);
    const { opened, lastEventId } = this.#intake;
    if (found === undefined) this.#say({ kind: "unknown", term, to });
    else this.#say({ kind: "welcome", term, to, found, lastEventId, opened });
  }

  // The connection, for all or for this tab alone.

  /** Goes on by a connection of its own. A leader keeps the one that it has, and somebody else leads. */
  #goAlone(): void {
    this.#role = "alone";
    this.#silent = 0;
    this.#intake.history = undefined;
    this.#lead?.leave();
    if (this.#engine !== undefined) return;
    this.#intake.handOver();
    this.#connect();
  }

  #connect(): void {
    const options = { ...this.#options, lastEventId: this.#intake.lastEventId };
    const tell = (news: Exclude<News, { stopped: unknown }>) => {
      this.#pass(news);
      return this.#bound(this.#intake.news(news, this.#role === "leading" || undefined));
    };
    this.#engine = new Engine(this.#url, options, {
      opened: (opened) => tell({ opened }),
      event: (event) => this.#receive(event),
      moved: (moved) => tell({ moved }),
      comment: (comment) => tell({ comment }),
      retry: (retry) => tell({ retry }),
      failed: ({ error, wait }) => {
        this.#pass({ failed: sent(error), wait });
        this.#intake.fail(error, wait);
      },
      paused: () => {},
      stopped: (error) => {
        this.#pass({ stopped: error && sent(error) });
        this.#stop(error);
      },
    });
  }

  #pass(news: News): void {
    if (this.#role === "leading") this.#say({ kind: "news", term: this.#reign, news });
  }

  #receive(event: SourceEvent): Promise<void> | undefined {
    if (this.#role === "leading" && this.#intake.history !== undefined) {
      const entry = { seq: this.#intake.history.place.seq + 1, term: this.#reign, event };
      this.#intake.history.add(entry);
      this.#say({ kind: "event", ...entry });
    }
    return this.#bound(this.#intake.event(event));
  }

  /** Lets only a connection of its own wait for its consumer. For others too much that waits is the end of sharing. */
  #bound(taken: Promise<void> | undefined): Promise<void> | undefined {
    if (this.#intake.outbox.full && this.#role !== "alone") this.#goAlone();
    return this.#role === "alone" ? taken : undefined;
  }
}
