// The publish form: one update as a Mercure form body, and the hub's answer in full words.

import { describe, unanswered } from './problem.js';
import { HUB_PATH } from './stream.js';

/** The hub answers in milliseconds; a request that waits for so long has most likely not left the browser. */
const TIMEOUT_MS = 10_000;

/** Calls `onType(type)` when an update with a type went out, so that the page can listen for it. */
export class Publisher {
  #form;
  #result;
  #onType;
  #token = '';

  constructor(form, result, onType) {
    this.#form = form;
    this.#result = result;
    this.#onType = onType;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#publish();
    });
    form.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  /** Uses this token from now on; an empty one means the cookie, or nobody. */
  authorise(token) {
    this.#token = token;
  }

  async #publish() {
    const fields = new FormData(this.#form);
    const type = fields.get('type');
    // An empty optional field means "not given"; empty data is an update without data.
    const given = [...fields].filter(([name, value]) => name === 'data' || value !== '');
    if (type !== '') this.#onType(type);
    const button = this.#form.querySelector('[type=submit]');
    button.disabled = true;
    this.#tell('pending', 'Publishing.');
    try {
      await this.#send(new URLSearchParams(given));
    } catch (error) {
      this.#tell('error', `${unanswered(error, TIMEOUT_MS)} It is not known whether the update is published.`);
    }
    button.disabled = false;
  }

  async #send(body) {
    const started = performance.now();
    const headers = this.#token === '' ? {} : { Authorization: `Bearer ${this.#token}` };
    const response = await fetch(HUB_PATH, { method: 'POST', body, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) {
      this.#tell('error', await describe(response));
      return;
    }
    const id = await response.text();
    const granted = body.has('private') ? ' Only streams with a grant for it receive it.' : '';
    this.#tell('ok', `Published as ${id} in ${Math.round(performance.now() - started)} ms.${granted}`);
    this.#result.dataset.id = id;
  }

  #tell(outcome, text) {
    delete this.#result.dataset.id;
    this.#result.dataset.outcome = outcome;
    this.#result.textContent = text;
  }
}
