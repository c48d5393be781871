// Against a real cluster of two nodes: `im dev`.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { Client, FileStore } from '../dist/node.js';
import { until as untilShort } from './fake.js';
import { Cluster } from './im.js';

const text = (words) => ({ type: 'text', text: words });
const until = (what, check) => untilShort(what, check, 60_000);
const cluster = new Cluster();
test.before(() => cluster.start(), { timeout: 180_000 });
test.after(() => cluster.close());

/** Names of users that no other test has. */
let people = 0;
const name = (who) => `${who}-${++people}`;

async function make(t, user, options = {}) {
  const client = new Client({
    url: cluster.urls, token: () => cluster.token(user), timing: { retry: 50, maxRetry: 500, tick: 20 }, ...options,
  });
  client.seen = [];
  client.errors = [];
  client.on('event', (event) => client.seen.push(event));
  client.on('error', (error) => client.errors.push(error));
  t.after(() => client.stop());
  await client.start();
  await until('online', () => client.status.state === 'online');
  return client;
}

const texts = (client, id) => client.seen.filter((event) => event.type === 'message.posted' && event.conversation_id === id).map((event) => event.body.content?.text);
const ascends = (client, id) => {
  const seqs = client.seen.filter((event) => event.conversation_id === id).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i), 'each event once and in order');
};

test('two people on two nodes: sending, reading, editing, reacting, pinning, searching', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice, { url: cluster.urls[0] });
  const b = await make(t, bob, { url: cluster.urls[1] });
  const sent = await a.send({ to: bob, content: text('hello') });
  const id = sent.conversation_id;
  await until('the message', () => texts(b, id).length === 1);
  assert.equal(b.conversation(id).unread_count, 1);
  await b.markRead(id, sent.seq);
  assert.equal(b.conversation(id).unread_count, 0);
  const shown = b.messages(id);
  shown.subscribe(() => {});
  await until('the window', () => shown.snapshot().messages.length === 1);
  await a.edit(id, sent.seq, text('hello, world'));
  await b.react(id, sent.seq, '👍');
  await b.pin(id, sent.seq);
  await until('the changes', () => {
    const [message] = shown.snapshot().messages;
    return message.content.text === 'hello, world' && message.reactions[0]?.mine && message.pinned;
  });
  assert.equal(b.conversation(id).last_message.content.text, 'hello, world');
  assert.deepEqual(shown.snapshot().messages[0], await b.fetchMessage(id, sent.seq), 'the fold equals what the server says');
  await until('found', async () => {
    for await (const found of a.search({ q: 'world' })) if (found.seq === sent.seq) return true;
    return false;
  });
  await a.unreact(id, sent.seq, '👍');
  await b.unreact(id, sent.seq, '👍');
  await b.unpin(id, sent.seq);
  await until('the changes', () => shown.snapshot().messages[0].reactions.length === 0 && !shown.snapshot().messages[0].pinned);
  ascends(a, id);
  ascends(b, id);
});

test('typing, presence, receipts and preferences', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice, { url: cluster.urls[0] });
  const b = await make(t, bob, { url: cluster.urls[1] });
  const { conversation_id: id, seq } = await a.send({ to: bob, content: text('hi') });
  await until('the conversation', () => b.conversation(id));
  const unwatch = b.watch([alice]);
  await until('online', () => b.presence(alice)?.online === true);
  await until('typing', () => {
    a.setTyping(id);
    return b.typing(id).includes(alice);
  });
  a.setTyping(id, false);
  await until('no typing', () => b.typing(id).length === 0);
  await b.markRead(id, seq);
  await until('the receipt', () => a.progress(id, bob)?.read_seq === seq);
  assert.deepEqual(await b.setPreferences(id, { notify: 'mentions', pinned: true }), { notify: 'mentions', pinned: true, archived: false });
  await until('the preferences', () => b.conversation(id).preferences.pinned);
  await a.stop();
  await until('offline', () => b.presence(alice)?.online === false);
  unwatch();
});

test('groups: members, roles, leaving, being added again', async (t) => {
  const [alice, bob, carol] = [name('alice'), name('bob'), name('carol')];
  const a = await make(t, alice);
  const b = await make(t, bob);
  const { conversation_id: id } = await a.createGroup({ members: [bob], title: 'Team' });
  await until('the group', () => b.conversation(id)?.title === 'Team');
  await a.addMembers(id, [carol]);
  await a.setRole(id, bob, 'admin');
  await a.updateGroup(id, { title: 'Team 2' });
  await until('the changes', () => b.conversation(id).role === 'admin' && b.conversation(id).title === 'Team 2' && b.conversation(id).member_count === 3);
  const members = [];
  for await (const member of b.members(id)) members.push(member.user_id);
  assert.deepEqual(members.sort(), [alice, bob, carol].sort());
  await b.leave(id);
  await until('gone', () => b.conversation(id) === undefined);
  await a.send({ conversation_id: id, content: text('without bob') });
  await a.addMembers(id, [bob]);
  await a.send({ conversation_id: id, content: text('welcome back') });
  await until('the message', () => texts(b, id).includes('welcome back'));
  ascends(b, id);
  const state = await b.fetchConversation(id);
  await until('the same state', () => b.conversation(id).unread_count === state.unread_count && b.conversation(id).read_seq === state.read_seq);
});

