/** The package as others get it: what `exports` names is there, and its types hold with and without those of the DOM. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Inside of the build, so that it is gone with it. */
const folder = join(root, "build/package");
const installed = join(folder, "node_modules/tidings");

const PROGRAM = `
import { hubEvent, Stream } from "tidings";
import { publish } from "tidings/publish";

type IsAny<T> = 0 extends 1 & T ? true : false;
const isTyped = <T>(_: IsAny<T>) => {};

const headers = async () => ({ Authorization: "Bearer t" });
const stream = new Stream<{ price: { cents: number } }>("http://127.0.0.1:9/", { headers });
stream.addEventListener("price", (event) => isTyped<typeof event>(false), { once: true });
stream.addEventListener("other", (event) => isTyped<typeof event.data>(false));
stream.onopen = (event) => isTyped<typeof event.headers>(false);
stream.onerror = (event) => isTyped<typeof event.error>(false);
stream.onmessage = (event) => isTyped<ReturnType<typeof event.json>>(false);
export const wrong = () => {
  // @ts-expect-error these are no headers
  new Stream("http://127.0.0.1:9/", { headers: 5 });
  // @ts-expect-error this is no listener
  stream.addEventListener("other", 5);
  // @ts-expect-error these are no options of a listener
  stream.removeEventListener("other", () => {}, 5);
};
stream.close();
for await (const event of stream) {
  isTyped<typeof event>(false);
  if (event.type === "price") event.json().cents.toFixed();
  else hubEvent(event)?.kind;
}
const results = await publish("http://127.0.0.1:9/", []);
isTyped<(typeof results)[number]>(false);
console.log(results.length);
`;

/** Runs the compiler. Answers what it says. */
function compile(...options: string[]): string {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return spawnSync(process.execPath, [compiler, ...options], { cwd: root, encoding: "utf8" })
    .stdout;
}

test("the package works by its name, with the DOM's types and without", { timeout: 60_000 }, () => {
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(root, "package.json"), join(installed, "package.json"));
  assert.equal(compile("-p", "tsconfig.build.json", "--outDir", join(installed, "dist")), "");

  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "program.ts"), PROGRAM);
  for (const lib of [["ES2022"], ["ES2022", "DOM"], ["ES2022", "WebWorker"]]) {
    const compilerOptions = {
      strict: true,
      target: "ES2022",
      module: "NodeNext",
      lib,
      types: ["node"],
    };
    const project = { compilerOptions, files: ["program.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project));
    assert.equal(compile("-p", folder), "", `${lib}`);
  }
  const program = [join(folder, "program.js")];
  const { stdout, stderr } = spawnSync(process.execPath, program, { encoding: "utf8" });
  assert.deepEqual([stdout, stderr], ["0\n", ""]);
});
