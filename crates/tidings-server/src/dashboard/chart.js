// A small line chart of the last two minutes: SVG paths that stretch to their box, and a readout under the pointer.
// Styles come from the style sheet's classes alone, as the content security policy forbids inline ones.

import { element } from './element.js';

const SVG = 'http://www.w3.org/2000/svg';
const WINDOW_MS = 120_000;

/** Samples further apart than this are not joined: the line shows that nothing is known in between. */
const MAX_JOIN_MS = 5_000;

/** Enough for eight samples a second over the window. */
const MAX_SAMPLES = 1_000;

const WIDTH = 240;
const HEIGHT = 48;

/** One measured thing: a label, its newest value in words, a line of detail and the plot. */
export class Chart {
  #samples = [];
  #options;
  #value = element('p', 'value number');
  #detail = element('p', 'detail quiet number');
  #top = element('span', 'top quiet number');
  #lines;
  #area;
  #cursor = element('span', 'cursor');
  #plot = element('div', 'plot');
  #words = { value: '–', detail: '' };
  #pointer = null;

  /**
   * `name` is the `data-chart` attribute; `format(value)` gives the words for a number; `max` fixes the scale's top, else
   * it follows the data and is never below `floor`; `series` is how many lines there are (default 1).
   */
  constructor(parent, { name, label, format, max = null, floor = 1, series = 1 }) {
    this.#options = { format, max, floor, label };
    const root = element('figure', 'chart');
    root.dataset.chart = name;
    root.append(element('figcaption', '', label), this.#value, this.#detail, this.#plot);
    const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    this.#area = shape('path', { class: 'area' });
    this.#lines = Array.from({ length: series }, (_, at) => shape('path', { class: `line line-${at}` }));
    svg.append(this.#area, ...[...this.#lines].reverse());
    this.#cursor.hidden = true;
    this.#plot.append(svg, this.#top, this.#cursor);
    this.#plot.addEventListener('pointermove', (event) => this.#point(event));
    this.#plot.addEventListener('pointerleave', () => this.#point(null));
    parent.append(root);
    this.#show(this.#words);
  }

  /** Adds a sample (null where nothing is known) with its words; `max` replaces the fixed top of the scale. */
  push(values, { value, detail = '', max = this.#options.max }) {
    this.#options.max = max;
    this.#samples.push({ at: performance.now(), values });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.#words = { value, detail };
    this.draw();
  }

  /** Draws the window that ends now; called once a second, so that a silent source scrolls away. */
  draw() {
    const now = performance.now();
    while (this.#samples.length > 0 && this.#samples[0].at < now - WINDOW_MS - MAX_JOIN_MS) this.#samples.shift();
    const top = this.#scale();
    this.#lines.forEach((line, series) => line.setAttribute('d', path(this.#points(series, now, top))));
    this.#area.setAttribute('d', area(this.#points(0, now, top)));
    this.#top.textContent = this.#samples.length === 0 ? '' : this.#options.format(top).replace('.0', '');
    if (this.#pointer === null) this.#show(this.#words);
  }

  #scale() {
    if (this.#options.max !== null) return this.#options.max;
    const known = this.#samples.flatMap(({ values }) => values ?? []);
    return roundUp(known.reduce((a, b) => Math.max(a, b), this.#options.floor));
  }

  /** Runs of points that are joined with each other. */
  #points(series, now, top) {
    const runs = [];
    let previous = null;
    for (const sample of this.#samples) {
      const joins = previous?.values && sample.values && sample.at - previous.at < MAX_JOIN_MS;
      if (!joins) runs.push([]);
      previous = sample;
      if (sample.values === null) continue;
      const x = WIDTH * (1 - (now - sample.at) / WINDOW_MS);
      const y = 1 + (HEIGHT - 2) * (1 - Math.min(1, Math.max(0, sample.values[series] / top)));
      runs.at(-1).push([x.toFixed(1), y.toFixed(1)]);
    }
    return runs;
  }

  #show({ value, detail }) {
    this.#value.textContent = value;
    this.#detail.textContent = detail;
  }

  #point(event) {
    this.#pointer = event;
    const box = this.#plot.getBoundingClientRect();
    const now = performance.now();
    const wanted = event === null ? 0 : now - WINDOW_MS * (1 - (event.clientX - box.left) / box.width);
    const near = event === null ? undefined : nearest(this.#samples, wanted);
    this.#cursor.hidden = near === undefined;
    if (near === undefined) {
      this.#pointer = null;
      this.#show(this.#words);
      return;
    }
    this.#cursor.style.left = `${100 * (1 - (now - near.at) / WINDOW_MS)}%`;
    const seconds = Math.round((now - near.at) / 1000);
    this.#show({ value: near.values.map(this.#options.format).join(' · '), detail: seconds === 0 ? 'now' : `${seconds} s ago` });
  }
}

/** Within this distance of the pointer a sample is shown. */
const MAX_REACH_MS = 6_000;

function nearest(samples, at) {
  let best;
  for (const sample of samples) {
    if (sample.values === null || Math.abs(sample.at - at) > MAX_REACH_MS) continue;
    if (best === undefined || Math.abs(sample.at - at) < Math.abs(best.at - at)) best = sample;
  }
  return best;
}

function path(runs) {
  return runs.filter((run) => run.length > 0).map((run) => `M${run.join('L')}`).join('');
}

function area(runs) {
  return runs
    .filter((run) => run.length > 1)
    .map((run) => `M${run[0][0]},${HEIGHT}L${run.join('L')}L${run.at(-1)[0]},${HEIGHT}Z`)
    .join('');
}

/** The next of 1, 2, 5, 10, 20, ... */
function roundUp(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= n) ?? n;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
