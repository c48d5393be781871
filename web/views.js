// The user's conversations as far as the client was told: views from sync, moved
// on by the events that came since.

export class Views {
  #views = new Map();
  self = null;

  get(id) { return this.#views.get(id); }

  clear() { this.#views.clear(); }

  delete(id) { this.#views.delete(id); }

  /** Newest activity first. */
  list() {
    const active = (view) => view.last_message?.at ?? view.created_at ?? '';
    return [...this.#views.values()].sort((a, b) => (active(a) < active(b) ? 1 : active(a) > active(b) ? -1 : 0));
  }

  /** Takes a view from the server, unless events have moved past it. */
  put(view) {
    const old = this.#views.get(view.conversation_id);
    if (old && old.head_seq > view.head_seq) {
      old.preferences = view.preferences;
      return;
    }
    this.#views.set(view.conversation_id, { ...view, events: undefined });
  }

  read({ conversation_id, read_seq, unread_count, mention_count }) {
    const view = this.#views.get(conversation_id);
    if (view && read_seq >= view.read_seq) Object.assign(view, { read_seq, unread_count, mention_count });
  }

  /** Moves a view on by the next event; what it counted already changes nothing. */
  apply(event) {
    const view = this.#views.get(event.conversation_id);
    if (!view || event.seq <= view.head_seq) return;
    view.head_seq = event.seq;
    const { body } = event;
    switch (event.type) {
      case 'message.posted': this.#posted(view, event); break;
      case 'conversation.updated': Object.assign(view, body); break;
      case 'member.added': view.member_count++; break;
      case 'member.removed': view.member_count--; break;
    }
    if (event.type.startsWith('member.') && body.user_id === this.self) view.role = body.role;
  }

  #posted(view, event) {
    view.last_message = messageOf(event);
    if (event.sender === this.self) {
      Object.assign(view, { read_seq: event.seq, unread_count: 0, mention_count: 0 });
      return;
    }
    if (event.seq <= view.read_seq) return;
    view.unread_count++;
    const mentions = event.body.mentions ?? [];
    if (mentions.includes(this.self) || mentions.includes('*')) view.mention_count++;
  }
}

/** The message that a message.posted event posts. */
export function messageOf({ conversation_id, seq, sender, client_msg_id, at, body }) {
  return { conversation_id, seq, sender, client_msg_id, at, ...body, recalled: body.content === null };
}
