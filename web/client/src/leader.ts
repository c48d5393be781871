import { Calls } from './calls.js';
import { Connection, type SocketClass } from './connection.js';
import type { ReadState } from './conversations.js';
import { Engine } from './engine.js';
import { asError, closed, type Refusal } from './errors.js';
import type { ClientFrame, Conversation, Event, ServerFrame, WelcomeFrame } from './generated/frames.js';
import { Journal } from './journal.js';
import type { Timing } from './limits.js';
import { Refresher } from './refresh.js';
import type { Rest } from './rest.js';
import type { Uplink, TabMessage } from './uplink.js';
import { Sender } from './sender.js';
import type { State } from './state.js';
import { newId, type Batch, type DeviceState, type Snapshot, type Store } from './store.js';
import type { Tokens } from './tokens.js';
import type { Outgoing, Sent, Status } from './types.js';

/** What a leader is made of. */
export interface LeaderParts {
  state: State;
  store: Store;
  tokens: Tokens;
  rest: Rest;
  urls: readonly string[];
  socketClass: SocketClass;
  timing: Timing;
  history: number;
  background: boolean;
  deviceId: string | undefined;
  onEvent: ((event: Event) => void | Promise<void>) | undefined;
}

/** Keeps the connection, and writes the store. In each store one client leads. */
export class Leader implements Uplink {
  readonly #parts: LeaderParts;
  readonly #state: State;
  readonly #calls: Calls;
  readonly #journal: Journal;
  readonly #connection: Connection;
  readonly #refresher: Refresher;
  readonly #sender: Sender;
  #engine: Engine;
  #device: DeviceState;
  #watched = new Map<string, readonly string[]>();

