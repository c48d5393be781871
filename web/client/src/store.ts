import type { Conversation, Event } from './generated/frames.js';
import type { Outgoing } from './types.js';

/** What a store keeps of the device itself. */
export interface DeviceState {
  /** Belongs to this store: a store that lost its data takes a new one. */
  device_id: string;
  /** The user that the data belongs to. */
  user_id?: string;
  /** The epoch of the stored events. */
  epoch?: string;
  /** Where the next sync continues; absent until the first one is complete. */
  cursor?: string;
  /** A new epoch voided what the device had received, and its first sync is not complete yet. */
  voided?: boolean;
}

/** What a store keeps of a conversation. */
export interface StoredConversation {
  conversation_id: string;
  /** Every event up to here has been received. */
  position: number;
  /** The state as of its head_seq; null if the user is not a member any more. */
  view: Conversation | null;
}

/** What Store.open returns. */
export interface Snapshot {
  /** Null in a new store. */
  device: DeviceState | null;
  conversations: StoredConversation[];
  outbox: Outgoing[];
}

/** Changes that belong together. A store applies them in the order of these fields. */
export interface Batch {
  /** Drop events and conversations (`log`: a new epoch), or messages to be sent too (`all`: another user). */
  drop?: 'log' | 'all';
  device?: DeviceState;
  /** Put events, ascending in each conversation. */
  events?: Event[];
  /** Erase recalled messages: see erasedEvent. It concerns the posting with that seq, and the edits that target it. */
  erased?: { conversation_id: string; seq: number }[];
  /** Put conversations. Where view is null, delete the conversation's events. */
  conversations?: StoredConversation[];
  /** Put messages to be sent. */
  outbox?: Outgoing[];
  /** Delete messages to be sent. */
  settled?: string[];
}

/** Several clients share the store, in tabs of one origin. One of them leads: it alone has a socket. */
export interface Tabs {
  /** Resolves once this tab leads, which lasts until the store is closed. */
  lead(): Promise<void>;
  /** Sends a message to the other tabs. */
  post(message: unknown): void;
  /** Receives messages of the other tabs. */
  listen(receive: (message: unknown) => void): void;
}

/**
 * Keeps what one device has received, and what it is to send. The client calls it one call at a time.
 *
 * `commit` applies a batch as a whole or not at all, and is durable when it resolves: the client acknowledges events
 * after that. It rejects with StoreLost if the data is gone, for example evicted by the browser. After any other error
 * the client tries again.
 */
export interface Store {
  /** Opens the store, and returns what it has. After StoreLost it is called again. */
  open(): Promise<Snapshot>;
  commit(batch: Batch): Promise<void>;
  /** Returns the stored events of a conversation, ascending and without a hole; the newest ones where it keeps not all. */
  events(conversationId: string): Promise<Event[]>;
  close(): Promise<void>;
  /** Set if tabs share the store. */
  readonly tabs?: Tabs;
}

/** The store is not what it was: its data is gone. The client takes a new device id and syncs from the start. */
export class StoreLost extends Error {
  override readonly name = 'StoreLost';
}

/** A random id: for a device or a message. It needs no secure context. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
