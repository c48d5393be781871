// Random faults of a network and a server, within what the contract lets them do. Afterwards the client has to have
// everything, once and in order, and to show what the server shows. IM_TEST_SEED repeats a run.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from '../dist/index.js';
import { MemoryStore } from '../dist/store/memory.js';
import { complete } from './conformance.js';
import { FakeServer, pause, timing, until } from './fake.js';

const ids = [1, 2, 3].map((n) => `0198c5de-0000-7000-8000-00000000000${n}`);

/** A small generator, so that a run can be repeated (mulberry32). */
function generator(seed) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { chance: (p) => next() < p, below: (n) => Math.floor(next() * n), pick: (list) => list[Math.floor(next() * list.length)] };
}

/** A server with a log for each conversation, and one user, alice. */
class Model {
  server = new FakeServer();
  logs = new Map(ids.map((id) => [id, []]));
  read = new Map(ids.map((id) => [id, 0]));
  acked = new Map(ids.map((id) => [id, 0]));
  changed = new Map(ids.map((id) => [id, 0]));
  changes = 0;
  live = false; // welcome was sent on the present socket
  gaps = new Set();

  constructor(random) {
    this.random = random;
    this.server.onFrame = (frame, socket) => {
      setImmediate(() => socket === this.server.socket && this.#answer(frame));
      return true;
    };
    this.server.rest = ({ method, path }) => (method === 'GET' ? [200, complete({ type: 'conversation', conversation: this.view(path.split('/').at(-1)) }).conversation] : [404, { code: 'not_found' }]);
    for (const id of ids) this.append(id, 'conversation.created', 'bob', { kind: 'group', members: [] });
  }

  messages(id) {
    const messages = new Map();
    for (const event of this.logs.get(id)) {
      const target = messages.get(event.body.target_seq);
      if (event.type === 'message.posted') messages.set(event.seq, { ...event, content: event.body.content, mentions: event.body.mentions ?? [] });
      else if (event.type === 'message.edited') Object.assign(target, { content: event.body.content, mentions: event.body.mentions ?? [] });
      else if (event.type === 'message.recalled') Object.assign(target, { content: null, mentions: [], recalled: true });
    }
    return [...messages.values()];
  }

  view(id) {
    const messages = this.messages(id);
    const unread = messages.filter(({ seq, sender, recalled }) => seq > this.read.get(id) && sender !== 'alice' && !recalled);
    const last = messages.at(-1);
    return {
      conversation_id: id, head_seq: this.logs.get(id).length, acked_seq: this.acked.get(id), read_seq: this.read.get(id), unread_count: unread.length,
      mention_count: unread.filter(({ mentions }) => mentions.includes('alice')).length,
      last_message: last ? { conversation_id: id, seq: last.seq, sender: last.sender, content: last.content, recalled: Boolean(last.recalled) } : null,
    };
  }

  append(id, type, sender, body, more = {}) {
    const log = this.logs.get(id);
    if (type === 'message.recalled') {
      for (const event of log) {
        if (event.seq === body.target_seq || (event.type === 'message.edited' && event.body.target_seq === body.target_seq)) event.body = { ...(event.body.target_seq && { target_seq: event.body.target_seq }), content: null };
      }
    }
    const event = { conversation_id: id, seq: log.length + 1, type, sender, at: `2026-01-02T03:04:05.${String(++this.changes).padStart(6, '0')}Z`, body, ...more };
    log.push(event);
    this.changed.set(id, this.changes);
    if (sender === 'alice' && type === 'message.posted') this.read.set(id, event.seq);
    if (this.live) this.#push(event);
    return event;
  }

  #push(event) {
    const { conversation_id: id } = event;
    if (this.random.chance(0.15)) {
      this.gaps.add(id);
      return;
    }
    this.announce(id, event.seq - 1);
    this.server.send({ type: 'event', event });
  }

  announce(id, head = this.logs.get(id).length) {
    if (this.live && this.gaps.delete(id)) this.server.send({ type: 'gap', conversations: { [id]: head }, reason: 'slow_reader' });
  }

