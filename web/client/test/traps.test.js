// What other clients got wrong. Each is a test of its own.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Client, StoreLost } from '../dist/index.js';
import { MemoryStore } from '../dist/store/memory.js';
import { complete } from './conformance.js';
import { FakeServer, pause, timing, until } from './fake.js';

const id = '0198c5de-0000-7000-8000-000000000001';
const text = (words) => ({ type: 'text', text: words });
const posted = (seq, more = {}) => complete({ type: 'event', event: { conversation_id: id, seq, ...more } });
const view = (head, more = {}) => ({ conversation_id: id, head_seq: head, acked_seq: head, ...more });

/** A client of a scripted server; ended with the test. */
async function make(t, options = {}) {
  const server = new FakeServer();
  const client = new Client({
    url: 'http://server', WebSocket: server.WebSocket, fetch: server.fetch, token: () => 'token', ...options, timing: { ...timing, ...options.timing },
  });
  const errors = [];
  client.on('error', (error) => errors.push(error));
  t.after(() => client.stop());
  await client.start();
  return { server, client, errors };
}

const take = (server, type) => server.take(type, (frame) => frame.type === type);

async function welcome(server, more = {}) {
  await take(server, 'hello');
  server.send(complete({ type: 'welcome', ...more }));
}

async function online(server, client, views, more = {}) {
  await welcome(server, more.welcome);
  const { id: sync, cursor } = await take(server, 'sync');
  server.send(complete({ type: 'sync_page', id: sync, conversations: views, ...more.page }));
  await until('online', () => client.status.state === 'online');
  return cursor;
}

test('an unsent message does not vanish when the connection comes back', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, [view(3)]);
  server.close(0);
  await until('offline', () => client.status.state !== 'online');
  const sent = client.send({ conversation_id: id, content: text('offline') });
  server.rest = () => [200, { messages: [], head_seq: 3, floor_seq: 1, has_more_before: false, has_more_after: false, users: {} }];
  const shown = () => client.messages(id).snapshot().outgoing.map(({ state }) => state);
  client.messages(id).subscribe(() => {});
  assert.deepEqual(shown(), ['pending']);
  await welcome(server);
  assert.deepEqual(shown(), ['pending']);
  const { id: sync } = await take(server, 'sync');
  server.send(complete({ type: 'sync_page', id: sync, conversations: [view(3)], cursor: 'cursor-2' }));
  await until('online', () => client.status.state === 'online');
  assert.deepEqual(shown(), ['pending']);
  const frame = await take(server, 'send');
  server.send(complete({ type: 'sent', id: frame.id, conversation_id: id, client_msg_id: frame.client_msg_id, seq: 4 }));
  assert.equal((await sent).seq, 4);
  assert.deepEqual(shown(), ['sent'], 'it stays until its event is there');
  server.send(posted(4, { sender: 'alice', client_msg_id: frame.client_msg_id }));
  await until('the message', () => client.messages(id).snapshot().messages.some(({ seq }) => seq === 4));
  assert.deepEqual(shown(), []);
});

test('a reconnect neither doubles the list nor makes a call for each conversation', async (t) => {
  const { server, client } = await make(t);
  const views = Array.from({ length: 50 }, (_, i) => view(1, { conversation_id: `0198c5de-0000-7000-8000-0000000001${String(i).padStart(2, '0')}` }));
  await online(server, client, views);
  for (let round = 0; round < 3; round++) {
    server.close(4000);
    await until('offline', () => client.status.state !== 'online');
    assert.equal(await online(server, client, views.slice(0, 10), { page: { cursor: `cursor-${round}` } }), round ? `cursor-${round - 1}` : 'cursor-1');
  }
  assert.equal(client.conversations.length, 50);
  assert.equal(new Set(client.conversations.map((one) => one.conversation_id)).size, 50);
  assert.deepEqual(server.frames, []);
  assert.deepEqual(server.calls, []);
});

