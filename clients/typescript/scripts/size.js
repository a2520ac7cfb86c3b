// Fails if what a page loads that uses `Stream`, minified and gzipped, is larger than promised. What is imported when it is
// wanted, and what a bundler drops because nobody uses it, does not count.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 5_000;

const { metafile, outputFiles } = await build({
  stdin: {
    contents: 'export { Stream } from "./src/index.ts";',
    resolveDir: new URL("..", import.meta.url).pathname,
    sourcefile: "page.ts",
  },
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  outdir: "size",
  metafile: true,
  write: false,
});

/** The paths of an output and of all that it loads at once. */
function loaded(path) {
  const { imports } = metafile.outputs[path];
  const atOnce = imports.filter(({ kind }) => kind === "import-statement");
  return [path, ...atOnce.flatMap((chunk) => loaded(chunk.path))];
}

const paths = [...new Set(loaded("size/stdin.js"))];
const files = outputFiles.filter(({ path }) => paths.some((end) => path.endsWith(end)));
const minified = Buffer.concat(files.map(({ contents }) => contents));
const gzipped = gzipSync(minified, { level: 9 }).length;
console.log(`core: ${minified.length} B minified, ${gzipped} B gzipped, of at most ${LIMIT} B`);
if (gzipped > LIMIT) process.exitCode = 1;
