// Fails if the core is larger than 15 KiB, minified and compressed.

import { buildSync } from 'esbuild';
import { gzipSync } from 'node:zlib';

const most = 15 * 1024;
// follower.js is loaded on demand, in tabs that do not lead.
const { outputFiles: [core] } = buildSync({
  entryPoints: [new URL('../dist/index.js', import.meta.url).pathname], bundle: true, minify: true, format: 'esm', write: false,
  external: ['*/follower.js'],
});
const size = gzipSync(core.contents, { level: 9 }).length;
console.log(`the core has ${size} bytes, of ${most}`);
if (size > most) process.exitCode = 1;