test('a snapshot does not wipe what is pending', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, [view(3)]);
  void client.send({ conversation_id: id, content: text('one') });
  void client.send({ conversation_id: id, content: text('two') });
  const first = await take(server, 'send');
  server.close(4004);
  await online(server, client, [view(2)], { welcome: { epoch: 'e2' }, page: { epoch: 'e2' } });
  assert.deepEqual(client.outbox.map(({ content, state }) => [content.text, state]), [['one', 'pending'], ['two', 'pending']]);
  const again = await take(server, 'send');
  assert.equal(again.client_msg_id, first.client_msg_id);
});

test('reconnects spread: full jitter, doubling to the ceiling', async (t) => {
  const delays = [];
  const real = globalThis.setTimeout;
  const server = new FakeServer();
  server.WebSocket = class { constructor() { throw new Error('no network'); } };
  const client = new Client({ url: 'http://server', WebSocket: server.WebSocket, fetch: server.fetch, token: () => 'token' });
  t.after(() => {
    globalThis.setTimeout = real;
    return client.stop();
  });
  globalThis.setTimeout = (run, ms, ...rest) => {
    if (ms !== 30_000) delays.push(ms);
    return real(run, ms === 30_000 ? ms : 0, ...rest);
  };
  await client.start();
  await new Promise((resolve) => { const poll = () => (delays.length > 300 ? resolve() : setImmediate(poll)); poll(); });
  globalThis.setTimeout = real;
  delays.slice(0, 6).forEach((delay, tries) => assert.ok(delay <= 500 * 2 ** tries, `${delay} after ${tries} tries`));
  const late = delays.slice(6);
  assert.ok(Math.max(...late) <= 20_000);
  assert.ok(Math.max(...late) > 15_000, 'the ceiling is reached');
  assert.ok(Math.min(...late) < 5_000, 'the delay is random over the whole range');
});

test('a token callback that hangs, throws or returns nothing is asked again', async (t) => {
  let calls = 0;
  const token = () => {
    calls++;
    if (calls === 1) return new Promise(() => {});
    if (calls === 2) throw new Error('no session');
    if (calls === 3) return '';
    return 'token';
  };
  const { server, client } = await make(t, { token, timing: { token: 20 } });
  const reasons = [];
  client.on('status', ({ reason }) => reason && reasons.push(reason));
  await online(server, client, []);
  assert.equal(calls, 4);
  assert.match(reasons[0], /took longer than 20 ms/);
  assert.match(reasons[1], /no session/);
  assert.match(reasons[2], /no token/);
});

test('a token callback that hangs at a renewal does not disturb the stream', async (t) => {
  let calls = 0;
  const token = () => (++calls === 2 ? new Promise(() => {}) : `token-${calls}`);
  const { server, client } = await make(t, { token, timing: { token: 30 } });
  await online(server, client, [view(3)], { welcome: { server_time: '2026-01-02T03:04:05.000000Z', token_expires_at: '2026-01-02T03:04:05.100000Z' } });
  const seen = [];
  client.on('event', ({ seq }) => seen.push(seq));
  await until('the second call', () => calls === 2);
  server.send(posted(4));
  const hello = await take(server, 'hello');
  assert.equal(hello.token, 'token-3');
  await until('the event', () => seen.length === 1);
  assert.equal(server.sockets.length, 1);
});

test('a callback that throws does not stop the stream', async (t) => {
  const handled = [];
  const { server, client, errors } = await make(t, { onEvent: async ({ seq }) => { handled.push(seq); throw new Error('onEvent'); } });
  const seen = [];
  client.on('event', () => { throw new Error('listener'); });
  client.on('event', ({ seq }) => seen.push(seq));
  client.on('status', () => { throw new Error('status'); });
  client.subscribe(() => { throw new Error('subscriber'); });
  client.on('conversations', async () => { throw new Error('promise'); });
  await online(server, client, [view(3)]);
  server.send(posted(4));
  server.send(posted(5));
  await until('both events', () => seen.length === 2);
  assert.deepEqual(handled, [4, 5]);
  await until('acknowledgements', () => server.acked[id] === 5);
  for (const message of ['onEvent', 'listener', 'status', 'subscriber', 'promise']) {
    await until(message, () => errors.some((error) => error.message === message));
  }
  assert.equal(server.sockets.length, 1);
});

