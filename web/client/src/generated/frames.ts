// Generated from asyncapi.yaml by "npm run generate". Do not edit.

/** Chosen by the client; 1–64 characters, without U+0000. */
export type RequestID = string;

/** The app's own user id: 1–128 ASCII letters, digits and `. _ : @ - + =` and the vertical bar, not `.` or `..`. */
export type UserID = string;

/**
 * Chosen by the client and kept with its local store: one store, one device id. 1–64 characters of the alphabet of
 * user ids.
 */
export type DeviceID = string;

/** A UUID of version 7 in text form. */
export type ConversationID = string;

/** Chosen by the sender, for example a UUID; the idempotency key of the send. */
export type ClientMsgID = string;

/** The seq of an event of the conversation. */
export type Seq = number;

/** Everything up to and including this seq; 0 is before the first event. */
export type Position = number;

/** A different value means that the log returned to an earlier state. */
export type Epoch = string;

/** UTC, with six fractional digits. */
export type Time = string;

/** The limits of this cluster. */
export interface Limits {
  /** Of the `content` JSON as sent. */
  content_bytes: number;
  /** Of a frame from client to server; a larger one closes with 1009. */
  frame_bytes: number;
  page_events: number;
  group_members: number;
  members_per_call: number;
  /** Unanswered requests of one socket. */
  requests_in_flight: number;
  watch_users: number;
  sessions_per_user: number;
  pins: number;
  /** Banned users of a conversation. */
  bans?: number;
  /** Muted users of a conversation. */
  mutes?: number;
  title_chars: number;
  name_chars: number;
  reason_chars: number;
  /** Of the text of a report. */
  report_chars?: number;
  emoji_bytes: number;
  /** Different emoji on one message. */
  message_emojis?: number;
  metadata_bytes: number;
  url_chars?: number;
  /** The file of an attachment. */
  attachment_bytes?: number;
  /** Attachments that a user begins on a day of UTC. */
  attachments_per_day?: number;
  /** The largest `limit` of `sync`. */
  sync_conversations?: number;
  /** The largest `timeline_limit` of `sync`. */
  sync_timeline?: number;
  list_items?: number;
}

/** Members that the message mentions; `*` is everyone, for owners and admins of groups only. */
export type Mentions = string[];

/** The app's own object, at most `metadata_bytes` of JSON. */
export type Metadata = Record<string, unknown>;

/** What a message says, at most `content_bytes` of JSON: one of the contents below, without any other field. */
export type NewContent = TextContent | MediaContent | CustomContent;

/** The content of a message; null after a recall. */
export type Content = TextContent | MediaContent | CustomContent | null;

/** TextContent, as asyncapi.yaml describes it. */
export interface TextContent {
  type: "text";
  /** Plain text. Markup, if any, is up to the app. */
  text: string;
}

/** MediaContent, as asyncapi.yaml describes it. */
export interface MediaContent {
  type: "image" | "file" | "audio" | "video";
  /** At most `url_chars`. */
  url?: string;
  /** A file of the sender that is uploaded; see `POST /v1/attachments`. `size` and `mime` are those of the file. */
  attachment_id?: string;
  /** A caption. */
  text?: string;
  /** File name. */
  name?: string;
  /** Bytes. */
  size?: number;
  mime?: string;
  /** Pixels. */
  width?: number;
  /** Pixels. */
  height?: number;
  duration_ms?: number;
  /** A small placeholder to show while loading; its format is up to the app. */
  preview?: string;
}

/** CustomContent, as asyncapi.yaml describes it. */
export interface CustomContent {
  type: "custom";
  /** The app's kind of message. */
  biz_type: string;
  /** Any JSON. */
  data: unknown;
}

/** A type of a later version; show a placeholder. */
export interface UnknownContent {
  type: string;
}

