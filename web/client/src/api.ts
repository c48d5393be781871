import type { components } from './generated/rest.js';
import type { Conversation, Event, Member, Message, NewContent, Preferences } from './generated/frames.js';
import type { CallOptions, Rest } from './rest.js';

type Schemas = components['schemas'];
type Items<K extends keyof Schemas> = Schemas[K] extends { items: (infer T)[] } ? T : never;

/** A page of messages as they stand at its head_seq. */
export type MessagePage = Omit<Schemas['MessagePage'], 'messages'> & { messages: Message[] };
/** A page of the log. */
export type EventPage = Omit<Schemas['EventPage'], 'events'> & { events: Event[] };
/** A message that a search found, with what matched in it. */
export type FoundMessage = Schemas['FoundMessage'];
/** A pinned message, with the pin's user and time. */
export type PinnedMessage = Schemas['PinnedMessage'];
/** One user's reaction. */
export type UserReaction = Items<'ReactionList'>;
/** How far a member has received and read. */
export type MemberReceipt = Items<'ReceiptList'>;
/** The profile of a user. */
export type UserProfile = Schemas['UserProfile'];
/** Whether a user is online. */
export type UserPresence = Schemas['Presence'];
/** A live session of the user. */
export type LiveSession = Items<'SessionList'>;
/** A user that the client's user has blocked. */
export type Block = Items<'BlockList'>;
/** Positions of a page of messages; at most one of the first five. */
export interface MessageQuery {
  before_seq?: number;
  after_seq?: number;
  around_seq?: number;
  around_at?: string;
  seq?: readonly number[];
  as_of_seq?: number;
  as_of?: string;
  limit?: number;
}
/** What a search looks for. */
export interface SearchQuery {
  q: string;
  conversation_id?: string;
  sender?: string;
  since?: string;
  until?: string;
  limit?: number;
}
/** A new group. */
export type NewGroup = Omit<Schemas['CreateConversation'], 'kind'>;
/** A ban or a mute of a group. */
export type Sanction = Schemas['Sanction'];
/** How long a user is banned or muted, until it is lifted if `until` is missing; and why, of a ban. */
export type NewBan = Schemas['Ban'];
export type NewMute = Schemas['Mute'];
/** What is wrong with a message. */
export type NewReport = Schemas['NewReport'];
/** What every user may see of an open group. */
export type OpenGroup = Schemas['OpenGroup'];
/** What to change of a group; null clears. */
export type GroupChange = Schemas['UpdateConversation'];

const encode = encodeURIComponent;

/**
 * The REST calls. Each is made once; a call that failed with the code `network` or `unavailable` may have taken effect.
 * Changes come back as events, to this device too.
 */
export class Api {
  readonly #rest: Rest;

  /** Makes the calls over rest. */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /** Makes a REST call below /v1 that has no method of its own. */
  call<T>(method: string, path: string, options?: CallOptions): Promise<T> {
    return this.#rest.call(method, path, options);
  }

