/** One publish over all its attempts: what is known of each update, and whether another attempt may help. */

import { orAborted } from "./abort.js";
import { plain } from "./errors.js";
import { isPassing, LONGEST_TIMER, retryAfter } from "./policy.js";
import type { Published, PublishOptions, Update } from "./publish.js";
import { type Answer, readAnswer } from "./publish-answer.js";
import { PublishError } from "./publish-error.js";

/** Reasons for which single updates of a batch are refused, or the rest of it, that may be gone at the next attempt. */
const PASSING = new Set(["log_unavailable", "body_timeout", "body_broken", "kicked", "internal"]);

/** Another attempt may help. */
interface Again {
  /** What the hub asks to wait, in milliseconds. */
  asked: number;
  /** A new token is to be tried, without any wait. */
  atOnce?: boolean;
}

const AGAIN: Again = { asked: 0 };

export class Publishing {
  readonly #url: URL;
  readonly #options: PublishOptions;
  readonly #key: string;
  readonly #headers: Headers;
  readonly #count: number;
  readonly #body: string;
  /** What is known of each update. */
  readonly #known: (Published | undefined)[];
  /** How the last attempt failed that did not answer for all. */
  #failure: PublishError | undefined;
  /** The token function was asked for another token. */
  #refused = false;

  constructor(url: URL, updates: Update[], many: boolean, options: PublishOptions) {
    this.#url = url;
    this.#options = options;
    this.#key = options.idempotencyKey ?? crypto.randomUUID();
    if (url.username || url.password) {
      throw this.#error("a hub takes no user and password: give a token in the options");
    }
    const { token } = options;
    const type = many ? "application/x-ndjson" : "application/json";
    this.#headers = this.#valid({ "Content-Type": type, "Idempotency-Key": this.#key });
    if (typeof token === "string") this.#headers = this.#authorized(token);
    this.#count = updates.length;
    this.#known = updates.map(() => undefined);
    this.#body = updates.map((update) => JSON.stringify(update)).join("\n");
  }

  /**
   * The results in order.
   *
   * @throws PublishError if nothing is known of any of the updates.
   */
  results(): Published[] {
    const refusals = this.#known.flatMap((known) => known?.error ?? []);
    const error = this.#failure ?? refusals.at(-1) ?? this.#error("the hub gave no result");
    if (!this.#known.some(Boolean)) throw error;
    return this.#known.map((known) => known ?? { error });
  }

  /** Sends all updates once. Says if another attempt may help. */
  async attempt(): Promise<Again | undefined> {
    const { token, timeout = 30_000, signal } = this.#options;
    const control = new AbortController();
    const abort = () => control.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Error(`nothing came within ${timeout} ms`);
    const listen = () => {
      clearTimeout(timer);
      if (timeout) {
        timer = setTimeout(() => control.abort(silence), Math.min(timeout, LONGEST_TIMER));
      }
    };
    try {
      listen();
      // Neither the caller's token function nor its `fetch` need know of signals.
      const headers =
        typeof token === "function"
          ? await orAborted(this.#ask(token), control.signal)
          : this.#headers;
      const response = await orAborted(this.#send(headers, control.signal), control.signal);
      return this.#take(await readAnswer(response, this.#count, listen));
    } catch (thrown) {
      signal?.throwIfAborted();
      const reason: unknown = control.signal.aborted ? control.signal.reason : thrown;
      const isOurs = reason instanceof PublishError;
      this.#failure = isOurs ? reason : this.#error(`no answer: ${plain(reason)}`);
      return AGAIN;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      control.abort();
    }
  }

  async #ask(token: (attempt: { refused: boolean }) => string | Promise<string>): Promise<Headers> {
    let bearer: string;
    try {
      bearer = await token({ refused: this.#refused });
    } catch (cause) {
      throw this.#error("the token function failed", { cause });
    }
    return this.#authorized(bearer);
  }

  #authorized(token: string): Headers {
    return this.#valid([...this.#headers, ["Authorization", `Bearer ${token}`]]);
  }

  #valid(init: HeadersInit): Headers {
    try {
      return new Headers(init);
    } catch {
      // What the platform says has the value in it.
      throw this.#error("the token or the idempotency key cannot be in a header");
    }
  }

  async #send(headers: Headers, signal: AbortSignal): Promise<Response> {
    const response = await (this.#options.fetch ?? fetch)(this.#url.href, {
      method: "POST",
      headers,
      body: this.#body,
      // Some redirects make a GET of it, and that would open a stream.
      redirect: "manual",
      signal,
    });
    if (signal.aborted) response.body?.cancel().catch(() => {});
    return response;
  }

  #take(answer: Answer): Again | undefined {
    const { status, results, reason, detail } = answer;
    this.#failure = undefined;
    if (status !== 200) {
      const words = reason ? ` (${reason}): ${detail}` : "";
      this.#failure = this.#error(`the hub answered ${status}${words}`, { status, reason });
      if (status === 401 || status === 403) return this.#askAgain();
      return isPassing(status) ? { asked: retryAfter(answer.headers) } : undefined;
    }
    if (!/json/.test(answer.headers.get("content-type") ?? "")) {
      this.#failure = this.#error("the answer is not a hub's: is the URL right?");
      return;
    }
    for (const [at, result] of results.entries()) {
      if (result.id !== undefined) {
        this.#known[at] = result;
      } else if (this.#known[at]?.id === undefined) {
        const what = `the hub refused the update (${result.reason}): ${result.detail}`;
        this.#known[at] = { error: this.#error(what, { reason: result.reason }) };
      }
    }
    const refusals = this.#known.flatMap((known) => known?.error?.reason ?? []);
    if (refusals.includes("expired")) return this.#askAgain();
    if (this.#known.every(Boolean))
      return refusals.some((one) => PASSING.has(one)) ? AGAIN : undefined;
    this.#failure = this.#error(
      `the hub's answer ended after ${results.length} of ${this.#count} results`,
    );
    return AGAIN;
  }

  /** What is left to do where the token is not good: one more question for another one. */
  #askAgain(): Again | undefined {
    if (this.#refused || typeof this.#options.token !== "function") return;
    this.#refused = true;
    return { asked: 0, atOnce: true };
  }

  #error(
    what: string,
    facts: { status?: number; reason?: string | undefined; cause?: unknown } = {},
  ) {
    return new PublishError(`${plain(this.#url)}: ${what}`, this.#key, facts);
  }
}
