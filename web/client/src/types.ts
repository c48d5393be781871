import type {
  Conversation, Event, Mentions, Message, Metadata, NewContent, NoticeFrame, PresenceFrame, ReceiptFrame, TypingSeenFrame, Users,
} from './generated/frames.js';
import type { Code } from './errors.js';

export type {
  Content, Conversation, ConversationCreated, ConversationUpdated, CustomContent, Event, Limits, MediaContent, Member, MemberAdded,
  MemberRemoved, MemberRoleChanged, Message, MessageEdited, MessagePinned, MessagePosted, MessageRecalled, MessageUnpinned,
  NewContent, NoticeFrame, Preferences, PresenceFrame, ReactionAdded, ReactionRemoved, ReceiptFrame, Settings, TextContent,
  TypingSeenFrame, UnknownEvent, Users,
} from './generated/frames.js';

/** A message to be sent. Exactly one of `conversation_id` and `to` is set. */
export interface Post {
  /** The conversation to send to. */
  conversation_id?: string;
  /** The other user of a direct conversation, which is created if it does not exist. */
  to?: string;
  /** What the message says. */
  content: NewContent;
  /** The seq of the quoted message. */
  reply_to?: number;
  /** Mentioned members; `*` is everyone, for owners and admins of groups. */
  mentions?: Mentions;
  /** The app's own object. */
  metadata?: Metadata;
  /** Identifies the message: sent again with the same id, it is the same message. Default: a random id. */
  client_msg_id?: string;
}

/** The place of a sent message in the log. */
export interface Sent {
  conversation_id: string;
  client_msg_id: string;
  /** Identifies the message in its conversation. */
  seq: number;
  /** The time of the commit. */
  at: string;
  /** The message had been committed before. */
  duplicate: boolean;
}

/** Why a message could not be sent. */
export interface OutgoingError {
  code: Code;
  message: string;
  fields?: Readonly<Record<string, string>>;
}

/**
 * A message of this device that is not in the log yet, as far as the device knows.
 *
 * | state | changes |
 * |---|---|
 * | `pending` | a final refusal: to `failed`; the answer `sent`: to `sent`; its own event: gone |
 * | `sent` | its own event was applied: gone |
 * | `failed` | Client.retry: to `pending`; Client.discard: gone |
 */
export interface Outgoing extends Post {
  client_msg_id: string;
  /** Messages go out in this order. */
  order: number;
  /** When it was written, by the device's clock: for display only. */
  created_at: string;
  state: 'pending' | 'sent' | 'failed';
  /** Its place in the log, once it is sent. */
  seq?: number;
  /** Why it failed. */
  error?: OutgoingError;
}

/** Where the connection is. `stopped` is final until Client.start. */
export type ConnectionState = 'connecting' | 'syncing' | 'online' | 'offline' | 'stopped';

/** The state of the connection, and why the last one ended. */
export interface Status {
  state: ConnectionState;
  /** The close code of the last connection, if `offline` or `stopped`. */
  code?: number;
  /** Why it ended, for a log. */
  reason?: string;
  /** `online`, but an answer is late: the network may be away. */
  doubtful?: true;
}

/** A user's profile, as far as pages have shown it. */
export type Profile = Users[string];

/** What the client reports, by Client.on. A callback that throws is reported as `error` and changes nothing else. */
export interface ClientEvents {
  /** An event of a conversation: once, in order and without a hole; the store has it already. */
  event: Event;
  /** A new epoch, or another user: stored events are void and come again. */
  reset: string;
  /** The state of the connection. */
  status: Status;
  /** Client.conversations has changed. */
  conversations: readonly Conversation[];
  /** Client.outbox has changed. */
  outbox: readonly Outgoing[];
  /** Somebody started or stopped typing. */
  typing: TypingSeenFrame;
  /** Somebody that is watched came or went. */
  presence: PresenceFrame;
  /** How far another member has received and read. */
  receipt: ReceiptFrame;
  /** A message of the app's backend to live sessions. */
  notice: NoticeFrame;
  /** Something failed that no call returns. */
  error: Error;
}

/** The messages of a conversation that are loaded. Each change makes a new object. */
export interface MessagesSnapshot {
  /** Messages without a hole, ascending. */
  readonly messages: readonly Message[];
  /** Messages of this device that are not among them yet, in the order of sending. */
  readonly outgoing: readonly Outgoing[];
  /** The quoted messages (`reply_to`) that are not in `messages`, by seq. */
  readonly quotes: ReadonlyMap<number, Message>;
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly loading: boolean;
  /** Why the last load failed. */
  readonly error?: Error;
}
