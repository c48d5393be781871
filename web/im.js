// A client of the contract for browsers: one device of one user.
//
//   const client = new Client({ token: async () => '…', onEvent: (event) => … });
//   client.start();
//   await client.send({ to: 'bob', content: { type: 'text', text: 'hello' } });
//
// Each event is handed over once, in the order of its conversation and without a
// hole. Sends are repeated until they are answered. It comes back by itself.
// It knows nothing of any page.

import { Outbox, Refusal, jitter } from './outbox.js';
import { Stream } from './stream.js';
import { Views } from './views.js';

export { Refusal };

const pongMs = 10_000;
const openMs = 20_000;
const welcomeMs = 22_000; // a node may take 20 s; it would let in one that is given up earlier, beside the next try
const maxPulls = 4;
const renewMs = 10_000; // from one try to renew the token to the next
const settledMs = 10_000;

/** What the end of a connection asks for, by the range of its close code. */
function verdict(code) {
  if (code >= 4200 && code <= 4299) return 'token';
  if ((code >= 4300 && code <= 4499) || code === 1009) return 'stop';
  return 'reconnect';
}

export class Client {
  #options;
  #socket = null;
  #welcome = null; // of the present session
  #token = null;
  #expired = null; // a token that was refused as too old
  #offered = null; // the token of the last hello
  #welcomeToken = null; // the one that the last welcome answered
  #streams = new Map();
  #views;
  #outbox = new Outbox();
  #epoch = null;
  #cursor = null;
  #syncing = false;
  #syncAgain = false;
  #seen = new Set(); // shown since the sync under way began
  #unknown = new Map(); // pushed before they were shown: the lowest seq
  #pulls = [];
  #underWay = 0;
  #acks = {};
  #tries = 0;
  #heard = 0;
  #pinged = false;
  #timers = {};
  #stopped = true;

  /**
   * @param {object} options
   *   base: of the server, default this page's; device: name of this store;
   *   token: async () => string, asked at each connection;
   *   onEvent(event), onChange(), onStatus({state, code?, reason?}), onReset(epoch).
   *   States: connecting, syncing, online, offline, stopped.
   */
  constructor(options) {
    const nothing = () => {};
    this.#options = { base: location.origin, onEvent: nothing, onChange: nothing, onStatus: nothing, onReset: nothing, ...options };
    this.#views = new Views();
  }

