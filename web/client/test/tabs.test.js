// Tabs that share one IndexedDB store.

import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from '../dist/index.js';
import { IndexedDBStore } from '../dist/store/indexeddb.js';
import { complete } from './conformance.js';
import { FakeServer, pause, timing, until } from './fake.js';
import { Locks } from './locks.js';

const id = '0198c5de-0000-7000-8000-000000000001';
const text = (words) => ({ type: 'text', text: words });
const posted = (seq, more = {}) => complete({ type: 'event', event: { conversation_id: id, seq, ...more } });
const view = (head, more = {}) => ({ conversation_id: id, head_seq: head, acked_seq: head, ...more });
const take = (server, type) => server.take(type, (frame) => frame.type === type);

/** A browser: its tabs share locks and the database. */
function browser(t, name) {
  const server = new FakeServer();
  const locks = new Locks();
  return {
    server,
    async tab() {
      const store = new IndexedDBStore({ name, locks });
      const client = new Client({ url: 'http://server', WebSocket: server.WebSocket, fetch: server.fetch, token: () => 'token', timing, store });
      const tab = { client, store, events: [], errors: [], closed: false };
      client.on('event', ({ seq }) => tab.events.push(seq));
      client.on('error', (error) => tab.errors.push(error));
      t.after(() => client.stop());
      await client.start();
      return tab;
    },
  };
}

async function online(server, client, views, cursor = 'cursor-1') {
  const { device_id } = await take(server, 'hello');
  server.send(complete({ type: 'welcome' }));
  const sync = await take(server, 'sync');
  server.send(complete({ type: 'sync_page', id: sync.id, conversations: views, cursor }));
  await until('online', () => client.status.state === 'online');
  return { device_id, cursor: sync.cursor };
}

test('one tab leads, the others see the same over its socket', async (t) => {
  const { server, tab } = browser(t, 'follow');
  const first = await tab();
  await online(server, first.client, [view(3)]);
  server.send(posted(4));
  await until('stored', () => first.events.length === 1);
  const second = await tab();
  await until('the status', () => second.client.status.state === 'online');
  assert.equal(second.client.user, 'alice');
  assert.match(first.client.deviceId, /^js-/);
  assert.equal(second.client.deviceId, first.client.deviceId, 'they are one device');
  assert.equal(second.client.conversations[0].head_seq, 4);
  server.send(posted(5));
  server.send({ type: 'typing', conversation_id: id, user_id: 'bob', on: true });
  await until('the event', () => second.events.length === 1);
  await until('typing', () => second.client.typing(id).length === 1);
  assert.deepEqual([first.events, second.events], [[4, 5], [5]]);
  assert.equal(second.client.conversations[0].unread_count, 2);
  assert.equal(server.sockets.length, 1, 'one socket for all tabs');
});

test('a message of a tab that does not lead is sent by the one that does', async (t) => {
  const { server, tab } = browser(t, 'send');
  const first = await tab();
  await online(server, first.client, [view(3)]);
  const second = await tab();
  const sent = second.client.send({ conversation_id: id, content: text('from the second tab') });
  const frame = await take(server, 'send');
  assert.equal(frame.content.text, 'from the second tab');
  assert.equal(first.client.outbox[0].state, 'pending');
  server.send(complete({ type: 'sent', id: frame.id, conversation_id: id, client_msg_id: frame.client_msg_id, seq: 4 }));
  assert.equal((await sent).seq, 4);
  server.send(posted(4, { sender: 'alice', client_msg_id: frame.client_msg_id }));
  await until('an empty outbox', () => !second.client.outbox.length && !first.client.outbox.length);
  const failed = second.client.send({ conversation_id: id, content: text('refused') });
  const other = await take(server, 'send');
  server.send(complete({ type: 'error', id: other.id, code: 'forbidden', message: 'no' }));
  await assert.rejects(failed, { code: 'forbidden' });
  assert.equal(second.client.outbox[0].state, 'failed');
  second.client.discard(other.client_msg_id);
  await until('discarded', () => first.client.outbox.length === 0);
});