test('offline and back: what was written meanwhile comes once, both ways', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice, { url: cluster.urls[0] });
  const b = await make(t, bob, { url: cluster.urls[1] });
  const { conversation_id: id } = await a.send({ to: bob, content: text('0') });
  await until('the message', () => texts(b, id).length === 1);
  cluster.proxies[1].cut();
  t.after(() => cluster.proxies[1].mend());
  await until('offline', () => b.status.state === 'offline');
  const waiting = [b.send({ conversation_id: id, content: text('from bob 1') }), b.send({ conversation_id: id, content: text('from bob 2') })];
  for (let i = 1; i <= 30; i++) await a.send({ conversation_id: id, content: text(String(i)) });
  assert.deepEqual(b.outbox.map(({ state }) => state), ['pending', 'pending']);
  cluster.proxies[1].mend();
  const sent = await Promise.all(waiting);
  assert.ok(sent[0].seq < sent[1].seq);
  await until('everything', () => texts(b, id).length === 33 && texts(a, id).length === 33);
  ascends(a, id);
  ascends(b, id);
  assert.deepEqual(texts(a, id), texts(b, id));
  assert.equal(b.outbox.length, 0);
});

test('a node is cut off under a client: it goes on with the other one', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice);
  const b = await make(t, bob);
  const { conversation_id: id } = await a.send({ to: bob, content: text('before') });
  cluster.proxies[0].cut();
  t.after(() => cluster.proxies[0].mend());
  await a.send({ conversation_id: id, content: text('after') });
  await until('the message', () => texts(b, id).includes('after'));
  assert.equal((await a.fetchMessages(id)).messages.length, 2, 'REST calls pass over the node');
  ascends(b, id);
});

test('the outbox and the events survive a restart in a file; a recall erases them there too', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice);
  const path = join(cluster.folder, 'bob.json');
  const b = await make(t, bob, { store: new FileStore(path), url: cluster.urls[1] });
  const { conversation_id: id, seq } = await a.send({ to: bob, content: text('a secret') });
  await until('the message', () => texts(b, id).length === 1);
  cluster.proxies[1].cut();
  t.after(() => cluster.proxies[1].mend());
  await until('offline', () => b.status.state === 'offline');
  b.send({ conversation_id: id, content: text('written offline') }).catch(() => {});
  const [{ client_msg_id }] = b.outbox;
  await b.stop();
  cluster.proxies[1].mend();
  const again = await make(t, bob, { store: new FileStore(path), url: cluster.urls[1] });
  await until('the message', () => texts(a, id).includes('written offline'));
  assert.deepEqual(a.seen.filter((event) => event.client_msg_id === client_msg_id).length, 1);
  await until('an empty outbox', () => again.outbox.length === 0);
  assert.ok(!texts(again, id).includes('a secret'), 'what the store had is not delivered again');
  const quote = await again.send({ conversation_id: id, content: text('really?'), reply_to: seq });
  const shown = again.messages(id);
  shown.subscribe(() => {});
  await until('the window', () => shown.snapshot().messages.some((message) => message.seq === seq));
  await a.recall(id, seq, 'wrong window');
  await until('erased in the window', () => shown.snapshot().messages.find((message) => message.seq === seq).recalled);
  const { readFileSync } = await import('node:fs');
  await until('erased in the file', () => !readFileSync(path, 'utf8').includes('a secret'));
  assert.ok(quote.seq > seq);
});

test('a new epoch: everything is dropped and comes again, unsent messages go out', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice, { url: cluster.urls[0] });
  const b = await make(t, bob, { url: cluster.urls[1] });
  const { conversation_id: id } = await a.send({ to: bob, content: text('one') });
  await until('the message', () => texts(b, id).length === 1);
  const resets = [];
  b.on('reset', (epoch) => {
    resets.push(epoch);
    b.seen.length = 0;
  });
  cluster.proxies[1].cut();
  t.after(() => cluster.proxies[1].mend());
  const waiting = b.send({ conversation_id: id, content: text('unsent') });
  cluster.newEpoch();
  cluster.proxies[1].mend();
  await waiting;
  await until('a reset', () => resets.length === 1);
  await until('the messages again', () => texts(b, id).length === 2);
  assert.deepEqual(texts(b, id), ['one', 'unsent']);
  ascends(b, id);
});

test('history both ways, around a message, quotes outside of the window', async (t) => {
  const [alice, bob] = [name('alice'), name('bob')];
  const a = await make(t, alice);
  const { conversation_id: id, seq: first } = await a.send({ to: bob, content: text('0') });
  for (let i = 1; i < 120; i++) void a.send({ conversation_id: id, content: text(String(i)) });
  await a.send({ conversation_id: id, content: text('120'), reply_to: first });
  const b = await make(t, bob, { history: 5 });
  const window = b.messages(id);
  const numbers = () => window.snapshot().messages.map(({ content }) => Number(content.text));
  window.subscribe(() => {});
  await until('the newest', () => numbers().includes(120));
  assert.deepEqual([window.snapshot().hasOlder, window.snapshot().hasNewer], [true, false]);
  await until('the quote', () => window.snapshot().quotes.get(first)?.content.text === '0');
  await window.loadOlder();
  await window.loadOlder();
  await window.loadOlder();
  assert.deepEqual(numbers(), Array.from({ length: 121 }, (_, i) => i));
  assert.equal(window.snapshot().hasOlder, false);
  assert.equal(window.snapshot().quotes.size, 1);
  window.clear();
  await window.jumpTo(first + 10, 20);
  await until('around', () => numbers().includes(10) && !numbers().includes(100));
  assert.equal(window.snapshot().hasNewer, true);
  await a.recall(id, first + 10);
  await until('recalled', () => window.snapshot().messages.find(({ seq }) => seq === first + 10).recalled);
  await window.loadNewer(200);
  assert.ok(window.snapshot().messages.length > 100);
  assert.equal(window.snapshot().hasNewer, false);
});
