/**
 * The code of the pages about this package: all of it compiles, and what needs no page runs as it stands, against a server
 * that plays all that it asks for.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { type Asked, serve, stream } from "./support/serve.js";

/** Whom the code asks. */
const ORIGIN = "https://example.com";
const PAGES = ["README.md", "../../docs/client-typescript.md"];

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Inside of the build, so that it is gone with it. */
const folder = join(root, "build/documents");

interface Example {
  /** The page and its number there. */
  name: string;
  /** It needs a page, which there is none of here. */
  needsPage: boolean;
  text: string;
}

const examples = PAGES.flatMap((page): Example[] => {
  const blocks = readFileSync(join(root, page), "utf8").matchAll(/^```ts(.*)\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, info = "", text = ""], at) => ({
    name: `${page.replace(/.*\//, "")}-${at + 1}`,
    needsPage: info.trim() === "page",
    text,
  }));
});

/** Compiles all code, with the package's sources in place of the package, so that nothing has to be built. */
function compile(): string {
  mkdirSync(folder, { recursive: true });
  for (const { name, text } of examples) {
    const local = text
      .replaceAll('from "tidings"', 'from "../../src/index.js"')
      .replaceAll('from "tidings/publish"', 'from "../../src/publish.js"');
    writeFileSync(join(folder, `${name}.ts`), `${local}\nexport {};\n`);
  }
  const options = { rootDir: "../..", outDir: "out", noUnusedLocals: false };
  const files = examples.map(({ name }) => `${name}.ts`);
  const project = { extends: "../../tsconfig.json", compilerOptions: options, include: [], files };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" }).stdout;
}

const STREAM = `: here I am
id: 1
event: price
data: {"symbol":"ABC","cents":1250}

id: 2
event: news
data: {"title":"Hello"}

event: gap
data: {"resumed_after":"2","missed":3}

id: 4
data: the last one

`;

/** A server for one example: the first stream has a few events, the second attempt is told that there is no more. */
async function play(t: TestContext): Promise<{ url: string; over: Promise<void> }> {
  let done = () => {};
  const over = new Promise<void>((resolve) => {
    done = resolve;
  });
  let streams = 0;
  const { url } = await serve(t, (response, asked) => {
    if (asked.method === "POST") acknowledge(response, asked);
    else if (asked.url === "/token") response.end("secret");
    else if (streams++ === 0) stream(response, STREAM).end();
    else response.writeHead(204).end(done);
  });
  return { url, over };
}

function acknowledge(response: ServerResponse, { headers, body }: Asked): void {
  response.setHeader("Content-Type", String(headers["content-type"]));
  response.end(body.replaceAll(/.+/g, '{"id":"5"}'));
}

test("the pages' code compiles, and runs", { timeout: 60_000 }, async (t) => {
  assert.ok(examples.length > 9, "there is code");
  assert.equal(compile(), "");

  const home = process.cwd();
  const directory = mkdtempSync(join(tmpdir(), "tidings-documents-"));
  process.chdir(directory);
  t.after(() => {
    process.chdir(home);
    rmSync(directory, { recursive: true });
  });
  // No random part in a wait.
  t.mock.method(Math, "random", () => 0);
  const ask = globalThis.fetch;
  for (const { name, text } of examples.filter(({ needsPage }) => !needsPage)) {
    await t.test(name, async (t) => {
      const { url, over } = await play(t);
      t.mock.method(globalThis, "fetch", (at: string, init?: RequestInit) =>
        ask(at.replace(ORIGIN, url), init),
      );
      const said = t.mock.method(console, "log", () => {});
      await import(join(folder, "out/build/documents", `${name}.js`));
      if (text.includes("new Stream")) await over;
      assert.ok(said.mock.callCount() > 0, "it says what came");
    });
  }
});
