// Fails if what a page loads of the core, minified and gzipped, is larger than promised. Says what is loaded on demand.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 5_000;

const { metafile, outputFiles } = await build({
  entryPoints: [new URL("../src/index.ts", import.meta.url).pathname],
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  outdir: "out",
  metafile: true,
  write: false,
});
const outputs = Object.entries(metafile.outputs);
const [entry] = outputs.find(([, { entryPoint }]) => entryPoint?.endsWith("index.ts"));

// What the entry imports is loaded with it, unless it is imported by an expression.
const core = new Set([entry]);
for (const name of core) {
  for (const { kind, path } of metafile.outputs[name].imports) {
    if (kind === "import-statement") core.add(path);
  }
}
const size = (names) => {
  const chunks = outputFiles.filter(({ path }) => names.some((name) => path.endsWith(name)));
  const minified = Buffer.concat(chunks.map(({ contents }) => contents));
  return { minified: minified.length, gzipped: gzipSync(minified, { level: 9 }).length };
};
const { minified, gzipped } = size([...core]);
const rest = size(outputs.map(([name]) => name).filter((name) => !core.has(name)));
console.log(`core: ${minified} B minified, ${gzipped} B gzipped, of at most ${LIMIT} B`);
console.log(`loaded for shared streams: ${rest.minified} B minified, ${rest.gzipped} B gzipped`);
if (gzipped > LIMIT) process.exitCode = 1;