  #answer(frame) {
    const { server, random } = this;
    if (server.socket.readyState !== 1) return;
    const refused = (code, retry) => server.send(complete({ type: 'error', id: frame.id, code, retry }));
    switch (frame.type) {
      case 'hello':
        server.send(complete({ type: 'welcome' }));
        this.live = true;
        break;
      case 'sync': {
        if (frame.cursor && random.chance(0.1)) return refused('cursor_invalid', 'never');
        const since = Number(frame.cursor ?? -1);
        const views = ids.filter((id) => this.changed.get(id) > since).map((id) => ({ ...this.view(id), events: this.logs.get(id).slice(-frame.timeline_limit || Infinity) }));
        const page = complete({ type: 'sync_page', id: frame.id, conversations: views, cursor: String(this.changes) });
        // The page was read now, and may arrive after pushes of later commits.
        const { socket } = server;
        setTimeout(() => socket === server.socket && socket.readyState === 1 && server.send(page), random.below(6));
        break;
      }
      case 'pull': {
        if (random.chance(0.1)) return refused('unavailable', 'again');
        const events = this.logs.get(frame.conversation_id).slice(frame.after_seq).slice(0, 1 + random.below(8));
        server.send(complete({ type: 'page', id: frame.id, conversation_id: frame.conversation_id, events, head_seq: this.logs.get(frame.conversation_id).length }));
        break;
      }
      case 'send': {
        if (random.chance(0.1)) return refused('unavailable', 'again');
        const log = this.logs.get(frame.conversation_id);
        const first = log.find(({ client_msg_id }) => client_msg_id === frame.client_msg_id);
        const event = first ?? this.append(frame.conversation_id, 'message.posted', 'alice', { content: frame.content }, { client_msg_id: frame.client_msg_id });
        if (random.chance(0.2)) return this.cut();
        server.send(complete({ type: 'sent', id: frame.id, conversation_id: frame.conversation_id, client_msg_id: frame.client_msg_id, seq: event.seq, duplicate: Boolean(first) }));
        break;
      }
      case 'read': {
        const { conversation_id: id } = frame;
        this.read.set(id, Math.max(this.read.get(id), Math.min(frame.seq, this.logs.get(id).length)));
        this.changed.set(id, ++this.changes);
        const { read_seq, unread_count, mention_count } = this.view(id);
        server.send({ type: 'read_state', id: frame.id, conversation_id: id, read_seq, unread_count, mention_count, unread_total: 0 });
        break;
      }
    }
    return undefined;
  }

  /** Ends the connection, and with it what was on its way. */
  cut() {
    this.live = false;
    this.gaps.clear();
    for (const [id, seq] of Object.entries(this.server.acked)) this.acked.set(id, Math.max(this.acked.get(id), seq));
    if (this.server.socket?.readyState === 1) this.server.close(this.random.pick([0, 1001, 4000, 4001, 4003]));
  }
}

async function run(t, seed) {
  const random = generator(seed);
  const model = new Model(random);
  const store = new MemoryStore();
  const seen = new Map(ids.map((id) => [id, []]));
  const { server } = model;
  let client;
  const start = async () => {
    client = new Client({ url: 'http://server', WebSocket: server.WebSocket, fetch: server.fetch, token: () => 'token', timing, store, history: Infinity });
    client.on('event', ({ conversation_id: id, seq }) => seen.get(id).push(seq));
    await client.start();
  };
  await start();
  t.after(() => client.stop());
  const written = [];
  for (let step = 0; step < 150; step++) {
    const id = random.pick(ids);
    const own = model.messages(id).filter(({ recalled }) => !recalled);
    const mentions = () => (random.chance(0.3) ? { mentions: ['alice'] } : {});
    const content = { type: 'text', text: `text ${step}` };
    const kind = random.below(20);
    if (kind < 9) model.append(id, 'message.posted', 'bob', { content, ...mentions() }, { client_msg_id: `b-${step}` });
    else if (kind < 11 && own.length) model.append(id, 'message.edited', 'bob', { target_seq: random.pick(own).seq, content, ...mentions() });
    else if (kind < 13 && own.length) model.append(id, 'message.recalled', 'bob', { target_seq: random.pick(own).seq });
    else if (kind < 15) {
      written.push(`text ${step}`);
      void client.send({ conversation_id: id, content });
    } else if (kind < 16) client.markRead(id, random.below(model.logs.get(id).length + 1)).catch(() => {});
    else if (kind < 17) model.cut();
    else if (kind < 18 && random.chance(0.5)) {
      model.live = false;
      await client.stop();
      model.cut();
      await start();
    } else await pause(random.below(8));
  }
  for (const id of ids) model.announce(id);
  await until('everything', () => {
    for (const id of ids) {
      model.announce(id);
      const head = model.logs.get(id).length;
      assert.deepEqual(seen.get(id), Array.from({ length: head }, (_, i) => i + 1), 'each event once and in order');
    }
    assert.equal(client.outbox.length, 0);
    return true;
  });
  const posted = ids.flatMap((id) => model.logs.get(id)).filter(({ type, sender }) => type === 'message.posted' && sender === 'alice');
  assert.equal(posted.length, written.length, 'each message once');
  await until('the same states', () => {
    for (const id of ids) {
      const { head_seq, read_seq, unread_count, mention_count, last_message } = client.conversation(id);
      const shown = { head_seq, read_seq, unread_count, mention_count, last: last_message?.content ?? null };
      const { head_seq: head, read_seq: read, unread_count: unread, mention_count: mentioned, last_message: last } = model.view(id);
      assert.deepEqual(shown, { head_seq: head, read_seq: read, unread_count: unread, mention_count: mentioned, last: last?.content ?? null });
    }
    return true;
  });
}

const first = Number(process.env.IM_TEST_SEED ?? Math.floor(Math.random() * 1e9));
const runs = process.env.IM_TEST_SEED ? 1 : Number(process.env.IM_TEST_RUNS ?? 12);
for (let seed = first; seed < first + runs; seed++) test(`random faults, IM_TEST_SEED=${seed}`, { timeout: 60_000 }, (t) => run(t, seed));