/** Settings, as asyncapi.yaml describes it. */
export interface Settings {
  /** `admins`: an announcement channel. `nobody`: frozen; no one posts, edits or reacts. */
  posting: "everyone" | "admins" | "nobody";
  /** `open`: any user who knows the id may join. */
  joining: "invite" | "open";
  /** What members may read: everything, or events since they joined. */
  history: "all" | "since_join";
  /** Whether members see the positions of others. */
  receipts: boolean;
  /** Slow mode: seconds between two messages of a member; missing: 0, off. */
  slow_mode_s?: number;
}

/** The user's own settings of the conversation. */
export interface Preferences {
  notify: "all" | "mentions" | "none";
  pinned: boolean;
  archived: boolean;
}

/** Member, as asyncapi.yaml describes it. */
export interface Member {
  user_id: UserID;
  role: "owner" | "admin" | "member";
}

/** Profiles of the users that the page names, where they exist. */
export type Users = Record<string, {
  name: string | null;
  avatar_url: string | null;
}>;

/** A message in its current state. */
export interface Message {
  conversation_id: ConversationID;
  seq: Seq;
  sender: UserID;
  client_msg_id: ClientMsgID;
  at: Time;
  content: Content;
  reply_to?: Seq;
  mentions?: Mentions;
  metadata?: Metadata;
  edited_at?: Time;
  recalled: boolean;
  reactions: {
    emoji: string;
    count: number;
    mine: boolean;
  }[];
  pinned: boolean;
}

/** A conversation as the user sees it, all as of its `head_seq`. */
export interface Conversation {
  conversation_id: ConversationID;
  kind: "direct" | "group";
  title: string | null;
  avatar_url: string | null;
  settings: Settings;
  /** The app's own object. */
  metadata: Record<string, unknown> | null;
  created_at: Time;
  /**
   * The time of the newest message, or of the user's latest joining if that is later. Edits, recalls, reactions and
   * pins do not change it. Lists are in its order, the latest first.
   */
  active_at: Time;
  /** The user's. */
  role: "owner" | "admin" | "member";
  /** The other user of a direct conversation. */
  peer?: UserID;
  member_count: number;
  head_seq: Seq;
  /** The first seq that the user may read: that of the latest joining where `history` is `since_join`, else 1. */
  floor_seq: Seq;
  /** The position that this device has acknowledged. */
  acked_seq: Position;
  read_seq: Position;
  unread_count: number;
  mention_count: number;
  preferences: Preferences;
  last_message: Message | null;
  /** The newest `timeline_limit`, ascending. */
  events: Event[];
  /** Older events that the device has not acknowledged are not in `events`. */
  limited: boolean;
}

/** One durable change of a conversation; the same shape over REST and in webhooks. */
export type Event = ConversationCreated | ConversationUpdated | MemberAdded | MemberRemoved | MemberRoleChanged | MemberBanned | MemberUnbanned | MemberMuted | MemberUnmuted | MessageEdited | MessageRecalled | ReactionAdded | ReactionRemoved | MessagePinned | MessageUnpinned | MessagePosted;

/** ConversationCreated, as asyncapi.yaml describes it. */
export interface ConversationCreated {
  conversation_id: ConversationID;
  seq: 1;
  type: "conversation.created";
  sender: UserID;
  at: Time;
  body: {
    kind: "direct" | "group";
    title: string | null;
    avatar_url: string | null;
    settings: Settings;
    metadata: Record<string, unknown> | null;
    members: Member[];
  };
}

/** ConversationUpdated, as asyncapi.yaml describes it. */
export interface ConversationUpdated {
  conversation_id: ConversationID;
  seq: Seq;
  type: "conversation.updated";
  sender: UserID;
  at: Time;
  /** The changed fields. `settings` is complete; null means cleared. */
  body: {
    title?: string | null;
    avatar_url?: string | null;
    settings?: Settings;
    metadata?: Record<string, unknown> | null;
  };
}

