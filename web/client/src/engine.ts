import { Calls, type Answer } from './calls.js';
import type { Conversations } from './conversations.js';
import type { Refusal } from './errors.js';
import type {
  ClientFrame, Conversation, Event, Limits, PageFrame, ServerFrame, SyncPageFrame, Users, WelcomeFrame,
} from './generated/frames.js';
import type { Journal } from './journal.js';
import { acksPerFrame, maxPulls, maxSyncEvents, now, pullEvents, syncEvents } from './limits.js';
import { excess } from './sender.js';
import { startPosition } from './start.js';
import type { DeviceState } from './store.js';
import { Stream } from './stream.js';
import { Syncing } from './syncing.js';

/** What an engine needs of its client. */
export interface EngineHost {
  readonly conversations: Conversations;
  readonly journal: Journal;
  readonly calls: Calls;
  /** An event is next in order. */
  event(event: Event): void;
  /** The log returned to an earlier state. */
  reset(epoch: string): void;
  /** The state of a conversation is in doubt. */
  refresh(id: string): void;
  users(users: Users): void;
  /** The first sync of a session is complete. */
  online(): void;
  /** Closes the connection, and connects again. */
  fault(reason: string): void;
}

/**
 * The client's side of the stream: frames go in; frames, and events in order, come out. No I/O in here. It lives as
 * long as its client leads, over many sessions.
 */
export class Engine {
  readonly #host: EngineHost;
  readonly #history: number;
  #device: DeviceState;
  #send: ((frame: ClientFrame) => void) | null = null;
  #limits: Limits | null = null;
  #streams = new Map<string, Stream>();
  #syncing = new Syncing();
  #pulls: Stream[] = [];
  #pulling = 0;
  #acks = new Map<string, number>();
  /** How far conversations were accepted that are no longer the user's. */
  #left = new Map<string, number>();

  constructor(host: EngineHost, device: DeviceState, views: Iterable<Conversation>, history: number) {
    this.#host = host;
    this.#device = device;
    this.#history = history;
    for (const view of views) {
      const position = host.journal.position(view.conversation_id) ?? 0;
      this.#streams.set(view.conversation_id, new Stream(view.conversation_id, position, view.head_seq, false));
    }
  }

  get limits(): Limits | null {
    return this.#limits;
  }

  /** Everything up to here was accepted. */
  accepted(id: string): number {
    return this.#streams.get(id)?.accepted ?? 0;
  }

