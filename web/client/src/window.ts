import type { MessagePage, MessageQuery } from './api.js';
import { asError } from './errors.js';
import { fold, messageAfter, messageOf } from './fold.js';
import type { Event, Message } from './generated/frames.js';
import { historyPage, maxQuotes, maxWindow } from './limits.js';
import { bound } from './signals.js';
import type { MessagesSnapshot, Outgoing } from './types.js';

/** What a window needs of its client. */
export interface MessageWindowHost {
  readonly self: string;
  /** The events of the conversation that this device has, ascending without a hole. */
  stored(): Promise<Event[]>;
  /** The lowest seq that the user may read. */
  floor(): number;
  fetch(query: MessageQuery): Promise<MessagePage>;
  outgoing(): readonly Outgoing[];
  error(error: Error): void;
}

/** A message, and the seq of the log at which it stands so. */
interface Entry {
  message: Message;
  asOf: number;
}

/**
 * A window on the messages of one conversation. It opens with the newest ones and follows events: new messages are
 * appended while it includes the newest, edits, recalls, reactions and pins change what it has.
 *
 * | state | changes |
 * |---|---|
 * | closed | subscribe, or a load: to opening |
 * | opening | the messages are there: to open; a failure: to closed, with an error |
 * | open | clear (a new epoch, or joining again): to opening if somebody subscribes, else to closed |
 */
export class MessageWindow {
  readonly conversationId: string;
  readonly #host: MessageWindowHost;
  #entries: Entry[] = [];
  #quotes = new Map<number, Entry>();
  #asked = new Set<number>();
  #hasOlder = true;
  #hasNewer = false;
  #opened = false;
  #loads = 0;
  #error: Error | undefined;
  /** Events since the first load under way began: a page may be older than they are. */
  #recent: Event[] = [];
  #generation = 0;
  #queue: Promise<void> = Promise.resolve();
  #listeners = new Set<() => void>();
  #snapshot: MessagesSnapshot | null = null;

  /** Made by Client.messages. */
  constructor(conversationId: string, host: MessageWindowHost) {
    this.conversationId = conversationId;
    this.#host = host;
  }

  /** Whether somebody follows it. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Calls listener after each change, and opens the window. Returns a function that ends that. */
  subscribe(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    void this.open();
    return () => this.#listeners.delete(own);
  }

  /** Returns what is loaded; the same object until something changes. */
  snapshot(): MessagesSnapshot {
    this.#snapshot ??= {
      messages: this.#entries.map(({ message }) => message),
      outgoing: this.#host.outgoing(),
      quotes: new Map([...this.#quotes].map(([seq, { message }]) => [seq, message])),
      hasOlder: this.#hasOlder, hasNewer: this.#hasNewer, loading: this.#loads > 0, error: this.#error,
    };
    return this.#snapshot;
  }

  /** Loads the newest messages, unless they are loaded. What the device has needs no network. */
  open(): Promise<void> {
    return this.#load(async () => {
      if (this.#opened) return;
      const events = await this.#host.stored();
      const [first] = events;
      if (first) this.#fill(fold(events, this.#host.self), events.at(-1)?.seq ?? 0, first.seq > this.#host.floor(), false);
      else await this.#fetch({ limit: historyPage }, 'replace');
    });
  }

