// Plots of the machine the hub runs on, where the topics demo/cpu, demo/memory and demo/network carry measurements.
// A plain event does not name its topic, so a measurement is known by the shape of its data.

import { Chart } from './chart.js';
import { bytes, memory, percent } from './format.js';

/** No measurement is longer; longer data is not parsed. */
const MAX_MEASUREMENT_CHARS = 8_192;

/** Cores beyond this have no bar of their own. */
const MAX_CORES = 64;

/** Measurements older than this are called old. */
const STALE_MS = 15_000;

const throughput = (n) => `${bytes(n)}/s`;

/** Shows itself with the first measurement. */
export class Machine {
  #section;
  #charts = null;
  #cores = null;
  #seenAt = 0;

  constructor(section) {
    this.#section = section;
  }

  /** Draws the event's data if it is a measurement. */
  take(data) {
    if (data.length > MAX_MEASUREMENT_CHARS || !data.startsWith('{')) return;
    const value = parse(data);
    if (numbers(value.percent) && Array.isArray(value.cores)) this.#cpu(value);
    else if (numbers(value.used_bytes, value.total_bytes)) this.#memory(value);
    else if (numbers(value.received_bytes_per_second, value.sent_bytes_per_second)) this.#network(value);
  }

  /** Scrolls on, and says when the measurements have stopped. */
  tick() {
    if (this.#charts === null) return;
    for (const chart of Object.values(this.#charts)) chart.draw();
    this.#section.classList.toggle('stale', performance.now() - this.#seenAt > STALE_MS);
  }

  #shown() {
    this.#seenAt = performance.now();
    if (this.#charts !== null) return this.#charts;
    const parent = this.#section.querySelector('.charts');
    this.#charts = {
      cpu: new Chart(parent, { name: 'cpu', label: 'Processor', format: percent, max: 100 }),
      memory: new Chart(parent, { name: 'memory', label: 'Memory', format: memory }),
      network: new Chart(parent, { name: 'network', label: 'Network', format: throughput, floor: 1000, series: 2 }),
    };
    this.#cores = document.createElement('div');
    this.#cores.className = 'cores';
    parent.querySelector('[data-chart="cpu"] .detail').after(this.#cores);
    this.#section.hidden = false;
    this.#section.parentElement.classList.add('both');
    return this.#charts;
  }

  #cpu({ percent: total, cores }) {
    const { cpu } = this.#shown();
    cpu.push([total], { value: percent(total), detail: cores.length === 1 ? '1 core' : `${cores.length} cores` });
    const loads = cores.slice(0, MAX_CORES);
    while (this.#cores.children.length < loads.length) this.#cores.append(document.createElement('i'));
    while (this.#cores.children.length > loads.length) this.#cores.lastChild.remove();
    loads.forEach((load, at) => {
      this.#cores.children[at].style.setProperty('--load', `${Math.min(100, Math.max(0, Number(load) || 0))}%`);
    });
  }

  #memory({ used_bytes: used, total_bytes: total }) {
    const words = { value: memory(used), detail: `of ${memory(total)}`, max: Math.max(1, total) };
    this.#shown().memory.push([used], words);
  }

  #network({ received_bytes_per_second: received, sent_bytes_per_second: sent }) {
    const words = { value: throughput(received), detail: `${throughput(sent)} sent` };
    this.#shown().network.push([received, sent], words);
  }
}

function numbers(...values) {
  return values.every((value) => Number.isFinite(value) && value >= 0);
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