  get user() { return this.#views.self; }

  /** The user's conversations, newest activity first. */
  get conversations() { return this.#views.list(); }

  conversation(id) { return this.#views.get(id); }

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#timers.tick = setInterval(() => this.#tick(), 500);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearInterval(this.#timers.tick);
    clearTimeout(this.#timers.retry);
    this.#socket?.close(1000);
    this.#lost();
  }

  /** The network or the page is back: do not wait for the next try. */
  wake() {
    if (this.#stopped) return;
    if (!this.#socket) {
      clearTimeout(this.#timers.retry);
      this.#tries = 0;
      this.#connect();
    } else if (this.#welcome) {
      this.#heard = Math.min(this.#heard, Date.now() - this.#welcome.heartbeat_ms - 1);
      this.#tick();
    }
  }

  /** Resolves to the `sent` frame after the commit, or rejects with a Refusal. */
  send({ conversation_id, to, content, reply_to, mentions, metadata, client_msg_id = newId() }) {
    const frame = { type: 'send', client_msg_id, content, reply_to, mentions, metadata };
    if (conversation_id) frame.conversation_id = conversation_id;
    else frame.to = to;
    return this.#call(frame, { lane: conversation_id ?? `to ${to}` });
  }

  /** The user has read up to seq. */
  read(conversation_id, seq) {
    return this.#call({ type: 'read', conversation_id, seq });
  }

  /** A REST call below /v1: resolves to its JSON, or rejects with a Refusal. */
  async rest(method, path, body) {
    for (let tries = 1; ; tries++) {
      this.#token ??= await this.#options.token();
      const response = await fetch(`${this.#options.base}/v1${path}`, {
        method,
        headers: { Authorization: `Bearer ${this.#token}`, ...(body && { 'Content-Type': 'application/json' }) },
        body: body && JSON.stringify(body),
      });
      const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
      if (response.ok) return answer;
      if (answer.code === 'token_expired' && tries === 1) {
        this.#token = null;
        continue;
      }
      throw new Refusal({ code: answer.code ?? String(response.status), message: answer.detail ?? answer.title, retry: answer.retry });
    }
  }

  #call(frame, how) {
    const answer = this.#outbox.add(frame, how);
    this.#flush();
    return answer;
  }

  // The connection.

  async #connect() {
    this.#say({ state: 'connecting' });
    let token;
    try {
      token = await this.#options.token();
    } catch (error) {
      this.#retry({ reason: error.message });
      return;
    }
    if (this.#stopped || this.#socket) return;
    if (token === this.#expired) {
      this.#end({ code: 4200, reason: 'the token has expired' });
      return;
    }
    this.#token = token;
    this.#welcomeToken = null;
    const socket = new WebSocket(`${this.#options.base.replace(/^http/, 'ws')}/v1/ws`, 'im.v1');
    const began = Date.now();
    this.#socket = socket;
    this.#heard = began;
    this.#pinged = false;
    socket.onopen = () => { if (this.#socket === socket) this.#opened(); };
    socket.onmessage = ({ data }) => { if (this.#socket === socket) this.#receive(JSON.parse(data)); };
    socket.onclose = ({ code, reason }) => { if (this.#socket === socket) this.#closed(code, reason, Date.now() - began); };
  }

  #opened() {
    this.#heard = Date.now();
    this.#hello();
  }

  #hello() {
    this.#offered = this.#token;
    this.#write({ type: 'hello', device_id: this.#options.device, token: this.#offered });
  }

  #write(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #lost() {
    this.#socket = null;
    this.#welcome = null;
    this.#pulls = [];
    this.#underWay = 0;
    this.#syncing = false;
    this.#syncAgain = false;
    this.#outbox.lost();
    for (const stream of this.#streams.values()) stream.lost();
    clearTimeout(this.#timers.drain);
    clearTimeout(this.#timers.renew);
  }

  #closed(code, reason, lasted) {
    this.#lost();
    if (this.#stopped) return;
    if (lasted > settledMs) this.#tries = 0;
    switch (verdict(code)) {
      case 'stop':
        this.#end({ code, reason });
        return;
      case 'token':
        this.#expired = this.#welcomeToken ?? this.#offered;
        this.#token = null;
    }
    this.#retry({ code, reason });
  }

  #end(why) {
    this.#stopped = true;
    clearInterval(this.#timers.tick);
    this.#say({ state: 'stopped', ...why });
  }

  #retry(why) {
    if (this.#stopped) return;
    this.#say({ state: 'offline', ...why });
    clearTimeout(this.#timers.retry);
    this.#timers.retry = setTimeout(() => this.#connect(), jitter(this.#tries++));
  }

  /** Gives the connection up: it may be dead, and its close event slow to come. */
  #abandon(reason) {
    const socket = this.#socket;
    if (!socket) return;
    socket.onclose = null;
    socket.onmessage = null;
    socket.close();
    this.#closed(1006, reason, 0);
  }

  #tick() {
    const silence = Date.now() - this.#heard;
    const heartbeat = this.#welcome?.heartbeat_ms;
    const patience = this.#welcome ? heartbeat + pongMs : this.#socket?.readyState === WebSocket.OPEN ? welcomeMs : openMs;
    if (this.#socket && silence > patience) this.#abandon('nothing heard from the server');
    else if (this.#welcome && silence > heartbeat && !this.#pinged) {
      this.#pinged = true;
      this.#write({ type: 'ping' });
    }
    if (this.#welcome && Object.keys(this.#acks).length) {
      this.#write({ type: 'ack', acks: this.#acks });
      this.#acks = {};
    }
    if (this.#outbox.due() <= Date.now()) this.#flush();
  }

  #say(status) { this.#options.onStatus(status); }

  // Frames.

  #receive(frame) {
    this.#heard = Date.now();
    this.#pinged = false;
    switch (frame.type) {
      case 'welcome': this.#welcomed(frame); break;
      case 'event': this.#push(frame.event); break;
      case 'gap': this.#gap(frame.conversations); break;
      case 'conversation': this.#show(frame.conversation); break;
      case 'read_state': this.#views.read(frame); break;
      case 'drain':
        clearTimeout(this.#timers.drain);
        this.#timers.drain = setTimeout(() => {
          this.#tries = 0;
          this.#abandon('the server is going away');
        }, frame.reconnect_after_ms);
        break;
    }
    if (frame.id) this.#outbox.answered(frame, Date.now());
    this.#flush();
    if (frame.type !== 'pong') this.#options.onChange();
  }

  #welcomed(frame) {
    const renewed = this.#welcome !== null;
    this.#welcome = frame;
    this.#views.self = frame.user_id;
    this.#expired = null;
    this.#welcomeToken = this.#offered;
    const left = Date.parse(frame.token_expires_at) - Date.parse(frame.server_time);
    clearTimeout(this.#timers.renew);
    if (left > 0) this.#timers.renew = setTimeout(() => this.#renew(), Math.min(Math.max(left - 60_000, left / 2), 2 ** 31 - 1));
    if (renewed) return;
    if (this.#epoch !== null && this.#epoch !== frame.epoch) this.#reset(frame.epoch);
    this.#epoch = frame.epoch;
    this.#say({ state: 'syncing' });
    for (const stream of this.#streams.values()) {
      if (!stream.fresh) this.#acks[stream.id] = stream.accepted;
      this.#want(stream);
    }
    this.#sync();
  }

  /** Brings a fresh token, again and again until one is welcome. */
  async #renew() {
    const welcome = this.#welcome;
    const token = await this.#options.token().catch(() => null);
    if (!welcome || this.#welcome !== welcome) return; // the next one has its own time
    this.#timers.renew = setTimeout(() => this.#renew(), renewMs);
    if (!token || token === this.#welcomeToken) return;
    this.#token = token;
    this.#hello();
  }

  /** The log came back in an earlier state: what was kept of it is void. */
  #reset(epoch) {
    this.#streams.clear();
    this.#views.clear();
    this.#unknown.clear();
    this.#acks = {};
    this.#cursor = null;
    this.#options.onReset(epoch);
  }

  #flush() {
    if (!this.#welcome) return;
    while (this.#pulls.length && this.#underWay < maxPulls) this.#pull(this.#pulls.shift());
    for (const frame of this.#outbox.ready(Date.now(), this.#welcome.limits?.requests_in_flight ?? 64)) this.#write(frame);
  }

  // What changed.

  async #sync() {
    if (this.#syncing) {
      this.#syncAgain = true;
      return;
    }
    this.#syncing = true;
    try {
      const full = !this.#cursor;
      this.#seen.clear();
      for (let cursor = this.#cursor ?? undefined, done = false; !done;) {
        const page = await this.#call({ type: 'sync', cursor }, { ofLink: true });
        if (page.epoch !== this.#epoch) throw new Error('the log came back in an earlier state');
        for (const view of page.conversations) this.#show(view);
        for (const id of page.removed) this.#drop(id);
        ({ cursor, done } = page);
        if (done) this.#cursor = cursor;
      }
      if (full) for (const id of this.#streams.keys()) if (!this.#seen.has(id)) this.#drop(id);
      this.#synced();
    } catch (error) {
      this.#syncing = false;
      if (!this.#welcome) return; // the next session syncs
      if (error.code === 'cursor_invalid' && this.#cursor) {
        this.#cursor = null;
        this.#sync();
      } else {
        this.#abandon(error.message);
      }
    }
  }

  #synced() {
    this.#syncing = false;
    if (this.#syncAgain && this.#unknown.size) {
      this.#syncAgain = false;
      this.#sync();
      return;
    }
    this.#syncAgain = false;
    this.#unknown.clear(); // not the user's after all
    this.#say({ state: 'online' });
    this.#options.onChange();
  }

  /** Takes a conversation as the server shows it. */
  #show(view) {
    const id = view.conversation_id;
    this.#seen.add(id);
    this.#views.put(view);
    let stream = this.#streams.get(id);
    if (!stream) {
      const pushed = this.#unknown.get(id) ?? Infinity;
      stream = new Stream(id, Math.max(Math.min(view.head_seq, pushed - 1), view.floor_seq - 1), view.head_seq);
      this.#streams.set(id, stream);
      this.#unknown.delete(id);
    }
    stream.head = Math.max(stream.head, view.head_seq);
    this.#want(stream);
  }

  #drop(id) {
    this.#streams.delete(id);
    this.#views.delete(id);
    delete this.#acks[id];
  }

  // Events.

  #push(event) {
    const stream = this.#streams.get(event.conversation_id);
    if (!stream) {
      this.#missing(event.conversation_id, event.seq);
      return;
    }
    this.#deliver(stream, stream.push(event));
    this.#want(stream);
  }

  #gap(heads) {
    for (const [id, head] of Object.entries(heads)) {
      const stream = this.#streams.get(id);
      if (!stream) {
        this.#missing(id, head);
        continue;
      }
      stream.head = Math.max(stream.head, head);
      this.#want(stream);
    }
  }

  #missing(id, seq) {
    this.#unknown.set(id, Math.min(seq, this.#unknown.get(id) ?? Infinity));
    this.#sync();
  }

  #deliver(stream, events) {
    for (const event of events) {
      if (event.sender === this.user && event.client_msg_id) {
        this.#outbox.arrived(event, this.#views.get(event.conversation_id)?.peer);
      }
      this.#views.apply(event);
      this.#acks[stream.id] = event.seq;
      this.#options.onEvent(event);
      if (event.type === 'member.removed' && event.body.user_id === this.user) this.#drop(stream.id);
    }
  }

  #want(stream) {
    if (!this.#welcome || !stream.behind || stream.pulling || this.#pulls.includes(stream)) return;
    this.#pulls.push(stream);
  }

  async #pull(stream) {
    if (this.#streams.get(stream.id) !== stream || !stream.behind) return;
    stream.pulling = true;
    this.#underWay++;
    const socket = this.#socket;
    try {
      const page = await this.#outbox.add(
        { type: 'pull', conversation_id: stream.id, after_seq: stream.accepted, limit: 200 }, { ofLink: true },
      );
      if (page.epoch !== this.#epoch) {
        this.#abandon('the log came back in an earlier state');
        return;
      }
      stream.pulling = false;
      this.#underWay--;
      if (this.#streams.get(stream.id) !== stream) return;
      this.#deliver(stream, stream.page(page));
      this.#want(stream);
    } catch {
      if (this.#socket !== socket) return; // lost: the next session wants it again
      stream.pulling = false;
      this.#underWay--;
      this.#drop(stream.id); // not the user's any more
    }
    this.#flush();
    this.#options.onChange();
  }
}

/** A random id for a client_msg_id or a device; also where the page is not secure. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
