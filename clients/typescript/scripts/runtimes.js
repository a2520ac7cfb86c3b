// Runs the compiled tests on Deno and Bun, as far as they are not about Node. `npm ci` in `runtimes` is needed before.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const TESTS = [
  "chaos",
  "engine",
  "eventsource",
  "fuzz",
  "hub",
  "loop",
  "parser",
  "parser.property",
  "publish",
  "seam",
];

const runtimes = {
  deno: ["test", "--allow-all", "--no-check", "--quiet"],
  bun: ["test", "--timeout", "60000"],
};

const root = fileURLToPath(new URL("..", import.meta.url));
const files = TESTS.map((name) => `./build/test/${name}.test.js`);
for (const [name, test] of Object.entries(runtimes)) {
  console.log(`\n${name}`);
  const program = `${root}runtimes/node_modules/.bin/${name}`;
  const { status, error } = spawnSync(program, [...test, ...files], {
    cwd: root,
    stdio: "inherit",
  });
  if (error) throw error;
  if (status !== 0) process.exitCode = 1;
}
