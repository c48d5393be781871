import type { Conversation } from './generated/frames.js';

/** What a device knows when it begins to follow a conversation. */
export interface Start {
  /** The position that it has stored. */
  known: number | undefined;
  /** A new epoch voided what it had received. */
  voided: boolean;
  /** It has not completed a sync of the epoch yet. */
  isNew: boolean;
  /** How many of the newest events a new device receives. */
  history: number;
  /** The lowest seq that was pushed before the state of the conversation was known. */
  pushed: number | undefined;
}

/**
 * Returns the position from which a device follows a conversation: the stored one, else the one that it has
 * acknowledged, else as a new device. fresh: the position comes from the view alone.
 *
 * After a new epoch the stored events are void, so it starts as a new device; but not above the acknowledgement, because
 * events that were committed around the failover may be in no push.
 */
export function startPosition(view: Conversation, start: Start): { position: number; fresh: boolean } {
  if (start.known !== undefined) return { position: start.known, fresh: false };
  if (!start.voided && view.acked_seq > 0) return { position: view.acked_seq, fresh: false };
  const first = firstPosition(view, start);
  const position = start.voided && view.acked_seq > 0 ? Math.max(Math.min(first, view.acked_seq), view.floor_seq - 1, 0) : first;
  return { position, fresh: true };
}

/**
 * The position of a device that is new to a conversation: below the newest `history` events and, if the conversation is
 * younger than the device, below the user's joining. (Joining moves read_seq to its own seq.)
 */
function firstPosition(view: Conversation, { history, isNew, pushed }: Start): number {
  const floor = Math.max(view.floor_seq - 1, 0);
  if (history === Infinity) return floor;
  let position = view.head_seq - history;
  if (!isNew) position = Math.min(position, view.read_seq - 1);
  if (pushed !== undefined) position = Math.min(position, pushed - 1);
  return Math.max(position, floor);
}
