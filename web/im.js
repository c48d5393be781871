// The JavaScript client in one file. Generated from web/client by "npm run generate". Do not edit.
var __defProp = Object.defineProperty;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res, err) => function __init() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};
var __export = (target, all2) => {
  for (var name in all2)
    __defProp(target, name, { get: all2[name], enumerable: true });
};

function closed() {
  return new Refusal({ code: "closed", message: "the client was stopped" });
}
function asError(value) {
  return value instanceof Error ? value : new Error(String(value));
}
function mayPass(refusal) {
  return refusal.retry === "again" || refusal.retry === "after";
}
var Refusal;
var init_errors = __esm({
  "src/errors.ts"() {
    "use strict";
    Refusal = class extends Error {
      name = "Refusal";
      /** Why it was refused. */
      code;
      /** `never`: the answer would be the same; `again`: with a backoff; `after`: not before retryAfterMs. */
      retry;
      /** The delay before a retry, in milliseconds; 0 if there is none. */
      retryAfterMs;
      /** Maps JSON pointers into the request to the reason. */
      fields;
      /** Makes a refusal of the fields of an error frame or a problem document. */
      constructor(fields, options) {
        super(fields.message || fields.code, options);
        this.code = fields.code;
        this.retry = fields.retry ?? "never";
        this.retryAfterMs = fields.retry_after_ms ?? 0;
        this.fields = fields.fields ?? {};
      }
    };
  }
});

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
var StoreLost;
var init_store = __esm({
  "src/store.ts"() {
    "use strict";
    StoreLost = class extends Error {
      name = "StoreLost";
    };
  }
});

var follower_exports = {};
__export(follower_exports, {
  Follower: () => Follower
});
var Follower;
var init_follower = __esm({
  "src/follower.ts"() {
    "use strict";
    init_errors();
    init_store();
    Follower = class {
      #state;
      #store;
      #rest;
      #tab = newId();
      #deviceId;
      #positions;
      #watched = [];
      /** Writes of this tab that are under way. */
      #writes = /* @__PURE__ */ new Set();
      constructor(state, store, rest, snapshot) {
        this.#state = state;
        this.#store = store;
        this.#rest = rest;
        state.conversations.self = snapshot.device?.user_id ?? "";
        this.#deviceId = snapshot.device?.device_id ?? "";
        state.restore(snapshot.conversations, snapshot.outbox);
        this.#positions = new Map(snapshot.conversations.map(({ conversation_id, position }) => [conversation_id, position]));
        this.#tell({ type: "hello" });
      }
      /** Implements Uplink. */
      get deviceId() {
        return this.#deviceId;
      }
      #tell(message) {
        this.#store.tabs?.post(message);
      }
      /** Takes a message of another tab. */
      receiveTab(message) {
        const state = this.#state;
        switch (message.type) {
          case "status":
            state.conversations.self = message.self;
            state.setStatus(message.status);
            if (message.status.state === "syncing" && this.#watched.length) this.watch(this.#watched);
            break;
          case "batch":
            this.#apply(message.batch);
            break;
          case "sent":
            state.outbox.sent(message.sent);
            break;
          case "signal":
            state.signal(message.frame);
            break;
        }
      }
      #apply(batch) {
        const state = this.#state;
        if (batch.device) this.#deviceId = batch.device.device_id;
        if (batch.drop) {
          this.#positions.clear();
          state.reset(batch.device?.epoch ?? "");
          if (batch.drop === "all") state.outbox.clear();
        }
        for (const event of batch.events ?? []) {
          const id = event.conversation_id;
          if (event.seq <= (this.#positions.get(id) ?? 0)) continue;
          this.#positions.set(id, event.seq);
          state.applyEvent(event);
          state.emitter.emit("event", event);
        }
        for (const { conversation_id: id, position, view } of batch.conversations ?? []) {
          this.#positions.set(id, Math.max(position, this.#positions.get(id) ?? 0));
          if (view) state.conversations.put(view);
          else state.conversations.drop(id);
        }
        for (const message of batch.outbox ?? []) {
          state.outbox.put(message);
          if (message.state === "failed" && message.error) state.outbox.reject(message);
        }
        for (const id of batch.settled ?? []) if (state.outbox.get(id)?.state !== "sent") state.outbox.remove(id);
      }
      /** Implements Uplink. The message is durable before the leader hears of it. */
      post(message) {
        this.#write({ outbox: [message] }, { type: "post", message });
      }
      /** Implements Uplink. */
      discard(id) {
        this.#state.outbox.remove(id);
        this.#write({ settled: [id] }, { type: "discard", id });
      }
      #write(batch, message) {
        const write = this.#store.commit(batch).catch((error) => this.#state.emitter.emit("error", asError(error))).then(() => {
          this.#tell(message);
          this.#writes.delete(write);
        });
        this.#writes.add(write);
      }
      /** Delivers what the former leader stored and could not tell any more. */
      async catchUp(snapshot) {
        for (const { conversation_id: id, position, view } of snapshot.conversations) {
          const last = this.#positions.get(id) ?? 0;
          if (!view || position <= last) continue;
          for (const event of await this.#store.events(id)) {
            if (event.seq <= last || event.seq > position) continue;
            this.#state.applyEvent(event);
            this.#state.emitter.emit("event", event);
          }
        }
      }
      /** Implements Uplink. */
      async markRead(id, seq) {
        return this.#rest.call("PUT", `/conversations/${encodeURIComponent(id)}/read`, { body: { seq } });
      }
      /** Implements Uplink. */
      setTyping(id, on) {
        this.#tell({ type: "typing", id, on });
      }
      /** Implements Uplink. */
      watch(users) {
        this.#watched = users;
        this.#tell({ type: "watch", tab: this.#tab, users });
      }
      /** Implements Uplink. The leader wakes by itself. */
      wake() {
      }
      /** Implements Uplink. The leader checks by itself. */
      check() {
      }
      /** Implements Uplink. */
      pending() {
        return [];
      }
      /** Implements Uplink. The leader writes before it tells. */
      async dropped() {
      }
      /** Implements Uplink. */
      async stop() {
        if (this.#watched.length) this.watch([]);
        await Promise.all(this.#writes);
      }
    };
  }
});