test('a wrong clock of the device changes nothing', async (t) => {
  const real = Date.now;
  t.after(() => { Date.now = real; });
  const years = 10 * 365 * 86_400_000;
  Date.now = () => real() - years;
  let calls = 0;
  const { server, client } = await make(t, { token: () => `token-${++calls}` });
  await online(server, client, [view(3)]);
  Date.now = () => real() + years;
  const first = client.send({ conversation_id: id, content: text('one') });
  await pause(50);
  Date.now = () => real() - years;
  const second = client.send({ conversation_id: id, content: text('two') });
  for (const [seq, words] of [[4, 'one'], [5, 'two']]) {
    const frame = await take(server, 'send');
    assert.equal(frame.content.text, words, 'messages go out in the order of the calls');
    server.send(complete({ type: 'sent', id: frame.id, conversation_id: id, client_msg_id: frame.client_msg_id, seq }));
  }
  await Promise.all([first, second]);
  await pause(50);
  assert.equal(calls, 1, 'the token is renewed by the times of the server');
  assert.equal(server.sockets.length, 1, 'the connection is not given up');
  assert.equal(server.pings, 0);
});

test('timers that a browser slows down do not end a connection', async (t) => {
  const { server, client } = await make(t, { timing: { pong: 200 } });
  await online(server, client, [], { welcome: { heartbeat_ms: 40 } });
  const end = performance.now() + 400;
  while (performance.now() < end); // no timer runs: far more than a heartbeat and a pong
  await until('a ping', () => server.pings > 0);
  await pause(100);
  assert.equal(server.sockets.length, 1);
  assert.equal(client.status.state, 'online');
});

test('a connection that is dead is given up', async (t) => {
  const { server, client } = await make(t, { timing: { pong: 30 } });
  server.answersPings = false;
  await online(server, client, [], { welcome: { heartbeat_ms: 40 } });
  await until('another connection', () => server.sockets.length > 1);
});

test('a late answer is in the status, until something comes', async (t) => {
  const { server, client } = await make(t, { timing: { doubt: 30 } });
  server.answersPings = false;
  await online(server, client, [view(3)]);
  void client.send({ conversation_id: id, content: text('hello') });
  const frame = await take(server, 'send');
  await until('doubt', () => client.status.doubtful);
  assert.equal(client.status.state, 'online');
  assert.equal(server.pings, 1, 'it asks whether somebody is there');
  server.send(complete({ type: 'sent', id: frame.id, conversation_id: id, client_msg_id: frame.client_msg_id, seq: 4 }));
  await until('no doubt', () => !client.status.doubtful);
  assert.equal(server.sockets.length, 1);
});

test('a device that lost its network gives up a connection that does not answer, and no other', async (t) => {
  const listeners = new Map();
  const { addEventListener, removeEventListener } = globalThis;
  globalThis.addEventListener = (name, listener) => listeners.set(name, listener);
  globalThis.removeEventListener = (name) => listeners.delete(name);
  t.after(() => Object.assign(globalThis, { addEventListener, removeEventListener }));
  const { server, client } = await make(t, { timing: { check: 30 } });
  await online(server, client, []);
  listeners.get('offline')();
  await until('an answer', () => server.pings === 1);
  await pause(100);
  assert.equal(server.sockets.length, 1, 'the server is on this device');
  server.answersPings = false;
  listeners.get('offline')();
  await until('another connection', () => server.sockets.length > 1);
});

test('another token of the same callback: the expired one is not offered again', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, []);
  server.close(4200, 'token expired');
  await until('stopped', () => client.status.state === 'stopped');
  assert.equal(client.status.code, 4200);
});

