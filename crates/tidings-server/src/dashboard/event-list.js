// The rows of events, newest on top: bounded, filtered, paused, expanded. Dividers tell what happened to the stream.

import { element } from './element.js';
import { bytes, clock, count, counted } from './format.js';
import { compactJson, prettyJson } from './json.js';

/** Older rows leave the page. */
export const MAX_ROWS = 500;

/** Large updates leave the page sooner: all rows together hold no more data than this. */
const MAX_KEPT_CHARS = 8_388_608;

/** What one row shows of its data; the rest is there to copy. */
const MAX_LINE_CHARS = 400;
const MAX_DETAIL_CHARS = 20_000;

/** The page is changed at most this often, however fast events come. */
const FLUSH_INTERVAL_MS = 100;

/** Seconds over which the rate is averaged. */
const RATE_SECONDS = 3;

/** Rows waiting to be shown, and rows shown. */
export class EventList {
  #list;
  #waiting = [];
  #rows = [];
  #byElement = new WeakMap();
  #keptChars = 0;
  #flushTimer = 0;
  #flushedAt = 0;
  #paused = false;
  #pretty = false;
  #words = [];
  #received = 0;
  #perSecond = [0];
  #onCopy;
  #onChange;

  /** `onCopy(text, button)` when a row's data is to be copied; `onChange(counts)` when there is something to tell. */
  constructor(list, { onCopy, onChange }) {
    this.#list = list;
    this.#onCopy = onCopy;
    this.#onChange = onChange;
    list.addEventListener('click', (event) => this.#clicked(event));
  }

  /** Adds an event that came while these selectors were in force. */
  event({ type, lastEventId: id, data }, selectors) {
    this.#received += 1;
    this.#perSecond[0] += 1;
    this.#wait({ type, id, data, selectors, at: new Date() });
  }

  /** Adds a divider of a class (`gap`, `refused`, `note`, ...). */
  note(kind, text) {
    this.#wait({ kind, text, data: '', at: new Date() });
  }

  /** Holds rows back, or lets them in. The stream goes on. */
  set paused(paused) {
    this.#paused = paused;
    this.#flush();
  }

  /** Opens or closes all rows, and those to come. */
  set pretty(pretty) {
    this.#pretty = pretty;
    for (const row of this.#rows) if (row.kind === undefined) this.#open(row, pretty);
  }

  /** Shows only the rows with all these words, and none of those written `-word`. */
  set filter(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter((word) => word !== '' && word !== '-');
    for (const row of this.#rows) row.element.hidden = !this.#passes(row);
    this.#changed();
  }

  /** Forgets all rows, those held back too. */
  clear() {
    this.#waiting = [];
    this.#rows = [];
    this.#keptChars = 0;
    this.#list.replaceChildren();
    this.#changed();
  }

  /** Called once a second: events per second as a mean over the last ones. */
  tick() {
    this.#perSecond.unshift(0);
    this.#perSecond.length = Math.min(this.#perSecond.length, RATE_SECONDS + 1);
    this.#changed();
  }

  #wait(row) {
    this.#waiting.push(row);
    if (this.#waiting.length > MAX_ROWS) this.#waiting.shift();
    if (this.#paused || this.#flushTimer !== 0) return;
    const delay = Math.max(0, this.#flushedAt + FLUSH_INTERVAL_MS - performance.now());
    this.#flushTimer = setTimeout(() => this.#flush(), delay);
  }

  #flush() {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = 0;
    if (!this.#paused) {
      this.#flushedAt = performance.now();
      const rows = this.#waiting;
      this.#waiting = [];
      for (const row of rows) this.#admit(row);
      this.#list.prepend(...rows.map((row) => row.element).reverse());
      this.#trim();
    }
    this.#changed();
  }

  #admit(row) {
    row.element = row.kind === undefined ? eventElement(row) : noteElement(row);
    row.element.hidden = !this.#passes(row);
    this.#byElement.set(row.element, row);
    this.#rows.push(row);
    this.#keptChars += row.data.length;
    if (row.kind === undefined && this.#pretty) this.#open(row, true);
  }

  #trim() {
    let drop = Math.max(0, this.#rows.length - MAX_ROWS);
    for (const row of this.#rows.slice(0, drop)) this.#keptChars -= row.data.length;
    while (this.#keptChars > MAX_KEPT_CHARS && drop < this.#rows.length - 1) {
      this.#keptChars -= this.#rows[drop].data.length;
      drop += 1;
    }
    for (const row of this.#rows.splice(0, drop)) row.element.remove();
  }

  #passes(row) {
    if (this.#words.length === 0) return true;
    const text = (row.text ?? `${row.type} ${row.id} ${row.data}`).toLowerCase();
    return this.#words.every((word) => (word.startsWith('-') ? !text.includes(word.slice(1)) : text.includes(word)));
  }

  #clicked({ target }) {
    const row = this.#byElement.get(target.closest('li'));
    if (target.closest('.copy')) this.#onCopy(row.data, target.closest('.copy'));
    else if (target.closest('.row')) this.#open(row, !row.element.classList.contains('open'));
  }

  #open(row, open) {
    row.element.classList.toggle('open', open);
    row.element.querySelector('.row').setAttribute('aria-expanded', String(open));
    row.element.querySelector('.more')?.remove();
    if (open) row.element.append(moreElement(row));
  }

  #changed() {
    const seconds = this.#perSecond.slice(1);
    this.#onChange({
      rate: seconds.reduce((sum, n) => sum + n, 0) / Math.max(1, seconds.length),
      received: this.#received,
      rows: this.#rows.length,
      visible: this.#rows.filter((row) => !row.element.hidden).length,
      held: this.#paused ? this.#waiting.length : 0,
    });
  }
}

function eventElement(row) {
  const item = element('li', 'event');
  item.dataset.id = row.id;
  item.dataset.type = row.type;
  const line = element('button', 'row');
  line.type = 'button';
  line.setAttribute('aria-expanded', 'false');
  const type = element('span', 'type', row.type);
  type.title = row.type;
  const id = element('span', 'id mono', row.id);
  id.title = row.id;
  const text = compactJson(row.data) ?? row.data.slice(0, MAX_LINE_CHARS * 2).replace(/\s+/g, ' ');
  const data = element('span', 'data mono', shorten(text, MAX_LINE_CHARS));
  if (row.data === '') data.append(element('span', 'quiet', 'no data'));
  line.append(timeElement(row.at), type, data, id);
  item.append(line);
  return item;
}

function noteElement(row) {
  const item = element('li', `note ${row.kind}`);
  item.append(timeElement(row.at), element('span', 'words', row.text));
  return item;
}

function moreElement({ data, selectors, at }) {
  const more = element('div', 'more');
  more.append(element('pre', 'mono', shorten(prettyJson(data) ?? data, MAX_DETAIL_CHARS)));
  const size = bytes(new TextEncoder().encode(data).length);
  const under = `${size}, received ${clock(at)} under ${selectors.join(', ')}`;
  const copy = element('button', 'copy', 'Copy data');
  copy.type = 'button';
  const foot = element('p', 'quiet');
  foot.append(element('span', '', under), copy);
  more.append(foot);
  return more;
}

function timeElement(at) {
  const time = element('time', 'number', clock(at));
  time.dateTime = at.toISOString();
  return time;
}

function shorten(text, maxChars) {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars)}… ${counted(text.length - maxChars, 'character')} more`;
}

/** The words below the tools: how many rows there are, are hidden, are held back. */
export function tally({ rows, visible, held }) {
  const shown = visible === rows ? `${count(rows)} shown` : `${count(visible)} of ${count(rows)} shown`;
  const heldWords = held >= MAX_ROWS ? `the newest ${count(MAX_ROWS)} held back` : `${count(held)} held back`;
  return held === 0 ? shown : `${shown}, ${heldWords}`;
}
