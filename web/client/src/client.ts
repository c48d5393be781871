import { Api } from './api.js';
import type { ReadState } from './conversations.js';
import { asError, closed, Refusal } from './errors.js';
import type { Follower } from './follower.js';
import type { Conversation, Event, Limits, PresenceFrame } from './generated/frames.js';
import { Leader } from './leader.js';
import { defaultTiming, now, type Timing } from './limits.js';
import { checkUrls, socketClass, type ClientOptions } from './options.js';
import { Rest } from './rest.js';
import type { TabMessage } from './uplink.js';
import type { Progress } from './signals.js';
import { State } from './state.js';
import type { Store } from './store.js';
import { MemoryStore } from './store/memory.js';
import { MessageWindow } from './window.js';
import { Tokens } from './tokens.js';
import type { ClientEvents, Outgoing, Post, Profile, Sent, Status } from './types.js';

/**
 * One device of one user. It keeps a socket to one of several nodes, and a mirror of the user's conversations.
 *
 * - Each event of a conversation is delivered once, in order and without a hole, within one life of the store.
 * - Messages are sent once, over as many connections and reloads as it takes.
 * - It reconnects by itself, except after close codes that say stop; see Status.
 * - It is bounded: see limits.ts.
 *
 * REST calls work without start.
 */