  /** Loads older messages in front of the window. */
  loadOlder(limit = historyPage): Promise<void> {
    return this.#load(async () => {
      if (!this.#opened || !this.#hasOlder) return;
      const first = this.#entries[0]?.message.seq;
      await this.#fetch(first === undefined ? { limit } : { before_seq: first, limit }, 'before');
    });
  }

  /** Loads newer messages behind the window. */
  loadNewer(limit = historyPage): Promise<void> {
    return this.#load(async () => {
      const last = this.#entries.at(-1)?.message.seq;
      if (this.#hasNewer && last !== undefined) await this.#fetch({ after_seq: last, limit }, 'behind');
    });
  }

  /** Moves the window to a message, with others around it. */
  jumpTo(seq: number, limit = historyPage): Promise<void> {
    return this.#load(async () => {
      if (!this.#entries.some(({ message }) => message.seq === seq)) await this.#fetch({ around_seq: seq, limit }, 'replace');
    });
  }

  /** Moves the window back to the newest messages. */
  latest(): Promise<void> {
    return this.#load(async () => {
      if (this.#hasNewer) await this.#fetch({ limit: historyPage }, 'replace');
    });
  }

  /** Applies the next event of the conversation. */
  apply(event: Event): void {
    if (this.#loads) this.#recent.push(event);
    if (this.#take(event)) this.touch();
  }

  /** What is loaded is void. */
  clear(): void {
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
  touch(): void {
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
  #load(run: () => Promise<void>): Promise<void> {
    this.#loads++;
    const done = this.#queue.then(run).then(() => {
      this.#error = undefined;
    }, (error: unknown) => {
      this.#error = asError(error);
      throw error;
    }).finally(() => {
      if (--this.#loads === 0) this.#recent = [];
      this.touch();
    });
    this.#queue = done.catch(() => {});
    done.catch(() => {});
    return done;
  }

  async #fetch(query: MessageQuery, where: 'before' | 'behind' | 'replace'): Promise<void> {
    const generation = this.#generation;
    const page = await this.#host.fetch(query);
    if (generation !== this.#generation) return;
    const { messages, head_seq: head } = page;
    if (where === 'replace') this.#fill(messages, head, page.has_more_before, page.has_more_after);
    else if (where === 'before') this.#prepend(messages, head, page.has_more_before);
    else this.#append(messages, head, page.has_more_after);
    await this.#quote();
  }

  #fill(messages: Message[], asOf: number, hasOlder: boolean, hasNewer: boolean): void {
    this.#entries = messages.map((message) => this.#current({ message, asOf }));
    this.#opened = true;
    this.#hasOlder = hasOlder;
    this.#hasNewer = hasNewer;
    this.#catchUp(asOf);
    if (this.#entries.length > maxWindow) {
      this.#entries.splice(0, this.#entries.length - maxWindow);
      this.#hasOlder = true;
    }
    void this.#quote().catch((error: unknown) => this.#host.error(asError(error)));
  }

  #prepend(messages: Message[], asOf: number, more: boolean): void {
    const first = this.#entries[0]?.message.seq ?? Infinity;
    this.#entries.unshift(...messages.filter(({ seq }) => seq < first).map((message) => this.#current({ message, asOf })));
    this.#hasOlder = more;
    if (this.#entries.length > maxWindow) {
      this.#entries.length = maxWindow;
      this.#hasNewer = true;
    }
  }

  #append(messages: Message[], asOf: number, more: boolean): void {
    const last = this.#entries.at(-1)?.message.seq ?? 0;
    this.#entries.push(...messages.filter(({ seq }) => seq > last).map((message) => this.#current({ message, asOf })));
    this.#hasNewer = more;
    this.#catchUp(asOf);
    this.#trim();
  }

  /** Appends the recent messages that are newer than a page at the end of the window. */
  #catchUp(asOf: number): void {
    for (const event of this.#recent) if (event.seq > asOf) this.#take(event);
  }

  /** Applies the recent events to a message of a page. */
  #current(entry: Entry): Entry {
    return this.#recent.reduce((at, event) => this.#after(at, event), entry);
  }

  #after(entry: Entry, event: Event): Entry {
    if (event.seq <= entry.asOf) return entry;
    const message = messageAfter(entry.message, event, this.#host.self);
    return message === entry.message ? entry : { message, asOf: event.seq };
  }

  /** Applies an event to the window and the quotes, and reports whether they have changed. */
  #take(event: Event): boolean {
    if (!this.#opened) return false;
    if (event.type === 'message.posted') {
      const newer = event.seq > (this.#entries.at(-1)?.message.seq ?? 0);
      if (this.#hasNewer || !newer) return false;
      this.#entries.push({ message: messageOf(event), asOf: event.seq });
      this.#trim();
      void this.#quote().catch((error: unknown) => this.#host.error(asError(error)));
      return true;
    }
    let changed = false;
    const change = (entry: Entry): Entry => {
      const after = this.#after(entry, event);
      changed ||= after !== entry;
      return after;
    };
    this.#entries = this.#entries.map(change);
    for (const [seq, entry] of this.#quotes) this.#quotes.set(seq, change(entry));
    return changed;
  }

  #trim(): void {
    if (this.#entries.length <= maxWindow) return;
    this.#entries.splice(0, this.#entries.length - maxWindow);
    this.#hasOlder = true;
  }

  /** Loads the quoted messages that are not in the window. */
  async #quote(): Promise<void> {
    const known = new Set(this.#entries.map(({ message }) => message.seq));
    const missing = new Set<number>();
    for (const { message: { reply_to: seq } } of this.#entries) {
      if (seq !== undefined && !known.has(seq) && !this.#quotes.has(seq) && !this.#asked.has(seq)) missing.add(seq);
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
}
