import type { Call, Calls } from './calls.js';
import type { ReadState } from './conversations.js';
import { closed, Refusal } from './errors.js';
import type { ClientFrame, Limits } from './generated/frames.js';
import type { Outgoing, Sent } from './types.js';

/** A frame that is too large would close the socket, again at each reconnect: the client refuses it itself. */
export function excess(frame: ClientFrame, limits: Limits | null): Refusal | null {
  if (frame.type !== 'send' || !limits) return null;
  const bytes = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;
  const { content_bytes: content, frame_bytes: whole } = limits;
  if (bytes(frame.content) <= content && bytes(frame) <= whole) return null;
  return new Refusal({ code: 'too_large', message: `a message has at most ${content} bytes of content, ${whole} in all` });
}

/** Turns messages and read positions into calls. Messages to one conversation go out one after the other. */
export class Sender {
  readonly #calls: Calls;
  readonly #sent: (sent: Sent) => void;
  readonly #failed: (id: string, refusal: Refusal) => void;
  #sends = new Map<string, Call>();
  #reads = new Map<string, { call: Call; promise: Promise<ReadState> }>();

  constructor(calls: Calls, sent: (sent: Sent) => void, failed: (id: string, refusal: Refusal) => void) {
    this.#calls = calls;
    this.#sent = sent;
    this.#failed = failed;
  }

  /** Queues a message, unless it is queued. */
  send(message: Outgoing): void {
    const { client_msg_id: id, content, conversation_id, to, reply_to, mentions, metadata } = message;
    if (this.#sends.has(id)) return;
    const target = conversation_id ? { conversation_id } : { to };
    const frame = { type: 'send' as const, client_msg_id: id, content, ...target, reply_to, mentions, metadata };
    this.#sends.set(id, this.#calls.add(frame, (answer, refusal) => {
      this.#sends.delete(id);
      if (answer?.type === 'sent') {
        const { conversation_id, client_msg_id, seq, at, duplicate } = answer;
        this.#sent({ conversation_id, client_msg_id, seq, at, duplicate });
      } else if (refusal) {
        this.#failed(id, refusal);
      }
    }, { lane: conversation_id ?? `to ${to}` }));
  }

  /** Queues a read position. One that has not gone out is raised instead. */
  read(id: string, seq: number): Promise<ReadState> {
    const queued = this.#reads.get(id);
    if (queued && !queued.call.sent) {
      queued.call.frame.seq = Math.max(Number(queued.call.frame.seq), seq);
      return queued.promise;
    }
    const { promise, resolve, reject } = settleable<ReadState>();
    const call = this.#calls.add({ type: 'read', conversation_id: id, seq }, (frame, refusal) => {
      if (this.#reads.get(id)?.call === call) this.#reads.delete(id);
      if (frame?.type === 'read_state') resolve(frame);
      else reject(refusal ?? closed());
    });
    this.#reads.set(id, { call, promise });
    return promise;
  }

  /** Takes a message back; one that is on its way may arrive nevertheless. */
  forget(id: string): void {
    const call = this.#sends.get(id);
    if (call) this.#calls.remove(call);
    this.#sends.delete(id);
  }

  forgetAll(): void {
    for (const id of [...this.#sends.keys()]) this.forget(id);
  }
}

function settleable<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let settle: { resolve: (value: T) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {}); // whoever does not look at it is not punished
  return { promise, resolve: (value) => settle?.resolve(value), reject: (error) => settle?.reject(error) };
}
