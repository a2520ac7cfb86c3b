// The hub's own figures: asked for each second, turned into rates, drawn as charts and listed as facts.

import { Chart } from './chart.js';
import { bytes, count, counted, duration, rate } from './format.js';
import { describe, unanswered } from './problem.js';

const STATS_PATH = '/dashboard/stats';
const INTERVAL_MS = 1_000;
const TIMEOUT_MS = 4_000;

const perSecond = (n) => `${rate(n)} /s`;

/** Polls for as long as the page lives. */
export class Stats {
  #streams;
  #published;
  #delivered;
  #last = null;

  constructor(parent) {
    this.#streams = new Chart(parent, { name: 'streams', label: 'Connections', format: count, floor: 5 });
    this.#published = new Chart(parent, { name: 'published', label: 'Published', format: perSecond });
    this.#delivered = new Chart(parent, { name: 'delivered', label: 'Delivered', format: perSecond });
  }

  /** Asks now, and again one interval after each answer, so that a slow hub is never asked twice at once. */
  async poll() {
    let problem = '';
    try {
      const response = await fetch(STATS_PATH, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.ok) this.#show({ ...(await response.json()), at: performance.now() });
      else problem = await describe(response);
    } catch (error) {
      problem = unanswered(error, TIMEOUT_MS);
    }
    if (problem !== '') this.#forget();
    const place = document.querySelector('#stats-problem');
    // Written only when it changes: a screen reader reads out what is written.
    if (place.textContent !== problem) place.textContent = problem;
    setTimeout(() => this.poll(), INTERVAL_MS);
  }

  #show(now) {
    const then = this.#last;
    this.#last = now;
    this.#streams.push([now.streams], { value: count(now.streams), detail: counted(now.topics, 'topic') });
    this.#plotRate(this.#published, then, now, 'published_total');
    this.#plotRate(this.#delivered, then, now, 'delivered_total');
    this.#list(now);
  }

  /** A counter that went down belongs to a hub that was started again: that step has no rate. */
  #plotRate(chart, then, now, name) {
    const grew = then === null ? -1 : now[name] - then[name];
    const value = grew < 0 ? null : (1000 * grew) / (now.at - then.at);
    chart.push(value === null ? null : [value], {
      value: value === null ? '–' : perSecond(value),
      detail: `${count(now[name])} in all`,
    });
  }

  #list(now) {
    const { log } = now;
    document.querySelector('#uptime').textContent = `up ${duration(now.uptime_seconds)}`;
    fact('log', `${counted(log.updates, 'update')}, ${bytes(log.bytes)}`);
    fact('oldest', log.oldest ?? 'none');
    fact('newest', log.newest ?? 'none');
    fact('topics', count(now.topics));
    fact('delivered', bytes(now.delivered_bytes_total));
    fact('refused', count(now.refused_total));
    fact('gaps', count(now.gaps_total));
    const reasons = Object.entries(now.closed).filter(([, times]) => times > 0);
    fact('closed', reasons.map(([reason, times]) => `${reason.replaceAll('_', ' ')} ${count(times)}`).join(', ') || 'none');
  }

  #forget() {
    this.#last = null;
    for (const chart of [this.#streams, this.#published, this.#delivered]) chart.push(null, { value: '–' });
    document.querySelector('#uptime').textContent = '';
  }
}

function fact(name, text) {
  const place = document.querySelector(`[data-fact="${name}"]`);
  place.textContent = text;
  place.title = text;
}
