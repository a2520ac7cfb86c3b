/** A tab: what is done in it, and to it. */

import type { Chromium, Fields } from "./chromium.js";

/** How long something may take to come true in a page. */
const PATIENCE_MS = 20_000;

/** One tab of a browser. */
export class Tab {
  readonly #browser: Chromium;
  readonly #target: string;
  readonly #session: string;
  /** What the console said, and what was thrown and not caught. */
  readonly console: string[] = [];
  readonly #awaited = new Map<string, () => void>();

  private constructor(browser: Chromium, target: string, session: string) {
    this.#browser = browser;
    this.#target = target;
    this.#session = session;
    browser.listen(session, (method, params) => this.#told(method, params));
  }

  /** Takes hold of a tab. */
  static async attach(browser: Chromium, target: string, session: string): Promise<Tab> {
    const tab = new Tab(browser, target, session);
    for (const domain of ["Page", "Runtime", "Network", "Inspector"]) {
      await tab.send(`${domain}.enable`);
    }
    return tab;
  }

  /** Goes to a page and waits until it has loaded. */
  async goto(url: string): Promise<void> {
    await this.#during("Page.loadEventFired", () => this.send("Page.navigate", { url }));
  }

  /** Waits until the page's own script has run. */
  async ready(): Promise<void> {
    await this.read(
      'new Promise((ready) => "listen" in globalThis ? ready() : addEventListener("load", ready))',
    );
  }

  /** Goes back to the page before, and waits until it is shown. */
  async back(): Promise<void> {
    await this.#during("Page.frameNavigated", () =>
      this.send("Runtime.evaluate", { expression: "void history.back()" }),
    );
  }

  /** The value of an expression in the page; a promise is awaited. What it throws is thrown. */
  async read<T>(expression: string): Promise<T> {
    const answer = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    const thrown = answer.exceptionDetails as
      | { text: string; exception?: { description?: string } }
      | undefined;
    if (thrown !== undefined) {
      throw new Error(`in the page: ${thrown.exception?.description ?? thrown.text}`);
    }
    return (answer.result as { value: T }).value;
  }

  /** Waits until a condition holds in a page that calls `changed()` whenever it may have come true. */
  async until(condition: string): Promise<void> {
    const met = await this.read<boolean>(`until(() => ${condition}, ${PATIENCE_MS})`);
    if (met) return;
    const state = await this.read<unknown>("state()");
    throw new Error(`did not come true: ${condition}\n${JSON.stringify(state, null, 1)}`);
  }

  /** Puts the tab in front: the others are hidden. */
  async show(): Promise<void> {
    await this.send("Page.bringToFront");
  }

  /** Stops everything in the page as the browser does with tabs in the background, or goes on with it. */
  async lifecycle(state: "frozen" | "active"): Promise<void> {
    await this.send("Page.setWebLifecycleState", { state });
  }

  /** Has the page's scripts stand still, as if one of them ran and ran. */
  async hold(): Promise<void> {
    await this.send("Debugger.enable");
    await this.#during("Debugger.paused", () => {
      this.send("Runtime.evaluate", { expression: "debugger" }).catch(() => {});
      return Promise.resolve();
    });
  }

  /** Lets them go on. */
  async letGo(): Promise<void> {
    await this.send("Debugger.resume");
  }

  /** Takes the network away from the page, or gives it back. */
  async offline(offline: boolean): Promise<void> {
    const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.send("Network.emulateNetworkConditions", { offline, ...unlimited });
  }

  /** Closes the tab as its user does. */
  async close(): Promise<void> {
    await this.#browser.send("Target.closeTarget", { targetId: this.#target });
  }

  /** Has the page's process die. */
  async crash(): Promise<void> {
    // The command is never answered: there is nobody left who could.
    await this.#during("Inspector.targetCrashed", () => {
      this.send("Page.crash").catch(() => {});
      return Promise.resolve();
    });
  }

  /** A picture of the page, as PNG. */
  async picture(dark: boolean, width: number, height: number): Promise<Buffer> {
    const value = dark ? "dark" : "light";
    const features = [{ name: "prefers-color-scheme", value }];
    await this.send("Emulation.setEmulatedMedia", { features });
    const size = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.send("Emulation.setDeviceMetricsOverride", size);
    const answer = await this.send("Page.captureScreenshot", { format: "png" });
    return Buffer.from(String(answer.data), "base64");
  }

  /** Sends a command of the browser's protocol. */
  send(method: string, params: Fields = {}): Promise<Fields> {
    return this.#browser.send(method, params, this.#session);
  }

  /** Does something, and waits for an event that it causes. */
  async #during(event: string, act: () => Promise<unknown>): Promise<void> {
    const { promise, settle, fail } = awaited();
    const timer = setTimeout(() => fail(new Error(`no ${event} came`)), PATIENCE_MS);
    this.#awaited.set(event, settle);
    try {
      await act();
      await promise;
    } finally {
      clearTimeout(timer);
      this.#awaited.delete(event);
    }
  }

  #told(method: string, params: Fields): void {
    this.#awaited.get(method)?.();
    if (method === "Runtime.exceptionThrown") {
      this.console.push(JSON.stringify(params.exceptionDetails));
    } else if (method === "Runtime.consoleAPICalled") {
      const values = params.args as { value?: unknown; description?: string }[];
      this.console.push(values.map((each) => each.value ?? each.description).join(" "));
    }
  }
}

function awaited(): { promise: Promise<void>; settle: () => void; fail: (error: Error) => void } {
  let settle = (): void => {};
  let fail: (error: Error) => void = () => {};
  const promise = new Promise<void>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  return { promise, settle, fail };
}