  /** Begins a session, to which send writes. During a session it only takes over what a renewed token changed. */
  welcomed(welcome: WelcomeFrame, send: (frame: ClientFrame) => void): void {
    this.#limits = welcome.limits;
    if (this.#send) return;
    if (welcome.epoch !== this.#device.epoch) this.#begin(welcome.epoch);
    if (this.#device.user_id !== welcome.user_id) this.#setDevice({ user_id: welcome.user_id });
    this.#send = send;
    for (const stream of this.#streams.values()) {
      const view = this.#host.conversations.get(stream.id);
      if (view && stream.stored > view.acked_seq) this.#acks.set(stream.id, stream.stored); // the former session may have lost it
      this.#want(stream);
    }
    this.sync();
    this.flush();
  }

  /** Starts an epoch. Unless it is the first one of the store, everything that the device holds is void. */
  #begin(epoch: string): void {
    const { epoch: former } = this.#device;
    const { cursor: _cursor, ...device } = this.#device;
    this.#device = { ...device, epoch, ...(former !== undefined && { voided: true }) };
    if (former === undefined) {
      this.#host.journal.setDevice(this.#device);
      return;
    }
    this.#streams.clear();
    this.#left.clear();
    this.#acks.clear();
    this.#syncing.unknown.clear();
    this.#host.journal.drop('log', this.#device);
    this.#host.reset(epoch);
  }

  #setDevice(changes: Partial<DeviceState>): void {
    this.#device = { ...this.#device, ...changes };
    this.#host.journal.setDevice(this.#device);
  }

  /** The session has ended. */
  lost(): void {
    this.#send = null;
    this.#pulls = [];
    this.#pulling = 0;
    this.#syncing.lost();
    this.#host.calls.lost();
    for (const stream of this.#streams.values()) stream.lost();
  }

  /** Handles a frame of a session. Unknown frames are of a later version. */
  receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'event':
        this.#push(frame.event);
        break;
      case 'gap':
        for (const [id, head] of Object.entries(frame.conversations)) this.#gap(id, head);
        break;
      case 'conversation':
        this.show(frame.conversation);
        break;
      case 'read_state':
        if (this.#host.conversations.read(frame)) this.#host.refresh(frame.conversation_id);
        break;
    }
    if ('id' in frame && frame.id !== undefined) this.#host.calls.answered(frame as Answer, now());
    this.flush();
  }

  /** Sends what may be sent now: pulls while there is room for their pages, and requests that are ready. */
  flush(): void {
    const send = this.#send;
    if (!send) return;
    while (this.#pulls.length && this.#pulling < maxPulls && this.#host.journal.hasRoom) this.#pull(this.#pulls.shift());
    for (const call of this.#host.calls.ready(now(), this.#limits?.requests_in_flight ?? 64)) {
      const frame = { ...call.frame, id: call.id } as ClientFrame;
      const refusal = excess(frame, this.#limits);
      if (refusal) this.#host.calls.fail(call, refusal);
      else send(frame);
    }
  }

  /** Sends acknowledgements, and what had to wait for time to pass. */
  tick(): void {
    if (!this.#send) return;
    const acks = [...this.#acks].slice(0, acksPerFrame);
    for (const [id] of acks) this.#acks.delete(id);
    if (acks.length) this.#send({ type: 'ack', acks: Object.fromEntries(acks) });
    this.flush();
  }

  /** Everything up to seq is in the store. */
  stored(id: string, seq: number): void {
    const stream = this.#streams.get(id);
    if (!stream || seq <= stream.stored) return;
    stream.stored = seq;
    this.#acks.set(id, seq);
  }

  // Sync.

  /** Requests what has changed since the last sync; everything at first. */
  sync(): void {
    const syncing = this.#syncing;
    if (syncing.active) {
      syncing.again = true;
      return;
    }
    syncing.active = true;
    syncing.full = this.#device.cursor === undefined;
    syncing.seen.clear();
    this.#syncFrom(this.#device.cursor);
  }

  #syncFrom(cursor: string | undefined): void {
    const isNew = this.#device.cursor === undefined;
    const events = isNew && this.#history !== Infinity ? Math.min(this.#history, maxSyncEvents) : syncEvents;
    this.#host.calls.add({ type: 'sync', ...(cursor !== undefined && { cursor }), timeline_limit: events }, (frame, refusal) => {
      if (frame?.type === 'sync_page') this.#syncPage(frame);
      else this.#syncRefused(refusal);
    }, { ofSession: true });
  }

  #syncRefused(refusal: Refusal | null): void {
    if (refusal?.code !== 'cursor_invalid' || this.#syncing.full) {
      this.#host.fault(`the sync failed: ${refusal?.message ?? 'no page'}`);
      return;
    }
    const { cursor: _cursor, ...device } = this.#device;
    this.#device = device;
    this.#syncing.active = false;
    this.sync();
  }

  #syncPage(page: SyncPageFrame): void {
    if (page.epoch !== this.#device.epoch) {
      this.#host.fault('the epoch has changed');
      return;
    }
    this.#host.users(page.users);
    for (const view of page.conversations) this.show(view);
    for (const id of page.removed) this.drop(id);
    if (page.done) this.#synced(page.cursor);
    else this.#syncFrom(page.cursor);
  }

