import { erasedEvent, targetOf } from '../fold.js';
import type { Event } from '../generated/frames.js';
import { StoreLost, type Batch, type DeviceState, type Snapshot, type Store, type StoredConversation } from '../store.js';
import type { Outgoing } from '../types.js';
import { WebTabs, type BroadcastChannelClass, type LocksLike } from './tabs.js';

export type { BroadcastChannelClass, LocksLike } from './tabs.js';

/** Options of an IndexedDB store. */
export interface IndexedDBStoreOptions {
  /** The name of the database. Use another one for each user and server. Default `im`. */
  name?: string;
  /** How many of the newest events of each conversation it keeps. Default 1,000. */
  keep?: number;
  /** Default: the browser's. */
  indexedDB?: IDBFactory;
  /** Default: navigator.locks, which browsers have in secure contexts only. */
  locks?: LocksLike;
  /** Default: the browser's. */
  BroadcastChannel?: BroadcastChannelClass;
}

interface EventRow {
  conversation_id: string;
  seq: number;
  target: number;
  event: Event;
}

const names = ['device', 'conversations', 'events', 'outbox'] as const;

/**
 * Keeps everything in IndexedDB. Tabs of one origin share it: one of them leads (Web Locks), the others follow it
 * (BroadcastChannel), and take over when it is closed.
 *
 * Browsers may evict the database, and users may clear it. A commit notices that, and rejects with StoreLost.
 */
export class IndexedDBStore implements Store {
  readonly tabs: WebTabs;
  readonly #name: string;
  readonly #keep: number;
  readonly #factory: IDBFactory | undefined;
  #database: IDBDatabase | null = null;
  /** Of the data that was opened; undefined before. */
  #deviceId: string | undefined;

  /** Does nothing before open. */
  constructor(options: IndexedDBStoreOptions = {}) {
    this.#name = options.name ?? 'im';
    this.#keep = options.keep ?? 1_000;
    this.#factory = options.indexedDB ?? globalThis.indexedDB;
    this.tabs = new WebTabs(`im:${this.#name}`, options.locks ?? globalThis.navigator?.locks, options.BroadcastChannel ?? globalThis.BroadcastChannel);
  }

  /** Implements Store. */
  async open(): Promise<Snapshot> {
    if (!this.#factory) throw new Error('there is no IndexedDB here');
    this.tabs.open();
    const transaction = (await this.#connect()).transaction(names, 'readonly');
    const device = done<DeviceState | undefined>(transaction.objectStore('device').get('device'));
    const conversations = done<StoredConversation[]>(transaction.objectStore('conversations').getAll());
    const outbox = done<Outgoing[]>(transaction.objectStore('outbox').getAll());
    const snapshot: Snapshot = {
      device: await device ?? null, conversations: await conversations, outbox: (await outbox).sort((a, b) => a.order - b.order),
    };
    this.#deviceId = snapshot.device?.device_id;
    return snapshot;
  }

  /** Implements Store. */
  async commit(batch: Batch): Promise<void> {
    const database = await this.#connect();
    const transaction = database.transaction(names, 'readwrite');
    const committed = ended(transaction);
    committed.catch(() => {}); // it is awaited below
    try {
      await this.#write(transaction, batch);
    } catch (error) {
      try {
        transaction.abort();
      } catch {
        // it has ended by itself
      }
      await committed.catch(() => {});
      throw error;
    }
    await committed;
    if (batch.device) this.#deviceId = batch.device.device_id;
  }

  /** Implements Store. */
  async events(conversationId: string): Promise<Event[]> {
    const store = (await this.#connect()).transaction('events', 'readonly').objectStore('events');
    const rows = await done<EventRow[]>(store.getAll(all(conversationId)));
    return rows.map(({ event }) => event);
  }

  /** Implements Store. */
  async close(): Promise<void> {
    this.#database?.close();
    this.#database = null;
    this.tabs.close();
  }

  async #connect(): Promise<IDBDatabase> {
    if (this.#database) return this.#database;
    const request = (this.#factory as IDBFactory).open(this.#name, 1);
    request.onupgradeneeded = () => {
      const { result: database } = request;
      database.createObjectStore('device');
      database.createObjectStore('conversations', { keyPath: 'conversation_id' });
      database.createObjectStore('events', { keyPath: ['conversation_id', 'seq'] }).createIndex('target', ['conversation_id', 'target']);
      database.createObjectStore('outbox', { keyPath: 'client_msg_id' });
    };
    const database = await done<IDBDatabase>(request);
    // The data was deleted, or somebody wants to delete it: the next call opens what is there then.
    const gone = (): void => {
      database.close();
      if (this.#database === database) this.#database = null;
    };
    database.onclose = gone;
    database.onversionchange = gone;
    this.#database = database;
    return database;
  }

  async #write(transaction: IDBTransaction, batch: Batch): Promise<void> {
    const store = (name: typeof names[number]): IDBObjectStore => transaction.objectStore(name);
    const present = await done<DeviceState | undefined>(store('device').get('device'));
    if (this.#deviceId !== undefined && present?.device_id !== this.#deviceId) throw new StoreLost(`the database ${this.#name} lost its data`);
    if (batch.drop) {
      store('conversations').clear();
      store('events').clear();
      if (batch.drop === 'all') store('outbox').clear();
    }
    if (batch.device) store('device').put(batch.device, 'device');
    for (const [id, events] of byConversation(batch.events ?? [])) await this.#addEvents(store('events'), id, events);
    for (const { conversation_id: id, seq } of batch.erased ?? []) await erase(store('events'), id, seq);
    for (const conversation of batch.conversations ?? []) {
      store('conversations').put(conversation);
      if (!conversation.view) store('events').delete(all(conversation.conversation_id));
    }
    for (const message of batch.outbox ?? []) store('outbox').put(message);
    for (const id of batch.settled ?? []) store('outbox').delete(id);
  }

  async #addEvents(store: IDBObjectStore, id: string, events: readonly Event[]): Promise<void> {
    const cursor = await done<IDBCursor | null>(store.openKeyCursor(all(id), 'prev'));
    let last = cursor ? (cursor.key as [string, number])[1] : undefined;
    for (const event of events) {
      if (last !== undefined && event.seq <= last) continue;
      if (last !== undefined && event.seq !== last + 1) store.delete(all(id)); // a hole: what is below cannot be joined
      store.put({ conversation_id: id, seq: event.seq, target: targetOf(event) ?? 0, event } satisfies EventRow);
      last = event.seq;
    }
    if (last !== undefined && last > this.#keep) store.delete(globalThis.IDBKeyRange.bound([id, 0], [id, last - this.#keep]));
  }
}

async function erase(store: IDBObjectStore, id: string, seq: number): Promise<void> {
  const posting = await done<EventRow | undefined>(store.get([id, seq]));
  const about = await done<EventRow[]>(store.index('target').getAll([id, seq]));
  for (const row of posting ? [posting, ...about] : about) store.put({ ...row, event: erasedEvent(row.event) });
}

function byConversation(events: readonly Event[]): Map<string, Event[]> {
  const groups = new Map<string, Event[]>();
  for (const event of events) {
    const group = groups.get(event.conversation_id);
    if (group) group.push(event);
    else groups.set(event.conversation_id, [event]);
  }
  return groups;
}

/** All events of a conversation: arrays of keys sort element by element. */
function all(id: string): IDBKeyRange {
  return globalThis.IDBKeyRange.bound([id, 0], [id, Infinity]);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
}
