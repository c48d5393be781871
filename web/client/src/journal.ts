import { asError } from './errors.js';
import type { Conversation, Event } from './generated/frames.js';
import { eventsPerCommit, jitter, maxBuffered, type Timing } from './limits.js';
import { StoreLost, type Batch, type DeviceState, type Store } from './store.js';
import type { Outgoing } from './types.js';

/** What a journal needs of its client. */
export interface JournalHost {
  /** The present state of a conversation. */
  view(id: string): Conversation | undefined;
  /** Calls the app's onEvent; its result is awaited. */
  handle(event: Event): Promise<void>;
  /** A batch is in the store. */
  stored(batch: Batch): void;
  /** The store's data is gone: opens it again, and reports whether that succeeded. */
  lost(): Promise<boolean>;
  error(error: Error): void;
}

/**
 * Brings changes into the store, in order, and reports what is there: `stored` is called after the commit. It is the
 * only writer of the store while its client leads.
 *
 * | state | changes |
 * |---|---|
 * | idle | a change: to writing |
 * | writing | committed, nothing left: to idle; an error of the store: to waiting; StoreLost: the client opens the store again; stop: to stopped |
 * | waiting | a random delay is over: the same batch again |
 * | stopped | never |
 */
export class Journal {
  readonly #store: Store;
  readonly #host: JournalHost;
  readonly #timing: Timing;
  #positions = new Map<string, number>();
  #events: Event[] = [];
  #inFlight: Event[] = [];
  #bytes = 0;
  #touched = new Set<string>();
  #device: DeviceState | null = null;
  #outbox = new Map<string, Outgoing>();
  #settled = new Set<string>();
  #drop: Batch['drop'];
  /** Grows with each drop: what was taken before it is void. */
  #generation = 0;
  #dropping = false;
  #running: Promise<void> | null = null;
  #stopped = false;
  #wake: (() => void) | null = null;

  constructor(store: Store, host: JournalHost, timing: Timing) {
    this.#store = store;
    this.#host = host;
    this.#timing = timing;
  }

  /** Whether further events may be queued. A pull under way may exceed maxBuffered by its page. */
  get hasRoom(): boolean {
    return this.#bytes < maxBuffered;
  }

  /** Every event up to here is in the store; undefined for a conversation that the device has never followed. */
  position(id: string): number | undefined {
    return this.#positions.get(id);
  }

  /** Takes over positions that are in the store. */
  restore(positions: Iterable<[string, number]>): void {
    this.#positions = new Map(positions);
  }

  /** Records from where the device follows a conversation. */
  start(id: string, position: number): void {
    this.#positions.set(id, position);
    this.touch(id);
  }

  /** Queues an event, which is next in order in its conversation. */
  add(event: Event): void {
    this.#events.push(event);
    this.#bytes += size(event);
    this.touch(event.conversation_id);
  }

  /** Records that the state of a conversation has changed. */
  touch(id: string): void {
    this.#touched.add(id);
    this.#begin();
  }

  setDevice(device: DeviceState): void {
    this.#device = device;
    this.#begin();
  }

  putOutgoing(message: Outgoing): void {
    this.#outbox.set(message.client_msg_id, message);
    this.#settled.delete(message.client_msg_id);
    this.#begin();
  }

  settle(id: string): void {
    this.#outbox.delete(id);
    this.#settled.add(id);
    this.#begin();
  }

  /** Drops what is stored and what waits: the log, or everything. */
  drop(what: 'log' | 'all', device: DeviceState): void {
    this.#generation++;
    this.#events = [];
    this.#bytes = this.#inFlight.reduce((sum, event) => sum + size(event), 0);
    this.#touched.clear();
    this.#positions.clear();
    if (what === 'all') {
      this.#outbox.clear();
      this.#settled.clear();
    }
    this.#drop = this.#drop === 'all' ? 'all' : what;
    this.#dropping = true;
    this.setDevice(device);
  }

  /** Returns the events of a conversation that are not in the store yet. */
  pending(id: string): Event[] {
    return [...this.#inFlight, ...this.#events].filter((event) => event.conversation_id === id);
  }

  /** Resolves when everything that waits now is in the store. */
  async flush(): Promise<void> {
    while (this.#running && !this.#stopped) await this.#running;
  }

  /** Resolves when the store holds nothing any more that was dropped. */
  async dropped(): Promise<void> {
    while (this.#dropping && this.#running && !this.#stopped) await this.#running;
  }

  /** Ends it, without what the store does not take. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  #begin(): void {
    if (this.#stopped || this.#running) return;
    // After this task, so that the changes of one frame go into one batch.
    this.#running = Promise.resolve().then(() => this.#run()).finally(() => {
      this.#running = null;
      if (this.#waits()) this.#begin();
    });
  }

  #waits(): boolean {
    return this.#events.length > 0 || this.#touched.size > 0 || this.#outbox.size > 0 || this.#settled.size > 0
      || this.#device !== null || this.#drop !== undefined;
  }

  async #run(): Promise<void> {
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

  #take(): Batch {
    const events = this.#inFlight = this.#events.splice(0, eventsPerCommit);
    const positions = new Map<string, number>();
    for (const { conversation_id: id, seq } of events) positions.set(id, seq);
    // A conversation without a position was dropped with the log.
    const ids = new Set([...this.#touched, ...positions.keys()].filter((id) => positions.has(id) || this.#positions.has(id)));
    const batch: Batch = {
      ...(this.#drop && { drop: this.#drop }),
      ...(this.#device && { device: this.#device }),
      events,
      erased: events.flatMap((event) => event.type === 'message.recalled'
        ? [{ conversation_id: event.conversation_id, seq: event.body.target_seq }] : []),
      conversations: [...ids].map((id) => ({
        conversation_id: id, position: positions.get(id) ?? this.#positions.get(id) ?? 0, view: this.#host.view(id) ?? null,
      })),
      outbox: [...this.#outbox.values()],
      settled: [...this.#settled],
    };
    this.#drop = undefined;
    this.#device = null;
    this.#touched.clear();
    this.#outbox.clear();
    this.#settled.clear();
    return batch;
  }

  async #commit(batch: Batch): Promise<boolean> {
    for (let tries = 0; !this.#stopped; tries++) {
      try {
        await this.#store.commit(batch);
        return true;
      } catch (error) {
        this.#host.error(asError(error));
        if (error instanceof StoreLost && await this.#host.lost()) return false;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          setTimeout(resolve, jitter(this.#timing, tries));
        });
      }
    }
    return false;
  }
}

/** Roughly the bytes of an event. */
function size(event: Event): number {
  return 200 + JSON.stringify(event.body).length;
}