  /** Ends a sync. Conversations that a full one did not list are gone. */
  #synced(cursor: string): void {
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
    syncing.unknown.clear(); // the user is not in them
    this.#host.online();
  }

  // Conversations and their events.

  /** Takes the state of a conversation. */
  show(view: Conversation): void {
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
  #follow(view: Conversation): Stream {
    const id = view.conversation_id;
    const { journal } = this.#host;
    const known = this.#left.get(id) ?? journal.position(id);
    const pushed = this.#syncing.unknown.get(id);
    const { position, fresh } = startPosition(view, {
      known, voided: this.#device.voided ?? false, isNew: this.#device.cursor === undefined, history: this.#history,
      pushed: pushed?.first,
    });
    if (journal.position(id) === undefined) journal.start(id, position);
    this.#syncing.unknown.delete(id);
    this.#left.delete(id);
    const stream = new Stream(id, position, Math.max(view.head_seq, pushed?.last ?? 0), fresh);
    stream.stored = Math.min(position, journal.position(id) ?? position);
    this.#streams.set(id, stream);
    return stream;
  }

  /** Forgets a conversation that is no longer the user's, except for its position: after joining again it continues. */
  drop(id: string): void {
    const stream = this.#streams.get(id);
    if (stream) this.#left.set(id, stream.accepted);
    this.#streams.delete(id);
    this.#acks.delete(id);
    this.#host.conversations.drop(id);
  }

  #push(event: Event): void {
    const stream = this.#streams.get(event.conversation_id);
    if (!stream) {
      this.#missing(event.conversation_id, event.seq);
      return;
    }
    this.#accept(stream.push(event, this.#host.journal.hasRoom));
    this.#want(stream);
  }

  #gap(id: string, head: number): void {
    const stream = this.#streams.get(id);
    if (!stream) {
      this.#missing(id, head);
      return;
    }
    stream.head = Math.max(stream.head, head);
    this.#want(stream);
  }

  /** An event of a conversation without a state: sync again. */
  #missing(id: string, seq: number): void {
    const { unknown } = this.#syncing;
    const { first, last } = unknown.get(id) ?? { first: seq, last: seq };
    unknown.set(id, { first: Math.min(first, seq), last: Math.max(last, seq) });
    this.sync();
  }

  #accept(events: Event[]): void {
    const { conversations, calls, journal } = this.#host;
    for (const event of events) {
      const id = event.conversation_id;
      if (event.type === 'message.posted' && event.sender === conversations.self) {
        calls.arrived(event, conversations.get(id)?.peer);
      }
      const doubt = conversations.apply(event);
      journal.add(event);
      this.#host.event(event);
      if (event.type === 'member.removed' && event.body.user_id === conversations.self) this.drop(id);
      else if (doubt) this.#host.refresh(id);
    }
  }

  #want(stream: Stream): void {
    if (!this.#send || stream.waiting || stream.pulling || !stream.behind || this.#streams.get(stream.id) !== stream) return;
    stream.waiting = true;
    this.#pulls.push(stream);
  }

  #pull(stream: Stream | undefined): void {
    if (!stream) return;
    stream.waiting = false;
    if (this.#streams.get(stream.id) !== stream || !stream.behind) return;
    stream.pulling = true;
    this.#pulling++;
    const limit = Math.min(pullEvents, this.#limits?.page_events ?? pullEvents);
    this.#host.calls.add({ type: 'pull', conversation_id: stream.id, after_seq: stream.accepted, limit }, (frame) => {
      this.#pulling--;
      stream.pulling = false;
      if (this.#streams.get(stream.id) !== stream) return;
      if (frame?.type === 'page') this.#pulled(stream, frame);
      else this.drop(stream.id); // not the user's any more: the server lists it again if it is
    }, { ofSession: true });
  }

  #pulled(stream: Stream, page: PageFrame): void {
    if (page.epoch !== this.#device.epoch) {
      this.#host.fault('the epoch has changed');
      return;
    }
    this.#host.users(page.users);
    this.#accept(stream.page(page));
    this.#want(stream);
  }
}
