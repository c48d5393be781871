import type { ReadState } from './conversations.js';
import type { Event, ServerFrame } from './generated/frames.js';
import type { Batch } from './store.js';
import type { Outgoing, Sent, Status } from './types.js';

/** What a client asks of its connection: its own (Leader), or that of the tab that leads (Follower). */
export interface Uplink {
  /** The id of the device; '' if the leader has not told it yet. */
  readonly deviceId: string;
  /** Sends a message of the outbox, new or tried again. */
  post(message: Outgoing): void;
  /** Gives a message up. */
  discard(id: string): void;
  markRead(id: string, seq: number): Promise<ReadState>;
  setTyping(id: string, on: boolean): void;
  watch(users: readonly string[]): void;
  wake(): void;
  /** The device has lost its network. */
  check(): void;
  /** Events of a conversation that are not in the store yet. */
  pending(id: string): Event[];
  /** Resolves when the store holds nothing any more that is void. */
  dropped(): Promise<void>;
  stop(): Promise<void>;
}

/** What tabs tell each other. */
export type TabMessage =
  /** Of the leader: a batch is stored. */
  | { type: 'batch'; batch: Batch }
  /** Of the leader: messages were committed. */
  | { type: 'sent'; sent: Sent }
  /** Of the leader: its user, and the state of its connection. */
  | { type: 'status'; status: Status; self: string }
  /** Of the leader: a frame that is not stored. */
  | { type: 'signal'; frame: ServerFrame }
  /** Of the others: who leads says its status. */
  | { type: 'hello' }
  /** Of the others: a message is in the store's outbox, or was given up. */
  | { type: 'post'; message: Outgoing }
  | { type: 'discard'; id: string }
  | { type: 'typing'; id: string; on: boolean }
  | { type: 'watch'; tab: string; users: readonly string[] };
