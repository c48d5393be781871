// In a real Chromium, against a real cluster: IndexedDB, Web Locks, tabs, reloads.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { Client } from '../dist/node.js';
import { until as untilShort } from './fake.js';
import { Cluster } from './im.js';

const until = (what, check) => untilShort(what, check, 60_000);
const dist = new URL('../dist/', import.meta.url).pathname;
const cluster = new Cluster();
let browser;
test.before(async () => {
  await cluster.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
}, { timeout: 180_000 });
test.after(async () => {
  await browser?.close();
  await cluster.close();
});

/** A browser of one user. Its pages come from a node, with the files of this package beside them. */
async function device(t, user) {
  const context = await browser.newContext({ bypassCSP: true }); // that of /healthz allows no script
  t.after(() => context.close());
  const token = await cluster.token(user);
  await context.route('**/__client/**', (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({ contentType: 'text/javascript', body: readFileSync(join(dist, pathname.replace('/__client/', ''))) });
  });
  return {
    /** Opens a page, or the same one again, and starts a client in it. */
    async tab(page) {
      const tab = page ?? await context.newPage();
      tab.sockets ??= 0;
      if (!page) tab.on('websocket', () => tab.sockets++);
      await tab.goto(`${cluster.nodes[0]}/healthz`);
      await tab.evaluate(async (own) => {
        const { Client } = await import('/__client/index.js');
        const { IndexedDBStore } = await import('/__client/store/indexeddb.js');
        window.events = [];
        window.errors = [];
        window.client = new Client({ token: () => own, store: new IndexedDBStore({ name: 'im' }), timing: { retry: 50, maxRetry: 500, tick: 20 } });
        window.client.on('event', (event) => window.events.push(event.body.content?.text ?? event.type));
        window.client.on('error', (error) => window.errors.push(error.message));
        await window.client.start();
      }, token);
      return tab;
    },
  };
}

const status = (tab) => tab.evaluate(() => window.client?.status.state);
const texts = (tab) => tab.evaluate(() => window.events.filter((one) => !one.includes('.')));
const send = (tab, to, words) => tab.evaluate(([user, text]) => { void window.client.send({ to: user, content: { type: 'text', text } }); }, [to, words]);
const outbox = (tab) => tab.evaluate(() => window.client.outbox.map(({ content, state }) => [content.text, state]));

async function bot(t, user) {
  const client = new Client({ url: cluster.nodes[1], token: () => cluster.token(user) });
  client.texts = [];
  client.on('event', (event) => event.type === 'message.posted' && client.texts.push(event.body.content.text));
  t.after(() => client.stop());
  await client.start();
  await until('online', () => client.status.state === 'online');
  return client;
}

test('two tabs have one socket; one takes over when the other is closed', async (t) => {
  const bob = await bot(t, 'bob-1');
  const alice = await device(t, 'alice-1');
  const first = await alice.tab();
  await until('online', async () => await status(first) === 'online');
  const second = await alice.tab();
  await until('online', async () => await status(second) === 'online');
  await send(second, 'bob-1', 'from the second tab');
  await until('the message', () => bob.texts.length === 1);
  await until('both tabs', async () => (await texts(first)).length === 1 && (await texts(second)).length === 1);
  assert.deepEqual(await outbox(second), []);
  assert.deepEqual([first.sockets, second.sockets], [1, 0]);
  await first.close();
  await until('a socket of the second', () => second.sockets === 1);
  await bob.send({ to: 'alice-1', content: { type: 'text', text: 'still there?' } });
  await until('the message', async () => (await texts(second)).length === 2);
  assert.deepEqual(await texts(second), ['from the second tab', 'still there?']);
  assert.deepEqual(await second.evaluate(() => window.errors), []);
});

test('messages written offline survive a reload, and go out once', async (t) => {
  const bob = await bot(t, 'bob-2');
  const alice = await device(t, 'alice-2');
  const tab = await alice.tab();
  await until('online', async () => await status(tab) === 'online');
  await send(tab, 'bob-2', 'before');
  await until('the message', () => bob.texts.length === 1);
  await until('the message', async () => (await texts(tab)).length === 1);
  await tab.evaluate(() => window.client.stop());
  await tab.evaluate(() => { WebSocket = class { constructor() { throw new Error('offline'); } }; });
  await tab.evaluate(() => window.client.start());
  await until('offline', async () => await status(tab) === 'offline');
  await send(tab, 'bob-2', 'one');
  await send(tab, 'bob-2', 'two');
  assert.deepEqual(await outbox(tab), [['one', 'pending'], ['two', 'pending']]);
  await tab.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 200); }));
  await alice.tab(tab); // loads the page again
  await until('sent', async () => (await outbox(tab)).length === 0 && await status(tab) === 'online');
  await until('the messages', () => bob.texts.length === 3);
  assert.deepEqual(bob.texts, ['before', 'one', 'two']);
  await until('the messages', async () => (await texts(tab)).length === 2);
  assert.deepEqual(await texts(tab), ['one', 'two'], 'what the store had is not delivered again');
  const shown = await tab.evaluate(async () => {
    const messages = window.client.messages(window.client.conversations[0].conversation_id);
    await messages.open();
    return messages.snapshot().messages.map(({ content }) => content.text);
  });
  assert.deepEqual(shown, ['before', 'one', 'two']);
});

test('a store that is emptied: a new device, everything again', async (t) => {
  const bob = await bot(t, 'bob-3');
  const alice = await device(t, 'alice-3');
  const tab = await alice.tab();
  await until('online', async () => await status(tab) === 'online');
  await bob.send({ to: 'alice-3', content: { type: 'text', text: 'one' } });
  await until('the message', async () => (await texts(tab)).length === 1);
  await tab.evaluate(() => new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase('im');
    request.onsuccess = resolve;
    request.onerror = reject;
  }));
  await bob.send({ to: 'alice-3', content: { type: 'text', text: 'two' } });
  await until('another session', () => tab.sockets > 1);
  await until('online', async () => await status(tab) === 'online');
  await bob.send({ to: 'alice-3', content: { type: 'text', text: 'three' } });
  await until('the messages', async () => (await texts(tab)).includes('three') && (await texts(tab)).includes('two'));
  assert.match((await tab.evaluate(() => window.errors)).join(), /lost its data/);
});
