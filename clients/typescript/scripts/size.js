// Fails if what a page loads of the core, minified and gzipped, is larger than promised.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 5_000;

const { outputFiles } = await build({
  entryPoints: [new URL("../src/index.ts", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const minified = outputFiles[0].contents;
const gzipped = gzipSync(minified, { level: 9 }).length;
console.log(`core: ${minified.length} B minified, ${gzipped} B gzipped, of at most ${LIMIT} B`);
if (gzipped > LIMIT) process.exitCode = 1;
