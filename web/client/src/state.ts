import { Conversations } from './conversations.js';
import { Emitter } from './emitter.js';
import type { Event, Limits, ServerFrame, Users } from './generated/frames.js';
import { maxWindows } from './limits.js';
import { Outbox } from './outbox.js';
import { bound, Signals } from './signals.js';
import type { StoredConversation } from './store.js';
import type { MessageWindow } from './window.js';
import type { ClientEvents, Outgoing, Profile, Status } from './types.js';

/** What a client knows and shows, whoever brings it: its own connection, or the tab that leads. */
export class State {
  readonly emitter = new Emitter<ClientEvents>();
  readonly conversations = new Conversations((id) => {
    this.conversationChanged?.(id);
    this.#touch('conversations');
  });
  readonly outbox = new Outbox(() => this.#touch('outbox'));
  readonly signals = new Signals(() => this.#touch());
  readonly profiles = new Map<string, Profile>();
  readonly windows = new Map<string, MessageWindow>();
  status: Status = { state: 'stopped' };
  limits: Limits | null = null;
  /** Set by the leader: the state of a conversation has to be stored. */
  conversationChanged: ((id: string) => void) | null = null;
  #listeners = new Set<() => void>();
  #dirty = new Set<'conversations' | 'outbox'>();
  #scheduled = false;

  /** Calls listener after each change of anything but messages. */
  subscribe(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  setStatus(status: Status): void {
    this.status = status;
    if (status.state === 'offline' || status.state === 'stopped') this.signals.lost();
    if (status.state === 'online') for (const window of this.windows.values()) if (window.isWatched) void window.open();
    this.emitter.emit('status', status);
    this.#touch();
  }

  /** Takes over what a store has. */
  restore(conversations: readonly StoredConversation[], outbox: readonly Outgoing[]): void {
    const kept = new Set(conversations.filter(({ view }) => view).map(({ conversation_id }) => conversation_id));
    for (const { conversation_id: id } of this.conversations.list()) if (!kept.has(id)) this.conversations.drop(id);
    for (const { view } of conversations) if (view) this.conversations.put(view);
    // A message that is pending here and not there may be on its way into the store: it stays, and sent twice it is one.
    const waiting = new Set(outbox.map(({ client_msg_id }) => client_msg_id));
    for (const { client_msg_id: id, state } of this.outbox.list()) if (state !== 'pending' && !waiting.has(id)) this.outbox.remove(id);
    for (const message of outbox) this.outbox.put(message);
  }

  /** Applies the next event of a conversation to what shows messages. */
  applyEvent(event: Event): void {
    if (event.type === 'message.posted' && event.sender === this.conversations.self) this.outbox.remove(event.client_msg_id);
    this.windows.get(event.conversation_id)?.apply(event);
  }

  addUsers(users: Users): void {
    for (const [id, profile] of Object.entries(users)) {
      bound(this.profiles);
      this.profiles.set(id, profile);
    }
  }

  /** Takes a frame that is not stored. */
  signal(frame: ServerFrame): void {
    switch (frame.type) {
      case 'typing':
        if ('user_id' in frame) {
          this.signals.addTyping(frame);
          this.emitter.emit('typing', frame);
        }
        break;
      case 'presence':
        this.signals.addPresence(frame);
        this.emitter.emit('presence', frame);
        break;
      case 'receipt':
        this.signals.addReceipt(frame);
        this.emitter.emit('receipt', frame);
        break;
      case 'notice':
        this.emitter.emit('notice', frame);
        break;
    }
  }

  /** Everything that was stored of the log is void. */
  reset(epoch: string): void {
    this.conversations.clear();
    this.signals.clear();
    for (const window of this.windows.values()) window.clear();
    this.emitter.emit('reset', epoch);
  }

  /** Remembers a window; of those that nobody follows, the oldest ones are forgotten. */
  addWindow(window: MessageWindow): void {
    for (const [id, old] of this.windows) {
      if (this.windows.size < maxWindows) break;
      if (!old.isWatched) this.windows.delete(id);
    }
    this.windows.set(window.conversationId, window);
  }

  /** Calls the listeners after the present task: the changes of one frame are one change. */
  #touch(what?: 'conversations' | 'outbox'): void {
    if (what) this.#dirty.add(what);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      if (dirty.includes('outbox')) for (const window of this.windows.values()) window.touch();
      for (const listener of [...this.#listeners]) {
        try {
          listener();
        } catch (error) {
          this.emitter.emit('error', error instanceof Error ? error : new Error(String(error)));
        }
      }
      if (dirty.includes('conversations')) this.emitter.emit('conversations', this.conversations.list());
      if (dirty.includes('outbox')) this.emitter.emit('outbox', this.outbox.list());
    });
  }
}
