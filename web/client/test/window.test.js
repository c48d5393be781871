// The window on the messages of a conversation.

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageWindow } from '../dist/index.js';
import { pause, until } from './fake.js';

const id = 'c1';
const message = (seq, more = {}) => ({
  conversation_id: id, seq, sender: 'bob', client_msg_id: `m-${seq}`, at: 't', content: { type: 'text', text: String(seq) }, recalled: false, reactions: [],
  pinned: false, ...more,
});
const posted = (seq, more = {}) => ({ conversation_id: id, seq, type: 'message.posted', sender: 'bob', client_msg_id: `m-${seq}`, at: 't', body: { content: { type: 'text', text: String(seq) }, ...more } });
const about = (seq, type, target_seq, more = {}) => ({ conversation_id: id, seq, type, sender: 'bob', at: `t-${seq}`, body: { target_seq, ...more } });
const page = (messages, head_seq, before = false, after = false) => ({ messages, head_seq, floor_seq: 1, has_more_before: before, has_more_after: after, users: {} });

function make({ stored = [], floor = 1 } = {}) {
  const requests = [];
  const window = new MessageWindow(id, {
    self: 'alice', stored: async () => stored, floor: () => floor, outgoing: () => [], error: (error) => { throw error; },
    fetch: (query) => new Promise((resolve, reject) => requests.push({ query, resolve, reject })),
  });
  const seqs = () => window.snapshot().messages.map(({ seq }) => seq);
  const request = async () => {
    await until('a request', () => requests.length);
    return requests.shift();
  };
  return { window, requests, seqs, request };
}

test('what the device has needs no network, and is folded', async () => {
  const { window, requests, seqs } = make({
    stored: [posted(5), about(6, 'message.edited', 5, { content: { type: 'text', text: 'edited' } }), posted(7), about(8, 'message.recalled', 7), about(9, 'reaction.added', 5, { emoji: '👍' }), about(10, 'message.pinned', 5)],
  });
  await window.open();
  assert.deepEqual(seqs(), [5, 7]);
  const [first, second] = window.snapshot().messages;
  assert.deepEqual([first.content.text, first.edited_at, first.pinned, first.reactions], ['edited', 't-6', true, [{ emoji: '👍', count: 1, mine: false }]]);
  assert.deepEqual([second.content, second.recalled], [null, true]);
  assert.equal(window.snapshot().hasOlder, true);
  assert.deepEqual(requests, []);
});

test('events during a load are applied to its page, once', async () => {
  const { window, request, seqs } = make();
  const open = window.open();
  const { resolve } = await request();
  window.apply(posted(4));
  window.apply(about(5, 'message.recalled', 3));
  window.apply(posted(6));
  window.apply(about(7, 'reaction.added', 2, { emoji: '👍' }));
  resolve(page([message(2, { reactions: [] }), message(3), message(4)], 4)); // it stands at 4
  await open;
  assert.deepEqual(seqs(), [2, 3, 4, 6]);
  const { messages } = window.snapshot();
  assert.equal(messages[1].content, null);
  assert.deepEqual(messages[0].reactions, [{ emoji: '👍', count: 1, mine: false }]);
});

test('a page that is newer than the events: they are not applied twice', async () => {
  const { window, request } = make();
  const open = window.open();
  const { resolve } = await request();
  resolve(page([message(2, { reactions: [{ emoji: '👍', count: 1, mine: true }] }), message(5)], 6));
  await open;
  window.apply(about(3, 'reaction.added', 2, { emoji: '👍' }));
  window.apply(posted(5));
  assert.deepEqual(window.snapshot().messages.map(({ seq }) => seq), [2, 5]);
  assert.equal(window.snapshot().messages[0].reactions[0].count, 1);
});

test('a recall erases quotes outside of the window', async () => {
  const { window, request } = make({ stored: [posted(9, { reply_to: 2 })] });
  void window.open();
  const { query, resolve } = await request();
  assert.deepEqual(query, { seq: [2] });
  window.apply(about(10, 'message.recalled', 2));
  resolve(page([message(2)], 9));
  await until('the quote', () => window.snapshot().quotes.has(2));
  assert.equal(window.snapshot().quotes.get(2).content, null);
});

test('loads follow each other, and neither doubles a message', async () => {
  const { window, request, seqs, requests } = make({ stored: [posted(50), posted(51)] });
  await window.open();
  const loads = [window.loadOlder(2), window.loadOlder(2)];
  const first = await request();
  assert.equal(requests.length, 0, 'the second waits for the first');
  assert.deepEqual(first.query, { before_seq: 50, limit: 2 });
  first.resolve(page([message(48), message(49)], 51, true));
  const second = await request();
  assert.equal(second.query.before_seq, 48);
  second.resolve(page([message(47)], 51, false));
  await Promise.all(loads);
  assert.deepEqual(seqs(), [47, 48, 49, 50, 51]);
  assert.equal(window.snapshot().hasOlder, false);
});

test('a window that does not end at the head takes no new message', async () => {
  const { window, request, seqs } = make({ stored: [posted(50)] });
  await window.open();
  const jump = window.jumpTo(10);
  (await request()).resolve(page([message(9), message(10), message(11)], 50, true, true));
  await jump;
  window.apply(posted(51));
  assert.deepEqual(seqs(), [9, 10, 11]);
  const newer = window.loadNewer();
  (await request()).resolve(page([message(50), message(51)], 51, true, false));
  await newer;
  window.apply(posted(52));
  assert.deepEqual(seqs(), [9, 10, 11, 50, 51, 52]);
});

test('a failure is shown, and the next load may succeed', async () => {
  const { window, request, seqs } = make();
  const open = window.open();
  (await request()).reject(new Error('no network'));
  await assert.rejects(open, /no network/);
  assert.match(window.snapshot().error.message, /no network/);
  const again = window.open();
  (await request()).resolve(page([message(1)], 1));
  await again;
  assert.deepEqual([seqs(), window.snapshot().error, window.snapshot().loading], [[1], undefined, false]);
});

test('a page that was requested before a reset is dropped', async () => {
  const { window, request, seqs } = make();
  const open = window.open();
  const { resolve } = await request();
  window.clear();
  resolve(page([message(1)], 1));
  await open;
  await pause(5);
  assert.deepEqual(seqs(), []);
});

test('the window is bounded at both ends', async () => {
  const { window, request, seqs } = make({ stored: Array.from({ length: 900 }, (_, i) => posted(1000 + i)) });
  await window.open();
  const older = window.loadOlder(200);
  (await request()).resolve(page(Array.from({ length: 200 }, (_, i) => message(800 + i)), 1899, true));
  await older;
  assert.equal(seqs().length, 1000);
  assert.equal(seqs()[0], 800);
  assert.equal(window.snapshot().hasNewer, true);
});