test('a store of another user is emptied, and nothing of it is sent', async (t) => {
  const store = new MemoryStore();
  const first = await make(t, { store });
  await online(first.server, first.client, [view(3)]);
  void first.client.send({ conversation_id: id, content: text('of alice') });
  await take(first.server, 'send');
  await first.client.stop();
  const { server, client } = await make(t, { store });
  assert.equal(client.conversations.length, 1, 'shown before the server is known');
  const device = (await take(server, 'hello')).device_id;
  server.send(complete({ type: 'welcome', user_id: 'bob' }));
  const again = await take(server, 'hello');
  assert.notEqual(again.device_id, device);
  server.send(complete({ type: 'welcome', user_id: 'bob' }));
  const { id: sync, cursor } = await take(server, 'sync');
  assert.equal(cursor, undefined);
  server.send(complete({ type: 'sync_page', id: sync }));
  await until('online', () => client.status.state === 'online');
  assert.deepEqual([client.conversations, client.outbox, client.user], [[], [], 'bob']);
  assert.deepEqual(server.frames, []);
  await client.stop();
  const left = await store.open();
  assert.deepEqual([left.conversations, left.outbox, left.device.user_id], [[], [], 'bob']);
});

test('a store that fails for a while delays acknowledgements, and loses nothing', async (t) => {
  const store = new MemoryStore();
  let broken = false;
  const commit = store.commit.bind(store);
  store.commit = async (batch) => {
    if (broken) throw new Error('the disk is full');
    return commit(batch);
  };
  const { server, client, errors } = await make(t, { store });
  await online(server, client, [view(3)]);
  const seen = [];
  client.on('event', ({ seq }) => seen.push(seq));
  broken = true;
  server.send(posted(4));
  await until('the error', () => errors.some(({ message }) => message === 'the disk is full'));
  server.send(posted(5));
  await pause(30);
  assert.equal(server.acked[id], undefined);
  assert.deepEqual(seen, []);
  broken = false;
  await until('acknowledgement', () => server.acked[id] === 5);
  assert.deepEqual(seen, [4, 5]);
  assert.deepEqual((await store.events(id)).map(({ seq }) => seq), [4, 5]);
});

test('a store that lost its data: a new device, a sync from the start, the outbox kept', async (t) => {
  const store = new MemoryStore();
  const { server, client } = await make(t, { store });
  const device = (await take(server, 'hello')).device_id;
  server.send(complete({ type: 'welcome' }));
  const { id: sync } = await take(server, 'sync');
  server.send(complete({ type: 'sync_page', id: sync, conversations: [view(3)] }));
  await until('online', () => client.status.state === 'online');
  void client.send({ conversation_id: id, content: text('kept') });
  await take(server, 'send');
  await pause(10);
  const commit = store.commit.bind(store);
  store.commit = async () => {
    store.commit = commit;
    await commit({ drop: 'all' });
    store.open = async () => ({ device: null, conversations: [], outbox: [] });
    throw new StoreLost('evicted');
  };
  server.send(posted(4));
  const hello = await take(server, 'hello');
  assert.notEqual(hello.device_id, device);
  server.send(complete({ type: 'welcome' }));
  const again = await take(server, 'sync');
  assert.equal(again.cursor, undefined);
  server.send(complete({ type: 'sync_page', id: again.id, conversations: [view(4, { acked_seq: 0, events: [{ conversation_id: id, seq: 4 }] })] }));
  await until('online', () => client.status.state === 'online');
  assert.equal((await take(server, 'send')).content.text, 'kept');
  delete store.open;
  await until('the outbox in the store', async () => (await store.open()).outbox.length === 1);
});

test('bounded: events that the app is too slow for stay on the server', async (t) => {
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  const { server, client } = await make(t, { onEvent: () => gate });
  await online(server, client, [view(3)]);
  const big = 'x'.repeat(30_000);
  for (let seq = 4; seq < 304; seq++) server.send(posted(seq, { body: { content: text(big) } }));
  await pause(20);
  assert.deepEqual(server.frames.filter(({ frame }) => frame.type === 'pull'), [], 'nothing is pulled while there is no room');
  release();
  const pull = await take(server, 'pull');
  assert.ok(pull.after_seq > 100 && pull.after_seq < 303, `pulls after ${pull.after_seq}`);
});

test('the outbox is bounded, and says so', async (t) => {
  const { client } = await make(t);
  for (let i = 0; i < 1_000; i++) void client.send({ conversation_id: id, content: text(String(i)) });
  await assert.rejects(client.send({ conversation_id: id, content: text('one more') }), { code: 'limit_exceeded' });
  await assert.rejects(client.send({ content: text('nowhere') }), { code: 'invalid' });
});

