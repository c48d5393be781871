// Writes src/generated from asyncapi.yaml and openapi.yaml, and ../im.js from src. With --check it only compares, and fails
// if a file is not current.

import { readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';
import { parse } from 'yaml';
import { frameTypes } from './frames.js';
import { served } from './served.js';

const root = new URL('../../../', import.meta.url);
const folder = new URL('../src/generated/', import.meta.url);

const files = {
  'frames.ts': frameTypes(parse(await readFile(new URL('asyncapi.yaml', root), 'utf8'))),
  'rest.ts': `// Generated from openapi.yaml by "npm run generate". Do not edit.\n\n${
    astToString(await openapiTS(new URL('openapi.yaml', root)))}`,
};

/** Writes a file, or compares it. */
async function put(file, text) {
  if (!process.argv.includes('--check')) {
    await writeFile(file, text);
  } else if (await readFile(file, 'utf8').catch(() => '') !== text) {
    console.error(`${file.pathname.slice(root.pathname.length)} is not current: run 'make generate' and commit the result`);
    process.exitCode = 1;
  }
}

for (const [name, text] of Object.entries(files)) await put(new URL(name, folder), text);
await put(new URL('web/im.js', root), served()); // of the types that are written by now
