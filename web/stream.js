// The order of one conversation's events on this page: what is accepted is 1, 2,
// 3 … from where the page began, each once, whatever was pushed, repeated, left
// out or pulled. No I/O in here.

const maxAhead = 64;

export class Stream {
  /**
   * @param {string} id of the conversation
   * @param {number} position everything up to here is known already
   * @param {number} head the furthest seq known to exist
   */
  constructor(id, position, head) {
    this.id = id;
    this.accepted = position;
    this.head = head;
    this.pulling = false;
    this.ahead = []; // pushed during a pull, ascending without a hole
    this.fresh = true; // nothing accepted yet: the first push may set the start back
  }

  get behind() {
    return this.accepted < this.head;
  }

  /** Takes a pushed event; returns the events that are next in order now. */
  push(event) {
    this.head = Math.max(this.head, event.seq);
    if (this.fresh && event.seq <= this.accepted) this.accepted = event.seq - 1;
    if (event.seq === this.accepted + 1) return [this.#accept(event), ...this.#drain()];
    if (event.seq > this.accepted && this.pulling) this.#hold(event);
    return [];
  }

  /** Takes a pulled page; returns the events that are next in order now. */
  page({ events, head_seq: head, floor_seq: floor }) {
    const next = [];
    events.forEach((event, i) => {
      const atFloor = i === 0 && event.seq > this.accepted && event.seq === floor;
      if (event.seq === this.accepted + 1 || atFloor) next.push(this.#accept(event));
    });
    next.push(...this.#drain());
    if (events.length === 0) {
      this.head = this.accepted; // nothing there, whatever was announced
      this.ahead = [];
    } else {
      this.head = Math.max(this.head, head);
    }
    return next;
  }

  /** The connection is gone, and the pull with it. */
  lost() {
    this.pulling = false;
    this.ahead = [];
  }

  #accept(event) {
    this.accepted = event.seq;
    this.fresh = false;
    return event;
  }

  #hold(event) {
    const last = this.ahead.at(-1);
    if (this.ahead.length < maxAhead && (!last || event.seq === last.seq + 1)) this.ahead.push(event);
  }

  #drain() {
    const from = this.ahead.findIndex((event) => event.seq === this.accepted + 1);
    if (from < 0) return [];
    const next = this.ahead.slice(from);
    this.ahead = [];
    return next.map((event) => this.#accept(event));
  }
}