/** MemberAdded, as asyncapi.yaml describes it. */
export interface MemberAdded {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.added";
  sender: UserID;
  at: Time;
  body: Member;
}

/** The `sender` is the member who left, or the user who removed the member; `role` is the member's last role. */
export interface MemberRemoved {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.removed";
  sender: UserID;
  at: Time;
  body: Member;
}

/** MemberRoleChanged, as asyncapi.yaml describes it. */
export interface MemberRoleChanged {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.role_changed";
  sender: UserID;
  at: Time;
  body: Member;
}

/** A user who is banned or muted. `until` and `reason` are missing when the ban or the mute is lifted. */
export interface SanctionBody {
  user_id: UserID;
  /** When it ends; missing: when it is lifted. */
  until?: Time;
  /** Of a ban. */
  reason?: string;
}

/** MemberBanned, as asyncapi.yaml describes it. */
export interface MemberBanned {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.banned";
  sender: UserID;
  at: Time;
  body: SanctionBody;
}

/** MemberUnbanned, as asyncapi.yaml describes it. */
export interface MemberUnbanned {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.unbanned";
  sender: UserID;
  at: Time;
  body: SanctionBody;
}

/** MemberMuted, as asyncapi.yaml describes it. */
export interface MemberMuted {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.muted";
  sender: UserID;
  at: Time;
  body: SanctionBody;
}

/** MemberUnmuted, as asyncapi.yaml describes it. */
export interface MemberUnmuted {
  conversation_id: ConversationID;
  seq: Seq;
  type: "member.unmuted";
  sender: UserID;
  at: Time;
  body: SanctionBody;
}

/** MessagePosted, as asyncapi.yaml describes it. */
export interface MessagePosted {
  conversation_id: ConversationID;
  seq: Seq;
  type: "message.posted";
  sender: UserID;
  client_msg_id: ClientMsgID;
  at: Time;
  body: {
    content: Content;
    reply_to?: Seq;
    mentions?: Mentions;
    metadata?: Metadata;
  };
}

/** MessageEdited, as asyncapi.yaml describes it. */
export interface MessageEdited {
  conversation_id: ConversationID;
  seq: Seq;
  type: "message.edited";
  sender: UserID;
  at: Time;
  /** Without `content` and `mentions` where the message lies below the reader's `floor_seq`. */
  body: {
    target_seq: Seq;
    content?: Content;
    mentions?: Mentions;
  };
}

/** MessageRecalled, as asyncapi.yaml describes it. */
export interface MessageRecalled {
  conversation_id: ConversationID;
  seq: Seq;
  type: "message.recalled";
  sender: UserID;
  at: Time;
  body: {
    target_seq: Seq;
    reason?: string;
  };
}

/** ReactionAdded, as asyncapi.yaml describes it. */
export interface ReactionAdded {
  conversation_id: ConversationID;
  seq: Seq;
  type: "reaction.added";
  sender: UserID;
  at: Time;
  body: {
    target_seq: Seq;
    /** At most `emoji_bytes` of UTF-8, without U+FE0F; events of earlier versions may hold it. */
    emoji: string;
  };
}

/** ReactionRemoved, as asyncapi.yaml describes it. */
export interface ReactionRemoved {
  conversation_id: ConversationID;
  seq: Seq;
  type: "reaction.removed";
  sender: UserID;
  at: Time;
  body: {
    target_seq: Seq;
    /** At most `emoji_bytes` of UTF-8, without U+FE0F; events of earlier versions may hold it. */
    emoji: string;
  };
}

/** MessagePinned, as asyncapi.yaml describes it. */
export interface MessagePinned {
  conversation_id: ConversationID;
  seq: Seq;
  type: "message.pinned";
  sender: UserID;
  at: Time;
  body: {
    target_seq: Seq;
  };
}

/** MessageUnpinned, as asyncapi.yaml describes it. */
export interface MessageUnpinned {
  conversation_id: ConversationID;
  seq: Seq;
  type: "message.unpinned";
  sender: UserID;
  at: Time;
  body: {
    target_seq: Seq;
  };
}

