import type { ReadState } from './conversations.js';
import { asError } from './errors.js';
import type { Event } from './generated/frames.js';
import type { Rest } from './rest.js';
import type { Uplink, TabMessage } from './uplink.js';
import type { State } from './state.js';
import { newId, type Batch, type Snapshot, type Store } from './store.js';
import type { Outgoing } from './types.js';

/**
 * A client in a tab that does not lead. It reads the shared store, applies what the leader has written since, and puts
 * its messages into the store's outbox, from where whoever leads sends them. All else it does over REST.
 */
export class Follower implements Uplink {
  readonly #state: State;
  readonly #store: Store;
  readonly #rest: Rest;
  readonly #tab = newId();
  #deviceId: string;
  #positions: Map<string, number>;
  #watched: readonly string[] = [];
  /** Writes of this tab that are under way. */
  #writes = new Set<Promise<void>>();

  constructor(state: State, store: Store, rest: Rest, snapshot: Snapshot) {
    this.#state = state;
    this.#store = store;
    this.#rest = rest;
    state.conversations.self = snapshot.device?.user_id ?? '';
    this.#deviceId = snapshot.device?.device_id ?? '';
    state.restore(snapshot.conversations, snapshot.outbox);
    this.#positions = new Map(snapshot.conversations.map(({ conversation_id, position }) => [conversation_id, position]));
    this.#tell({ type: 'hello' });
  }

  /** Implements Uplink. */
  get deviceId(): string {
    return this.#deviceId;
  }

  #tell(message: TabMessage): void {
    this.#store.tabs?.post(message);
  }

  /** Takes a message of another tab. */
  receiveTab(message: TabMessage): void {
    const state = this.#state;
    switch (message.type) {
      case 'status':
        state.conversations.self = message.self;
        state.setStatus(message.status);
        if (message.status.state === 'syncing' && this.#watched.length) this.watch(this.#watched);
        break;
      case 'batch':
        this.#apply(message.batch);
        break;
      case 'sent':
        state.outbox.sent(message.sent);
        break;
      case 'signal':
        state.signal(message.frame);
        break;
    }
  }

  #apply(batch: Batch): void {
    const state = this.#state;
    if (batch.device) this.#deviceId = batch.device.device_id;
    if (batch.drop) {
      this.#positions.clear();
      state.reset(batch.device?.epoch ?? '');
      if (batch.drop === 'all') state.outbox.clear();
    }
    for (const event of batch.events ?? []) {
      const id = event.conversation_id;
      if (event.seq <= (this.#positions.get(id) ?? 0)) continue;
      this.#positions.set(id, event.seq);
      state.applyEvent(event);
      state.emitter.emit('event', event);
    }
    for (const { conversation_id: id, position, view } of batch.conversations ?? []) {
      this.#positions.set(id, Math.max(position, this.#positions.get(id) ?? 0));
      if (view) state.conversations.put(view);
      else state.conversations.drop(id);
    }
    for (const message of batch.outbox ?? []) {
      state.outbox.put(message);
      if (message.state === 'failed' && message.error) state.outbox.reject(message);
    }
    for (const id of batch.settled ?? []) if (state.outbox.get(id)?.state !== 'sent') state.outbox.remove(id);
  }

  /** Implements Uplink. The message is durable before the leader hears of it. */
  post(message: Outgoing): void {
    this.#write({ outbox: [message] }, { type: 'post', message });
  }

  /** Implements Uplink. */
  discard(id: string): void {
    this.#state.outbox.remove(id);
    this.#write({ settled: [id] }, { type: 'discard', id });
  }

  #write(batch: Batch, message: TabMessage): void {
    const write = this.#store.commit(batch).catch((error: unknown) => this.#state.emitter.emit('error', asError(error)))
      .then(() => {
        this.#tell(message);
        this.#writes.delete(write);
      });
    this.#writes.add(write);
  }

  /** Delivers what the former leader stored and could not tell any more. */
  async catchUp(snapshot: Snapshot): Promise<void> {
    for (const { conversation_id: id, position, view } of snapshot.conversations) {
      const last = this.#positions.get(id) ?? 0;
      if (!view || position <= last) continue;
      for (const event of await this.#store.events(id)) {
        if (event.seq <= last || event.seq > position) continue;
        this.#state.applyEvent(event);
        this.#state.emitter.emit('event', event);
      }
    }
  }

  /** Implements Uplink. */
  async markRead(id: string, seq: number): Promise<ReadState> {
    return this.#rest.call('PUT', `/conversations/${encodeURIComponent(id)}/read`, { body: { seq } });
  }

  /** Implements Uplink. */
  setTyping(id: string, on: boolean): void {
    this.#tell({ type: 'typing', id, on });
  }

  /** Implements Uplink. */
  watch(users: readonly string[]): void {
    this.#watched = users;
    this.#tell({ type: 'watch', tab: this.#tab, users });
  }

  /** Implements Uplink. The leader wakes by itself. */
  wake(): void {}

  /** Implements Uplink. The leader checks by itself. */
  check(): void {}

  /** Implements Uplink. */
  pending(): Event[] {
    return [];
  }

  /** Implements Uplink. The leader writes before it tells. */
  async dropped(): Promise<void> {}

  /** Implements Uplink. */
  async stop(): Promise<void> {
    if (this.#watched.length) this.watch([]);
    await Promise.all(this.#writes);
  }
}
