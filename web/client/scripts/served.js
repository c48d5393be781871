// Returns the client as the server has it at /im.js: one ES module with the IndexedDB store, for pages without a build
// step. The web chat is such a page.

import { buildSync } from 'esbuild';

/** Returns the text of web/im.js. */
export function served() {
  const { outputFiles: [file] } = buildSync({
    stdin: {
      contents: `
        export * from './index.js';
        export { AttachmentLinks, attachmentLink, upload } from './attachments.js';
        export { IndexedDBStore } from './store/indexeddb.js';
        export { MemoryStore } from './store/memory.js';
      `,
      resolveDir: new URL('../src/', import.meta.url).pathname, loader: 'ts',
    },
    bundle: true, format: 'esm', target: 'es2022', write: false, legalComments: 'none', charset: 'utf8',
    banner: { js: '// The JavaScript client in one file. Generated from web/client by "npm run generate". Do not edit.' },
  });
  // Paths of the comments depend on where esbuild runs.
  return file.text.replace(/^\/\/ (?:\.\.\/)*(?:web\/client\/)?src\/\S+\n/gm, '').replace(/\n{3,}/g, '\n\n');
}
