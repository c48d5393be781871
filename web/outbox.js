// Requests that wait for their answer. A send is repeated, with the same
// client_msg_id, until it is answered; sends to one conversation go one after
// the other, so that they arrive in the order in which they were written.

export class Refusal extends Error {
  constructor({ code, message, retry, retry_after_ms: after, fields }) {
    super(message || code);
    this.name = 'Refusal';
    Object.assign(this, { code, retry, after: after ?? 0, fields });
  }
}

export class Outbox {
  #calls = [];
  #lastId = 0;

  /**
   * Queues a request and returns a promise of its answer.
   * lane: requests of one lane wait for each other; ofLink: it means nothing on
   * another connection, and its promise is rejected when this one is lost.
   */
  add(frame, { lane = null, ofLink = false } = {}) {
    const call = { frame: { ...frame, id: String(++this.#lastId) }, lane, ofLink, sent: false, tries: 0, notBefore: 0 };
    this.#calls.push(call);
    return new Promise((resolve, reject) => Object.assign(call, { resolve, reject }));
  }

  /** The frames that may go out now, with at most limit unanswered. */
  ready(now, limit) {
    const out = [];
    const busy = new Set();
    for (const call of this.#calls) {
      if (!call.sent) continue;
      limit--;
      if (call.lane) busy.add(call.lane);
    }
    for (const call of this.#calls) {
      if (limit <= 0) break;
      if (call.sent || busy.has(call.lane)) continue;
      if (call.lane) busy.add(call.lane);
      if (call.notBefore > now) continue;
      call.sent = true;
      limit--;
      out.push(call.frame);
    }
    return out;
  }

  /** When the next postponed request is due, or null. */
  due() {
    const times = this.#calls.filter((call) => !call.sent && call.notBefore).map((call) => call.notBefore);
    return times.length ? Math.min(...times) : null;
  }

  answered(frame, now) {
    const at = this.#calls.findIndex((call) => call.frame.id === frame.id);
    if (at < 0) return;
    const call = this.#calls[at];
    if (frame.type !== 'error') {
      this.#calls.splice(at, 1);
      call.resolve(frame);
      return;
    }
    const refusal = new Refusal(frame);
    if (refusal.retry === 'never' || (refusal.code === 'internal' && call.tries >= 8)) {
      this.#calls.splice(at, 1);
      call.reject(refusal);
      return;
    }
    call.sent = false;
    call.notBefore = now + Math.max(refusal.after, jitter(call.tries++));
  }

  /** Settles the send whose message this is: its answer may have been lost. */
  arrived(event, peer) {
    const at = this.#calls.findIndex(({ frame }) => frame.type === 'send' && frame.client_msg_id === event.client_msg_id
      && (frame.conversation_id === event.conversation_id || (peer && frame.to === peer)));
    if (at < 0) return;
    const [call] = this.#calls.splice(at, 1);
    const { conversation_id, client_msg_id, seq, at: time } = event;
    call.resolve({ type: 'sent', conversation_id, client_msg_id, seq, at: time, duplicate: false });
  }

  lost() {
    for (const call of this.#calls.filter(({ ofLink }) => ofLink)) call.reject(new Error('connection lost'));
    this.#calls = this.#calls.filter(({ ofLink }) => !ofLink);
    for (const call of this.#calls) Object.assign(call, { sent: false, notBefore: 0 });
  }
}

/** Full jitter: 0.5 s doubling to 20 s. */
export function jitter(tries) {
  return Math.random() * Math.min(20_000, 500 * 2 ** Math.min(tries, 8));
}
