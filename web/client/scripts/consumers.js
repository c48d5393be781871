// Packs the package and installs it into three projects: a Vite app that is built, a Node script that is run, and
// strict TypeScript that is compiled.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const home = new URL('..', import.meta.url).pathname;
const modules = join(home, 'node_modules');
const folder = mkdtempSync(join(tmpdir(), 'im-client-pack-'));
const run = (cwd, command, ...args) => execFileSync(command, args, { cwd, stdio: 'inherit' });

/** Makes a project with the package, and with modules of this one. */
function project(name, archive, files, borrowed) {
  const root = join(folder, name);
  mkdirSync(root);
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  run(root, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--offline', '--omit=peer', archive);
  for (const module of borrowed) {
    mkdirSync(dirname(join(root, 'node_modules', module)), { recursive: true });
    symlinkSync(join(modules, module), join(root, 'node_modules', module));
  }
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
  return root;
}

const app = `
import { Client, Refusal, type ClientOptions, type Event, type Outgoing, type Store } from 'im-client';
import { IndexedDBStore } from 'im-client/store/indexeddb';
import { MemoryStore } from 'im-client/store/memory';
import { ClientProvider, useConnection, useConversations, useMessages, usePresence, useTyping } from 'im-client/react';
import { createElement } from 'react';

const stores: Store[] = [new MemoryStore(), new IndexedDBStore({ name: 'im' })];
const options: ClientOptions = { url: 'https://chat.example.org', token: async () => 'token', store: stores[0] ?? new MemoryStore() };
export const client = new Client(options);

/** The union of events is discriminated by type. */
export function describe(event: Event): string {
  switch (event.type) {
    case 'message.posted':
      return event.body.content?.type === 'text' ? event.body.content.text : 'media';
    case 'member.added':
      return event.body.user_id;
    case 'reaction.added':
      return event.body.emoji;
    default:
      return event.type;
  }
}

export function Chat({ id }: { id: string }) {
  const { messages, outgoing, loadOlder } = useMessages(id);
  const failed: Outgoing[] = outgoing.filter(({ state }) => state === 'failed');
  const online = usePresence(['bob']).get('bob')?.online;
  return createElement('button', { onClick: () => void loadOlder() }, useConnection().state, useConversations().length, useTyping(id).join(),
    messages.length, failed.length, String(online));
}

export const root = createElement(ClientProvider, { client }, createElement(Chat, { id: 'c1' }));

export async function send(): Promise<number> {
  try {
    return (await client.send({ to: 'bob', content: { type: 'text', text: 'Hello' } })).seq;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'blocked') return 0;
    throw error;
  }
}
`;

const script = `
import { Client, FileStore } from 'im-client/node';
import { MemoryStore } from 'im-client/store/memory';
const client = new Client({ url: 'http://127.0.0.1:9', token: () => 'token', store: new FileStore('store.json') });
client.on('status', ({ state }) => { if (state === 'offline') client.stop(); });
await client.start();
const sent = client.send({ to: 'bob', content: { type: 'text', text: 'Hello' } });
await sent.catch(({ code }) => { if (code !== 'closed') throw new Error(code); });
if (client.outbox.length !== 1 || !(new MemoryStore())) throw new Error('the outbox is empty');
console.log('the Node script works');
`;

const strict = (resolution) => JSON.stringify({
  compilerOptions: {
    target: 'es2022', module: resolution === 'bundler' ? 'esnext' : resolution, moduleResolution: resolution, strict: true, exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true, noPropertyAccessFromIndexSignature: true, skipLibCheck: false, noEmit: true, lib: ['es2023', 'dom'], types: [],
  },
  files: ['app.ts'],
});

try {
  run(home, 'npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder);
  const archive = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')));

  const vite = project('vite', archive, { 'index.html': '<script type="module" src="/app.ts"></script>', 'app.ts': app }, ['react', 'vite']);
  run(vite, process.execPath, join(modules, 'vite/bin/vite.js'), 'build', '--logLevel', 'warn');
  if (!readdirSync(join(vite, 'dist/assets')).some((name) => name.endsWith('.js'))) throw new Error('Vite built nothing');

  run(project('node', archive, { 'script.js': script }, ['ws']), process.execPath, 'script.js');

  const typed = project('strict', archive, { 'app.ts': app, 'bundler.json': strict('bundler'), 'nodenext.json': strict('nodenext') }, ['@types/react', 'csstype', 'react']);
  for (const config of ['bundler.json', 'nodenext.json']) run(typed, process.execPath, join(modules, 'typescript/bin/tsc'), '-p', config);
  console.log('a Vite app, a Node script and strict TypeScript work with the package');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
