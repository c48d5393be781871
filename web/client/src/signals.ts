import type { PresenceFrame, ReceiptFrame, TypingSeenFrame } from './generated/frames.js';
import { maxProfiles, typingMs } from './limits.js';

/** How far another member has come. */
export interface Progress {
  delivered_seq: number;
  read_seq: number;
}

/** What the server signals and nobody stores: who types, who is online, how far others have come. */
export class Signals {
  readonly #changed: () => void;
  #typing = new Map<string, Map<string, ReturnType<typeof setTimeout>>>();
  #typists = new Map<string, readonly string[]>();
  #presence = new Map<string, PresenceFrame>();
  #receipts = new Map<string, Map<string, Progress>>();

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Who types in a conversation; the same array until it changes. */
  typing(id: string): readonly string[] {
    return this.#typists.get(id) ?? none;
  }

  /** What is known of a user's presence. */
  presence(user: string): PresenceFrame | undefined {
    return this.#presence.get(user);
  }

  /** How far a member has come, as far as receipts have told. */
  progress(id: string, user: string): Progress | undefined {
    return this.#receipts.get(id)?.get(user);
  }

  addTyping({ conversation_id: id, user_id: user, on }: Omit<TypingSeenFrame, 'type'>): void {
    const users = this.#typing.get(id) ?? new Map<string, ReturnType<typeof setTimeout>>();
    clearTimeout(users.get(user));
    users.delete(user);
    if (on && users.size < maxProfiles) users.set(user, setTimeout(() => this.addTyping({ conversation_id: id, user_id: user, on: false }), typingMs));
    if (users.size) {
      this.#typing.set(id, users);
      this.#typists.set(id, [...users.keys()]);
    } else {
      this.#typing.delete(id);
      this.#typists.delete(id);
    }
    this.#changed();
  }

  addPresence(frame: PresenceFrame): void {
    bound(this.#presence);
    this.#presence.set(frame.user_id, frame);
    this.#changed();
  }

  addReceipt({ conversation_id: id, user_id: user, delivered_seq, read_seq }: ReceiptFrame): void {
    const users = this.#receipts.get(id) ?? new Map<string, Progress>();
    const before = users.get(user) ?? { delivered_seq: 0, read_seq: 0 };
    users.set(user, {
      delivered_seq: Math.max(before.delivered_seq, delivered_seq ?? 0), read_seq: Math.max(before.read_seq, read_seq ?? 0),
    });
    bound(this.#receipts);
    this.#receipts.set(id, users);
    this.#changed();
  }

  /** Without a connection nothing is known of others; positions stay. */
  lost(): void {
    for (const users of this.#typing.values()) for (const timer of users.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#typists.clear();
    for (const [user, { last_seen_at }] of this.#presence) {
      this.#presence.set(user, { type: 'presence', user_id: user, online: null, ...(last_seen_at && { last_seen_at }) });
    }
    this.#changed();
  }

  /** Drops everything: a new epoch, or another user. */
  clear(): void {
    this.lost();
    this.#presence.clear();
    this.#receipts.clear();
  }
}

const none: readonly string[] = [];

/** Makes room in a map for one more entry: the oldest one goes. */
export function bound<K, V>(map: Map<K, V>, most = maxProfiles): void {
  if (map.size < most) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
