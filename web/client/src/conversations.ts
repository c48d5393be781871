import type { Conversation, Event, MessageEdited, MessagePosted, MessageRecalled, ReadStateFrame } from './generated/frames.js';
import { mentionsUser, messageAfter, messageOf, targetOf } from './fold.js';
import { Unread } from './unread.js';

/** The positions of a user in a conversation. */
export type ReadState = Pick<ReadStateFrame, 'conversation_id' | 'read_seq' | 'unread_count' | 'mention_count'>;

/**
 * The user's conversations: their states as the server sent them, with the events since then applied. Each change makes
 * a new object, so that identity tells whether something changed.
 */
export class Conversations {
  /** The user; '' before it is known. */
  self = '';
  readonly #changed: (id: string) => void;
  #views = new Map<string, Conversation>();
  #joined = new Map<string, string>();
  #unread = new Map<string, Unread>();
  #list: readonly Conversation[] | null = [];

  /** changed is called with the id of each conversation that has changed. */
  constructor(changed: (id: string) => void) {
    this.#changed = changed;
  }

  get(id: string): Conversation | undefined {
    return this.#views.get(id);
  }

  /** Returns the conversations, newest activity first; the same array until something changes. */
  list(): readonly Conversation[] {
    this.#list ??= [...this.#views.values()].sort((a, b) => compare(this.#activity(b), this.#activity(a))
      || compare(b.conversation_id, a.conversation_id));
    return this.#list;
  }

  #activity(view: Conversation): string {
    const message = view.last_message?.at ?? view.created_at;
    const joined = this.#joined.get(view.conversation_id) ?? '';
    return joined > message ? joined : message;
  }

  /**
   * Takes a state that the server sent. If events have moved the present one past it, only what no event changes.
   * Reports whether the counts are in doubt.
   */
  put(view: Conversation): boolean {
    const id = view.conversation_id;
    const old = this.#views.get(id);
    if (old && old.head_seq > view.head_seq) {
      const archived = view.preferences.archived && !((old.last_message?.seq ?? 0) > view.head_seq); // a message brings it back
      this.#set({ ...old, acked_seq: view.acked_seq, preferences: { ...view.preferences, archived } });
      return view.read_seq > old.read_seq && this.read(view, true);
    }
    if (!old || old.unread_count !== view.unread_count || old.read_seq !== view.read_seq) this.#unread.delete(id);
    this.#set({ ...view, events: [] }); // they go through the stream
    return old !== undefined && old.read_seq > view.read_seq && this.read(old, true); // the state is older than the reading
  }

  drop(id: string): void {
    if (!this.#views.delete(id)) return;
    this.#joined.delete(id);
    this.#unread.delete(id);
    this.#list = null;
    this.#changed(id);
  }

  clear(): void {
    for (const id of [...this.#views.keys()]) this.drop(id);
  }

  /** Takes over how far the user has read, unless more is known already. Reports whether the counts are in doubt. */
  read(state: ReadState, isOld = false): boolean {
    const view = this.#views.get(state.conversation_id);
    if (!view || state.read_seq < view.read_seq) return false;
    const { read_seq, unread_count, mention_count } = state;
    // The server may have counted messages that are still on their way here. Count ourselves where all are known.
    const known = this.#unreadOf(view.conversation_id);
    const complete = known.size === view.unread_count;
    const own = known.read(read_seq);
    this.#set({
      ...view, read_seq,
      unread_count: complete ? own.unread : unread_count,
      mention_count: complete ? own.mentions : mention_count,
    });
    return !complete && (isOld || unread_count > 0);
  }

  /**
   * Applies an event to the state of its conversation, unless the state contains it. Reports whether the state is in
   * doubt then, and is to be requested.
   */
  apply(event: Event): boolean {
    const view = this.#views.get(event.conversation_id);
    if (!view || event.seq <= view.head_seq) return false;
    const next: Conversation = { ...view, head_seq: event.seq };
    const doubt = this.#advance(next, event);
    this.#set(next);
    return doubt || event.seq > view.head_seq + 1; // the user may not read what is between
  }

  #advance(view: Conversation, event: Event): boolean {
    switch (event.type) {
      case 'message.posted':
        this.#posted(view, event);
        return false;
      case 'message.edited':
      case 'message.recalled':
        this.#changeLast(view, event);
        return this.#recount(view, event);
      case 'reaction.added':
      case 'reaction.removed':
      case 'message.pinned':
      case 'message.unpinned':
        this.#changeLast(view, event);
        return false;
      case 'member.added':
      case 'member.removed':
        view.member_count += event.type === 'member.added' ? 1 : -1;
        if (event.type === 'member.removed' || event.body.user_id !== this.self) return false;
        view.role = event.body.role;
        this.#joined.set(view.conversation_id, event.at);
        return true; // joining again moves the floor and the read position
      case 'member.role_changed':
        if (event.body.user_id === this.self) view.role = event.body.role;
        return false;
      case 'conversation.updated': {
        const before = view.settings.history;
        const { title, avatar_url, settings, metadata } = event.body;
        if (title !== undefined) view.title = title;
        if (avatar_url !== undefined) view.avatar_url = avatar_url;
        if (settings !== undefined) view.settings = settings;
        if (metadata !== undefined) view.metadata = metadata;
        return view.settings.history !== before; // it moves the floor
      }
      default:
        return false;
    }
  }

  #posted(view: Conversation, event: MessagePosted): void {
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

  #changeLast(view: Conversation, event: Event): void {
    if (view.last_message?.seq === targetOf(event) && view.last_message) {
      view.last_message = messageAfter(view.last_message, event, this.self);
    }
  }

  /** Applies an edit or a recall to the counts, and reports whether they are in doubt. */
  #recount(view: Conversation, event: MessageEdited | MessageRecalled): boolean {
    const target = event.body.target_seq;
    if (target <= view.read_seq) return false; // those of the user are too
    const unread = this.#unreadOf(view.conversation_id);
    const before = unread.mentioned(target) ?? (view.mention_count === 0 ? false : undefined);
    if (event.type === 'message.recalled') {
      unread.delete(target);
      view.unread_count = Math.max(view.unread_count - 1, 0);
      if (before) view.mention_count = Math.max(view.mention_count - 1, 0);
      return before === undefined;
    }
    if (event.body.content === undefined || event.sender === this.self) return false;
    const after = mentionsUser(event.body.mentions, this.self);
    if (before === undefined) return true;
    unread.set(target, after);
    view.mention_count += Number(after) - Number(before);
    return false;
  }

  #unreadOf(id: string): Unread {
    let unread = this.#unread.get(id);
    if (!unread) this.#unread.set(id, unread = new Unread());
    return unread;
  }

  #set(view: Conversation): void {
    this.#views.set(view.conversation_id, view);
    this.#list = null;
    this.#changed(view.conversation_id);
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