export class Client extends Api {
  readonly #state = new State();
  readonly #rest: Rest;
  readonly #tokens: Tokens;
  readonly #options: ClientOptions;
  readonly #urls: readonly string[];
  readonly #timing: Timing;
  #store: Store;
  #uplink: Leader | Follower | null = null;
  /** Grows with each start and stop. */
  #life = 0;
  #running = false;
  /** The last start, stop or takeover. The next one waits for it: each opens or closes the store. */
  #transition: Promise<void> = Promise.resolve();
  #watches = new Map<symbol, readonly string[]>();
  #typed = new Map<string, number>();
  readonly #wake = (): void => {
    if (globalThis.document?.visibilityState !== 'hidden') this.wake();
  };

  readonly #check = (): void => this.#uplink?.check();

  /** Checks the options. The client is not connected before start. */
  constructor(options: ClientOptions) {
    if (typeof options.token !== 'function') throw new TypeError('token: a function that returns a token is needed');
    const { history = 20 } = options;
    if (!(history >= 0)) throw new TypeError('history: a number of events, or Infinity');
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
  async start(): Promise<void> {
    if (this.#running) {
      if (this.status.state !== 'stopped') return;
      await this.stop(); // a close code had stopped it
    }
    const sockets = socketClass(this.#options.WebSocket);
    this.#running = true;
    const life = ++this.#life;
    globalThis.addEventListener?.('online', this.#wake);
    globalThis.addEventListener?.('offline', this.#check);
    globalThis.document?.addEventListener('visibilitychange', this.#wake);
    this.#state.setStatus({ state: 'connecting' });
    return this.#next(() => this.#begin(life, sockets));
  }

  #next(step: () => Promise<void>): Promise<void> {
    const taken = this.#transition.then(step);
    this.#transition = taken.catch(() => {}); // the caller has the error
    return taken;
  }

  async #begin(life: number, sockets: ReturnType<typeof socketClass>): Promise<void> {
    if (life !== this.#life) return;
    if (this.status.state !== 'connecting') this.#state.setStatus({ state: 'connecting' }); // the stop before said otherwise
    const snapshot = await this.#open();
    if (life !== this.#life) return;
    const { tabs } = this.#store;
    if (tabs) {
      const { Follower } = await import('./follower.js'); // apart, so that it costs only those who need it
      if (life !== this.#life) return;
      this.#uplink = new Follower(this.#state, this.#store, this.#rest, snapshot);
      tabs.listen((message) => {
        if (life === this.#life) this.#uplink?.receiveTab(message as TabMessage);
      });
      void tabs.lead().then(() => this.#next(() => this.#lead(life, sockets))).catch((error: unknown) => this.#state.emitter.emit('error', asError(error)));
    } else {
      await this.#lead(life, sockets, snapshot);
    }
  }

  /** Without a store that works, the client works, in memory; the error says so. */
  async #open(): ReturnType<Store['open']> {
    try {
      return await this.#store.open();
    } catch (error) {
      this.#state.emitter.emit('error', new Error(`the store cannot be opened, so nothing is kept: ${asError(error).message}`, { cause: error }));
      this.#store = new MemoryStore();
      return this.#store.open();
    }
  }

  async #lead(life: number, sockets: ReturnType<typeof socketClass>, opened?: Awaited<ReturnType<Store['open']>>): Promise<void> {
    if (life !== this.#life) return;
    const follower = this.#uplink as Follower | null;
    await follower?.stop();
    const snapshot = opened ?? await this.#open();
    await follower?.catchUp(snapshot);
    if (life !== this.#life) return;
    const { history = 20, background = false, deviceId, onEvent } = this.#options;
    this.#uplink = new Leader({
      state: this.#state, store: this.#store, tokens: this.#tokens, rest: this.#rest, urls: this.#urls, socketClass: sockets,
      timing: this.#timing, history, background, deviceId, onEvent,
    }, snapshot);
    this.#watchAll();
  }

  /** Tries to connect now, if it waits for the next try. A socket that was silent is checked. */
  wake(): void {
    this.#uplink?.wake();
  }

  /** Closes the connection and the store. What is not sent is sent after the next start. */
  async stop(): Promise<void> {
    if (!this.#running) return this.#transition;
    this.#running = false;
    this.#life++;
    globalThis.removeEventListener?.('online', this.#wake);
    globalThis.removeEventListener?.('offline', this.#check);
    globalThis.document?.removeEventListener('visibilitychange', this.#wake);
    return this.#next(() => this.#end());
  }

  async #end(): Promise<void> {
    await this.#uplink?.stop();
    this.#uplink = null;
    this.#state.outbox.stop();
    this.#state.setStatus({ state: 'stopped', reason: 'stopped by the app' });
    await this.#store.close();
  }

  // What the client knows. Each getter returns the same object until something changes.

  /** The user of the token; '' before the first connection. */
  get user(): string {
    return this.#state.conversations.self;
  }

  /** The id of the device, which its store keeps; '' before start, and in a new store's other tabs for a moment. A reset may change it. */
  get deviceId(): string {
    return this.#uplink?.deviceId ?? '';
  }

  /** The state of the connection. */
  get status(): Status {
    return this.#state.status;
  }

  /** The limits of the server; null before the first connection. */
  get limits(): Limits | null {
    return this.#state.limits;
  }

  /** The user's conversations, newest activity first. */
  get conversations(): readonly Conversation[] {
    return this.#state.conversations.list();
  }

  /** One of the user's conversations. */
  conversation(id: string): Conversation | undefined {
    return this.#state.conversations.get(id);
  }

  /** The unread messages of all conversations. */
  get unreadTotal(): number {
    return this.conversations.reduce((sum, { unread_count }) => sum + unread_count, 0);
  }

  /** The messages of this device that are not in the log yet. */
  get outbox(): readonly Outgoing[] {
    return this.#state.outbox.list();
  }

  /** The messages of a conversation. They are loaded when somebody subscribes. */
  messages(id: string): MessageWindow {
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
        return this.outbox.filter((one) => one.conversation_id === id || (one.to !== undefined && one.to === peer));
      },
      error: (error) => state.emitter.emit('error', error),
    });
    state.addWindow(window);
    return window;
  }

  async #storedEvents(id: string): Promise<Event[]> {
    await this.#uplink?.dropped();
    const pending = this.#uplink?.pending(id) ?? [];
    const events = await this.#store.events(id).catch(() => [] as Event[]);
    const last = events.at(-1)?.seq;
    const rest = last === undefined ? pending : pending.filter(({ seq }) => seq > last);
    return last !== undefined && rest[0] && rest[0].seq !== last + 1 ? rest : [...events, ...rest];
  }

  /** A profile, as far as pages have shown it; see fetchProfiles. */
  profile(user: string): Profile | undefined {
    return this.#state.profiles.get(user);
  }

  /** Who types in a conversation. */
  typing(id: string): readonly string[] {
    return this.#state.signals.typing(id);
  }

  /** The presence of a watched user. */
  presence(user: string): PresenceFrame | undefined {
    return this.#state.signals.presence(user);
  }

  /** How far a member has received and read, as far as receipts have told; see receipts. */
  progress(id: string, user: string): Progress | undefined {
    return this.#state.signals.progress(id, user);
  }

  /** Calls listener with what name reports. Returns a function that ends that. */
  on<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => unknown): () => void {
    return this.#state.emitter.on(name, listener);
  }

  /** Calls listener after each change of what the client knows, except messages. Returns a function that ends that. */
  subscribe(listener: () => void): () => void {
    return this.#state.subscribe(listener);
  }

  // What the client does.

  /**
   * Sends a message. It is in outbox at once, and in the store. Resolves when it is committed; rejects with a Refusal
   * when it is refused for good: it is `failed` in outbox then. Refusals that may pass are repeated.
   */
  send(post: Post): Promise<Sent> {
    if (!this.#uplink) return Promise.reject(closed());
    try {
      const message = this.#state.outbox.add(post);
      const promise = this.#state.outbox.wait(message.client_msg_id);
      if (message.state === 'failed') this.retry(message.client_msg_id);
      else this.#uplink.post(message);
      return promise;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  /** Sends a failed message again, with the same client_msg_id. */
  retry(clientMsgId: string): void {
    const message = this.#state.outbox.get(clientMsgId);
    if (message?.state !== 'failed') return;
    const { error: _error, ...rest } = message;
    const pending: Outgoing = { ...rest, state: 'pending' };
    this.#state.outbox.put(pending);
    this.#uplink?.post(pending);
  }

  /** Gives a message up. One that is on its way may arrive nevertheless. */
  discard(clientMsgId: string): void {
    this.#uplink?.discard(clientMsgId);
  }

  /** The user has read everything up to seq. The position never goes back. */
  async markRead(id: string, seq: number): Promise<ReadState> {
    if (!this.#uplink) throw closed();
    const state = await this.#uplink.markRead(id, seq);
    this.#state.conversations.read(state);
    return state;
  }

  /** Shows others that the user types, or no longer does. Call it at each key: it sends at most one a second. */
  setTyping(id: string, on = true): void {
    const last = this.#typed.get(id);
    if (on && last !== undefined && now() - last < 1_000) return;
    if (on) this.#typed.set(id, now());
    else if (!this.#typed.delete(id)) return;
    this.#uplink?.setTyping(id, on);
  }

  /**
   * Follows the presence of users, until the function that it returns is called. All calls together may name
   * limits.watch_users users.
   */
  watch(users: readonly string[]): () => void {
    const all = new Set([...this.#watches.values()].flat().concat(users));
    const most = this.limits?.watch_users ?? 500;
    if (all.size > most) throw new Refusal({ code: 'limit_exceeded', message: `at most ${most} users can be watched` });
    const key = Symbol();
    this.#watches.set(key, [...users]);
    this.#watchAll();
    return () => {
      if (this.#watches.delete(key)) this.#watchAll();
    };
  }

  #watchAll(): void {
    this.#uplink?.watch([...new Set([...this.#watches.values()].flat())]);
  }

  /** Joins an open group. */
  async join(id: string): Promise<void> {
    await this.setRole(id, this.#self(), 'member');
  }

  /** Leaves a group. */
  async leave(id: string): Promise<void> {
    await this.removeMember(id, this.#self());
  }

  #self(): string {
    if (!this.user) throw new Refusal({ code: 'unavailable', message: 'the user is not known before the first connection', retry: 'again' });
    return this.user;
  }
}
