// All time-outs, delays and bounds of the client. Those of the server are in Client.limits.

/** Time-outs and delays, in milliseconds. Tests shorten them. */
export interface Timing {
  /** How long a socket may take to open. */
  open: number;
  /**
   * How long to wait for `welcome`. A node takes up to 20 s, and may still accept a hello that was given up, which would
   * then replace the session that the device opened elsewhere.
   */
  welcome: number;
  /** How long to wait for any frame after a ping. */
  pong: number;
  /** After a silence of a heartbeat, or of this if it is shorter, a ping is sent. */
  quiet: number;
  /** When an answer is late: see Status.doubtful. */
  doubt: number;
  /** How long to wait for any frame after the device has lost its network. */
  check: number;
  /** How long the token callback may take. */
  token: number;
  /** From one attempt to renew a token to the next. */
  renewal: number;
  /** How long a REST call may take. */
  call: number;
  /** The ceiling of the first random delay before a reconnect; it doubles. */
  retry: number;
  /** The largest ceiling. */
  maxRetry: number;
  /** A connection that lasted this long starts the delays over. */
  settled: number;
  /** Between checks of the clock; acknowledgements are sent this often at most. */
  tick: number;
}

/** The defaults of Timing. */
export const defaultTiming: Timing = {
  open: 20_000, welcome: 22_000, pong: 10_000, quiet: Infinity, doubt: 2_500, check: 2_000, token: 30_000, renewal: 10_000, call: 30_000, retry: 500, maxRetry: 20_000,
  settled: 10_000, tick: 250,
};

/** How long the server and the client remember that somebody types. */
export const typingMs = 6_000;
/** Pulls under way on one connection. */
export const maxPulls = 4;
/** Events requested by one pull. */
export const pullEvents = 500;
/** The newest events of each changed conversation that come with a sync. */
export const syncEvents = 20;
/** The most that may be requested. */
export const maxSyncEvents = 50;
/** Conversations in one `ack` frame. */
export const acksPerFrame = 500;
/** Pushed events that a stream holds while it is pulled. */
export const maxAhead = 64;
/** Bytes of events that wait for the store; further ones stay on the server and are pulled later. */
export const maxBuffered = 4 << 20;
/** Events between two commits of the store. */
export const eventsPerCommit = 128;
/** Messages that wait to be sent; send refuses a further one. */
export const maxOutgoing = 1_000;
/** How often a call is repeated after an `internal` error, which may be permanent. */
export const maxInternal = 8;
/** Messages in the window of one conversation. */
export const maxWindow = 1_000;
/** Messages that a page of history requests. */
export const historyPage = 50;
/** Quoted messages outside the window, of one conversation. */
export const maxQuotes = 200;
/** Unread messages of a conversation that are known one by one. */
export const maxUnread = 1_000;
/** Conversations whose messages stay loaded without a subscriber. */
export const maxWindows = 20;
/** Profiles and receipts that are remembered. */
export const maxProfiles = 2_000;

/** Full jitter: a random delay below a ceiling that doubles with each try. */
export function jitter(timing: Timing, tries: number): number {
  return Math.random() * Math.min(timing.maxRetry, timing.retry * 2 ** Math.min(tries, 16));
}

/** A clock that no change of the device's time moves. */
export function now(): number {
  return performance.now();
}
