/**
 * The newest events of a shared stream, numbered, so that a tab that missed some can be given them, and so that tabs
 * can say how far they are.
 *
 * A *line* is an unbroken sequence of events, from the first leader on through all that take over. Within it the leader
 * numbers the events. Two leaders may number different events alike if the second did not know of all that the first had
 * received; so each number goes with the *term* of the leader that gave it. Equal line, number and term: the same place.
 */

import type { SourceEvent } from "./source.js";

/** How much is kept: as many events, and as many characters in them. */
const MAX_EVENTS = 1_000;
const MAX_CHARACTERS = 1_000_000;

/** A place in a shared stream, after an event. */
export interface Place {
  line: string;
  /** The event's number in the line; 0 before the first. */
  seq: number;
  /** The term of the leader that gave the number. */
  term: number;
  /** The id to resume from at this place; empty if there is none. */
  lastEventId: string;
}

/** An event with its number. */
export interface Entry {
  seq: number;
  term: number;
  event: SourceEvent;
}

/** The events after a place. */
export interface Found {
  from: Place;
  entries: Entry[];
}

/** Whether two places are the same. */
export function same(a: Place, b: Place): boolean {
  return a.line === b.line && a.seq === b.seq && a.term === b.term;
}

/** Whether a place is further than another: what a later leader has numbered comes after all of an earlier one's. */
export function further(a: Place, b: Place): boolean {
  return a.term > b.term || (a.term === b.term && a.seq > b.seq);
}

/** How large an event counts. */
export function weight(event: SourceEvent): number {
  return event.data.length + event.type.length + event.lastEventId.length;
}

/** The events of one line from some place on. */
export class History {
  /** The place before the oldest event that is kept. */
  #base: Place;
  #entries: Entry[] = [];
  #characters = 0;
  #lastEventId: string;

  constructor(base: Place) {
    this.#base = base;
    this.#lastEventId = base.lastEventId;
  }

  /** The place after all events. */
  get place(): Place {
    const { seq, term } = this.#entries.at(-1) ?? this.#base;
    return { line: this.#base.line, seq, term, lastEventId: this.#lastEventId };
  }

  /** Adds the next event. */
  add(entry: Entry): void {
    const { event } = entry;
    this.#entries.push(entry);
    this.#characters += weight(event);
    this.#lastEventId = event.lastEventId;
    // Half of it goes at once, so that an event costs the same however many there are.
    if (this.#entries.length > MAX_EVENTS || this.#characters > MAX_CHARACTERS) this.#halve();
  }

  /** Moves the id to resume from, without an event. */
  moved(lastEventId: string): void {
    this.#lastEventId = lastEventId;
  }

  /** The events after a place, or `undefined` if they are not all here, or nobody can tell which they are. */
  since(place: Place): Found | undefined {
    const index = this.#find(place) ?? this.#findById(place.lastEventId);
    if (index === undefined) return undefined;
    const { seq, term } = this.#entries[index - 1] ?? this.#base;
    const from = { line: this.#base.line, seq, term, lastEventId: place.lastEventId };
    return { from, entries: this.#entries.slice(index) };
  }

  /** After how many of the entries a place is, by its number. */
  #find(place: Place): number | undefined {
    if (place.line !== this.#base.line) return undefined;
    const index = place.seq - this.#base.seq;
    const at = index === 0 ? this.#base : this.#entries[index - 1];
    return at?.term === place.term ? index : undefined;
  }

  /** The same by its id, where exactly one place has it. */
  #findById(id: string): number | undefined {
    if (id === "") return undefined;
    const having = this.#entries.flatMap(({ event }, index) =>
      event.lastEventId === id ? [index + 1] : [],
    );
    // An event without an id of its own has that of the place before it: there nobody can tell which of the two is meant.
    if (id === this.#base.lastEventId) having.unshift(0);
    if (id === this.#lastEventId && having.at(-1) !== this.#entries.length) {
      having.push(this.#entries.length);
    }
    return having.length === 1 ? having[0] : undefined;
  }

  #halve(): void {
    const gone = this.#entries.splice(0, Math.ceil(this.#entries.length / 2));
    const last = gone.at(-1);
    if (last === undefined) return;
    const { lastEventId } = last.event;
    this.#base = { line: this.#base.line, seq: last.seq, term: last.term, lastEventId };
    for (const { event } of gone) this.#characters -= weight(event);
  }
}