  #in(id: string, path = ''): string {
    return `/conversations/${encode(id)}${path}`;
  }

  #message(id: string, seq: number, path = ''): string {
    return this.#in(id, `/messages/${seq}${path}`);
  }

  // Conversations.

  /** Returns the direct conversation with a user, and creates it if needed. */
  direct(user: string): Promise<Conversation> {
    return this.call('POST', '/conversations', { body: { kind: 'direct', members: [user] } });
  }

  /** Creates a group. Repeated with the same client_conversation_id, it is the same group. */
  createGroup(group: NewGroup): Promise<Conversation> {
    return this.call('POST', '/conversations', { body: { kind: 'group', ...group } });
  }

  /** Returns the state of a conversation from the server. Of an open group it shows others than members an OpenGroup. */
  fetchConversation(id: string): Promise<Conversation> {
    return this.call('GET', this.#in(id));
  }

  /** Changes title, avatar, settings or metadata of a group. */
  async updateGroup(id: string, change: GroupChange): Promise<void> {
    await this.call('PATCH', this.#in(id), { body: change });
  }

  /** Iterates over the members. */
  members(id: string): AsyncGenerator<Member, void, undefined> {
    return this.#rest.list(this.#in(id, '/members'));
  }

  /** Adds users. */
  async addMembers(id: string, users: readonly string[], role?: 'member' | 'admin'): Promise<void> {
    await this.call('POST', this.#in(id, '/members'), { body: { user_ids: users, role } });
  }

  /** Adds one user with a role, or changes a member's role. `owner` hands the group over. */
  async setRole(id: string, user: string, role: Member['role']): Promise<void> {
    await this.call('PUT', this.#in(id, `/members/${encode(user)}`), { body: { role } });
  }

  /** Removes a member; oneself: leaves. */
  async removeMember(id: string, user: string): Promise<void> {
    await this.call('DELETE', this.#in(id, `/members/${encode(user)}`));
  }

  /** Bans a user from a group; a member is removed first. */
  async ban(id: string, user: string, how: NewBan = {}): Promise<void> {
    await this.call('PUT', this.#in(id, `/bans/${encode(user)}`), { body: how });
  }

  /** Lifts a ban. */
  async unban(id: string, user: string): Promise<void> {
    await this.call('DELETE', this.#in(id, `/bans/${encode(user)}`));
  }

  /** Iterates over the banned users. */
  bans(id: string): AsyncGenerator<Sanction, void, undefined> {
    return this.#rest.list(this.#in(id, '/bans'));
  }

  /** Keeps a member from posting, editing and reacting. */
  async mute(id: string, user: string, how: NewMute = {}): Promise<void> {
    await this.call('PUT', this.#in(id, `/mutes/${encode(user)}`), { body: how });
  }

  /** Lifts a mute. */
  async unmute(id: string, user: string): Promise<void> {
    await this.call('DELETE', this.#in(id, `/mutes/${encode(user)}`));
  }

  /** Iterates over the muted users. */
  mutes(id: string): AsyncGenerator<Sanction, void, undefined> {
    return this.#rest.list(this.#in(id, '/mutes'));
  }

  /** Returns the user's preferences of a conversation. */
  preferences(id: string): Promise<Preferences> {
    return this.call('GET', this.#in(id, '/preferences'));
  }

  /** Changes the user's preferences of a conversation, and returns them whole. */
  setPreferences(id: string, change: Partial<Preferences>): Promise<Preferences> {
    return this.call('PATCH', this.#in(id, '/preferences'), { body: change });
  }

  /** Iterates over how far each member has received and read. */
  receipts(id: string): AsyncGenerator<MemberReceipt, void, undefined> {
    return this.#rest.list(this.#in(id, '/receipts'));
  }

  // Messages.

  /** Returns a page of messages as they stand now, or stood at a time. Client.messages has a window that follows events. */
  fetchMessages(id: string, query: MessageQuery = {}): Promise<MessagePage> {
    return this.call('GET', this.#in(id, '/messages'), { query: { ...query } });
  }

  /** Returns one message. */
  fetchMessage(id: string, seq: number): Promise<Message> {
    return this.call('GET', this.#message(id, seq));
  }

  /** Returns a page of the log. */
  fetchEvents(id: string, query: { after_seq?: number; before_seq?: number; limit?: number } = {}): Promise<EventPage> {
    return this.call('GET', this.#in(id, '/events'), { query });
  }

  /** Changes one's own message. */
  async edit(id: string, seq: number, content: NewContent, mentions?: readonly string[]): Promise<void> {
    await this.call('PATCH', this.#message(id, seq), { body: { content, mentions } });
  }

  /** Deletes a message for everyone, and for good. */
  async recall(id: string, seq: number, reason?: string): Promise<void> {
    await this.call('DELETE', this.#message(id, seq), { query: { reason } });
  }

  /** Puts an emoji on a message. */
  async react(id: string, seq: number, emoji: string): Promise<void> {
    await this.call('PUT', this.#message(id, seq, `/reactions/${encode(emoji)}`));
  }

  /** Takes an emoji back. */
  async unreact(id: string, seq: number, emoji: string): Promise<void> {
    await this.call('DELETE', this.#message(id, seq, `/reactions/${encode(emoji)}`));
  }

  /** Iterates over who reacted to a message, and how. */
  reactions(id: string, seq: number): AsyncGenerator<UserReaction, void, undefined> {
    return this.#rest.list(this.#message(id, seq, '/reactions'));
  }

  /** Pins a message for all members. */
  async pin(id: string, seq: number): Promise<void> {
    await this.call('PUT', this.#message(id, seq, '/pin'));
  }

  /** Takes a pin away. */
  async unpin(id: string, seq: number): Promise<void> {
    await this.call('DELETE', this.#message(id, seq, '/pin'));
  }

  /** Reports a message to the app. */
  async report(id: string, seq: number, report: NewReport): Promise<void> {
    await this.call('POST', this.#message(id, seq, '/reports'), { body: report });
  }

  /** Iterates over the pinned messages. */
  pins(id: string): AsyncGenerator<PinnedMessage, void, undefined> {
    return this.#rest.list(this.#in(id, '/pins'));
  }

  /** Iterates over the messages that a search finds, the most relevant first. */
  search(query: SearchQuery): AsyncGenerator<FoundMessage, void, undefined> {
    return this.#rest.list('/search/messages', { ...query });
  }

  // People.

  /** Returns the profiles of up to 100 users, by user, where they exist. */
  async fetchProfiles(users: readonly string[]): Promise<Record<string, UserProfile>> {
    const answer: Schemas['UserProfiles'] = await this.call('GET', '/users', { query: { user_id: users } });
    return answer.users;
  }

  /** Returns who of up to 100 users is online. */
  async fetchPresence(users: readonly string[]): Promise<UserPresence[]> {
    const answer: Schemas['PresenceList'] = await this.call('GET', '/presence', { query: { user_id: users } });
    return answer.items;
  }

  /** Iterates over the user's live sessions. */
  sessions(): AsyncGenerator<LiveSession, void, undefined> {
    return this.#rest.list('/sessions');
  }

  /** Ends one of the user's sessions, which stops its client. */
  async endSession(sessionId: string): Promise<void> {
    await this.call('DELETE', `/sessions/${encode(sessionId)}`);
  }

  /** Keeps a user from writing to this user directly, and from seeing this user's presence. */
  async block(user: string): Promise<void> {
    await this.call('PUT', `/blocks/${encode(user)}`);
  }

  /** Ends a block. */
  async unblock(user: string): Promise<void> {
    await this.call('DELETE', `/blocks/${encode(user)}`);
  }

  /** Iterates over the users that this user has blocked. */
  blocks(): AsyncGenerator<Block, void, undefined> {
    return this.#rest.list('/blocks');
  }
}
