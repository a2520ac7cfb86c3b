// The one subscription of this page: a plain EventSource, what state it is in, and how it comes back.
//
// EventSource reconnects by itself after a network error and resumes with `Last-Event-ID`; the hub tells it where it is
// even before the first event, in a block without data that the page does not see. Three things are left to the page: a
// new EventSource when the topics change (`lastEventID` in the query carries the position over), finding out why the
// browser gave up for good (it hides the status), and telling a refusal, which arrives as an event, from a success.

import { describe } from './problem.js';

/** The Mercure endpoint, for subscribing and publishing. */
export const HUB_PATH = '/.well-known/mercure';

/** The id that asks for everything the log still has. */
const EARLIEST = 'earliest';

/** The types the hub itself adds to a stream. */
const HUB_TYPES = ['gap', 'refused', 'expired', 'drain'];

/** A refusal follows the headers at once, so a stream silent for this long is taken as accepted. */
const SETTLE_MS = 120;

const PROBE_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/**
 * Calls `onState({ state, detail, retryAt })` with `open`, `connecting`, `refused` or `closed`; `onEvent(event)` for
 * updates; `onNotice(type, data)` for the hub's own events; `onResume(lastId, awayMs)` after a loss, where `lastId` is null
 * if the stream could not resume, and empty if only the browser knows the id.
 */
export class Stream {
  #on;
  #source = null;
  #topics = [];
  #types = new Set(['message']);
  #token = '';
  #state = 'closed';
  #lastId = '';
  #refusal = null;
  #turnedAway = false;
  #startsAnew = false;
  #lostAt = null;
  #wasOpen = false;
  #failures = 0;
  #timer = 0;

  constructor(handlers) {
    this.#on = handlers;
  }

  /** The id of the newest event seen, or an empty string. */
  get lastId() {
    return this.#lastId;
  }

  /** Subscribes to these selectors. Once an event was seen, nothing published in between is missed. */
  subscribe(topics) {
    this.#topics = [...topics];
    this.#connect(this.#lastId);
  }

  /** Uses this token from now on; an empty one means the cookie, or nobody. */
  authorise(token) {
    this.#token = token;
    this.#connect(this.#lastId);
  }

  /** Receives this type too, without a new connection. */
  listen(type) {
    this.#types.add(type);
    this.#source?.addEventListener(type, this.#receive);
  }

  /** Stops receiving this type. */
  unlisten(type) {
    this.#types.delete(type);
    this.#source?.removeEventListener(type, this.#receive);
  }

  /** Reads the log again from its oldest update. */
  replay() {
    this.#connect(EARLIEST);
  }

  /** Tries again at once, from where the page is. */
  reconnect() {
    this.#connect(this.#lastId);
  }

