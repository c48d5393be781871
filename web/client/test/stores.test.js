// One suite for every store.

import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { FileStore } from '../dist/node.js';
import { IndexedDBStore } from '../dist/store/indexeddb.js';
import { MemoryStore } from '../dist/store/memory.js';
import { Locks } from './locks.js';

const folder = mkdtempSync(join(tmpdir(), 'im-client-'));
test.after(() => rmSync(folder, { recursive: true }));

const stores = {
  memory: () => {
    const store = new MemoryStore({ keep: 5 });
    return () => store;
  },
  file: (name) => () => new FileStore(join(folder, `${name}.json`), { keep: 5 }),
  indexeddb: (name) => () => new IndexedDBStore({ name, keep: 5, locks: new Locks() }),
};

const device = { device_id: 'device-1', user_id: 'alice', epoch: 'e1', cursor: 'c' };
const posted = (seq, id = 'c1', more = {}) => ({
  conversation_id: id, seq, type: 'message.posted', sender: 'bob', client_msg_id: `m-${seq}`, at: '2026-01-02T03:04:05.678901Z',
  body: { content: { type: 'text', text: `text ${seq}` }, mentions: ['alice'], metadata: { a: 1 }, reply_to: 1, ...more },
});
const about = (seq, type, body) => ({ conversation_id: 'c1', seq, type, sender: 'bob', at: '2026-01-02T03:04:05.678901Z', body });
const stored = (id, position, view = { conversation_id: id }) => ({ conversation_id: id, position, view });
const message = (id, order) => ({ client_msg_id: id, order, conversation_id: 'c1', content: { type: 'text', text: id }, state: 'pending', created_at: 'now' });

for (const [kind, make] of Object.entries(stores)) {
  /** A test with a function that opens the store again. */
  const check = (name, run) => test(`${kind} store: ${name}`, async (t) => {
    const next = make(name.replaceAll(' ', '-'));
    let store = next();
    t.after(() => store.close());
    await store.open();
    await run(store, async () => {
      await store.close();
      store = next();
      return [await store.open(), store];
    });
  });

  check('is empty at first', async (store) => {
    assert.deepEqual(await store.open(), { device: null, conversations: [], outbox: [] });
    assert.deepEqual(await store.events('c1'), []);
  });

  check('keeps a batch over a restart', async (store, again) => {
    await store.commit({ device, conversations: [stored('c1', 2)], events: [posted(1), posted(2), posted(9, 'c2')], outbox: [message('b', 2), message('a', 1)] });
    const [snapshot, other] = await again();
    assert.deepEqual(snapshot, { device, conversations: [stored('c1', 2)], outbox: [message('a', 1), message('b', 2)] });
    assert.deepEqual(await other.events('c1'), [posted(1), posted(2)]);
    assert.deepEqual(await other.events('c2'), [posted(9, 'c2')]);
  });

  check('replaces and settles messages', async (store, again) => {
    await store.commit({ device, outbox: [message('a', 1), message('b', 2)] });
    await store.commit({ outbox: [{ ...message('a', 1), state: 'failed' }], settled: ['b', 'unknown'] });
    assert.deepEqual((await again())[0].outbox, [{ ...message('a', 1), state: 'failed' }]);
  });

  check('erases a recalled message everywhere', async (store, again) => {
    await store.commit({ device, events: [posted(1), about(2, 'message.edited', { target_seq: 1, content: { type: 'text', text: 'secret' }, mentions: ['alice'] }), about(3, 'reaction.added', { target_seq: 1, emoji: '👍' })] });
    await store.commit({ events: [about(4, 'message.recalled', { target_seq: 1, reason: 'wrong' })], erased: [{ conversation_id: 'c1', seq: 1 }] });
    const [, other] = await again();
    const events = await other.events('c1');
    assert.deepEqual(events[0].body, { content: null, reply_to: 1 });
    assert.deepEqual(events[1].body, { target_seq: 1, content: null });
    assert.deepEqual(events[2].body, { target_seq: 1, emoji: '👍' });
    assert.deepEqual(events[3].body, { target_seq: 1, reason: 'wrong' });
  });

  check('erases within one batch', async (store) => {
    await store.commit({ device, events: [posted(1), about(2, 'message.recalled', { target_seq: 1 })], erased: [{ conversation_id: 'c1', seq: 1 }] });
    assert.equal((await store.events('c1'))[0].body.content, null);
  });

  check('drops the log but keeps the outbox', async (store, again) => {
    await store.commit({ device, conversations: [stored('c1', 2)], events: [posted(1), posted(2)], outbox: [message('a', 1)] });
    await store.commit({ drop: 'log', device: { ...device, epoch: 'e2' }, events: [posted(1)] });
    const [snapshot, other] = await again();
    assert.deepEqual(snapshot, { device: { ...device, epoch: 'e2' }, conversations: [], outbox: [message('a', 1)] });
    assert.deepEqual(await other.events('c1'), [posted(1)]);
    await other.commit({ drop: 'all', device });
    assert.deepEqual((await other.open()).outbox, []);
  });

  check('forgets the events of a conversation that was left', async (store) => {
    await store.commit({ device, conversations: [stored('c1', 1)], events: [posted(1), posted(1, 'c2')] });
    await store.commit({ events: [posted(2)], conversations: [stored('c1', 2, null)] });
    assert.deepEqual(await store.events('c1'), []);
    assert.deepEqual((await store.events('c2')).length, 1);
    assert.deepEqual((await store.open()).conversations, [stored('c1', 2, null)]);
  });

  check('keeps the newest events only and none before a hole', async (store) => {
    await store.commit({ device, events: [1, 2, 3, 4, 5, 6, 7].map((seq) => posted(seq)) });
    assert.deepEqual((await store.events('c1')).map(({ seq }) => seq), [3, 4, 5, 6, 7]);
    await store.commit({ events: [posted(6), posted(20), posted(21)] });
    assert.deepEqual((await store.events('c1')).map(({ seq }) => seq), [20, 21]);
  });
}

test('indexeddb store: notices that its data was evicted', async (t) => {
  const store = new IndexedDBStore({ name: 'evicted', locks: new Locks() });
  t.after(() => store.close());
  await store.open();
  await store.commit({ device, outbox: [message('a', 1)] });
  await new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase('evicted');
    request.onsuccess = resolve;
    request.onerror = reject;
  });
  await assert.rejects(store.commit({ events: [posted(1)] }), { name: 'StoreLost' });
  assert.deepEqual(await store.open(), { device: null, conversations: [], outbox: [] });
  await store.commit({ device: { device_id: 'device-2' }, events: [posted(1)] });
  assert.equal((await store.events('c1')).length, 1);
});

test('indexeddb store: a batch that fails leaves nothing', async (t) => {
  const store = new IndexedDBStore({ name: 'atomic', locks: new Locks() });
  t.after(() => store.close());
  await store.open();
  await store.commit({ device });
  await assert.rejects(store.commit({ events: [posted(1)], outbox: [{ ...message('a', 1), content: () => {} }] }));
  assert.deepEqual(await store.events('c1'), []);
  assert.deepEqual((await store.open()).outbox, []);
});

test('indexeddb store: without locks it says what to do', async () => {
  const store = new IndexedDBStore({ name: 'insecure', locks: undefined });
  await assert.rejects(store.open(), /https/);
});