test('the leading tab is closed: another takes over, with the store, the outbox and the device', async (t) => {
  const { server, tab } = browser(t, 'takeover');
  const first = await tab();
  const { device_id } = await online(server, first.client, [view(3)]);
  const second = await tab();
  void second.client.send({ conversation_id: id, content: text('once') });
  const before = await take(server, 'send');
  server.send(posted(4));
  await until('stored', () => second.events.length === 1);
  await first.client.stop();
  const hello = await take(server, 'hello');
  assert.equal(hello.device_id, device_id, 'one store, one device');
  server.send(complete({ type: 'welcome' }));
  const again = await take(server, 'send');
  assert.equal(again.client_msg_id, before.client_msg_id);
  server.send(complete({ type: 'sent', id: again.id, conversation_id: id, client_msg_id: again.client_msg_id, seq: 5, duplicate: true }));
  const sync = await take(server, 'sync');
  assert.equal(sync.cursor, 'cursor-1');
  server.send(complete({ type: 'sync_page', id: sync.id, conversations: [view(5, { acked_seq: 4 })], cursor: 'cursor-2' }));
  const pull = await take(server, 'pull');
  assert.equal(pull.after_seq, 4);
  server.send(complete({ type: 'page', id: pull.id, conversation_id: id, events: [{ conversation_id: id, seq: 5, sender: 'alice', client_msg_id: again.client_msg_id }], head_seq: 5 }));
  await until('the event', () => second.events.length === 2);
  assert.deepEqual(second.events, [4, 5]);
  await until('an empty outbox', () => second.client.outbox.length === 0);
  assert.deepEqual(server.frames, []);
});

test('a tab that crashed had stored more than it could tell: the next leader delivers it', async (t) => {
  const { server, tab } = browser(t, 'crash');
  const first = await tab();
  await online(server, first.client, [view(3)]);
  const second = await tab();
  await until('the status', () => second.client.status.state === 'online');
  first.store.tabs.post = () => {};
  server.send(posted(4));
  await until('stored', () => first.events.length === 1);
  await first.client.stop();
  await until('delivered', () => second.events.length === 1);
  assert.deepEqual(second.events, [4]);
});

test('the store is not corrupted by tabs that start at once', async (t) => {
  const { server, tab } = browser(t, 'at-once');
  const tabs = await Promise.all([tab(), tab(), tab()]);
  const leader = await online(server, tabs[0].client, [view(3)]);
  for (let seq = 4; seq <= 40; seq++) server.send(posted(seq));
  for (const one of tabs) await until('all events', () => one.events.length === 37);
  assert.equal(server.sockets.length, 1);
  const snapshot = await tabs[2].store.open();
  assert.equal(snapshot.device.device_id, leader.device_id);
  for (const one of tabs) assert.equal(one.client.deviceId, leader.device_id, 'also where the store was opened before it had a device');
  assert.equal(snapshot.conversations[0].position, 40);
  assert.deepEqual((await tabs[1].store.events(id)).map(({ seq }) => seq), Array.from({ length: 37 }, (_, i) => i + 4));
});

test('a new epoch reaches all tabs, and keeps their messages', async (t) => {
  const { server, tab } = browser(t, 'epoch');
  const first = await tab();
  await online(server, first.client, [view(9)]);
  const second = await tab();
  const resets = [];
  second.client.on('reset', (epoch) => resets.push(epoch));
  void second.client.send({ conversation_id: id, content: text('kept') });
  await take(server, 'send');
  server.close(4004);
  await take(server, 'hello');
  server.send(complete({ type: 'welcome', epoch: 'e2' }));
  const sync = await take(server, 'sync');
  assert.equal(sync.cursor, undefined);
  server.send(complete({ type: 'sync_page', id: sync.id, epoch: 'e2', conversations: [view(5)] }));
  await until('the new state', () => second.client.conversation(id)?.head_seq === 5);
  assert.deepEqual(resets, ['e2']);
  assert.equal(second.client.outbox.length, 1);
  assert.equal((await take(server, 'send')).content.text, 'kept');
});

test('without a store that works the client works in memory, and says so', async (t) => {
  const server = new FakeServer();
  const errors = [];
  const client = new Client({
    url: 'http://server', WebSocket: server.WebSocket, fetch: server.fetch, token: () => 'token', timing, store: new IndexedDBStore({ name: 'none', locks: undefined }),
  });
  client.on('error', (error) => errors.push(error.message));
  t.after(() => client.stop());
  await client.start();
  await online(server, client, [view(3)]);
  assert.match(errors[0], /the store cannot be opened.*https/);
  await pause(5);
});

test('a client that is stopped while it starts, and started again, works: React does that to each effect', async (t) => {
  const { server, tab } = browser(t, 'strict');
  const { client } = await tab();
  await online(server, client, [view(3)]);
  await client.stop();
  const ended = [client.start(), client.stop(), client.start(), client.stop()];
  await client.start();
  await Promise.all(ended);
  await online(server, client, [view(3)]);
  server.send(posted(4));
  await until('the event', () => client.conversation(id)?.head_seq === 4);
  assert.equal(server.sockets.length, 2, 'one socket for each life that lasted');

  const stopped = client.stop();
  await client.start();
  await stopped;
  await online(server, client, [view(4)]);
  const sent = client.send({ conversation_id: id, content: text('after it') });
  const frame = await take(server, 'send');
  server.send(complete({ type: 'sent', id: frame.id, conversation_id: id, client_msg_id: frame.client_msg_id, seq: 5 }));
  assert.equal((await sent).seq, 5);
  await client.stop();
  assert.equal(client.status.state, 'stopped');
});
