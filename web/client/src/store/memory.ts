import { erasedEvent, targetOf } from '../fold.js';
import type { Event } from '../generated/frames.js';
import type { Batch, DeviceState, Snapshot, Store, StoredConversation } from '../store.js';
import type { Outgoing } from '../types.js';

/** Options of a memory store. */
export interface MemoryStoreOptions {
  /** How many of the newest events of each conversation it keeps. Default 1,000. */
  keep?: number;
}

/** Keeps everything in memory: the default. What it holds is gone with it, but several clients may use it in turn. */
export class MemoryStore implements Store {
  readonly #keep: number;
  /** What it keeps. */
  protected device: DeviceState | null = null;
  protected readonly conversations = new Map<string, StoredConversation>();
  protected readonly log = new Map<string, Event[]>();
  protected readonly outbox = new Map<string, Outgoing>();

  /** Makes an empty store. */
  constructor(options: MemoryStoreOptions = {}) {
    this.#keep = options.keep ?? 1_000;
  }

  /** Implements Store. */
  async open(): Promise<Snapshot> {
    return {
      device: this.device,
      conversations: [...this.conversations.values()],
      outbox: [...this.outbox.values()].sort((a, b) => a.order - b.order),
    };
  }

  /** Implements Store. */
  async commit(batch: Batch): Promise<void> {
    this.apply(batch);
  }

  /** Implements Store. */
  async events(conversationId: string): Promise<Event[]> {
    return [...this.log.get(conversationId) ?? []];
  }

  /** Implements Store. */
  async close(): Promise<void> {}

  /** Applies a batch. */
  protected apply(batch: Batch): void {
    if (batch.drop) {
      this.conversations.clear();
      this.log.clear();
      if (batch.drop === 'all') this.outbox.clear();
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

  #add(event: Event): void {
    const events = this.log.get(event.conversation_id) ?? [];
    const last = events.at(-1);
    if (last && last.seq >= event.seq) return;
    if (last && last.seq + 1 !== event.seq) events.length = 0; // a hole: what is below cannot be joined
    events.push(event);
    if (events.length > this.#keep) events.splice(0, events.length - this.#keep);
    this.log.set(event.conversation_id, events);
  }
}
