// Runs a case of client/conformance against the client. The format is in client/conformance/README.md.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { Client } from '../dist/index.js';
import { MemoryStore } from '../dist/store/memory.js';
import { FakeServer, pause, timing, until } from './fake.js';

const folder = new URL('../../../client/conformance/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const defaults = read('defaults.json');

/** Returns all cases: [name, case], one for each value of `each`. */
export function cases() {
  return readdirSync(folder).filter((name) => name.endsWith('.json') && name !== 'defaults.json').sort().flatMap((name) => {
    const one = read(name);
    const [[variable, values]] = Object.entries(one.each ?? { '': [''] });
    return values.map((value) => [`${name.replace('.json', '')}${variable && ` ${value}`}`, one, variable && { [variable]: value }]);
  });
}

/** Replaces $names by what they stand for, in values, keys and paths. */
function substitute(value, names) {
  if (typeof value === 'string') {
    const whole = /^\$([\w.]+)$/.exec(value);
    if (whole && whole[1] in names) return names[whole[1]];
    return value.replace(/\$([\w.]*\w)/g, (text, name) => names[name] ?? text);
  }
  if (Array.isArray(value)) return value.map((one) => substitute(one, names));
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [substitute(key, names), substitute(one, names)]));
  }
  return value;
}

const event = (given) => {
  const whole = { ...defaults.event, ...given };
  return { ...defaults.event, ...defaults[whole.type], ...given };
};
const conversation = (given) => ({
  ...defaults.conversation, ...given, events: (given.events ?? []).map(event),
  last_message: given.last_message ? { ...defaults.message, ...given.last_message } : null,
});

/** Completes a frame of the server. */
export function complete(frame) {
  const whole = { ...defaults[frame.type], ...frame };
  switch (frame.type) {
    case 'welcome': return { ...whole, limits: { ...defaults.welcome.limits, ...frame.limits } };
    case 'sync_page': return { ...whole, conversations: whole.conversations.map(conversation) };
    case 'conversation': return { ...whole, conversation: conversation(frame.conversation) };
    case 'event': return { type: 'event', event: event(frame.event) };
    case 'page': {
      const events = whole.events.map(event);
      return { ...whole, events, from_seq: events[0]?.seq ?? 0, to_seq: events.at(-1)?.seq ?? 0 };
    }
    default: return whole;
  }
}

/** Whether value has everything that pattern names. */
export function matches(value, pattern) {
  if (pattern === null || typeof pattern !== 'object') return (value ?? null) === pattern;
  if (Array.isArray(pattern)) return Array.isArray(value) && value.length === pattern.length && pattern.every((one, i) => matches(value[i], one));
  return value !== null && typeof value === 'object' && Object.entries(pattern).every(([key, one]) => matches(value[key], one));
}

export class Run {
  server = new FakeServer();
  store = new MemoryStore();
  events = {};
  resets = [];
  sends = {};
  errors = [];
  tokensUsed = 0;

  constructor(one, names) {
    this.case = one;
    this.names = { ...defaults.ids, ...names };
  }

  async run() {
    await this.#start();
    try {
      for (const [i, step] of this.case.steps.entries()) {
        try {
          await this.#step(substitute(step, this.names));
        } catch (error) {
          throw new Error(`step ${i + 1}, ${JSON.stringify(step)}: ${error.message}`, { cause: error });
        }
      }
      this.#nothingLeft();
    } finally {
      await this.client.stop();
    }
  }

