// Removes an output folder, so that nothing of a file that is gone stays in it.
import { rmSync } from "node:fs";

rmSync(new URL(`../${process.argv[2]}`, import.meta.url), { recursive: true, force: true });