test('a failed message is sent again with its id, or given up', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, [view(3)]);
  const sent = client.send({ conversation_id: id, content: text('no') });
  const frame = await take(server, 'send');
  server.send(complete({ type: 'error', id: frame.id, code: 'forbidden', message: 'admins only' }));
  await assert.rejects(sent, { code: 'forbidden', message: 'admins only' });
  assert.deepEqual(client.outbox.map(({ state, error }) => [state, error.code]), [['failed', 'forbidden']]);
  client.retry(frame.client_msg_id);
  assert.equal(client.outbox[0].state, 'pending');
  const again = await take(server, 'send');
  assert.equal(again.client_msg_id, frame.client_msg_id);
  server.send(complete({ type: 'error', id: again.id, code: 'forbidden' }));
  await until('failed', () => client.outbox[0].state === 'failed');
  client.discard(frame.client_msg_id);
  assert.deepEqual(client.outbox, []);
});

test('a client that a close code stopped starts again', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, [view(3)]);
  server.close(4402, 'replaced');
  await until('stopped', () => client.status.state === 'stopped');
  assert.deepEqual(client.status, { state: 'stopped', code: 4402, reason: 'replaced' });
  await client.start();
  assert.equal(await online(server, client, []), 'cursor-1');
  assert.equal(client.conversations.length, 1);
});

test('an event that nobody understands takes its seq and nothing else', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, [view(3)]);
  const seen = [];
  client.on('event', ({ seq }) => seen.push(seq));
  [null, 'text', 7, [], { target_seq: 'x', head_seq: 99 }].forEach((body, i) => server.send({ type: 'event', event: { conversation_id: id, seq: 4 + i, type: 'later.version', sender: 'bob', at: 't', body } }));
  server.send({ type: 'event', event: { conversation_id: id, seq: 9, type: 'conversation.updated', sender: 'bob', at: 't', body: { title: 'New', head_seq: 1, role: 'owner' } } });
  await until('all', () => seen.length === 6);
  const { title, head_seq, role } = client.conversation(id);
  assert.deepEqual([title, head_seq, role], ['New', 9, 'member']);
  assert.equal(server.sockets.length, 1);
});

test('a mention that an edit takes away: known, or asked for', async (t) => {
  const { server, client } = await make(t);
  await online(server, client, [view(9, { read_seq: 2, unread_count: 3, mention_count: 1 })]);
  const edited = (seq, target_seq, mentions) => server.send(complete({
    type: 'event', event: { conversation_id: id, seq, type: 'message.edited', body: { target_seq, content: text('x'), ...(mentions && { mentions }) } },
  }));
  edited(10, 5); // whether message 5 mentioned the user is not known
  const call = await server.takeCall('the state', ({ method, path }) => method === 'GET' && path === `/v1/conversations/${id}`);
  call.answer(200, complete({ type: 'conversation', conversation: view(10, { read_seq: 2, unread_count: 3, mention_count: 0 }) }).conversation);
  await until('the state', () => client.conversation(id).mention_count === 0);
  server.send(posted(11));
  edited(12, 11, ['alice']);
  assert.deepEqual([client.conversation(id).unread_count, client.conversation(id).mention_count], [4, 1]);
  edited(13, 11);
  assert.equal(client.conversation(id).mention_count, 0);
  await pause(20);
  assert.deepEqual(server.calls, []);
});

test('a stop during a pull or a sync forgets no conversation', async (t) => {
  const store = new MemoryStore();
  const first = await make(t, { store });
  await online(first.server, first.client, [view(3)]);
  first.server.send(posted(5));
  await take(first.server, 'pull');
  await first.client.stop();
  assert.equal((await store.open()).conversations[0].view?.head_seq, 3);
  const { server, client } = await make(t, { store });
  assert.equal(client.conversations.length, 1);
  await welcome(server);
  await take(server, 'sync');
  await client.stop();
  assert.equal(client.conversations.length, 1);
  assert.deepEqual(client.status, { state: 'stopped', reason: 'stopped by the app' });
});