  async #start() {
    const tokens = this.case.tokens ?? ['token'];
    const { history = 20 } = this.case;
    this.client = new Client({
      url: 'http://server', WebSocket: this.server.WebSocket, fetch: this.server.fetch, timing: { ...timing, renewal: 10_000 }, store: this.store, deviceId: defaults.device_id,
      history: history === 'all' ? Infinity : history, token: () => tokens[Math.min(this.tokensUsed++, tokens.length - 1)],
    });
    this.client.on('event', ({ conversation_id: id, seq }) => (this.events[id] ??= []).push(seq));
    this.client.on('reset', (epoch) => {
      this.resets.push(epoch);
      this.events = {};
    });
    this.client.on('error', (error) => this.errors.push(error));
    this.client.on('outbox', (outbox) => {
      for (const { client_msg_id: id, state, error } of outbox) {
        if (state === 'pending') this.sends[id] ??= 'pending';
        if (state === 'failed') this.sends[id] = { code: error.code };
      }
    });
    await this.client.start();
    for (const { client_msg_id: id } of this.client.outbox) this.#send({ client_msg_id: id, ...this.client.outbox.find((one) => one.client_msg_id === id) });
  }

  #send({ client_msg_id, content, conversation_id, to }) {
    this.sends[client_msg_id] = 'pending';
    this.client.send({ client_msg_id, content, conversation_id, to })
      .then(({ seq }) => { this.sends[client_msg_id] = { seq }; }, ({ code }) => { if (code !== 'closed') this.sends[client_msg_id] = { code }; });
  }

  #nothingLeft() {
    // A client that is in doubt may ask for a state again.
    const left = this.server.frames.map(({ frame }) => frame).filter(({ type, cursor }) => type !== 'sync' || cursor === undefined);
    assert.deepEqual(left, [], 'frames that the case does not expect');
    const calls = this.server.calls.filter(({ method, path }) => method !== 'GET' || !/^\/v1\/conversations\/[^/]+$/.test(path));
    assert.deepEqual(calls.map(({ method, path }) => `${method} ${path}`), [], 'REST calls that the case does not expect');
  }

  #take(pattern) {
    return this.server.take(JSON.stringify(pattern), (frame) => matches(frame, pattern));
  }

  async #step(step) {
    const [kind] = Object.keys(step);
    const given = step[kind];
    switch (kind) {
      case 'welcome': {
        await this.#take({ type: 'hello', device_id: defaults.device_id, ...(step.token && { token: step.token }) });
        this.server.send(complete({ type: 'welcome', ...given }));
        break;
      }
      case 'sync': {
        const { id } = await this.#take({ type: 'sync', ...('cursor' in step && { cursor: step.cursor }) });
        this.server.send(complete({ type: 'sync_page', id, ...given }));
        break;
      }
      case 'pull': {
        const { id } = await this.#take({ type: 'pull', ...given });
        this.server.send(complete({ type: 'page', id, ...step.page }));
        break;
      }
      case 'receive': {
        const frame = await this.#take(given);
        if (step.as) for (const [key, value] of Object.entries(frame)) this.names[`${step.as}.${key}`] = value;
        break;
      }
      case 'send': this.server.send(complete(given)); break;
      case 'close': this.server.close(given); break;
      case 'acked': await until('acknowledgements', () => matches(this.server.acked, given)); break;
      case 'pinged': {
        const { pings } = this.server;
        await until('a ping', () => this.server.pings > pings);
        break;
      }
      case 'quiet': {
        const { length } = this.server.sockets;
        await pause(given);
        this.#nothingLeft();
        assert.equal(this.server.sockets.length, length, 'connections');
        break;
      }
      case 'app': this.#app(given); break;
      case 'rest': {
        const call = await this.server.takeCall(`${given.method} ${given.path}`, (one) => matches(one, given));
        call.answer(step.status, 'seq' in step.answer ? event(step.answer) : step.answer);
        break;
      }
      case 'serve':
        this.server.onFrame = (frame) => {
          const log = frame.type === 'pull' && given[frame.conversation_id];
          if (!log) return false;
          const events = log.filter(({ seq }) => seq > frame.after_seq);
          this.server.send(complete({ type: 'page', id: frame.id, conversation_id: frame.conversation_id, events, head_seq: log.at(-1).seq }));
          return true;
        };
        break;
      case 'restart':
        await this.client.stop();
        await this.#start();
        break;
      case 'expect': await this.#expect(given); break;
      default: throw new Error(`unknown step ${kind}`);
    }
  }

  #app(call) {
    if (call.send) this.#send(call.send);
    if (call.read) void this.client.markRead(call.read.conversation_id, call.read.seq);
    if (call.edit) void this.client.edit(call.edit.conversation_id, call.edit.seq, call.edit.content);
  }

  async #expect({ events, conversations, sends, status, closed, resets, count }) {
    const check = (want, have, what) => {
      if (want !== undefined && !matches(have, want)) throw new Error(`${what}: ${JSON.stringify(have)} instead of ${JSON.stringify(want)}`);
      return true;
    };
    await until('the expected state', () => {
      const { client } = this;
      check(events, this.events, 'events');
      check(sends, this.sends, 'sends');
      check(status, client.status.state, 'status');
      check(closed, client.status.code, 'close code');
      check(resets, this.resets, 'resets');
      check(count, client.conversations.length, 'conversations');
      for (const [id, want] of Object.entries(conversations ?? {})) check(want, client.conversation(id), `conversation ${id}`);
      return true;
    });
  }
}