  constructor(parts: LeaderParts, snapshot: Snapshot) {
    this.#parts = parts;
    const state = this.#state = parts.state;
    this.#calls = new Calls(parts.timing);
    this.#sender = new Sender(this.#calls, (sent) => this.#settled(sent), (id, refusal) => this.#failed(id, refusal));
    this.#journal = new Journal(parts.store, {
      view: (id) => state.conversations.get(id),
      handle: (event) => this.#handle(event),
      stored: (batch) => this.#stored(batch),
      lost: () => this.#storeLost(),
      error: (error) => state.emitter.emit('error', error),
    }, parts.timing);
    this.#refresher = new Refresher(parts.rest, (view) => this.#refreshed(view), (error) => state.emitter.emit('error', error));
    this.#connection = new Connection({
      tokens: parts.tokens,
      deviceId: () => this.#device.device_id,
      welcomed: (welcome, send) => this.#welcomed(welcome, send),
      receive: (frame) => this.#receive(frame),
      lost: () => this.#engine.lost(),
      status: (status) => this.#setStatus(status),
      doubt: (isLate) => this.#doubt(isLate),
      tick: () => this.#engine.tick(),
      error: (error) => state.emitter.emit('error', error),
    }, parts.urls, parts.socketClass, parts.timing, parts.background);
    this.#device = snapshot.device ?? this.#newDevice();
    state.conversations.self = this.#device.user_id ?? '';
    state.restore(snapshot.conversations, snapshot.outbox);
    this.#journal.restore(snapshot.conversations.map(({ conversation_id, position }) => [conversation_id, position]));
    this.#engine = this.#makeEngine();
    state.conversationChanged = (id) => this.#journal.touch(id);
    if (!snapshot.device) this.#journal.setDevice(this.#device);
    const stored = new Set(snapshot.outbox.map(({ client_msg_id }) => client_msg_id));
    for (const message of state.outbox.list()) {
      if (message.state !== 'pending') continue;
      if (!stored.has(message.client_msg_id)) this.#journal.putOutgoing(message);
      this.#sender.send(message);
    }
    this.#connection.start();
  }

  /** Implements Uplink. */
  get deviceId(): string {
    return this.#device.device_id;
  }

  #newDevice(): DeviceState {
    return { device_id: this.#parts.deviceId ?? `js-${newId()}` };
  }

  #makeEngine(): Engine {
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
      fault: (reason) => this.#connection.abandon(reason),
    }, this.#device, state.conversations.list(), this.#parts.history);
  }

  #tell(message: TabMessage): void {
    this.#parts.store.tabs?.post(message);
  }

  /** Takes a message of another tab. */
  receiveTab(message: TabMessage): void {
    switch (message.type) {
      case 'hello':
        this.#tell({ type: 'status', status: this.#state.status, self: this.#state.conversations.self });
        break;
      case 'post':
        this.#state.outbox.put(message.message);
        this.post(message.message);
        break;
      case 'discard':
        this.discard(message.id);
        break;
      case 'typing':
        this.setTyping(message.id, message.on);
        break;
      case 'watch':
        this.#watch(message.tab, message.users);
        break;
    }
  }

  // The connection.

  #setStatus(status: Status): void {
    this.#state.setStatus(status);
    this.#tell({ type: 'status', status, self: this.#state.conversations.self });
  }

  #doubt(isLate: boolean): void {
    const { state, doubtful = false } = this.#state.status;
    if (state === 'online' && doubtful !== isLate) this.#setStatus({ state, ...(isLate && { doubtful: true }) });
  }

  #welcomed(welcome: WelcomeFrame, send: (frame: ClientFrame) => void): void {
    const state = this.#state;
    state.limits = welcome.limits;
    if (this.#device.user_id !== undefined && this.#device.user_id !== welcome.user_id) {
      this.#otherUser();
      return;
    }
    state.conversations.self = welcome.user_id;
    this.#device = { ...this.#device, user_id: welcome.user_id };
    this.#engine.welcomed(welcome, send);
    if (this.#watched.size) this.#sendWatch();
  }

  /** The store belongs to another user, whose data this one must neither see nor send. */
  #otherUser(): void {
    const state = this.#state;
    this.#device = { device_id: `js-${newId()}` };
    this.#sender.forgetAll();
    this.#journal.drop('all', this.#device);
    state.outbox.clear();
    state.conversations.self = '';
    this.#state.reset('');
    this.#engine = this.#makeEngine();
    this.#connection.abandon('the token is of another user than the store');
  }

  #receive(frame: ServerFrame): void {
    this.#engine.receive(frame);
    if (frame.type === 'typing' || frame.type === 'presence' || frame.type === 'receipt' || frame.type === 'notice') {
      this.#state.signal(frame);
      this.#tell({ type: 'signal', frame });
    }
  }

  #online(): void {
    for (const { client_msg_id, conversation_id, seq } of this.#state.outbox.list()) {
      if (seq !== undefined && conversation_id && this.#engine.accepted(conversation_id) >= seq) this.#state.outbox.remove(client_msg_id);
    }
    this.#setStatus({ state: 'online' });
  }

  #refreshed(view: Conversation): boolean {
    const before = this.#state.conversations.get(view.conversation_id);
    if (before) this.#engine.show(view); // else it was left meanwhile
    return !before || before.head_seq <= view.head_seq;
  }

  // Events, on their way through the store.

  #accepted(event: Event): void {
    const before = event.type === 'message.posted' && this.#state.outbox.get(event.client_msg_id);
    this.#state.applyEvent(event);
    if (event.type === 'message.posted' && before && !this.#state.outbox.get(event.client_msg_id)) this.#journal.settle(event.client_msg_id);
    if (event.type === 'member.removed' && event.body.user_id === this.#state.conversations.self) {
      this.#state.windows.get(event.conversation_id)?.clear();
    }
  }

  async #handle(event: Event): Promise<void> {
    try {
      await this.#parts.onEvent?.(event);
    } catch (error) {
      this.#state.emitter.emit('error', asError(error)); // the stream goes on
    }
  }

  #stored(batch: Batch): void {
    for (const { conversation_id: id, seq } of batch.events ?? []) this.#engine.stored(id, seq);
    for (const event of batch.events ?? []) this.#state.emitter.emit('event', event);
    this.#tell({ type: 'batch', batch });
    this.#engine.flush(); // there may be room again
  }

  /** The store's data is gone: what this device had acknowledged is not here, so it becomes another device. */
  async #storeLost(): Promise<boolean> {
    const snapshot = await this.#parts.store.open().catch(() => null);
    if (!snapshot) return false;
    this.#device = snapshot.device ?? { device_id: `js-${newId()}` };
    this.#journal.drop('log', this.#device);
    this.#state.reset('');
    for (const message of this.#state.outbox.list()) if (message.state !== 'sent') this.#journal.putOutgoing(message);
    this.#engine = this.#makeEngine();
    this.#connection.abandon('the store lost its data');
    return true;
  }

  // Requests.

  /** Implements Uplink. */
  post(message: Outgoing): void {
    this.#journal.putOutgoing(message);
    this.#sender.send(message);
    this.#engine.flush();
  }

  #settled(sent: Sent): void {
    this.#state.outbox.sent(sent);
    this.#journal.settle(sent.client_msg_id);
    this.#tell({ type: 'sent', sent });
    if (this.#engine.accepted(sent.conversation_id) >= sent.seq) this.#state.outbox.remove(sent.client_msg_id);
  }

  #failed(id: string, refusal: Refusal): void {
    const failed = this.#state.outbox.failed(id, refusal);
    if (failed) this.#journal.putOutgoing(failed);
  }

  /** Implements Uplink. */
  discard(id: string): void {
    this.#sender.forget(id);
    this.#state.outbox.remove(id);
    this.#journal.settle(id);
  }

  /** Implements Uplink. */
  markRead(id: string, seq: number): Promise<ReadState> {
    const promise = this.#sender.read(id, seq);
    this.#engine.flush();
    return promise;
  }

  /** Implements Uplink. */
  setTyping(id: string, on: boolean): void {
    if (this.#state.status.state === 'online') this.#connection.write({ type: 'typing', conversation_id: id, on });
  }

  /** Implements Uplink. */
  watch(users: readonly string[]): void {
    this.#watch('', users);
  }

  #watch(tab: string, users: readonly string[]): void {
    if (users.length) this.#watched.set(tab, users);
    else if (!this.#watched.delete(tab)) return;
    this.#sendWatch();
  }

  /** The server keeps the list for one session. */
  #sendWatch(): void {
    const users = [...new Set([...this.#watched.values()].flat())];
    this.#connection.write({ type: 'watch', user_ids: users.slice(0, this.#state.limits?.watch_users ?? 500) });
  }

  /** Implements Uplink. */
  wake(): void {
    this.#connection.wake();
  }

  /** Implements Uplink. */
  check(): void {
    this.#connection.check();
  }

  /** Implements Uplink. */
  pending(id: string): Event[] {
    return this.#journal.pending(id);
  }

  /** Implements Uplink. */
  dropped(): Promise<void> {
    return this.#journal.dropped();
  }

  /** Implements Uplink. */
  async stop(): Promise<void> {
    this.#sender.forgetAll();
    this.#calls.failAll(closed());
    await Promise.race([this.#journal.flush(), new Promise((resolve) => setTimeout(resolve, 2_000))]);
    this.#engine.tick(); // what is stored now is acknowledged
    this.#journal.stop();
    this.#connection.stop();
    this.#state.conversationChanged = null;
  }
}
