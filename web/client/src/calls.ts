import type { ErrorFrame, MessagePosted, ServerFrame } from './generated/frames.js';
import { mayPass, Refusal } from './errors.js';
import { jitter, maxInternal, type Timing } from './limits.js';

/** A frame of the server that answers a request. */
export type Answer = Extract<ServerFrame, { id?: string }>;

/** A request without its id. */
export type Request = { type: 'sync' | 'send' | 'pull' | 'read'; [field: string]: unknown };

/**
 * A request that waits for its answer.
 *
 * | state | sent | changes |
 * |---|---|---|
 * | queued | no | a free place in flight, its lane free and notBefore over: to sent |
 * | sent | yes | an answer, or its own event: settled; a refusal that may pass: to queued, with a delay; the end of the session: to queued, or dropped if ofSession |
 */
export interface Call {
  id: string;
  frame: Request;
  /** Of the calls of one lane each is sent after the answer to the former one, so that they take effect in order. */
  lane: string | null;
  /** The call is void with the end of the session. */
  ofSession: boolean;
  answer: (frame: Answer | null, refusal: Refusal | null) => void;
  sent: boolean;
  tries: number;
  notBefore: number;
}

/** The requests of a client, in the order in which they were made. No I/O in here. */
export class Calls {
  #calls: Call[] = [];
  #lastId = 0;
  readonly #timing: Timing;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  add(frame: Request, answer: Call['answer'], how: { lane?: string; ofSession?: boolean } = {}): Call {
    const call: Call = {
      id: String(++this.#lastId), frame, answer, lane: how.lane ?? null, ofSession: how.ofSession ?? false, sent: false, tries: 0,
      notBefore: 0,
    };
    this.#calls.push(call);
    return call;
  }

  /** Returns the calls that go out now, with at most limit unanswered then. */
  ready(now: number, limit: number): Call[] {
    const out: Call[] = [];
    const busy = new Set<string>();
    for (const call of this.#calls) {
      if (!call.sent) continue;
      limit--;
      if (call.lane) busy.add(call.lane);
    }
    for (const call of this.#calls) {
      if (limit <= 0) break;
      if (call.sent || (call.lane && busy.has(call.lane))) continue;
      if (call.lane) busy.add(call.lane);
      if (call.notBefore > now) continue;
      call.sent = true;
      limit--;
      out.push(call);
    }
    return out;
  }

  /** Settles a call, or queues it again if the refusal may pass. */
  answered(frame: Answer, now: number): void {
    const at = this.#calls.findIndex((call) => call.id === frame.id);
    const call = this.#calls[at];
    if (!call) return;
    if (frame.type === 'error') {
      this.#refused(call, new Refusal(frame satisfies ErrorFrame), now);
      return;
    }
    this.#calls.splice(at, 1);
    call.answer(frame, null);
  }

  #refused(call: Call, refusal: Refusal, now: number): void {
    if (mayPass(refusal) && !(refusal.code === 'internal' && call.tries >= maxInternal)) {
      call.sent = false;
      call.notBefore = now + Math.max(refusal.retryAfterMs, jitter(this.#timing, call.tries++));
      return;
    }
    this.fail(call, refusal);
  }

  /** Settles a call without an answer. */
  fail(call: Call, refusal: Refusal): void {
    if (this.remove(call)) call.answer(null, refusal);
  }

  /** Removes a call without settling it, and reports whether it was there. */
  remove(call: Call): boolean {
    const at = this.#calls.indexOf(call);
    if (at >= 0) this.#calls.splice(at, 1);
    return at >= 0;
  }

  /** Settles the send that made an event: its answer may have been lost. peer is the other user of a direct conversation. */
  arrived(event: MessagePosted, peer: string | undefined): void {
    const call = this.#calls.find(({ frame }) => frame.type === 'send' && frame.client_msg_id === event.client_msg_id
      && (frame.conversation_id === event.conversation_id || (peer !== undefined && frame.to === peer)));
    if (!call) return;
    this.remove(call);
    const { conversation_id, client_msg_id, seq, at } = event;
    call.answer({ type: 'sent', id: call.id, conversation_id, client_msg_id, seq, at, duplicate: false }, null);
  }

  /** The session has ended. */
  lost(): void {
    this.#calls = this.#calls.filter((call) => !call.ofSession);
    for (const call of this.#calls) {
      call.sent = false;
      call.notBefore = 0;
    }
  }

  /** Settles every call without an answer, except those that are void with the session: nobody refused them. */
  failAll(refusal: Refusal): void {
    for (const call of this.#calls.splice(0)) if (!call.ofSession) call.answer(null, refusal);
  }
}