  #connect(from) {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#refusal = null;
    this.#turnedAway = false;
    this.#startsAnew = from === '';
    if (this.#topics.length === 0) {
      this.#lostAt = null;
      this.#tell('closed', 'No topic is chosen. Add one to subscribe.');
      return;
    }
    this.#tell('connecting', from === EARLIEST ? 'Reading the log from its oldest update.' : this.#resumeWords());
    const source = new EventSource(this.#url(from));
    source.addEventListener('open', (event) => isUpdate(event) || this.#whenSettled());
    source.addEventListener('error', (event) => isUpdate(event) || this.#lost(source));
    for (const type of this.#types) source.addEventListener(type, this.#receive);
    for (const type of HUB_TYPES) source.addEventListener(type, (event) => this.#notice(event));
    this.#source = source;
  }

  #url(from) {
    const query = new URLSearchParams();
    for (const topic of this.#topics) query.append('topic', topic);
    if (from !== '') query.set('lastEventID', from);
    if (this.#token !== '') query.set('authorization', this.#token);
    return `${HUB_PATH}?${query}`;
  }

  #whenSettled() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#accepted(), SETTLE_MS);
  }

  #accepted() {
    clearTimeout(this.#timer);
    if (this.#lostAt !== null && this.#wasOpen) {
      this.#on.onResume(this.#startsAnew ? null : this.#lastId, performance.now() - this.#lostAt);
    }
    this.#wasOpen = true;
    this.#startsAnew = false;
    this.#turnedAway = false;
    this.#lostAt = null;
    this.#refusal = null;
    this.#failures = 0;
    this.#tell('open', '');
  }

  // A field, not a method: the same function must be given to addEventListener and removeEventListener.
  #receive = (event) => {
    // The hub's own types stay its own, even when the reader asked for a type of the same name.
    if (HUB_TYPES.includes(event.type) || !isUpdate(event)) return;
    this.#advance(event);
    this.#on.onEvent(event);
  };

  #notice(event) {
    const data = parse(event.data);
    if (event.type === 'refused') {
      this.#refused(data);
    } else {
      this.#advance(event);
      this.#on.onNotice(event.type, data);
    }
  }

  /** Told once for each reason: a hub that refuses for an hour should not fill the list. */
  #refused(data) {
    clearTimeout(this.#timer);
    this.#lostAt ??= performance.now();
    if (this.#refusal === null || this.#refusal.reason !== data.reason) this.#on.onNotice('refused', data);
    this.#refusal = data;
    this.#turnedAway = true;
    this.#tellRefusal();
  }

  #advance(event) {
    if (this.#state !== 'open') this.#accepted();
    if (event.lastEventId !== '') this.#lastId = event.lastEventId;
  }

  #lost(source) {
    if (source !== this.#source) return;
    clearTimeout(this.#timer);
    this.#lostAt ??= performance.now();
    if (source.readyState === EventSource.CLOSED) {
      void this.#diagnose();
    } else if (this.#turnedAway) {
      // The end of the stream that brought the refusal.
      this.#turnedAway = false;
    } else {
      this.#tell('connecting', `The connection was lost. ${this.#resumeWords()}`);
    }
  }

  /** Asks the same address once more, as the browser hides from EventSource's user what it was told. */
  async #diagnose() {
    const source = this.#source;
    const probe = new AbortController();
    const timeout = setTimeout(() => probe.abort(), PROBE_TIMEOUT_MS);
    this.#tell('closed', 'The browser gave up. Asking the hub why.');
    let verdict;
    try {
      const response = await fetch(this.#url(''), { signal: probe.signal, cache: 'no-store' });
      verdict = await judge(response);
    } catch {
      verdict = { words: 'The hub cannot be reached.', again: true };
    }
    clearTimeout(timeout);
    probe.abort();
    if (source !== this.#source) return;
    if (verdict.again) this.#retryLater(verdict);
    else this.#tell('closed', verdict.words);
  }

  #retryLater({ words, afterMs }) {
    const backoff = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    const wait = Math.max(backoff, afterMs ?? 0);
    this.#failures += 1;
    this.#tell('connecting', words, Date.now() + wait);
    this.#timer = setTimeout(() => this.reconnect(), wait);
  }

  #resumeWords() {
    return this.#lastId === '' ? '' : `Resuming after ${this.#lastId}.`;
  }

  #tellRefusal() {
    const { status, reason, retry_ms: retryMs } = this.#refusal;
    const why = typeof reason === 'string' ? reason.replaceAll('_', ' ') : 'no reason given';
    const code = Number.isFinite(status) ? ` (${status})` : '';
    this.#refusal.retryAt ??= Number.isFinite(retryMs) ? Date.now() + retryMs : null;
    this.#tell('refused', `The hub refused: ${why}${code}.`, this.#refusal.retryAt);
  }

  #tell(state, detail, retryAt = null) {
    this.#state = state;
    this.#on.onState({ state, detail, retryAt });
  }
}

/** An update may have the type `open` or `error` too; EventSource's own events of these names carry no message. */
function isUpdate(event) {
  return event instanceof MessageEvent;
}

/** Whether waiting will help, and what to say meanwhile. */
async function judge(response) {
  const type = response.headers.get('content-type') ?? 'none';
  if (response.status === 204) {
    return { words: 'The hub asked this browser not to come back (204).', again: false };
  }
  if (response.ok && !type.startsWith('text/event-stream')) {
    return { words: `The answer was ${type}, not an event stream; a proxy may stand in between.`, again: false };
  }
  if (response.ok) return { words: 'The connection was closed.', again: true };
  const words = await describe(response);
  const again = response.status === 429 || response.status >= 500;
  const afterMs = 1000 * (Number(response.headers.get('retry-after')) || 0);
  return { words, again, afterMs };
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : { detail: text };
  } catch {
    return { detail: text };
  }
}