var encode = encodeURIComponent;
var Api = class {
  #rest;
  /** Makes the calls over rest. */
  constructor(rest) {
    this.#rest = rest;
  }
  /** Makes a REST call below /v1 that has no method of its own. */
  call(method, path, options) {
    return this.#rest.call(method, path, options);
  }
  #in(id, path = "") {
    return `/conversations/${encode(id)}${path}`;
  }
  #message(id, seq, path = "") {
    return this.#in(id, `/messages/${seq}${path}`);
  }
  // Conversations.
  /** Returns the direct conversation with a user, and creates it if needed. */
  direct(user) {
    return this.call("POST", "/conversations", { body: { kind: "direct", members: [user] } });
  }
  /** Creates a group. Repeated with the same client_conversation_id, it is the same group. */
  createGroup(group) {
    return this.call("POST", "/conversations", { body: { kind: "group", ...group } });
  }
  /** Returns the state of a conversation from the server. Of an open group it shows others than members an OpenGroup. */
  fetchConversation(id) {
    return this.call("GET", this.#in(id));
  }
  /** Changes title, avatar, settings or metadata of a group. */
  async updateGroup(id, change) {
    await this.call("PATCH", this.#in(id), { body: change });
  }
  /** Iterates over the members. */
  members(id) {
    return this.#rest.list(this.#in(id, "/members"));
  }
  /** Adds users. */
  async addMembers(id, users, role) {
    await this.call("POST", this.#in(id, "/members"), { body: { user_ids: users, role } });
  }
  /** Adds one user with a role, or changes a member's role. `owner` hands the group over. */
  async setRole(id, user, role) {
    await this.call("PUT", this.#in(id, `/members/${encode(user)}`), { body: { role } });
  }
  /** Removes a member; oneself: leaves. */
  async removeMember(id, user) {
    await this.call("DELETE", this.#in(id, `/members/${encode(user)}`));
  }
  /** Bans a user from a group; a member is removed first. */
  async ban(id, user, how = {}) {
    await this.call("PUT", this.#in(id, `/bans/${encode(user)}`), { body: how });
  }
  /** Lifts a ban. */
  async unban(id, user) {
    await this.call("DELETE", this.#in(id, `/bans/${encode(user)}`));
  }
  /** Iterates over the banned users. */
  bans(id) {
    return this.#rest.list(this.#in(id, "/bans"));
  }
  /** Keeps a member from posting, editing and reacting. */
  async mute(id, user, how = {}) {
    await this.call("PUT", this.#in(id, `/mutes/${encode(user)}`), { body: how });
  }
  /** Lifts a mute. */
  async unmute(id, user) {
    await this.call("DELETE", this.#in(id, `/mutes/${encode(user)}`));
  }
  /** Iterates over the muted users. */
  mutes(id) {
    return this.#rest.list(this.#in(id, "/mutes"));
  }
  /** Returns the user's preferences of a conversation. */
  preferences(id) {
    return this.call("GET", this.#in(id, "/preferences"));
  }
  /** Changes the user's preferences of a conversation, and returns them whole. */
  setPreferences(id, change) {
    return this.call("PATCH", this.#in(id, "/preferences"), { body: change });
  }
  /** Iterates over how far each member has received and read. */
  receipts(id) {
    return this.#rest.list(this.#in(id, "/receipts"));
  }
  // Messages.
  /** Returns a page of messages as they stand now, or stood at a time. Client.messages has a window that follows events. */
  fetchMessages(id, query = {}) {
    return this.call("GET", this.#in(id, "/messages"), { query: { ...query } });
  }
  /** Returns one message. */
  fetchMessage(id, seq) {
    return this.call("GET", this.#message(id, seq));
  }
  /** Returns a page of the log. */
  fetchEvents(id, query = {}) {
    return this.call("GET", this.#in(id, "/events"), { query });
  }
  /** Changes one's own message. */
  async edit(id, seq, content, mentions) {
    await this.call("PATCH", this.#message(id, seq), { body: { content, mentions } });
  }
  /** Deletes a message for everyone, and for good. */
  async recall(id, seq, reason) {
    await this.call("DELETE", this.#message(id, seq), { query: { reason } });
  }
  /** Puts an emoji on a message. */
  async react(id, seq, emoji) {
    await this.call("PUT", this.#message(id, seq, `/reactions/${encode(emoji)}`));
  }
  /** Takes an emoji back. */
  async unreact(id, seq, emoji) {
    await this.call("DELETE", this.#message(id, seq, `/reactions/${encode(emoji)}`));
  }
  /** Iterates over who reacted to a message, and how. */
  reactions(id, seq) {
    return this.#rest.list(this.#message(id, seq, "/reactions"));
  }
  /** Pins a message for all members. */
  async pin(id, seq) {
    await this.call("PUT", this.#message(id, seq, "/pin"));
  }
  /** Takes a pin away. */
  async unpin(id, seq) {
    await this.call("DELETE", this.#message(id, seq, "/pin"));
  }
  /** Reports a message to the app. */
  async report(id, seq, report) {
    await this.call("POST", this.#message(id, seq, "/reports"), { body: report });
  }
  /** Iterates over the pinned messages. */
  pins(id) {
    return this.#rest.list(this.#in(id, "/pins"));
  }
  /** Iterates over the messages that a search finds, the most relevant first. */
  search(query) {
    return this.#rest.list("/search/messages", { ...query });
  }
  // People.
  /** Returns the profiles of up to 100 users, by user, where they exist. */
  async fetchProfiles(users) {
    const answer = await this.call("GET", "/users", { query: { user_id: users } });
    return answer.users;
  }
  /** Returns who of up to 100 users is online. */
  async fetchPresence(users) {
    const answer = await this.call("GET", "/presence", { query: { user_id: users } });
    return answer.items;
  }
  /** Iterates over the user's live sessions. */
  sessions() {
    return this.#rest.list("/sessions");
  }
  /** Ends one of the user's sessions, which stops its client. */
  async endSession(sessionId) {
    await this.call("DELETE", `/sessions/${encode(sessionId)}`);
  }
  /** Keeps a user from writing to this user directly, and from seeing this user's presence. */
  async block(user) {
    await this.call("PUT", `/blocks/${encode(user)}`);
  }
  /** Ends a block. */
  async unblock(user) {
    await this.call("DELETE", `/blocks/${encode(user)}`);
  }
  /** Iterates over the users that this user has blocked. */
  blocks() {
    return this.#rest.list("/blocks");
  }
};

init_errors();

init_errors();

var defaultTiming = {
  open: 2e4,
  welcome: 22e3,
  pong: 1e4,
  quiet: Infinity,
  doubt: 2500,
  check: 2e3,
  token: 3e4,
  renewal: 1e4,
  call: 3e4,
  retry: 500,
  maxRetry: 2e4,
  settled: 1e4,
  tick: 250
};
var typingMs = 6e3;
var maxPulls = 4;
var pullEvents = 500;
var syncEvents = 20;
var maxSyncEvents = 50;
var acksPerFrame = 500;
var maxAhead = 64;
var maxBuffered = 4 << 20;
var eventsPerCommit = 128;
var maxOutgoing = 1e3;
var maxInternal = 8;
var maxWindow = 1e3;
var historyPage = 50;
var maxQuotes = 200;
var maxUnread = 1e3;
var maxWindows = 20;
var maxProfiles = 2e3;
function jitter(timing, tries) {
  return Math.random() * Math.min(timing.maxRetry, timing.retry * 2 ** Math.min(tries, 16));
}
function now() {
  return performance.now();
}

var Calls = class {
  #calls = [];
  #lastId = 0;
  #timing;
  constructor(timing) {
    this.#timing = timing;
  }
  add(frame, answer, how = {}) {
    const call = {
      id: String(++this.#lastId),
      frame,
      answer,
      lane: how.lane ?? null,
      ofSession: how.ofSession ?? false,
      sent: false,
      tries: 0,
      notBefore: 0
    };
    this.#calls.push(call);
    return call;
  }
  /** Returns the calls that go out now, with at most limit unanswered then. */
  ready(now2, limit) {
    const out = [];
    const busy = /* @__PURE__ */ new Set();
    for (const call of this.#calls) {
      if (!call.sent) continue;
      limit--;
      if (call.lane) busy.add(call.lane);
    }
    for (const call of this.#calls) {
      if (limit <= 0) break;
      if (call.sent || call.lane && busy.has(call.lane)) continue;
      if (call.lane) busy.add(call.lane);
      if (call.notBefore > now2) continue;
      call.sent = true;
      limit--;
      out.push(call);
    }
    return out;
  }
  /** Settles a call, or queues it again if the refusal may pass. */
  answered(frame, now2) {
    const at = this.#calls.findIndex((call2) => call2.id === frame.id);
    const call = this.#calls[at];
    if (!call) return;
    if (frame.type === "error") {
      this.#refused(call, new Refusal(frame), now2);
      return;
    }
    this.#calls.splice(at, 1);
    call.answer(frame, null);
  }
  #refused(call, refusal, now2) {
    if (mayPass(refusal) && !(refusal.code === "internal" && call.tries >= maxInternal)) {
      call.sent = false;
      call.notBefore = now2 + Math.max(refusal.retryAfterMs, jitter(this.#timing, call.tries++));
      return;
    }
    this.fail(call, refusal);
  }
  /** Settles a call without an answer. */
  fail(call, refusal) {
    if (this.remove(call)) call.answer(null, refusal);
  }
  /** Removes a call without settling it, and reports whether it was there. */
  remove(call) {
    const at = this.#calls.indexOf(call);
    if (at >= 0) this.#calls.splice(at, 1);
    return at >= 0;
  }
  /** Settles the send that made an event: its answer may have been lost. peer is the other user of a direct conversation. */
  arrived(event, peer) {
    const call = this.#calls.find(({ frame }) => frame.type === "send" && frame.client_msg_id === event.client_msg_id && (frame.conversation_id === event.conversation_id || peer !== void 0 && frame.to === peer));
    if (!call) return;
    this.remove(call);
    const { conversation_id, client_msg_id, seq, at } = event;
    call.answer({ type: "sent", id: call.id, conversation_id, client_msg_id, seq, at, duplicate: false }, null);
  }
  /** The session has ended. */
  lost() {
    this.#calls = this.#calls.filter((call) => !call.ofSession);
    for (const call of this.#calls) {
      call.sent = false;
      call.notBefore = 0;
    }
  }
  /** Settles every call without an answer, except those that are void with the session: nobody refused them. */
  failAll(refusal) {
    for (const call of this.#calls.splice(0)) if (!call.ofSession) call.answer(null, refusal);
  }
};

init_errors();
function reaction(code) {
  if (code >= 4200 && code <= 4299) return "renew";
  return code >= 4300 && code <= 4499 || code === 1009 ? "stop" : "reconnect";
}
var Connection = class {
  #host;
  #urls;
  #socketClass;
  #timing;
  background;
  #running = false;
  #socket = null;
  #welcome = null;
  /** The tokens of the last hello, and of the hello that the last welcome answered; one that was refused as too old. */
  #offered = null;
  #accepted = null;
  #expired = null;
  #attempt = 0;
  #tries = 0;
  #began = 0;
  #heard = 0;
  /** When a ping went out that nothing has answered; null otherwise. */
  #pinged = null;
  /** When a request went out after which nothing came; null otherwise. */
  #asked = null;
  /** The server asked for this delay before the next hello. */
  #retryAfter = 0;
  #timers = {};
  constructor(host, urls, socketClass2, timing, background) {
    this.#host = host;
    this.#urls = urls;
    this.#socketClass = socketClass2;
    this.#timing = timing;
    this.background = background;
  }
  start() {
    if (this.#running) return;
    this.#running = true;
    this.#timers.tick = setInterval(() => this.#tick(), this.#timing.tick);
    void this.#connect();
  }
  stop() {
    if (this.#running) this.#end({ reason: "stopped by the app" });
  }
  /** The network or the page is back: does not wait for the next try, and checks a socket that was silent. */
  wake() {
    if (!this.#running) return;
    if (!this.#socket && this.#timers.retry !== void 0) {
      clearTimeout(this.#timers.retry);
      void this.#connect();
    } else if (this.#welcome) {
      this.#heard = Math.min(this.#heard, now() - this.#welcome.heartbeat_ms - 1);
      this.#tick();
    }
  }
  /** Writes a frame if there is a session. */
  write(frame) {
    if (this.#socket?.readyState !== 1) return;
    if ("id" in frame || frame.type === "ping") this.#asked ??= now();
    this.#socket.send(JSON.stringify(frame));
  }
  /** The device has lost its network: the connection is given up, unless the server (on this device, say) answers soon. */
  check() {
    if (!this.#welcome) return;
    if (this.#pinged === null) this.#ping();
    this.#later("check", this.#timing.check, () => {
      if (this.#pinged !== null) this.abandon("no network");
    });
  }
  #ping() {
    this.#pinged = now();
    this.write({ type: "ping" });
  }
  /** Gives the connection up, and connects again: it may be dead, and its close event slow to come. */
  abandon(reason) {
    if (this.#socket) this.#closed(1006, reason);
  }
  async #connect() {
    this.#timers.retry = void 0;
    const attempt = ++this.#attempt;
    this.#host.status({ state: "connecting" });
    let token;
    try {
      token = await this.#host.tokens.next();
    } catch (error) {
      if (this.#running && attempt === this.#attempt) this.#retry({ reason: asError(error).message });
      return;
    }
    if (!this.#running || attempt !== this.#attempt) return;
    if (token === this.#expired) {
      this.#end({ code: 4200, reason: "the token has expired, and the callback has no newer one" });
      return;
    }
    this.#open(token);
  }
  #open(token) {
    const base = this.#urls[(this.#attempt - 1) % this.#urls.length] ?? "";
    let socket;
    try {
      socket = new this.#socketClass(`${base.replace(/^http/, "ws")}/v1/ws`, "im.v1");
    } catch (error) {
      this.#retry({ reason: asError(error).message });
      return;
    }
    this.#socket = socket;
    this.#accepted = null;
    this.#offered = token;
    this.#began = this.#heard = now();
    this.#pinged = null;
    this.#retryAfter = 0;
    socket.onopen = () => {
      this.#heard = now();
      this.#hello(token);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    socket.onerror = () => {
    };
  }
  #hello(token) {
    this.#offered = token;
    this.write({
      type: "hello",
      device_id: this.#host.deviceId(),
      token,
      ...this.background && { background: true }
    });
  }
  #receive(data) {
    this.#heard = now();
    this.#pinged = this.#asked = null;
    this.#host.doubt(false);
    try {
      const frame = JSON.parse(String(data));
      if (frame.type === "welcome") this.#welcomed(frame);
      else if (frame.type === "drain") this.#drain(frame.reconnect_after_ms);
      else if (this.#welcome) this.#host.receive(frame);
      else if (frame.type === "error") this.#retryAfter = frame.retry_after_ms ?? 0;
    } catch (error) {
      this.#host.error(asError(error));
      this.abandon(`a frame could not be handled: ${asError(error).message}`);
    }
  }
  #welcomed(welcome) {
    const renewed = this.#welcome !== null;
    this.#welcome = welcome;
    this.#accepted = this.#offered;
    this.#expired = null;
    const left = Date.parse(welcome.token_expires_at) - Date.parse(welcome.server_time);
    this.#later("renew", left > 0 ? Math.max(left - 6e4, left / 2) : Infinity, () => void this.#renew());
    if (!renewed) this.#host.status({ state: "syncing" });
    this.#host.welcomed(welcome, (frame) => this.write(frame));
  }
  /** Offers a newer token, again and again until one is welcome. */
  async #renew() {
    const welcome = this.#welcome;
    const token = await this.#host.tokens.next().catch((error) => {
      this.#host.error(asError(error));
      return null;
    });
    if (!welcome || this.#welcome !== welcome) return;
    this.#later("renew", this.#timing.renewal, () => void this.#renew());
    if (token && token !== this.#accepted) this.#hello(token);
  }
  #drain(delay) {
    this.#later("drain", delay, () => {
      this.#tries = 0;
      this.#leave();
      void this.#connect();
    });
  }
  #later(name, delay, run) {
    clearTimeout(this.#timers[name]);
    if (Number.isFinite(delay)) this.#timers[name] = setTimeout(run, Math.min(delay, 2 ** 31 - 1));
  }
  /** Drops the socket, without waiting for its end. */
  #leave() {
    const socket = this.#socket;
    clearTimeout(this.#timers.drain);
    clearTimeout(this.#timers.renew);
    clearTimeout(this.#timers.check);
    this.#asked = null;
    this.#socket = this.#welcome = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#host.lost();
  }
  #closed(code, reason) {
    const lasted = this.#welcome ? now() - this.#began : 0;
    this.#leave();
    if (lasted > this.#timing.settled) this.#tries = 0;
    const why = { code, ...reason && { reason } };
    switch (reaction(code)) {
      case "stop":
        this.#end(why);
        return;
      case "renew":
        this.#expired = this.#accepted ?? this.#offered;
        if (this.#expired) this.#host.tokens.forget(this.#expired);
    }
    this.#retry(why);
  }
  #retry(why) {
    this.#host.status({ state: "offline", ...why });
    clearTimeout(this.#timers.retry);
    this.#timers.retry = setTimeout(() => void this.#connect(), this.#retryAfter + jitter(this.#timing, this.#tries++));
  }
  #end(why) {
    this.#running = false;
    this.#attempt++;
    clearInterval(this.#timers.tick);
    clearTimeout(this.#timers.retry);
    this.#timers.retry = void 0;
    this.#leave();
    this.#host.status({ state: "stopped", ...why });
  }
  #tick() {
    const silence = now() - this.#heard;
    if (!this.#socket) return;
    if (!this.#welcome) {
      if (silence > (this.#socket.readyState === 1 ? this.#timing.welcome : this.#timing.open)) this.abandon("the server did not answer");
      return;
    }
    const heartbeat = this.#welcome.heartbeat_ms;
    if (this.#pinged !== null && now() - this.#pinged > this.#timing.pong) {
      this.abandon("nothing received from the server");
      return;
    }
    const isLate = this.#asked !== null && now() - this.#asked > this.#timing.doubt;
    this.#host.doubt(isLate);
    if (this.#pinged === null && (isLate || silence > Math.min(heartbeat, this.#timing.quiet))) this.#ping();
    this.#host.tick();
  }
};

init_errors();
function excess(frame, limits) {
  if (frame.type !== "send" || !limits) return null;
  const bytes = (value) => new TextEncoder().encode(JSON.stringify(value)).length;
  const { content_bytes: content, frame_bytes: whole } = limits;
  if (bytes(frame.content) <= content && bytes(frame) <= whole) return null;
  return new Refusal({ code: "too_large", message: `a message has at most ${content} bytes of content, ${whole} in all` });
}
var Sender = class {
  #calls;
  #sent;
  #failed;
  #sends = /* @__PURE__ */ new Map();
  #reads = /* @__PURE__ */ new Map();
  constructor(calls, sent, failed) {
    this.#calls = calls;
    this.#sent = sent;
    this.#failed = failed;
  }
  /** Queues a message, unless it is queued. */
  send(message) {
    const { client_msg_id: id, content, conversation_id, to, reply_to, mentions, metadata } = message;
    if (this.#sends.has(id)) return;
    const target = conversation_id ? { conversation_id } : { to };
    const frame = { type: "send", client_msg_id: id, content, ...target, reply_to, mentions, metadata };
    this.#sends.set(id, this.#calls.add(frame, (answer, refusal) => {
      this.#sends.delete(id);
      if (answer?.type === "sent") {
        const { conversation_id: conversation_id2, client_msg_id, seq, at, duplicate } = answer;
        this.#sent({ conversation_id: conversation_id2, client_msg_id, seq, at, duplicate });
      } else if (refusal) {
        this.#failed(id, refusal);
      }
    }, { lane: conversation_id ?? `to ${to}` }));
  }
  /** Queues a read position. One that has not gone out is raised instead. */
  read(id, seq) {
    const queued = this.#reads.get(id);
    if (queued && !queued.call.sent) {
      queued.call.frame.seq = Math.max(Number(queued.call.frame.seq), seq);
      return queued.promise;
    }
    const { promise, resolve, reject } = settleable();
    const call = this.#calls.add({ type: "read", conversation_id: id, seq }, (frame, refusal) => {
      if (this.#reads.get(id)?.call === call) this.#reads.delete(id);
      if (frame?.type === "read_state") resolve(frame);
      else reject(refusal ?? closed());
    });
    this.#reads.set(id, { call, promise });
    return promise;
  }
  /** Takes a message back; one that is on its way may arrive nevertheless. */
  forget(id) {
    const call = this.#sends.get(id);
    if (call) this.#calls.remove(call);
    this.#sends.delete(id);
  }
  forgetAll() {
    for (const id of [...this.#sends.keys()]) this.forget(id);
  }
};
function settleable() {
  let settle;
  const promise = new Promise((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {
  });
  return { promise, resolve: (value) => settle?.resolve(value), reject: (error) => settle?.reject(error) };
}

function startPosition(view, start) {
  if (start.known !== void 0) return { position: start.known, fresh: false };
  if (!start.voided && view.acked_seq > 0) return { position: view.acked_seq, fresh: false };
  const first = firstPosition(view, start);
  const position = start.voided && view.acked_seq > 0 ? Math.max(Math.min(first, view.acked_seq), view.floor_seq - 1, 0) : first;
  return { position, fresh: true };
}
function firstPosition(view, { history, isNew, pushed }) {
  const floor = Math.max(view.floor_seq - 1, 0);
  if (history === Infinity) return floor;
  let position = view.head_seq - history;
  if (!isNew) position = Math.min(position, view.read_seq - 1);
  if (pushed !== void 0) position = Math.min(position, pushed - 1);
  return Math.max(position, floor);
}

var Stream = class {
  id;
  /** Every event up to here was accepted, once. */
  accepted;
  /** Every event up to here is in the store. */
  stored;
  /** The highest seq known to exist. */
  head;
  pulling = false;
  /** Waits for its turn to be pulled. */
  waiting = false;
  #ahead = [];
  /**
   * The device is new to the conversation and accepted no event yet: accepted comes from the first view. A push that is
   * older than that view lowers it, so that the event is not dropped.
   */
  #fresh;
  constructor(id, position, head, fresh) {
    this.id = id;
    this.accepted = this.stored = position;
    this.head = head;
    this.#fresh = fresh;
  }
  /** Whether events are known to be missing. */
  get behind() {
    return this.accepted < this.head;
  }
  /** Takes a pushed event, and returns the events that are next in order now. Without room it accepts none. */
  push(event, room) {
    this.head = Math.max(this.head, event.seq);
    if (this.#fresh && event.seq <= this.accepted) this.accepted = this.stored = event.seq - 1;
    if (event.seq === this.accepted + 1 && room) return [this.#accept(event), ...this.#acceptAhead()];
    if (event.seq > this.accepted && this.pulling) this.#hold(event);
    return [];
  }
  /** Takes a page, and returns the events that are next in order now. */
  page({ events, head_seq: head, floor_seq: floor }) {
    const next = [];
    events.forEach((event, i) => {
      const atFloor = i === 0 && event.seq > this.accepted && event.seq === floor;
      if (event.seq === this.accepted + 1 || atFloor) next.push(this.#accept(event));
    });
    next.push(...this.#acceptAhead());
    if (events.length === 0) {
      this.head = this.accepted;
      this.#ahead = [];
    } else {
      this.head = Math.max(this.head, head);
    }
    return next;
  }
  /** The session has ended, and the pull with it. */
  lost() {
    this.pulling = this.waiting = false;
    this.#ahead = [];
  }
  #accept(event) {
    this.accepted = event.seq;
    this.#fresh = false;
    return event;
  }
  #hold(event) {
    const last = this.#ahead.at(-1);
    if (this.#ahead.length < maxAhead && (!last || event.seq === last.seq + 1)) this.#ahead.push(event);
  }
  #acceptAhead() {
    const from = this.#ahead.findIndex((event) => event.seq === this.accepted + 1);
    if (from < 0) {
      if ((this.#ahead.at(-1)?.seq ?? 0) <= this.accepted) this.#ahead = [];
      return [];
    }
    const next = this.#ahead.slice(from);
    this.#ahead = [];
    return next.map((event) => this.#accept(event));
  }
};

var Syncing = class {
  active = false;
  again = false;
  /** The sync under way lists everything; seen is what it has listed. */
  full = false;
  seen = /* @__PURE__ */ new Set();
  /**
   * Conversations of which events came before their state, with the lowest and the highest seq. The state may be older
   * than the events.
   */
  unknown = /* @__PURE__ */ new Map();
  /** A sync was made for the unknown ones already. */
  asked = false;
  lost() {
    this.active = this.again = this.full = this.asked = false;
    this.seen.clear();
  }
};

var Engine = class {
  #host;
  #history;
  #device;
  #send = null;
  #limits = null;
  #streams = /* @__PURE__ */ new Map();
  #syncing = new Syncing();
  #pulls = [];
  #pulling = 0;
  #acks = /* @__PURE__ */ new Map();
  /** How far conversations were accepted that are no longer the user's. */
  #left = /* @__PURE__ */ new Map();
  constructor(host, device, views, history) {
    this.#host = host;
    this.#device = device;
    this.#history = history;
    for (const view of views) {
      const position = host.journal.position(view.conversation_id) ?? 0;
      this.#streams.set(view.conversation_id, new Stream(view.conversation_id, position, view.head_seq, false));
    }
  }
  get limits() {
    return this.#limits;
  }
  /** Everything up to here was accepted. */
  accepted(id) {
    return this.#streams.get(id)?.accepted ?? 0;
  }
  /** Begins a session, to which send writes. During a session it only takes over what a renewed token changed. */
  welcomed(welcome, send) {
    this.#limits = welcome.limits;
    if (this.#send) return;
    if (welcome.epoch !== this.#device.epoch) this.#begin(welcome.epoch);
    if (this.#device.user_id !== welcome.user_id) this.#setDevice({ user_id: welcome.user_id });
    this.#send = send;
    for (const stream of this.#streams.values()) {
      const view = this.#host.conversations.get(stream.id);
      if (view && stream.stored > view.acked_seq) this.#acks.set(stream.id, stream.stored);
      this.#want(stream);
    }
    this.sync();
    this.flush();
  }
  /** Starts an epoch. Unless it is the first one of the store, everything that the device holds is void. */
  #begin(epoch) {
    const { epoch: former } = this.#device;
    const { cursor: _cursor, ...device } = this.#device;
    this.#device = { ...device, epoch, ...former !== void 0 && { voided: true } };
    if (former === void 0) {
      this.#host.journal.setDevice(this.#device);
      return;
    }
    this.#streams.clear();
    this.#left.clear();
    this.#acks.clear();
    this.#syncing.unknown.clear();
    this.#host.journal.drop("log", this.#device);
    this.#host.reset(epoch);
  }
  #setDevice(changes) {
    this.#device = { ...this.#device, ...changes };
    this.#host.journal.setDevice(this.#device);
  }
  /** The session has ended. */
  lost() {
    this.#send = null;
    this.#pulls = [];
    this.#pulling = 0;
    this.#syncing.lost();
    this.#host.calls.lost();
    for (const stream of this.#streams.values()) stream.lost();
  }
  /** Handles a frame of a session. Unknown frames are of a later version. */
  receive(frame) {
    switch (frame.type) {
      case "event":
        this.#push(frame.event);
        break;
      case "gap":
        for (const [id, head] of Object.entries(frame.conversations)) this.#gap(id, head);
        break;
      case "conversation":
        this.show(frame.conversation);
        break;
      case "read_state":
        if (this.#host.conversations.read(frame)) this.#host.refresh(frame.conversation_id);
        break;
    }
    if ("id" in frame && frame.id !== void 0) this.#host.calls.answered(frame, now());
    this.flush();
  }
  /** Sends what may be sent now: pulls while there is room for their pages, and requests that are ready. */
  flush() {
    const send = this.#send;
    if (!send) return;
    while (this.#pulls.length && this.#pulling < maxPulls && this.#host.journal.hasRoom) this.#pull(this.#pulls.shift());
    for (const call of this.#host.calls.ready(now(), this.#limits?.requests_in_flight ?? 64)) {
      const frame = { ...call.frame, id: call.id };
      const refusal = excess(frame, this.#limits);
      if (refusal) this.#host.calls.fail(call, refusal);
      else send(frame);
    }
  }
  /** Sends acknowledgements, and what had to wait for time to pass. */
  tick() {
    if (!this.#send) return;
    const acks = [...this.#acks].slice(0, acksPerFrame);
    for (const [id] of acks) this.#acks.delete(id);
    if (acks.length) this.#send({ type: "ack", acks: Object.fromEntries(acks) });
    this.flush();
  }
  /** Everything up to seq is in the store. */
  stored(id, seq) {
    const stream = this.#streams.get(id);
    if (!stream || seq <= stream.stored) return;
    stream.stored = seq;
    this.#acks.set(id, seq);
  }
  // Sync.
  /** Requests what has changed since the last sync; everything at first. */
  sync() {
    const syncing = this.#syncing;
    if (syncing.active) {
      syncing.again = true;
      return;
    }
    syncing.active = true;
    syncing.full = this.#device.cursor === void 0;
    syncing.seen.clear();
    this.#syncFrom(this.#device.cursor);
  }
  #syncFrom(cursor) {
    const isNew = this.#device.cursor === void 0;
    const events = isNew && this.#history !== Infinity ? Math.min(this.#history, maxSyncEvents) : syncEvents;
    this.#host.calls.add({ type: "sync", ...cursor !== void 0 && { cursor }, timeline_limit: events }, (frame, refusal) => {
      if (frame?.type === "sync_page") this.#syncPage(frame);
      else this.#syncRefused(refusal);
    }, { ofSession: true });
  }
  #syncRefused(refusal) {
    if (refusal?.code !== "cursor_invalid" || this.#syncing.full) {
      this.#host.fault(`the sync failed: ${refusal?.message ?? "no page"}`);
      return;
    }
    const { cursor: _cursor, ...device } = this.#device;
    this.#device = device;
    this.#syncing.active = false;
    this.sync();
  }
  #syncPage(page) {
    if (page.epoch !== this.#device.epoch) {
      this.#host.fault("the epoch has changed");
      return;
    }
    this.#host.users(page.users);
    for (const view of page.conversations) this.show(view);
    for (const id of page.removed) this.drop(id);
    if (page.done) this.#synced(page.cursor);
    else this.#syncFrom(page.cursor);
  }
  /** Ends a sync. Conversations that a full one did not list are gone. */
  #synced(cursor) {
    const syncing = this.#syncing;
    if (syncing.full) {
      for (const id of [...this.#streams.keys()]) if (!syncing.seen.has(id)) this.drop(id);
    }
    const again = syncing.again && syncing.unknown.size > 0 && !syncing.asked;
    const { voided: _voided, ...device } = this.#device;
    this.#device = device;
    this.#setDevice({ cursor });
    syncing.active = syncing.again = syncing.full = false;
    syncing.seen.clear();
    syncing.asked = again;
    if (again) {
      this.sync();
      return;
    }
    syncing.unknown.clear();
    this.#host.online();
  }
  // Conversations and their events.
  /** Takes the state of a conversation. */
  show(view) {
    const id = view.conversation_id;
    const stream = this.#streams.get(id) ?? this.#follow(view);
    this.#syncing.seen.add(id);
    if (this.#host.conversations.put(view)) this.#host.refresh(id);
    stream.head = Math.max(stream.head, view.head_seq);
    if (stream.stored > view.acked_seq) this.#acks.set(id, stream.stored);
    if (view.events.length && !stream.pulling && this.#host.journal.hasRoom) this.#accept(stream.page(view));
    this.#want(stream);
  }
  /** Starts the stream of a conversation that has none. */
  #follow(view) {
    const id = view.conversation_id;
    const { journal } = this.#host;
    const known = this.#left.get(id) ?? journal.position(id);
    const pushed = this.#syncing.unknown.get(id);
    const { position, fresh } = startPosition(view, {
      known,
      voided: this.#device.voided ?? false,
      isNew: this.#device.cursor === void 0,
      history: this.#history,
      pushed: pushed?.first
    });
    if (journal.position(id) === void 0) journal.start(id, position);
    this.#syncing.unknown.delete(id);
    this.#left.delete(id);
    const stream = new Stream(id, position, Math.max(view.head_seq, pushed?.last ?? 0), fresh);
    stream.stored = Math.min(position, journal.position(id) ?? position);
    this.#streams.set(id, stream);
    return stream;
  }
  /** Forgets a conversation that is no longer the user's, except for its position: after joining again it continues. */
  drop(id) {
    const stream = this.#streams.get(id);
    if (stream) this.#left.set(id, stream.accepted);
    this.#streams.delete(id);
    this.#acks.delete(id);
    this.#host.conversations.drop(id);
  }
  #push(event) {
    const stream = this.#streams.get(event.conversation_id);
    if (!stream) {
      this.#missing(event.conversation_id, event.seq);
      return;
    }
    this.#accept(stream.push(event, this.#host.journal.hasRoom));
    this.#want(stream);
  }
  #gap(id, head) {
    const stream = this.#streams.get(id);
    if (!stream) {
      this.#missing(id, head);
      return;
    }
    stream.head = Math.max(stream.head, head);
    this.#want(stream);
  }
  /** An event of a conversation without a state: sync again. */
  #missing(id, seq) {
    const { unknown } = this.#syncing;
    const { first, last } = unknown.get(id) ?? { first: seq, last: seq };
    unknown.set(id, { first: Math.min(first, seq), last: Math.max(last, seq) });
    this.sync();
  }
  #accept(events) {
    const { conversations, calls, journal } = this.#host;
    for (const event of events) {
      const id = event.conversation_id;
      if (event.type === "message.posted" && event.sender === conversations.self) {
        calls.arrived(event, conversations.get(id)?.peer);
      }
      const doubt = conversations.apply(event);
      journal.add(event);
      this.#host.event(event);
      if (event.type === "member.removed" && event.body.user_id === conversations.self) this.drop(id);
      else if (doubt) this.#host.refresh(id);
    }
  }
  #want(stream) {
    if (!this.#send || stream.waiting || stream.pulling || !stream.behind || this.#streams.get(stream.id) !== stream) return;
    stream.waiting = true;
    this.#pulls.push(stream);
  }
  #pull(stream) {
    if (!stream) return;
    stream.waiting = false;
    if (this.#streams.get(stream.id) !== stream || !stream.behind) return;
    stream.pulling = true;
    this.#pulling++;
    const limit = Math.min(pullEvents, this.#limits?.page_events ?? pullEvents);
    this.#host.calls.add({ type: "pull", conversation_id: stream.id, after_seq: stream.accepted, limit }, (frame) => {
      this.#pulling--;
      stream.pulling = false;
      if (this.#streams.get(stream.id) !== stream) return;
      if (frame?.type === "page") this.#pulled(stream, frame);
      else this.drop(stream.id);
    }, { ofSession: true });
  }
  #pulled(stream, page) {
    if (page.epoch !== this.#device.epoch) {
      this.#host.fault("the epoch has changed");
      return;
    }
    this.#host.users(page.users);
    this.#accept(stream.page(page));
    this.#want(stream);
  }
};

init_errors();

init_errors();
init_store();
var Journal = class {
  #store;
  #host;
  #timing;
  #positions = /* @__PURE__ */ new Map();
  #events = [];
  #inFlight = [];
  #bytes = 0;
  #touched = /* @__PURE__ */ new Set();
  #device = null;
  #outbox = /* @__PURE__ */ new Map();
  #settled = /* @__PURE__ */ new Set();
  #drop;
  /** Grows with each drop: what was taken before it is void. */
  #generation = 0;
  #dropping = false;
  #running = null;
  #stopped = false;
  #wake = null;
  constructor(store, host, timing) {
    this.#store = store;
    this.#host = host;
    this.#timing = timing;
  }
  /** Whether further events may be queued. A pull under way may exceed maxBuffered by its page. */
  get hasRoom() {
    return this.#bytes < maxBuffered;
  }
  /** Every event up to here is in the store; undefined for a conversation that the device has never followed. */
  position(id) {
    return this.#positions.get(id);
  }
  /** Takes over positions that are in the store. */
  restore(positions) {
    this.#positions = new Map(positions);
  }
  /** Records from where the device follows a conversation. */
  start(id, position) {
    this.#positions.set(id, position);
    this.touch(id);
  }
  /** Queues an event, which is next in order in its conversation. */
  add(event) {
    this.#events.push(event);
    this.#bytes += size(event);
    this.touch(event.conversation_id);
  }
  /** Records that the state of a conversation has changed. */
  touch(id) {
    this.#touched.add(id);
    this.#begin();
  }
  setDevice(device) {
    this.#device = device;
    this.#begin();
  }
  putOutgoing(message) {
    this.#outbox.set(message.client_msg_id, message);
    this.#settled.delete(message.client_msg_id);
    this.#begin();
  }
  settle(id) {
    this.#outbox.delete(id);
    this.#settled.add(id);
    this.#begin();
  }
  /** Drops what is stored and what waits: the log, or everything. */
  drop(what, device) {
    this.#generation++;
    this.#events = [];
    this.#bytes = this.#inFlight.reduce((sum, event) => sum + size(event), 0);
    this.#touched.clear();
    this.#positions.clear();
    if (what === "all") {
      this.#outbox.clear();
      this.#settled.clear();
    }
    this.#drop = this.#drop === "all" ? "all" : what;
    this.#dropping = true;
    this.setDevice(device);
  }
  /** Returns the events of a conversation that are not in the store yet. */
  pending(id) {
    return [...this.#inFlight, ...this.#events].filter((event) => event.conversation_id === id);
  }
  /** Resolves when everything that waits now is in the store. */
  async flush() {
    while (this.#running && !this.#stopped) await this.#running;
  }
  /** Resolves when the store holds nothing any more that was dropped. */
  async dropped() {
    while (this.#dropping && this.#running && !this.#stopped) await this.#running;
  }
  /** Ends it, without what the store does not take. */
  stop() {
    this.#stopped = true;
    this.#wake?.();
  }
  #begin() {
    if (this.#stopped || this.#running) return;
    this.#running = Promise.resolve().then(() => this.#run()).finally(() => {
      this.#running = null;
      if (this.#waits()) this.#begin();
    });
  }
  #waits() {
    return this.#events.length > 0 || this.#touched.size > 0 || this.#outbox.size > 0 || this.#settled.size > 0 || this.#device !== null || this.#drop !== void 0;
  }
  async #run() {
    while (!this.#stopped && this.#waits()) {
      const generation = this.#generation;
      const batch = this.#take();
      for (const event of batch.events ?? []) await this.#host.handle(event);
      const committed = await this.#commit(batch);
      for (const event of this.#inFlight) this.#bytes -= size(event);
      this.#inFlight = [];
      if (!committed) continue;
      if (generation === this.#generation) {
        this.#dropping = false;
        for (const { conversation_id: id, position } of batch.conversations ?? []) this.#positions.set(id, position);
      }
      this.#host.stored(generation === this.#generation ? batch : { ...batch, events: [], conversations: [] });
    }
  }
  #take() {
    const events = this.#inFlight = this.#events.splice(0, eventsPerCommit);
    const positions = /* @__PURE__ */ new Map();
    for (const { conversation_id: id, seq } of events) positions.set(id, seq);
    const ids = new Set([...this.#touched, ...positions.keys()].filter((id) => positions.has(id) || this.#positions.has(id)));
    const batch = {
      ...this.#drop && { drop: this.#drop },
      ...this.#device && { device: this.#device },
      events,
      erased: events.flatMap((event) => event.type === "message.recalled" ? [{ conversation_id: event.conversation_id, seq: event.body.target_seq }] : []),
      conversations: [...ids].map((id) => ({
        conversation_id: id,
        position: positions.get(id) ?? this.#positions.get(id) ?? 0,
        view: this.#host.view(id) ?? null
      })),
      outbox: [...this.#outbox.values()],
      settled: [...this.#settled]
    };
    this.#drop = void 0;
    this.#device = null;
    this.#touched.clear();
    this.#outbox.clear();
    this.#settled.clear();
    return batch;
  }
  async #commit(batch) {
    for (let tries = 0; !this.#stopped; tries++) {
      try {
        await this.#store.commit(batch);
        return true;
      } catch (error) {
        this.#host.error(asError(error));
        if (error instanceof StoreLost && await this.#host.lost()) return false;
        await new Promise((resolve) => {
          this.#wake = resolve;
          setTimeout(resolve, jitter(this.#timing, tries));
        });
      }
    }
    return false;
  }
};
function size(event) {
  return 200 + JSON.stringify(event.body).length;
}

init_errors();
var Refresher = class {
  #rest;
  #show;
  #error;
  #waiting = /* @__PURE__ */ new Set();
  #running = false;
  /** show takes a state, and reports whether it was new enough: events may have come meanwhile. */
  constructor(rest, show, error) {
    this.#rest = rest;
    this.#show = show;
    this.#error = error;
  }
  request(id) {
    this.#waiting.add(id);
    if (!this.#running) void this.#run();
  }
  async #run() {
    this.#running = true;
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      try {
        for (let tries = 0; tries < 5; tries++) {
          if (this.#show(await this.#rest.call("GET", `/conversations/${encodeURIComponent(id)}`))) break;
        }
      } catch (error) {
        this.#error(asError(error));
      }
    }
    this.#running = false;
  }
};

init_store();
var Leader = class {
  #parts;
  #state;
  #calls;
  #journal;
  #connection;
  #refresher;
  #sender;
  #engine;
  #device;
  #watched = /* @__PURE__ */ new Map();
  constructor(parts, snapshot) {
    this.#parts = parts;
    const state = this.#state = parts.state;
    this.#calls = new Calls(parts.timing);
    this.#sender = new Sender(this.#calls, (sent) => this.#settled(sent), (id, refusal) => this.#failed(id, refusal));
    this.#journal = new Journal(parts.store, {
      view: (id) => state.conversations.get(id),
      handle: (event) => this.#handle(event),
      stored: (batch) => this.#stored(batch),
      lost: () => this.#storeLost(),
      error: (error) => state.emitter.emit("error", error)
    }, parts.timing);
    this.#refresher = new Refresher(parts.rest, (view) => this.#refreshed(view), (error) => state.emitter.emit("error", error));
    this.#connection = new Connection({
      tokens: parts.tokens,
      deviceId: () => this.#device.device_id,
      welcomed: (welcome, send) => this.#welcomed(welcome, send),
      receive: (frame) => this.#receive(frame),
      lost: () => this.#engine.lost(),
      status: (status) => this.#setStatus(status),
      doubt: (isLate) => this.#doubt(isLate),
      tick: () => this.#engine.tick(),
      error: (error) => state.emitter.emit("error", error)
    }, parts.urls, parts.socketClass, parts.timing, parts.background);
    this.#device = snapshot.device ?? this.#newDevice();
    state.conversations.self = this.#device.user_id ?? "";
    state.restore(snapshot.conversations, snapshot.outbox);
    this.#journal.restore(snapshot.conversations.map(({ conversation_id, position }) => [conversation_id, position]));
    this.#engine = this.#makeEngine();
    state.conversationChanged = (id) => this.#journal.touch(id);
    if (!snapshot.device) this.#journal.setDevice(this.#device);
    const stored = new Set(snapshot.outbox.map(({ client_msg_id }) => client_msg_id));
    for (const message of state.outbox.list()) {
      if (message.state !== "pending") continue;
      if (!stored.has(message.client_msg_id)) this.#journal.putOutgoing(message);
      this.#sender.send(message);
    }
    this.#connection.start();
  }
  /** Implements Uplink. */
  get deviceId() {
    return this.#device.device_id;
  }
  #newDevice() {
    return { device_id: this.#parts.deviceId ?? `js-${newId()}` };
  }
  #makeEngine() {
    const state = this.#state;
    return new Engine({
      conversations: state.conversations,
      journal: this.#journal,
      calls: this.#calls,
      event: (event) => this.#accepted(event),
      reset: (epoch) => state.reset(epoch),
      refresh: (id) => this.#refresher.request(id),
      users: (users) => state.addUsers(users),
      online: () => this.#online(),
      fault: (reason) => this.#connection.abandon(reason)
    }, this.#device, state.conversations.list(), this.#parts.history);
  }
  #tell(message) {
    this.#parts.store.tabs?.post(message);
  }
  /** Takes a message of another tab. */
  receiveTab(message) {
    switch (message.type) {
      case "hello":
        this.#tell({ type: "status", status: this.#state.status, self: this.#state.conversations.self });
        break;
      case "post":
        this.#state.outbox.put(message.message);
        this.post(message.message);
        break;
      case "discard":
        this.discard(message.id);
        break;
      case "typing":
        this.setTyping(message.id, message.on);
        break;
      case "watch":
        this.#watch(message.tab, message.users);
        break;
    }
  }
  // The connection.
  #setStatus(status) {
    this.#state.setStatus(status);
    this.#tell({ type: "status", status, self: this.#state.conversations.self });
  }
  #doubt(isLate) {
    const { state, doubtful = false } = this.#state.status;
    if (state === "online" && doubtful !== isLate) this.#setStatus({ state, ...isLate && { doubtful: true } });
  }
  #welcomed(welcome, send) {
    const state = this.#state;
    state.limits = welcome.limits;
    if (this.#device.user_id !== void 0 && this.#device.user_id !== welcome.user_id) {
      this.#otherUser();
      return;
    }
    state.conversations.self = welcome.user_id;
    this.#device = { ...this.#device, user_id: welcome.user_id };
    this.#engine.welcomed(welcome, send);
    if (this.#watched.size) this.#sendWatch();
  }
  /** The store belongs to another user, whose data this one must neither see nor send. */
  #otherUser() {
    const state = this.#state;
    this.#device = { device_id: `js-${newId()}` };
    this.#sender.forgetAll();
    this.#journal.drop("all", this.#device);
    state.outbox.clear();
    state.conversations.self = "";
    this.#state.reset("");
    this.#engine = this.#makeEngine();
    this.#connection.abandon("the token is of another user than the store");
  }
  #receive(frame) {
    this.#engine.receive(frame);
    if (frame.type === "typing" || frame.type === "presence" || frame.type === "receipt" || frame.type === "notice") {
      this.#state.signal(frame);
      this.#tell({ type: "signal", frame });
    }
  }
  #online() {
    for (const { client_msg_id, conversation_id, seq } of this.#state.outbox.list()) {
      if (seq !== void 0 && conversation_id && this.#engine.accepted(conversation_id) >= seq) this.#state.outbox.remove(client_msg_id);
    }
    this.#setStatus({ state: "online" });
  }
  #refreshed(view) {
    const before = this.#state.conversations.get(view.conversation_id);
    if (before) this.#engine.show(view);
    return !before || before.head_seq <= view.head_seq;
  }
  // Events, on their way through the store.
  #accepted(event) {
    const before = event.type === "message.posted" && this.#state.outbox.get(event.client_msg_id);
    this.#state.applyEvent(event);
    if (event.type === "message.posted" && before && !this.#state.outbox.get(event.client_msg_id)) this.#journal.settle(event.client_msg_id);
    if (event.type === "member.removed" && event.body.user_id === this.#state.conversations.self) {
      this.#state.windows.get(event.conversation_id)?.clear();
    }
  }
  async #handle(event) {
    try {
      await this.#parts.onEvent?.(event);
    } catch (error) {
      this.#state.emitter.emit("error", asError(error));
    }
  }
  #stored(batch) {
    for (const { conversation_id: id, seq } of batch.events ?? []) this.#engine.stored(id, seq);
    for (const event of batch.events ?? []) this.#state.emitter.emit("event", event);
    this.#tell({ type: "batch", batch });
    this.#engine.flush();
  }
  /** The store's data is gone: what this device had acknowledged is not here, so it becomes another device. */
  async #storeLost() {
    const snapshot = await this.#parts.store.open().catch(() => null);
    if (!snapshot) return false;
    this.#device = snapshot.device ?? { device_id: `js-${newId()}` };
    this.#journal.drop("log", this.#device);
    this.#state.reset("");
    for (const message of this.#state.outbox.list()) if (message.state !== "sent") this.#journal.putOutgoing(message);
    this.#engine = this.#makeEngine();
    this.#connection.abandon("the store lost its data");
    return true;
  }
  // Requests.
  /** Implements Uplink. */
  post(message) {
    this.#journal.putOutgoing(message);
    this.#sender.send(message);
    this.#engine.flush();
  }
  #settled(sent) {
    this.#state.outbox.sent(sent);
    this.#journal.settle(sent.client_msg_id);
    this.#tell({ type: "sent", sent });
    if (this.#engine.accepted(sent.conversation_id) >= sent.seq) this.#state.outbox.remove(sent.client_msg_id);
  }
  #failed(id, refusal) {
    const failed = this.#state.outbox.failed(id, refusal);
    if (failed) this.#journal.putOutgoing(failed);
  }
  /** Implements Uplink. */
  discard(id) {
    this.#sender.forget(id);
    this.#state.outbox.remove(id);
    this.#journal.settle(id);
  }
  /** Implements Uplink. */
  markRead(id, seq) {
    const promise = this.#sender.read(id, seq);
    this.#engine.flush();
    return promise;
  }
  /** Implements Uplink. */
  setTyping(id, on) {
    if (this.#state.status.state === "online") this.#connection.write({ type: "typing", conversation_id: id, on });
  }
  /** Implements Uplink. */
  watch(users) {
    this.#watch("", users);
  }
  #watch(tab, users) {
    if (users.length) this.#watched.set(tab, users);
    else if (!this.#watched.delete(tab)) return;
    this.#sendWatch();
  }
  /** The server keeps the list for one session. */
  #sendWatch() {
    const users = [...new Set([...this.#watched.values()].flat())];
    this.#connection.write({ type: "watch", user_ids: users.slice(0, this.#state.limits?.watch_users ?? 500) });
  }
  /** Implements Uplink. */
  wake() {
    this.#connection.wake();
  }
  /** Implements Uplink. */
  check() {
    this.#connection.check();
  }
  /** Implements Uplink. */
  pending(id) {
    return this.#journal.pending(id);
  }
  /** Implements Uplink. */
  dropped() {
    return this.#journal.dropped();
  }
  /** Implements Uplink. */
  async stop() {
    this.#sender.forgetAll();
    this.#calls.failAll(closed());
    await Promise.race([this.#journal.flush(), new Promise((resolve) => setTimeout(resolve, 2e3))]);
    this.#engine.tick();
    this.#journal.stop();
    this.#connection.stop();
    this.#state.conversationChanged = null;
  }
};

function checkUrls(url) {
  const urls = url === void 0 ? [globalThis.location?.origin ?? ""] : [url].flat();
  for (const one of urls) if (!/^https?:\/\/[^/]/.test(one)) throw new TypeError(`url: "${one}" is not an http or https URL`);
  if (!urls.length) throw new TypeError("url: at least one is needed");
  return urls.map((one) => one.replace(/\/+$/, ""));
}
function socketClass(given) {
  const found = given ?? globalThis.WebSocket;
  if (!found) throw new TypeError('WebSocket: there is none here; take the Client of "im-client/node"');
  return found;
}

init_errors();
var Rest = class {
  #urls;
  #fetch;
  #tokens;
  #timing;
  constructor(urls, fetcher, tokens, timing) {
    this.#urls = urls;
    this.#fetch = fetcher;
    this.#tokens = tokens;
    this.#timing = timing;
  }
  /** Makes a call below /v1. It is not repeated, except once with a new token after `token_expired`. */
  async call(method, path, options = {}) {
    for (let attempt = 1; ; attempt++) {
      const token = this.#tokens.current ?? await this.#tokens.next();
      try {
        return await this.#anyNode(method, path, token, options);
      } catch (error) {
        if (attempt > 1 || !(error instanceof Refusal) || error.code !== "token_expired") throw error;
        this.#tokens.forget(token);
      }
    }
  }
  /** Iterates over a list, and requests its pages as they are needed. */
  async *list(path, query = {}) {
    for (let cursor; ; ) {
      const page = await this.call("GET", path, { query: { ...query, cursor } });
      yield* page.items;
      if (page.next_cursor === null || page.next_cursor === void 0) return;
      cursor = page.next_cursor;
    }
  }
  /** Nodes that cannot be reached are passed over. */
  async #anyNode(method, path, token, options) {
    let failure;
    for (const base of this.#urls) {
      try {
        return await this.#one(`${base}/v1${path}${queryText(options.query)}`, method, token, options);
      } catch (error) {
        if (error instanceof Refusal || options.signal?.aborted) throw error;
        failure = asError(error);
      }
    }
    throw new Refusal({ code: "network", message: `no node answered: ${failure?.message ?? "no URL"}`, retry: "again" }, { cause: failure });
  }
  async #one(url, method, token, { body, signal }) {
    const late = AbortSignal.timeout(this.#timing.call);
    const response = await this.#fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, ...body !== void 0 && { "content-type": "application/json" } },
      body: body === void 0 ? void 0 : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, late]) : late
    });
    const text = await response.text();
    if (response.ok) return text === "" ? null : JSON.parse(text);
    throw problem(response.status, text);
  }
};
function queryText(query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === void 0) continue;
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}
function problem(status, text) {
  let document = {};
  try {
    document = JSON.parse(text);
  } catch {
  }
  const code = document.code ?? (status >= 500 ? "unavailable" : "invalid");
  const message = document.detail ?? document.title ?? `the server answered ${status}`;
  return new Refusal({ retry: status >= 500 ? "again" : "never", ...document, code, message });
}

function messageOf(event) {
  const { conversation_id, seq, sender, client_msg_id, at, body } = event;
  const { content, reply_to, mentions, metadata } = body;
  return {
    conversation_id,
    seq,
    sender,
    client_msg_id,
    at,
    content,
    recalled: content === null,
    reactions: [],
    pinned: false,
    ...reply_to !== void 0 && { reply_to },
    ...mentions !== void 0 && { mentions },
    ...metadata !== void 0 && { metadata }
  };
}
function targetOf(event) {
  return event.body?.target_seq;
}
function mentionsUser(mentions, user) {
  return mentions?.some((one) => one === user || one === "*") ?? false;
}
function erased(message) {
  const { mentions: _mentions, metadata: _metadata, ...rest } = message;
  return { ...rest, content: null, recalled: true };
}
function react(message, emoji, by, mine) {
  const reactions = message.reactions.map((reaction2) => reaction2.emoji !== emoji ? reaction2 : { emoji, count: reaction2.count + by, mine: mine ? by > 0 : reaction2.mine }).filter(({ count }) => count > 0);
  if (by > 0 && !reactions.some((reaction2) => reaction2.emoji === emoji)) reactions.push({ emoji, count: 1, mine });
  return { ...message, reactions };
}
function messageAfter(message, event, self) {
  if (event.conversation_id !== message.conversation_id || targetOf(event) !== message.seq) return message;
  switch (event.type) {
    case "message.edited": {
      const { content, mentions } = event.body;
      if (message.recalled || content === void 0) return message;
      if (content === null) return erased(message);
      const { mentions: _former, ...rest } = message;
      return { ...rest, content, edited_at: event.at, ...mentions && { mentions } };
    }
    case "message.recalled":
      return erased(message);
    case "reaction.added":
    case "reaction.removed":
      return react(message, event.body.emoji, event.type === "reaction.added" ? 1 : -1, event.sender === self);
    case "message.pinned":
      return { ...message, pinned: true };
    case "message.unpinned":
      return { ...message, pinned: false };
    default:
      return message;
  }
}
function fold(events, self) {
  const messages = /* @__PURE__ */ new Map();
  for (const event of events) {
    if (event.type === "message.posted") {
      messages.set(event.seq, messageOf(event));
      continue;
    }
    const message = messages.get(targetOf(event) ?? 0);
    if (message) messages.set(message.seq, messageAfter(message, event, self));
  }
  return [...messages.values()];
}
function erasedEvent(event) {
  if (event.type === "message.posted") {
    const { mentions: _mentions, metadata: _metadata, ...body } = event.body;
    return { ...event, body: { ...body, content: null } };
  }
  if (event.type === "message.edited") return { ...event, body: { target_seq: event.body.target_seq, content: null } };
  return event;
}

var Unread = class {
  #mentioned = /* @__PURE__ */ new Map();
  get size() {
    return this.#mentioned.size;
  }
  add(seq, mentioned) {
    if (this.#mentioned.size >= maxUnread) this.#mentioned.delete(this.#mentioned.keys().next().value ?? 0);
    this.#mentioned.set(seq, mentioned);
  }
  /** Whether a message mentions the user; undefined if it is not known. */
  mentioned(seq) {
    return this.#mentioned.get(seq);
  }
  set(seq, mentioned) {
    if (this.#mentioned.has(seq)) this.#mentioned.set(seq, mentioned);
  }
  delete(seq) {
    this.#mentioned.delete(seq);
  }
  /** Forgets the messages up to seq, and returns the counts of the others. */
  read(seq) {
    let mentions = 0;
    for (const [unread, mentioned] of this.#mentioned) {
      if (unread <= seq) this.#mentioned.delete(unread);
      else if (mentioned) mentions++;
    }
    return { unread: this.#mentioned.size, mentions };
  }
};

var Conversations = class {
  /** The user; '' before it is known. */
  self = "";
  #changed;
  #views = /* @__PURE__ */ new Map();
  #joined = /* @__PURE__ */ new Map();
  #unread = /* @__PURE__ */ new Map();
  #list = [];
  /** changed is called with the id of each conversation that has changed. */
  constructor(changed) {
    this.#changed = changed;
  }
  get(id) {
    return this.#views.get(id);
  }
  /** Returns the conversations, newest activity first; the same array until something changes. */
  list() {
    this.#list ??= [...this.#views.values()].sort((a, b) => compare(this.#activity(b), this.#activity(a)) || compare(b.conversation_id, a.conversation_id));
    return this.#list;
  }
  #activity(view) {
    const message = view.last_message?.at ?? view.created_at;
    const joined = this.#joined.get(view.conversation_id) ?? "";
    return joined > message ? joined : message;
  }
  /**
   * Takes a state that the server sent. If events have moved the present one past it, only what no event changes.
   * Reports whether the counts are in doubt.
   */
  put(view) {
    const id = view.conversation_id;
    const old = this.#views.get(id);
    if (old && old.head_seq > view.head_seq) {
      const archived = view.preferences.archived && !((old.last_message?.seq ?? 0) > view.head_seq);
      this.#set({ ...old, acked_seq: view.acked_seq, preferences: { ...view.preferences, archived } });
      return view.read_seq > old.read_seq && this.read(view, true);
    }
    if (!old || old.unread_count !== view.unread_count || old.read_seq !== view.read_seq) this.#unread.delete(id);
    this.#set({ ...view, events: [] });
    return old !== void 0 && old.read_seq > view.read_seq && this.read(old, true);
  }
  drop(id) {
    if (!this.#views.delete(id)) return;
    this.#joined.delete(id);
    this.#unread.delete(id);
    this.#list = null;
    this.#changed(id);
  }
  clear() {
    for (const id of [...this.#views.keys()]) this.drop(id);
  }
  /** Takes over how far the user has read, unless more is known already. Reports whether the counts are in doubt. */
  read(state, isOld = false) {
    const view = this.#views.get(state.conversation_id);
    if (!view || state.read_seq < view.read_seq) return false;
    const { read_seq, unread_count, mention_count } = state;
    const known = this.#unreadOf(view.conversation_id);
    const complete = known.size === view.unread_count;
    const own = known.read(read_seq);
    this.#set({
      ...view,
      read_seq,
      unread_count: complete ? own.unread : unread_count,
      mention_count: complete ? own.mentions : mention_count
    });
    return !complete && (isOld || unread_count > 0);
  }
  /**
   * Applies an event to the state of its conversation, unless the state contains it. Reports whether the state is in
   * doubt then, and is to be requested.
   */
  apply(event) {
    const view = this.#views.get(event.conversation_id);
    if (!view || event.seq <= view.head_seq) return false;
    const next = { ...view, head_seq: event.seq };
    const doubt = this.#advance(next, event);
    this.#set(next);
    return doubt || event.seq > view.head_seq + 1;
  }
  #advance(view, event) {
    switch (event.type) {
      case "message.posted":
        this.#posted(view, event);
        return false;
      case "message.edited":
      case "message.recalled":
        this.#changeLast(view, event);
        return this.#recount(view, event);
      case "reaction.added":
      case "reaction.removed":
      case "message.pinned":
      case "message.unpinned":
        this.#changeLast(view, event);
        return false;
      case "member.added":
      case "member.removed":
        view.member_count += event.type === "member.added" ? 1 : -1;
        if (event.type === "member.removed" || event.body.user_id !== this.self) return false;
        view.role = event.body.role;
        this.#joined.set(view.conversation_id, event.at);
        return true;
      // joining again moves the floor and the read position
      case "member.role_changed":
        if (event.body.user_id === this.self) view.role = event.body.role;
        return false;
      case "conversation.updated": {
        const before = view.settings.history;
        const { title, avatar_url, settings, metadata } = event.body;
        if (title !== void 0) view.title = title;
        if (avatar_url !== void 0) view.avatar_url = avatar_url;
        if (settings !== void 0) view.settings = settings;
        if (metadata !== void 0) view.metadata = metadata;
        return view.settings.history !== before;
      }
      default:
        return false;
    }
  }
  #posted(view, event) {
    view.last_message = messageOf(event);
    if (view.preferences.archived) view.preferences = { ...view.preferences, archived: false };
    const unread = this.#unreadOf(view.conversation_id);
    if (event.sender === this.self) {
      unread.read(event.seq);
      view.read_seq = Math.max(view.read_seq, event.seq);
      view.unread_count = view.mention_count = 0;
    } else if (event.seq > view.read_seq) {
      const mentioned = mentionsUser(event.body.mentions, this.self);
      unread.add(event.seq, mentioned);
      view.unread_count++;
      if (mentioned) view.mention_count++;
    }
  }
  #changeLast(view, event) {
    if (view.last_message?.seq === targetOf(event) && view.last_message) {
      view.last_message = messageAfter(view.last_message, event, this.self);
    }
  }
  /** Applies an edit or a recall to the counts, and reports whether they are in doubt. */
  #recount(view, event) {
    const target = event.body.target_seq;
    if (target <= view.read_seq) return false;
    const unread = this.#unreadOf(view.conversation_id);
    const before = unread.mentioned(target) ?? (view.mention_count === 0 ? false : void 0);
    if (event.type === "message.recalled") {
      unread.delete(target);
      view.unread_count = Math.max(view.unread_count - 1, 0);
      if (before) view.mention_count = Math.max(view.mention_count - 1, 0);
      return before === void 0;
    }
    if (event.body.content === void 0 || event.sender === this.self) return false;
    const after = mentionsUser(event.body.mentions, this.self);
    if (before === void 0) return true;
    unread.set(target, after);
    view.mention_count += Number(after) - Number(before);
    return false;
  }
  #unreadOf(id) {
    let unread = this.#unread.get(id);
    if (!unread) this.#unread.set(id, unread = new Unread());
    return unread;
  }
  #set(view) {
    this.#views.set(view.conversation_id, view);
    this.#list = null;
    this.#changed(view.conversation_id);
  }
};
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

init_errors();
var Emitter = class {
  #listeners = /* @__PURE__ */ new Map();
  /** Adds a listener, and returns a function that removes it. */
  on(name, listener) {
    let all2 = this.#listeners.get(name);
    if (!all2) this.#listeners.set(name, all2 = /* @__PURE__ */ new Set());
    const own = (value) => listener(value);
    all2.add(own);
    return () => all2.delete(own);
  }
  /** Whether somebody listens. */
  has(name) {
    return Boolean(this.#listeners.get(name)?.size);
  }
  /** Calls the listeners of a name. */
  emit(name, value) {
    for (const listener of [...this.#listeners.get(name) ?? []]) {
      try {
        const result = listener(value);
        if (result instanceof Promise) result.catch((error) => this.#failed(name, error));
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }
  #failed(name, error) {
    if (name === "error" || !this.has("error")) console.error("im-client: a callback failed", error);
    else this.emit("error", asError(error));
  }
};

init_errors();
init_store();
var Outbox = class {
  #changed;
  #messages = /* @__PURE__ */ new Map();
  #waiters = /* @__PURE__ */ new Map();
  #list = [];
  #lastOrder = 0;
  constructor(changed) {
    this.#changed = changed;
  }
  /** Returns the messages in the order of sending; the same array until something changes. */
  list() {
    this.#list ??= [...this.#messages.values()].sort((a, b) => a.order - b.order);
    return this.#list;
  }
  get(id) {
    return this.#messages.get(id);
  }
  /** Makes a pending message of a post. It throws a Refusal if there is no place, or the post is wrong. */
  add(post) {
    if (Boolean(post.conversation_id) === Boolean(post.to)) {
      throw new Refusal({ code: "invalid", message: "set one of conversation_id and to" });
    }
    const id = post.client_msg_id ?? newId();
    const present = this.#messages.get(id);
    if (present) return present;
    if (this.#messages.size >= maxOutgoing) {
      throw new Refusal({ code: "limit_exceeded", message: `${maxOutgoing} messages wait to be sent already`, retry: "again" });
    }
    const message = {
      ...structuredClone(post),
      client_msg_id: id,
      state: "pending",
      created_at: (/* @__PURE__ */ new Date()).toISOString(),
      order: Math.max(Date.now(), this.#lastOrder + 1)
    };
    this.put(message);
    return message;
  }
  /** Puts a message, new or changed. */
  put(message) {
    this.#lastOrder = Math.max(this.#lastOrder, message.order);
    this.#messages.set(message.client_msg_id, message);
    this.#touch();
  }
  /** Resolves when the message is committed, and rejects with a Refusal when it fails. */
  wait(id) {
    const promise = new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? [];
      waiters.push({ resolve, reject });
      this.#waiters.set(id, waiters);
    });
    promise.catch(() => {
    });
    return promise;
  }
  /** The message is committed. It stays, as `sent`, until its event is applied. */
  sent(sent) {
    const message = this.#messages.get(sent.client_msg_id);
    if (message) this.put({ ...message, state: "sent", seq: sent.seq, conversation_id: sent.conversation_id, error: void 0 });
    this.#settle(sent.client_msg_id, ({ resolve }) => resolve(sent));
    return message;
  }
  /** The message was refused for good. */
  failed(id, refusal) {
    const message = this.#messages.get(id);
    if (!message) return void 0;
    const { code, message: text, fields } = refusal;
    const failed = { ...message, state: "failed", error: { code, message: text, fields } };
    this.put(failed);
    this.#settle(id, ({ reject }) => reject(refusal));
    return failed;
  }
  /** Another tab saw the message fail. */
  reject({ client_msg_id: id, error }) {
    if (error) this.#settle(id, ({ reject }) => reject(new Refusal({ ...error, fields: { ...error.fields } })));
  }
  remove(id) {
    if (this.#messages.delete(id)) this.#touch();
  }
  /** Rejects everyone who waits; the messages stay. */
  stop() {
    for (const id of [...this.#waiters.keys()]) this.#settle(id, ({ reject }) => reject(closed()));
  }
  /** Rejects everyone who waits, and forgets the messages. */
  clear() {
    this.stop();
    this.#messages.clear();
    this.#touch();
  }
  #settle(id, how) {
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    waiters.forEach(how);
  }
  #touch() {
    this.#list = null;
    this.#changed();
  }
};

var Signals = class {
  #changed;
  #typing = /* @__PURE__ */ new Map();
  #typists = /* @__PURE__ */ new Map();
  #presence = /* @__PURE__ */ new Map();
  #receipts = /* @__PURE__ */ new Map();
  constructor(changed) {
    this.#changed = changed;
  }
  /** Who types in a conversation; the same array until it changes. */
  typing(id) {
    return this.#typists.get(id) ?? none;
  }
  /** What is known of a user's presence. */
  presence(user) {
    return this.#presence.get(user);
  }
  /** How far a member has come, as far as receipts have told. */
  progress(id, user) {
    return this.#receipts.get(id)?.get(user);
  }
  addTyping({ conversation_id: id, user_id: user, on }) {
    const users = this.#typing.get(id) ?? /* @__PURE__ */ new Map();
    clearTimeout(users.get(user));
    users.delete(user);
    if (on && users.size < maxProfiles) users.set(user, setTimeout(() => this.addTyping({ conversation_id: id, user_id: user, on: false }), typingMs));
    if (users.size) {
      this.#typing.set(id, users);
      this.#typists.set(id, [...users.keys()]);
    } else {
      this.#typing.delete(id);
      this.#typists.delete(id);
    }
    this.#changed();
  }
  addPresence(frame) {
    bound(this.#presence);
    this.#presence.set(frame.user_id, frame);
    this.#changed();
  }
  addReceipt({ conversation_id: id, user_id: user, delivered_seq, read_seq }) {
    const users = this.#receipts.get(id) ?? /* @__PURE__ */ new Map();
    const before = users.get(user) ?? { delivered_seq: 0, read_seq: 0 };
    users.set(user, {
      delivered_seq: Math.max(before.delivered_seq, delivered_seq ?? 0),
      read_seq: Math.max(before.read_seq, read_seq ?? 0)
    });
    bound(this.#receipts);
    this.#receipts.set(id, users);
    this.#changed();
  }
  /** Without a connection nothing is known of others; positions stay. */
  lost() {
    for (const users of this.#typing.values()) for (const timer of users.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#typists.clear();
    for (const [user, { last_seen_at }] of this.#presence) {
      this.#presence.set(user, { type: "presence", user_id: user, online: null, ...last_seen_at && { last_seen_at } });
    }
    this.#changed();
  }
  /** Drops everything: a new epoch, or another user. */
  clear() {
    this.lost();
    this.#presence.clear();
    this.#receipts.clear();
  }
};
var none = [];
function bound(map, most = maxProfiles) {
  if (map.size < most) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}

var State = class {
  emitter = new Emitter();
  conversations = new Conversations((id) => {
    this.conversationChanged?.(id);
    this.#touch("conversations");
  });
  outbox = new Outbox(() => this.#touch("outbox"));
  signals = new Signals(() => this.#touch());
  profiles = /* @__PURE__ */ new Map();
  windows = /* @__PURE__ */ new Map();
  status = { state: "stopped" };
  limits = null;
  /** Set by the leader: the state of a conversation has to be stored. */
  conversationChanged = null;
  #listeners = /* @__PURE__ */ new Set();
  #dirty = /* @__PURE__ */ new Set();
  #scheduled = false;
  /** Calls listener after each change of anything but messages. */
  subscribe(listener) {
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }
  setStatus(status) {
    this.status = status;
    if (status.state === "offline" || status.state === "stopped") this.signals.lost();
    if (status.state === "online") {
      for (const window of this.windows.values()) if (window.isWatched) void window.open();
    }
    this.emitter.emit("status", status);
    this.#touch();
  }
  /** Takes over what a store has. */
  restore(conversations, outbox) {
    const kept = new Set(conversations.filter(({ view }) => view).map(({ conversation_id }) => conversation_id));
    for (const { conversation_id: id } of this.conversations.list()) if (!kept.has(id)) this.conversations.drop(id);
    for (const { view } of conversations) if (view) this.conversations.put(view);
    const waiting = new Set(outbox.map(({ client_msg_id }) => client_msg_id));
    for (const { client_msg_id: id, state } of this.outbox.list()) if (state !== "pending" && !waiting.has(id)) this.outbox.remove(id);
    for (const message of outbox) this.outbox.put(message);
  }
  /** Applies the next event of a conversation to what shows messages. */
  applyEvent(event) {
    if (event.type === "message.posted" && event.sender === this.conversations.self) this.outbox.remove(event.client_msg_id);
    this.windows.get(event.conversation_id)?.apply(event);
  }
  addUsers(users) {
    for (const [id, profile] of Object.entries(users)) {
      bound(this.profiles);
      this.profiles.set(id, profile);
    }
  }
  /** Takes a frame that is not stored. */
  signal(frame) {
    switch (frame.type) {
      case "typing":
        if ("user_id" in frame) {
          this.signals.addTyping(frame);
          this.emitter.emit("typing", frame);
        }
        break;
      case "presence":
        this.signals.addPresence(frame);
        this.emitter.emit("presence", frame);
        break;
      case "receipt":
        this.signals.addReceipt(frame);
        this.emitter.emit("receipt", frame);
        break;
      case "notice":
        this.emitter.emit("notice", frame);
        break;
    }
  }
  /** Everything that was stored of the log is void. */
  reset(epoch) {
    this.conversations.clear();
    this.signals.clear();
    for (const window of this.windows.values()) window.clear();
    this.emitter.emit("reset", epoch);
  }
  /** Remembers a window; of those that nobody follows, the oldest ones are forgotten. */
  addWindow(window) {
    for (const [id, old] of this.windows) {
      if (this.windows.size < maxWindows) break;
      if (!old.isWatched) this.windows.delete(id);
    }
    this.windows.set(window.conversationId, window);
  }
  /** Calls the listeners after the present task: the changes of one frame are one change. */
  #touch(what) {
    if (what) this.#dirty.add(what);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      if (dirty.includes("outbox")) for (const window of this.windows.values()) window.touch();
      for (const listener of [...this.#listeners]) {
        try {
          listener();
        } catch (error) {
          this.emitter.emit("error", error instanceof Error ? error : new Error(String(error)));
        }
      }
      if (dirty.includes("conversations")) this.emitter.emit("conversations", this.conversations.list());
      if (dirty.includes("outbox")) this.emitter.emit("outbox", this.outbox.list());
    });
  }
};

var MemoryStore = class {
  #keep;
  /** What it keeps. */
  device = null;
  conversations = /* @__PURE__ */ new Map();
  log = /* @__PURE__ */ new Map();
  outbox = /* @__PURE__ */ new Map();
  /** Makes an empty store. */
  constructor(options = {}) {
    this.#keep = options.keep ?? 1e3;
  }
  /** Implements Store. */
  async open() {
    return {
      device: this.device,
      conversations: [...this.conversations.values()],
      outbox: [...this.outbox.values()].sort((a, b) => a.order - b.order)
    };
  }
  /** Implements Store. */
  async commit(batch) {
    this.apply(batch);
  }
  /** Implements Store. */
  async events(conversationId) {
    return [...this.log.get(conversationId) ?? []];
  }
  /** Implements Store. */
  async close() {
  }
  /** Applies a batch. */
  apply(batch) {
    if (batch.drop) {
      this.conversations.clear();
      this.log.clear();
      if (batch.drop === "all") this.outbox.clear();
    }
    if (batch.device) this.device = batch.device;
    for (const event of batch.events ?? []) this.#add(event);
    for (const { conversation_id: id, seq } of batch.erased ?? []) {
      const events = this.log.get(id) ?? [];
      this.log.set(id, events.map((event) => event.seq === seq || targetOf(event) === seq ? erasedEvent(event) : event));
    }
    for (const conversation of batch.conversations ?? []) {
      this.conversations.set(conversation.conversation_id, conversation);
      if (!conversation.view) this.log.delete(conversation.conversation_id);
    }
    for (const message of batch.outbox ?? []) this.outbox.set(message.client_msg_id, message);
    for (const id of batch.settled ?? []) this.outbox.delete(id);
  }
  #add(event) {
    const events = this.log.get(event.conversation_id) ?? [];
    const last = events.at(-1);
    if (last && last.seq >= event.seq) return;
    if (last && last.seq + 1 !== event.seq) events.length = 0;
    events.push(event);
    if (events.length > this.#keep) events.splice(0, events.length - this.#keep);
    this.log.set(event.conversation_id, events);
  }
};

init_errors();
var MessageWindow = class {
  conversationId;
  #host;
  #entries = [];
  #quotes = /* @__PURE__ */ new Map();
  #asked = /* @__PURE__ */ new Set();
  #hasOlder = true;
  #hasNewer = false;
  #opened = false;
  #loads = 0;
  #error;
  /** Events since the first load under way began: a page may be older than they are. */
  #recent = [];
  #generation = 0;
  #queue = Promise.resolve();
  #listeners = /* @__PURE__ */ new Set();
  #snapshot = null;
  /** Made by Client.messages. */
  constructor(conversationId, host) {
    this.conversationId = conversationId;
    this.#host = host;
  }
  /** Whether somebody follows it. */
  get isWatched() {
    return this.#listeners.size > 0;
  }
  /** Calls listener after each change, and opens the window. Returns a function that ends that. */
  subscribe(listener) {
    const own = () => listener();
    this.#listeners.add(own);
    void this.open();
    return () => this.#listeners.delete(own);
  }
  /** Returns what is loaded; the same object until something changes. */
  snapshot() {
    this.#snapshot ??= {
      messages: this.#entries.map(({ message }) => message),
      outgoing: this.#host.outgoing(),
      quotes: new Map([...this.#quotes].map(([seq, { message }]) => [seq, message])),
      hasOlder: this.#hasOlder,
      hasNewer: this.#hasNewer,
      loading: this.#loads > 0,
      error: this.#error
    };
    return this.#snapshot;
  }
  /** Loads the newest messages, unless they are loaded. What the device has needs no network. */
  open() {
    return this.#load(async () => {
      if (this.#opened) return;
      const events = await this.#host.stored();
      const [first] = events;
      if (first) this.#fill(fold(events, this.#host.self), events.at(-1)?.seq ?? 0, first.seq > this.#host.floor(), false);
      else await this.#fetch({ limit: historyPage }, "replace");
    });
  }
  /** Loads older messages in front of the window. */
  loadOlder(limit = historyPage) {
    return this.#load(async () => {
      if (!this.#opened || !this.#hasOlder) return;
      const first = this.#entries[0]?.message.seq;
      await this.#fetch(first === void 0 ? { limit } : { before_seq: first, limit }, "before");
    });
  }
  /** Loads newer messages behind the window. */
  loadNewer(limit = historyPage) {
    return this.#load(async () => {
      const last = this.#entries.at(-1)?.message.seq;
      if (this.#hasNewer && last !== void 0) await this.#fetch({ after_seq: last, limit }, "behind");
    });
  }
  /** Moves the window to a message, with others around it. */
  jumpTo(seq, limit = historyPage) {
    return this.#load(async () => {
      if (!this.#entries.some(({ message }) => message.seq === seq)) await this.#fetch({ around_seq: seq, limit }, "replace");
    });
  }
  /** Moves the window back to the newest messages. */
  latest() {
    return this.#load(async () => {
      if (this.#hasNewer) await this.#fetch({ limit: historyPage }, "replace");
    });
  }
  /** Applies the next event of the conversation. */
  apply(event) {
    if (this.#loads) this.#recent.push(event);
    if (this.#take(event)) this.touch();
  }
  /** What is loaded is void. */
  clear() {
    this.#generation++;
    this.#entries = [];
    this.#quotes.clear();
    this.#asked.clear();
    this.#recent = [];
    this.#opened = this.#hasNewer = false;
    this.#hasOlder = true;
    this.touch();
    if (this.isWatched) void this.open();
  }
  /** Something outside has changed that the snapshot shows. */
  touch() {
    this.#snapshot = null;
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#host.error(asError(error));
      }
    }
  }
  /** Runs loads one after the other. A failure is in the snapshot; the promise rejects too, for those who look. */
  #load(run) {
    this.#loads++;
    const done2 = this.#queue.then(run).then(() => {
      this.#error = void 0;
    }, (error) => {
      this.#error = asError(error);
      throw error;
    }).finally(() => {
      if (--this.#loads === 0) this.#recent = [];
      this.touch();
    });
    this.#queue = done2.catch(() => {
    });
    done2.catch(() => {
    });
    return done2;
  }
  async #fetch(query, where) {
    const generation = this.#generation;
    const page = await this.#host.fetch(query);
    if (generation !== this.#generation) return;
    const { messages, head_seq: head } = page;
    if (where === "replace") this.#fill(messages, head, page.has_more_before, page.has_more_after);
    else if (where === "before") this.#prepend(messages, head, page.has_more_before);
    else this.#append(messages, head, page.has_more_after);
    await this.#quote();
  }
  #fill(messages, asOf, hasOlder, hasNewer) {
    this.#entries = messages.map((message) => this.#current({ message, asOf }));
    this.#opened = true;
    this.#hasOlder = hasOlder;
    this.#hasNewer = hasNewer;
    this.#catchUp(asOf);
    if (this.#entries.length > maxWindow) {
      this.#entries.splice(0, this.#entries.length - maxWindow);
      this.#hasOlder = true;
    }
    void this.#quote().catch((error) => this.#host.error(asError(error)));
  }
  #prepend(messages, asOf, more) {
    const first = this.#entries[0]?.message.seq ?? Infinity;
    this.#entries.unshift(...messages.filter(({ seq }) => seq < first).map((message) => this.#current({ message, asOf })));
    this.#hasOlder = more;
    if (this.#entries.length > maxWindow) {
      this.#entries.length = maxWindow;
      this.#hasNewer = true;
    }
  }
  #append(messages, asOf, more) {
    const last = this.#entries.at(-1)?.message.seq ?? 0;
    this.#entries.push(...messages.filter(({ seq }) => seq > last).map((message) => this.#current({ message, asOf })));
    this.#hasNewer = more;
    this.#catchUp(asOf);
    this.#trim();
  }
  /** Appends the recent messages that are newer than a page at the end of the window. */
  #catchUp(asOf) {
    for (const event of this.#recent) if (event.seq > asOf) this.#take(event);
  }
  /** Applies the recent events to a message of a page. */
  #current(entry) {
    return this.#recent.reduce((at, event) => this.#after(at, event), entry);
  }
  #after(entry, event) {
    if (event.seq <= entry.asOf) return entry;
    const message = messageAfter(entry.message, event, this.#host.self);
    return message === entry.message ? entry : { message, asOf: event.seq };
  }
  /** Applies an event to the window and the quotes, and reports whether they have changed. */
  #take(event) {
    if (!this.#opened) return false;
    if (event.type === "message.posted") {
      const newer = event.seq > (this.#entries.at(-1)?.message.seq ?? 0);
      if (this.#hasNewer || !newer) return false;
      this.#entries.push({ message: messageOf(event), asOf: event.seq });
      this.#trim();
      void this.#quote().catch((error) => this.#host.error(asError(error)));
      return true;
    }
    let changed = false;
    const change = (entry) => {
      const after = this.#after(entry, event);
      changed ||= after !== entry;
      return after;
    };
    this.#entries = this.#entries.map(change);
    for (const [seq, entry] of this.#quotes) this.#quotes.set(seq, change(entry));
    return changed;
  }
  #trim() {
    if (this.#entries.length <= maxWindow) return;
    this.#entries.splice(0, this.#entries.length - maxWindow);
    this.#hasOlder = true;
  }
  /** Loads the quoted messages that are not in the window. */
  async #quote() {
    const known = new Set(this.#entries.map(({ message }) => message.seq));
    const missing = /* @__PURE__ */ new Set();
    for (const { message: { reply_to: seq } } of this.#entries) {
      if (seq !== void 0 && !known.has(seq) && !this.#quotes.has(seq) && !this.#asked.has(seq)) missing.add(seq);
    }
    const seqs = [...missing].slice(-100);
    if (!seqs.length) return;
    seqs.forEach((seq) => this.#asked.add(seq));
    this.#loads++;
    const generation = this.#generation;
    try {
      const page = await this.#host.fetch({ seq: seqs });
      if (generation !== this.#generation) return;
      for (const message of page.messages) {
        bound(this.#quotes, maxQuotes);
        this.#quotes.set(message.seq, this.#current({ message, asOf: page.head_seq }));
      }
    } catch (error) {
      seqs.forEach((seq) => this.#asked.delete(seq));
      throw error;
    } finally {
      if (--this.#loads === 0) this.#recent = [];
      this.touch();
    }
  }
};

init_errors();
var Tokens = class {
  #source;
  #timing;
  #last = null;
  #asking = null;
  constructor(source, timing) {
    this.#source = source;
    this.#timing = timing;
  }
  /** Returns the last token without asking for one. */
  get current() {
    return this.#last;
  }
  /** Forgets a token that the server found expired. */
  forget(token) {
    if (this.#last === token) this.#last = null;
  }
  /** Returns a new token. It rejects if the callback throws, takes too long, or returns none. */
  next() {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }
  async #ask() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the token callback took longer than ${this.#timing.token} ms`)), this.#timing.token);
    });
    try {
      const token = await Promise.race([(async () => this.#source())(), late]);
      if (typeof token !== "string" || token === "") throw new Error("the token callback returned no token");
      this.#last = token;
      return token;
    } catch (error) {
      throw new Refusal({ code: "unauthenticated", message: `no token: ${asError(error).message}`, retry: "again" }, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
};

var Client = class extends Api {
  #state = new State();
  #rest;
  #tokens;
  #options;
  #urls;
  #timing;
  #store;
  #uplink = null;
  /** Grows with each start and stop. */
  #life = 0;
  #running = false;
  /** The last start, stop or takeover. The next one waits for it: each opens or closes the store. */
  #transition = Promise.resolve();
  #watches = /* @__PURE__ */ new Map();
  #typed = /* @__PURE__ */ new Map();
  #wake = () => {
    if (globalThis.document?.visibilityState !== "hidden") this.wake();
  };
  #check = () => this.#uplink?.check();
  /** Checks the options. The client is not connected before start. */
  constructor(options) {
    if (typeof options.token !== "function") throw new TypeError("token: a function that returns a token is needed");
    const { history = 20 } = options;
    if (!(history >= 0)) throw new TypeError("history: a number of events, or Infinity");
    const urls = checkUrls(options.url);
    const timing = { ...defaultTiming, ...options.timing };
    const tokens = new Tokens(options.token, timing);
    const rest = new Rest(urls, options.fetch ?? globalThis.fetch.bind(globalThis), tokens, timing);
    super(rest);
    this.#rest = rest;
    this.#tokens = tokens;
    this.#options = options;
    this.#urls = urls;
    this.#timing = timing;
    this.#store = options.store ?? new MemoryStore();
  }
  /**
   * Opens the store and connects. Resolves when what the store has can be read; the connection follows. After stop, it
   * waits until the store is closed.
   */
  async start() {
    if (this.#running) {
      if (this.status.state !== "stopped") return;
      await this.stop();
    }
    const sockets = socketClass(this.#options.WebSocket);
    this.#running = true;
    const life = ++this.#life;
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.addEventListener?.("offline", this.#check);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#state.setStatus({ state: "connecting" });
    return this.#next(() => this.#begin(life, sockets));
  }
  #next(step) {
    const taken = this.#transition.then(step);
    this.#transition = taken.catch(() => {
    });
    return taken;
  }
  async #begin(life, sockets) {
    if (life !== this.#life) return;
    if (this.status.state !== "connecting") this.#state.setStatus({ state: "connecting" });
    const snapshot = await this.#open();
    if (life !== this.#life) return;
    const { tabs } = this.#store;
    if (tabs) {
      const { Follower: Follower2 } = await Promise.resolve().then(() => (init_follower(), follower_exports));
      if (life !== this.#life) return;
      this.#uplink = new Follower2(this.#state, this.#store, this.#rest, snapshot);
      tabs.listen((message) => {
        if (life === this.#life) this.#uplink?.receiveTab(message);
      });
      void tabs.lead().then(() => this.#next(() => this.#lead(life, sockets))).catch((error) => this.#state.emitter.emit("error", asError(error)));
    } else {
      await this.#lead(life, sockets, snapshot);
    }
  }
  /** Without a store that works, the client works, in memory; the error says so. */
  async #open() {
    try {
      return await this.#store.open();
    } catch (error) {
      this.#state.emitter.emit("error", new Error(`the store cannot be opened, so nothing is kept: ${asError(error).message}`, { cause: error }));
      this.#store = new MemoryStore();
      return this.#store.open();
    }
  }
  async #lead(life, sockets, opened) {
    if (life !== this.#life) return;
    const follower = this.#uplink;
    await follower?.stop();
    const snapshot = opened ?? await this.#open();
    await follower?.catchUp(snapshot);
    if (life !== this.#life) return;
    const { history = 20, background = false, deviceId, onEvent } = this.#options;
    this.#uplink = new Leader({
      state: this.#state,
      store: this.#store,
      tokens: this.#tokens,
      rest: this.#rest,
      urls: this.#urls,
      socketClass: sockets,
      timing: this.#timing,
      history,
      background,
      deviceId,
      onEvent
    }, snapshot);
    this.#watchAll();
  }
  /** Tries to connect now, if it waits for the next try. A socket that was silent is checked. */
  wake() {
    this.#uplink?.wake();
  }
  /** Closes the connection and the store. What is not sent is sent after the next start. */
  async stop() {
    if (!this.#running) return this.#transition;
    this.#running = false;
    this.#life++;
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.removeEventListener?.("offline", this.#check);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    return this.#next(() => this.#end());
  }
  async #end() {
    await this.#uplink?.stop();
    this.#uplink = null;
    this.#state.outbox.stop();
    this.#state.setStatus({ state: "stopped", reason: "stopped by the app" });
    await this.#store.close();
  }
  // What the client knows. Each getter returns the same object until something changes.
  /** The user of the token; '' before the first connection. */
  get user() {
    return this.#state.conversations.self;
  }
  /** The id of the device, which its store keeps; '' before start, and in a new store's other tabs for a moment. A reset may change it. */
  get deviceId() {
    return this.#uplink?.deviceId ?? "";
  }
  /** The state of the connection. */
  get status() {
    return this.#state.status;
  }
  /** The limits of the server; null before the first connection. */
  get limits() {
    return this.#state.limits;
  }
  /** The user's conversations, newest activity first. */
  get conversations() {
    return this.#state.conversations.list();
  }
  /** One of the user's conversations. */
  conversation(id) {
    return this.#state.conversations.get(id);
  }
  /** The unread messages of all conversations. */
  get unreadTotal() {
    return this.conversations.reduce((sum, { unread_count }) => sum + unread_count, 0);
  }
  /** The messages of this device that are not in the log yet. */
  get outbox() {
    return this.#state.outbox.list();
  }
  /** The messages of a conversation. They are loaded when somebody subscribes. */
  messages(id) {
    const present = this.#state.windows.get(id);
    if (present) return present;
    const state = this.#state;
    const window = new MessageWindow(id, {
      get self() {
        return state.conversations.self;
      },
      stored: () => this.#storedEvents(id),
      floor: () => this.conversation(id)?.floor_seq ?? 1,
      fetch: async (query) => {
        const page = await this.fetchMessages(id, query);
        state.addUsers(page.users);
        return page;
      },
      outgoing: () => {
        const peer = this.conversation(id)?.peer;
        return this.outbox.filter((one) => one.conversation_id === id || one.to !== void 0 && one.to === peer);
      },
      error: (error) => state.emitter.emit("error", error)
    });
    state.addWindow(window);
    return window;
  }
  async #storedEvents(id) {
    await this.#uplink?.dropped();
    const pending = this.#uplink?.pending(id) ?? [];
    const events = await this.#store.events(id).catch(() => []);
    const last = events.at(-1)?.seq;
    const rest = last === void 0 ? pending : pending.filter(({ seq }) => seq > last);
    return last !== void 0 && rest[0] && rest[0].seq !== last + 1 ? rest : [...events, ...rest];
  }
  /** A profile, as far as pages have shown it; see fetchProfiles. */
  profile(user) {
    return this.#state.profiles.get(user);
  }
  /** Who types in a conversation. */
  typing(id) {
    return this.#state.signals.typing(id);
  }
  /** The presence of a watched user. */
  presence(user) {
    return this.#state.signals.presence(user);
  }
  /** How far a member has received and read, as far as receipts have told; see receipts. */
  progress(id, user) {
    return this.#state.signals.progress(id, user);
  }
  /** Calls listener with what name reports. Returns a function that ends that. */
  on(name, listener) {
    return this.#state.emitter.on(name, listener);
  }
  /** Calls listener after each change of what the client knows, except messages. Returns a function that ends that. */
  subscribe(listener) {
    return this.#state.subscribe(listener);
  }
  // What the client does.
  /**
   * Sends a message. It is in outbox at once, and in the store. Resolves when it is committed; rejects with a Refusal
   * when it is refused for good: it is `failed` in outbox then. Refusals that may pass are repeated.
   */
  send(post) {
    if (!this.#uplink) return Promise.reject(closed());
    try {
      const message = this.#state.outbox.add(post);
      const promise = this.#state.outbox.wait(message.client_msg_id);
      if (message.state === "failed") this.retry(message.client_msg_id);
      else this.#uplink.post(message);
      return promise;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }
  /** Sends a failed message again, with the same client_msg_id. */
  retry(clientMsgId) {
    const message = this.#state.outbox.get(clientMsgId);
    if (message?.state !== "failed") return;
    const { error: _error, ...rest } = message;
    const pending = { ...rest, state: "pending" };
    this.#state.outbox.put(pending);
    this.#uplink?.post(pending);
  }
  /** Gives a message up. One that is on its way may arrive nevertheless. */
  discard(clientMsgId) {
    this.#uplink?.discard(clientMsgId);
  }
  /** The user has read everything up to seq. The position never goes back. */
  async markRead(id, seq) {
    if (!this.#uplink) throw closed();
    const state = await this.#uplink.markRead(id, seq);
    this.#state.conversations.read(state);
    return state;
  }
  /** Shows others that the user types, or no longer does. Call it at each key: it sends at most one a second. */
  setTyping(id, on = true) {
    const last = this.#typed.get(id);
    if (on && last !== void 0 && now() - last < 1e3) return;
    if (on) this.#typed.set(id, now());
    else if (!this.#typed.delete(id)) return;
    this.#uplink?.setTyping(id, on);
  }
  /**
   * Follows the presence of users, until the function that it returns is called. All calls together may name
   * limits.watch_users users.
   */
  watch(users) {
    const all2 = new Set([...this.#watches.values()].flat().concat(users));
    const most = this.limits?.watch_users ?? 500;
    if (all2.size > most) throw new Refusal({ code: "limit_exceeded", message: `at most ${most} users can be watched` });
    const key = /* @__PURE__ */ Symbol();
    this.#watches.set(key, [...users]);
    this.#watchAll();
    return () => {
      if (this.#watches.delete(key)) this.#watchAll();
    };
  }
  #watchAll() {
    this.#uplink?.watch([...new Set([...this.#watches.values()].flat())]);
  }
  /** Joins an open group. */
  async join(id) {
    await this.setRole(id, this.#self(), "member");
  }
  /** Leaves a group. */
  async leave(id) {
    await this.removeMember(id, this.#self());
  }
  #self() {
    if (!this.user) throw new Refusal({ code: "unavailable", message: "the user is not known before the first connection", retry: "again" });
    return this.user;
  }
};

init_errors();
init_store();

init_errors();
async function upload(client, file, options = {}) {
  const name = options.name ?? ("name" in file && typeof file.name === "string" && file.name || "file");
  const mime = (options.mime ?? file.type).split(";")[0].trim().toLowerCase() || "application/octet-stream";
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { signal } = options;
  const signed = await client.call("POST", "/attachments", {
    body: { name, mime, size: bytes.length, sha256: hex(await sha256(bytes)) },
    ...signal && { signal }
  });
  const body = new Blob([bytes], { type: mime });
  const status = await (options.fetch || typeof XMLHttpRequest === "undefined" ? byFetch : byRequest)(signed, body, options);
  if (status >= 300) {
    throw new Refusal({
      code: status >= 500 ? "unavailable" : "invalid",
      message: `the storage refused the file with status ${status}`,
      retry: status >= 500 ? "again" : "never"
    });
  }
  options.onProgress?.(1);
  return { attachment_id: signed.attachment_id, name, mime, size: bytes.length };
}
async function byFetch(signed, body, options) {
  try {
    const response = await (options.fetch ?? fetch)(signed.upload_url, {
      method: signed.method,
      headers: signed.headers,
      body,
      signal: options.signal ?? null
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unanswered(error);
  }
}
function byRequest(signed, body, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const end = () => signal?.removeEventListener("abort", abort);
    request.open(signed.method, signed.upload_url);
    for (const [name, value] of Object.entries(signed.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => {
      end();
      resolve(request.status);
    };
    request.onerror = () => {
      end();
      reject(unanswered());
    };
    request.onabort = () => {
      end();
      reject(signal?.reason ?? unanswered());
    };
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    request.send(body);
  });
}
function unanswered(cause) {
  return new Refusal({ code: "network", message: "the storage of files did not answer", retry: "again" }, { cause });
}
function attachmentLink(client, id, options = {}) {
  return client.call("GET", `/attachments/${encodeURIComponent(id)}`, { query: { redirect: false }, ...options });
}
var AttachmentLinks = class {
  #client;
  #known = /* @__PURE__ */ new Map();
  constructor(client) {
    this.#client = client;
  }
  async get(id) {
    const known = await this.#known.get(id)?.catch(() => void 0);
    if (known && Date.parse(known.expires_at) - Date.now() > 3e4) return known;
    const asked = attachmentLink(this.#client, id);
    this.#known.delete(id);
    this.#known.set(id, asked);
    if (this.#known.size > 500) this.#known.delete(this.#known.keys().next().value);
    return asked;
  }
  /** Forgets a link, of a message that was recalled. */
  forget(id) {
    this.#known.delete(id);
  }
};
function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle;
  return subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : sha256Plain(bytes);
}
function sha256Plain(bytes) {
  const k = new Uint32Array(64);
  const state = new Uint32Array(8);
  for (let found = 0, n = 2; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
    if (!prime) continue;
    if (found < 8) state[found] = n ** 0.5 % 1 * 2 ** 32;
    k[found++] = Math.cbrt(n) % 1 * 2 ** 32;
  }
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 128;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length * 8);
  const turn = (x, by) => x >>> by | x << 32 - by;
  const w = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        w[i] = view.getUint32(at + 4 * i);
        continue;
      }
      const a2 = w[i - 15];
      const b2 = w[i - 2];
      w[i] = w[i - 16] + (turn(a2, 7) ^ turn(a2, 18) ^ a2 >>> 3) + w[i - 7] + (turn(b2, 17) ^ turn(b2, 19) ^ b2 >>> 10);
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + k[i] + w[i];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c);
      [h, g, f, e, d, c, b, a] = [g, f, e, d + one | 0, c, b, a, one + two | 0];
    }
    for (const [i, add] of [a, b, c, d, e, f, g, h].entries()) state[i] = state[i] + add;
  }
  const sum = new Uint8Array(32);
  const out = new DataView(sum.buffer);
  for (const [i, word] of state.entries()) out.setUint32(4 * i, word);
  return sum;
}

init_store();

var WebTabs = class {
  #name;
  #locks;
  #channelClass;
  #channel = null;
  #receive = () => {
  };
  #abandon = null;
  #release = null;
  constructor(name, locks, channelClass) {
    this.#name = name;
    this.#locks = locks;
    this.#channelClass = channelClass;
  }
  /** Without locks two tabs could write at once: then the store must not be used. */
  open() {
    if (!this.#locks || !this.#channelClass) {
      throw new Error("the browser has no Web Locks or BroadcastChannel here: use https, or a memory store");
    }
    if (this.#channel) return;
    this.#channel = new this.#channelClass(this.#name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
  }
  /** Implements Tabs. */
  async lead() {
    const abandon = this.#abandon = new AbortController();
    const { signal } = abandon;
    await new Promise((resolve, reject) => {
      this.#locks?.request(this.#name, { signal }, () => new Promise((release) => {
        this.#release = release;
        if (signal.aborted) release();
        else resolve();
      })).catch((error) => {
        if (!signal.aborted) reject(error);
      });
    });
  }
  /** Implements Tabs. */
  post(message) {
    this.#channel?.postMessage(message);
  }
  /** Implements Tabs. */
  listen(receive) {
    this.#receive = receive;
  }
  /** Lets another tab lead. */
  close() {
    this.#abandon?.abort();
    this.#release?.();
    this.#release = this.#abandon = null;
    this.#channel?.close();
    this.#channel = null;
  }
};

var names = ["device", "conversations", "events", "outbox"];
var IndexedDBStore = class {
  tabs;
  #name;
  #keep;
  #factory;
  #database = null;
  /** Of the data that was opened; undefined before. */
  #deviceId;
  /** Does nothing before open. */
  constructor(options = {}) {
    this.#name = options.name ?? "im";
    this.#keep = options.keep ?? 1e3;
    this.#factory = options.indexedDB ?? globalThis.indexedDB;
    this.tabs = new WebTabs(`im:${this.#name}`, options.locks ?? globalThis.navigator?.locks, options.BroadcastChannel ?? globalThis.BroadcastChannel);
  }
  /** Implements Store. */
  async open() {
    if (!this.#factory) throw new Error("there is no IndexedDB here");
    this.tabs.open();
    const transaction = (await this.#connect()).transaction(names, "readonly");
    const device = done(transaction.objectStore("device").get("device"));
    const conversations = done(transaction.objectStore("conversations").getAll());
    const outbox = done(transaction.objectStore("outbox").getAll());
    const snapshot = {
      device: await device ?? null,
      conversations: await conversations,
      outbox: (await outbox).sort((a, b) => a.order - b.order)
    };
    this.#deviceId = snapshot.device?.device_id;
    return snapshot;
  }
  /** Implements Store. */
  async commit(batch) {
    const database = await this.#connect();
    const transaction = database.transaction(names, "readwrite");
    const committed = ended(transaction);
    committed.catch(() => {
    });
    try {
      await this.#write(transaction, batch);
    } catch (error) {
      try {
        transaction.abort();
      } catch {
      }
      await committed.catch(() => {
      });
      throw error;
    }
    await committed;
    if (batch.device) this.#deviceId = batch.device.device_id;
  }
  /** Implements Store. */
  async events(conversationId) {
    const store = (await this.#connect()).transaction("events", "readonly").objectStore("events");
    const rows = await done(store.getAll(all(conversationId)));
    return rows.map(({ event }) => event);
  }
  /** Implements Store. */
  async close() {
    this.#database?.close();
    this.#database = null;
    this.tabs.close();
  }
  async #connect() {
    if (this.#database) return this.#database;
    const request = this.#factory.open(this.#name, 1);
    request.onupgradeneeded = () => {
      const { result: database2 } = request;
      database2.createObjectStore("device");
      database2.createObjectStore("conversations", { keyPath: "conversation_id" });
      database2.createObjectStore("events", { keyPath: ["conversation_id", "seq"] }).createIndex("target", ["conversation_id", "target"]);
      database2.createObjectStore("outbox", { keyPath: "client_msg_id" });
    };
    const database = await done(request);
    const gone = () => {
      database.close();
      if (this.#database === database) this.#database = null;
    };
    database.onclose = gone;
    database.onversionchange = gone;
    this.#database = database;
    return database;
  }
  async #write(transaction, batch) {
    const store = (name) => transaction.objectStore(name);
    const present = await done(store("device").get("device"));
    if (this.#deviceId !== void 0 && present?.device_id !== this.#deviceId) throw new StoreLost(`the database ${this.#name} lost its data`);
    if (batch.drop) {
      store("conversations").clear();
      store("events").clear();
      if (batch.drop === "all") store("outbox").clear();
    }
    if (batch.device) store("device").put(batch.device, "device");
    for (const [id, events] of byConversation(batch.events ?? [])) await this.#addEvents(store("events"), id, events);
    for (const { conversation_id: id, seq } of batch.erased ?? []) await erase(store("events"), id, seq);
    for (const conversation of batch.conversations ?? []) {
      store("conversations").put(conversation);
      if (!conversation.view) store("events").delete(all(conversation.conversation_id));
    }
    for (const message of batch.outbox ?? []) store("outbox").put(message);
    for (const id of batch.settled ?? []) store("outbox").delete(id);
  }
  async #addEvents(store, id, events) {
    const cursor = await done(store.openKeyCursor(all(id), "prev"));
    let last = cursor ? cursor.key[1] : void 0;
    for (const event of events) {
      if (last !== void 0 && event.seq <= last) continue;
      if (last !== void 0 && event.seq !== last + 1) store.delete(all(id));
      store.put({ conversation_id: id, seq: event.seq, target: targetOf(event) ?? 0, event });
      last = event.seq;
    }
    if (last !== void 0 && last > this.#keep) store.delete(globalThis.IDBKeyRange.bound([id, 0], [id, last - this.#keep]));
  }
};
async function erase(store, id, seq) {
  const posting = await done(store.get([id, seq]));
  const about = await done(store.index("target").getAll([id, seq]));
  for (const row of posting ? [posting, ...about] : about) store.put({ ...row, event: erasedEvent(row.event) });
}
function byConversation(events) {
  const groups = /* @__PURE__ */ new Map();
  for (const event of events) {
    const group = groups.get(event.conversation_id);
    if (group) group.push(event);
    else groups.set(event.conversation_id, [event]);
  }
  return groups;
}
function all(id) {
  return globalThis.IDBKeyRange.bound([id, 0], [id, Infinity]);
}
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB failed"));
  });
}
function ended(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
  });
}
export {
  AttachmentLinks,
  Client,
  IndexedDBStore,
  MemoryStore,
  MessageWindow,
  Refusal,
  StoreLost,
  attachmentLink,
  erasedEvent,
  fold,
  messageAfter,
  messageOf,
  newId,
  targetOf,
  upload
};