/** A type of a later version; it still takes its seq. */
export interface UnknownEvent {
  conversation_id: ConversationID;
  seq: Seq;
  type: string;
  sender: UserID;
  at: Time;
  body: Record<string, unknown>;
}

/** Starts a session; later, renews its token. */
export interface HelloFrame {
  type: "hello";
  id?: RequestID;
  device_id: DeviceID;
  /** A JWT, unless the handshake carried one. */
  token?: string;
  /** The session does not count as online. Default false. */
  background?: boolean;
}

/** Lists the user's conversations, all or those that changed since a cursor. */
export interface SyncFrame {
  type: "sync";
  id: RequestID;
  /** From an earlier page; opaque. */
  cursor?: string;
  /** Conversations in the page. Default 100. */
  limit?: number;
  /** Newest events of each conversation. Default 0. */
  timeline_limit?: number;
}

/** Sends a message. */
export interface SendFrame {
  type: "send";
  id: RequestID;
  client_msg_id: ClientMsgID;
  content: NewContent;
  conversation_id?: ConversationID;
  to?: UserID;
  reply_to?: Seq;
  mentions?: Mentions;
  metadata?: Metadata;
}

/** Requests a page of a conversation's log. */
export interface PullFrame {
  type: "pull";
  id: RequestID;
  conversation_id: ConversationID;
  /** Events above this seq, ascending from there. */
  after_seq?: number;
  /** Events below this seq, the nearest ones. */
  before_seq?: number;
  /** Events in the page. Default 100, at most `page_events`. */
  limit?: number;
}

/** This device has stored everything up to these seqs. */
export interface AckFrame {
  type: "ack";
  id?: RequestID;
  /** Maps conversations to seqs. */
  acks: Record<string, Position>;
}

/** The user has read a conversation up to a seq. */
export interface ReadFrame {
  type: "read";
  id?: RequestID;
  conversation_id: ConversationID;
  seq: Position;
}

/** The user started or stopped typing in a conversation. */
export interface TypingFrame {
  type: "typing";
  id?: RequestID;
  conversation_id: ConversationID;
  on?: boolean;
}

/** Sets the users whose presence to watch. */
export interface WatchFrame {
  type: "watch";
  id?: RequestID;
  /** At most `watch_users`, 500 unless configured. */
  user_ids: UserID[];
}

/** Checks the connection, or changes whether the session is in the background. */
export interface PingFrame {
  type: "ping";
  id?: RequestID;
  /** Whether the session counts as online from now on. Default: unchanged. */
  background?: boolean;
}

/** The session started, or continues with a new token. */
export interface WelcomeFrame {
  type: "welcome";
  id?: RequestID;
  user_id: UserID;
  device_id: DeviceID;
  session_id: string;
  /** The node of the socket; a new id at each start of the node. */
  node_id: string;
  epoch: Epoch;
  heartbeat_ms: number;
  server_time: Time;
  token_expires_at: Time;
  limits: Limits;
}

/** A page of conversations, the one with the newest activity first. */
export interface SyncPageFrame {
  type: "sync_page";
  id: RequestID;
  epoch: Epoch;
  conversations: Conversation[];
  /** Conversations that the user is no longer a member of. */
  removed: ConversationID[];
  users: Users;
  /** Continues this sync or, when done, starts the next one. */
  cursor: string;
  done: boolean;
  /** Over all conversations; only when done. */
  unread_total?: number;
}

/** The message is durable. */
export interface SentFrame {
  type: "sent";
  id: RequestID;
  conversation_id: ConversationID;
  client_msg_id: ClientMsgID;
  seq: Seq;
  at: Time;
  /** The message was sent before; `seq` and `at` are those of the first. */
  duplicate: boolean;
  /** The content of the message, if the app has replaced the one that was sent. */
  content?: Content;
}

