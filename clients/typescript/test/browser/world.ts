/** What the tests stand in: a browser for each file of tests; a hub and a site for each test. */

import assert from "node:assert/strict";
import { after, before, type TestContext } from "node:test";

import { Chromium } from "./chromium.js";
import { Hub } from "./hub.js";
import { Site } from "./site.js";
import type { Tab } from "./tab.js";

/** The topic of the tests. */
export const TOPIC = "feed";

/** A hub, a site before it, and tabs of the site. */
export class World {
  readonly hub: Hub;
  readonly site: Site;
  readonly #browser: Chromium;
  readonly #tabs = new Set<Tab>();
  #published = 0;

  constructor(browser: Chromium, hub: Hub, site: Site) {
    this.#browser = browser;
    this.hub = hub;
    this.site = site;
  }

  /** Opens a tab that listens, with these options as the page's own source text. */
  async listening(options = "{ headers: bearer }"): Promise<Tab> {
    const tab = await this.tab();
    await tab.read(`listen("/hub?topic=${TOPIC}", ${options})`);
    return tab;
  }

  /** Opens a tab. */
  async tab(): Promise<Tab> {
    const tab = await this.#browser.tab(this.site.url);
    this.#tabs.add(tab);
    await tab.ready();
    return tab;
  }

  /** Opens tabs that listen, one after the other, and waits until each is open. */
  async listeningTabs(count: number, options: string): Promise<Tab[]> {
    const tabs: Tab[] = [];
    while (tabs.length < count) {
      const tab = await this.listening(options);
      await tab.until('seen.states.includes("open")');
      tabs.push(tab);
    }
    return tabs;
  }

  /** Publishes the next numbers, each in an update of its own. */
  async publish(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => String(++this.#published));
    await this.hub.publish(TOPIC, ...numbers);
  }

  /** Waits until a tab has the last number, and fails unless it has had all from one number on, in order, once. */
  async complete(tab: Tab, from = 1): Promise<void> {
    const last = String(this.#published);
    await tab.until(`seen.data.at(-1) === ${JSON.stringify(last)}`);
    const numbers = await tab.read<string[]>("seen.data");
    const expected = Array.from({ length: this.#published - from + 1 }, (_, n) => String(from + n));
    assert.deepEqual(numbers, expected);
    const ids = await tab.read<string[]>("seen.ids");
    assert.equal(new Set(ids).size, ids.length);
  }

  /** Closes the tabs and ends the rest. */
  async end(): Promise<void> {
    for (const tab of this.#tabs) await tab.close().catch(() => {});
    await this.site.close();
    await this.hub.close();
  }
}

/** Gives each test of a file a world of its own, in one browser. The hub gets these settings. */
export function worlds(): (test: TestContext, ...settings: string[]) => Promise<World> {
  let browser: Chromium;
  before(async () => {
    browser = await Chromium.start();
  });
  after(() => browser.close());
  return async (test, ...settings) => {
    const hub = await Hub.start(...settings);
    const world = new World(browser, hub, await Site.start(hub));
    test.after(() => world.end());
    return world;
  };
}

/** The tab of several that has the connection. */
export async function leaderOf(tabs: Tab[]): Promise<Tab> {
  const leaders: Tab[] = [];
  for (const tab of tabs) if (await tab.read("seen.leads")) leaders.push(tab);
  assert.equal(leaders.length, 1);
  return leaders[0] as Tab;
}
