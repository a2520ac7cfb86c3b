/** The two examples that use the package, run as their READMEs say. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";

import { App } from "./app.js";
import { Chromium } from "./chromium.js";
import { Hub, KEY } from "./hub.js";
import type { Tab } from "./tab.js";

const STREAMS = "tidings_streams";

/** A port that nobody listens at. */
async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return String(port);
}

/** Waits in a page of the example until something is shown. */
async function shows(tab: Tab, condition: string): Promise<void> {
  const met = await tab.read<boolean>(`new Promise((settle) => {
    const observer = new MutationObserver(() => look());
    const finish = (met) => { observer.disconnect(); clearTimeout(timer); settle(met); };
    const timer = setTimeout(finish, 30_000, false);
    const look = () => (${condition}) && finish(true);
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
  })`);
  if (!met) {
    assert.fail(`not shown: ${condition}\n${await tab.read<string>("document.body.innerText")}`);
  }
}

test("the page shows the feed in five tabs by one connection, with a token that is renewed", async (t) => {
  const hub = await Hub.start();
  t.after(() => hub.close());
  const port = await freePort();
  const app = App.start("browser-client", { PORT: port, HUB_URL: hub.url, HUB_KEY: KEY });
  t.after(() => app.end());
  const url = `http://127.0.0.1:${port}`;
  await app.says(new RegExp(`listening on ${url}`));
  const browser = await Chromium.start();
  t.after(() => browser.close());

  const text = (id: string): string => `document.getElementById("${id}").textContent`;
  const tabs: Tab[] = [];
  while (tabs.length < 5) {
    const tab = await browser.tab(url);
    await shows(tab, `${text("status")} === "open"`);
    tabs.push(tab);
  }
  const [first, second, ...rest] = tabs as [Tab, Tab, Tab, Tab, Tab];
  await shows(first, `${text("role")} === "Has the connection"`);
  for (const tab of [second, ...rest])
    await shows(tab, `${text("role")} === "Is fed by another tab"`);
  for (const tab of tabs) await shows(tab, 'document.querySelectorAll("#feed li").length >= 3');
  assert.equal(await hub.metric(STREAMS), 1);

  await first.close();
  await shows(second, `${text("role")} === "Has the connection"`);
  // The token lasts 20 seconds.
  await shows(second, `${text("renewed")}.startsWith("Renewed")`);
  await shows(second, `${text("status")} === "open"`);
  const after = await second.read<number>(`parseInt(${text("count")})`);
  for (const tab of [second, ...rest]) {
    await shows(tab, `parseInt(${text("count")}) > ${after - 2}`);
    const ids = await tab.read<number[]>(
      '[...document.querySelectorAll("#feed code")].map((id) => Number(id.textContent.split("-")[1]))',
    );
    assert.deepEqual(
      ids,
      ids.map((_, index) => (ids[0] ?? 0) - index),
    );
    assert.equal(await tab.read(text("error")), "");
    assert.deepEqual(tab.console, []);
  }
  assert.equal(await hub.metric(STREAMS), 1);
});

test("the page says what fails, where the hub does not list its origin", async (t) => {
  const hub = await Hub.start("cors.origins=https://example.com");
  t.after(() => hub.close());
  const port = await freePort();
  const app = App.start("browser-client", { PORT: port, HUB_URL: hub.url, HUB_KEY: KEY });
  t.after(() => app.end());
  await app.says(/listening on/);
  const browser = await Chromium.start();
  t.after(() => browser.close());
  const tab = await browser.tab(`http://127.0.0.1:${port}`);
  await shows(tab, `document.getElementById("error").textContent.includes("; trying again in ")`);
});

test("the script deals with each order once, in order, over a stop and a start", async (t) => {
  const hub = await Hub.start();
  t.after(() => hub.close());
  const folder = mkdtempSync(join(tmpdir(), "tidings-node-client-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const env = { HUB_URL: hub.url, HUB_KEY: KEY, LAST_ID_FILE: join(folder, "last-id") };

  const first = App.start("node-client", env);
  t.after(() => first.end());
  const name = /^order (\w+)-1: /.exec(await first.says(/^order /))?.[1] ?? "";
  for (const number of [2, 3]) await first.says(new RegExp(`^order ${name}-${number}: `));
  await first.end();
  assert.match(first.complaints, /^connected\n/);
  assert.doesNotMatch(first.complaints, /Error/);
  const id = readFileSync(env.LAST_ID_FILE, "utf8");
  assert.match(id, /^#\w+-\d+$/);

  // Its orders have another name, and are all that comes: none of the first three.
  const second = App.start("node-client", env);
  t.after(() => second.end());
  let line = await second.says(/^order /);
  // What was published, and not yet dealt with, when the first was stopped.
  if (line.startsWith(`order ${name}-4: `)) line = await second.says(/^order /);
  const other = /^order (\w+)-1: /.exec(line)?.[1];
  assert.ok(other && other !== name, line);
  await second.says(new RegExp(`^order ${other}-2: `));
  await second.end();
});