/** A page of a conversation's log. */
export interface PageFrame {
  type: "page";
  id: RequestID;
  conversation_id: ConversationID;
  epoch: Epoch;
  /** Ascending, without a hole. */
  events: Event[];
  /** Seq of the first event; 0 if there is none. */
  from_seq: number;
  /** Seq of the last event; 0 if there is none. */
  to_seq: number;
  head_seq: Seq;
  floor_seq: Seq;
  /** In the requested direction. */
  has_more: boolean;
  users: Users;
}

/** How far the user has read, and what is left. */
export interface ReadStateFrame {
  type: "read_state";
  id?: RequestID;
  conversation_id: ConversationID;
  read_seq: Position;
  unread_count: number;
  mention_count: number;
  /** Over all conversations of the user. */
  unread_total: number;
}

/** Another member types, or no longer. */
export interface TypingSeenFrame {
  type: "typing";
  conversation_id: ConversationID;
  user_id: UserID;
  on: boolean;
}

/** How far another member has come. */
export interface ReceiptFrame {
  type: "receipt";
  conversation_id: ConversationID;
  user_id: UserID;
  delivered_seq?: number;
  read_seq?: number;
}

/** Whether a watched user is online. */
export interface PresenceFrame {
  type: "presence";
  id?: RequestID;
  user_id: UserID;
  /** Null: currently unknown. */
  online: boolean | null;
  last_seen_at?: Time;
}

/** A message from the app's backend to live sessions. */
export interface NoticeFrame {
  type: "notice";
  notice_id: string;
  /** The app's kind of notice. */
  biz_type: string;
  /** Any JSON. */
  data: unknown;
}

/** Answers `ping`. */
export interface PongFrame {
  type: "pong";
  id?: RequestID;
  server_time: Time;
}

/** A frame was refused, or a request failed. */
export interface ErrorFrame {
  type: "error";
  id?: RequestID;
  code: "unauthenticated" | "token_expired" | "forbidden" | "blocked" | "rejected" | "not_found" | "conflict" | "idempotency_conflict" | "limit_exceeded" | "cursor_invalid" | "too_large" | "invalid" | "rate_limited" | "unavailable" | "internal";
  /** For developers, in English. */
  message: string;
  /**
   * Whether to repeat the request: `never` (the answer would be the same), `again` (with backoff, or after the
   * delay if there is one), `after` (not before the delay).
   */
  retry: "never" | "again" | "after";
  retry_after_ms?: number;
  /** Maps JSON pointers (RFC 6901) into the frame to the reason. */
  fields?: Record<string, string>;
}

/** A conversation that the user was added to, or whose preferences the user changed. */
export interface ConversationFrame {
  type: "conversation";
  conversation: Conversation;
}

/** Pushes were dropped; pull the missing events. */
export interface GapFrame {
  type: "gap";
  conversations: Record<string, Seq>;
  /** `slow_reader`: the socket did not take its pushes. `removed`: the user was removed before the conversation could be pushed; only the removal is. Other values may follow. */
  reason: string;
}

/** This node is going away. */
export interface DrainFrame {
  type: "drain";
  reconnect_after_ms: number;
}

/** A durable change of a conversation, pushed to every session of its members. */
export interface EventFrame {
  type: "event";
  event: Event;
}

/** A frame that a client sends. */
export type ClientFrame = HelloFrame | SyncFrame | SendFrame | PullFrame | AckFrame | ReadFrame | TypingFrame | WatchFrame | PingFrame;

/** A frame that the server sends. Ignore frames of any other type. */
export type ServerFrame = WelcomeFrame | SyncPageFrame | SentFrame | PageFrame | ReadStateFrame | TypingSeenFrame | ReceiptFrame | PresenceFrame | NoticeFrame | PongFrame | ErrorFrame | ConversationFrame | GapFrame | DrainFrame | EventFrame;
