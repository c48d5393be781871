import type { Event } from './generated/frames.js';
import { maxAhead } from './limits.js';

/** What a stream needs of a page. */
export interface EventPage {
  events: Event[];
  head_seq: number;
  floor_seq: number;
}

/**
 * Puts the events of one conversation in order, on this device. stored ≤ accepted ≤ head.
 *
 * | state | condition | changes |
 * |---|---|---|
 * | current | accepted = head | a push of accepted+1: stays; another new push, a gap, a view with a higher head: to behind |
 * | behind | accepted < head | its turn for a pull: to pulling |
 * | pulling | pulling | a page: to current or behind; the end of the session: to behind. Pushes are held, up to maxAhead |
 */
export class Stream {
  readonly id: string;
  /** Every event up to here was accepted, once. */
  accepted: number;
  /** Every event up to here is in the store. */
  stored: number;
  /** The highest seq known to exist. */
  head: number;
  pulling = false;
  /** Waits for its turn to be pulled. */
  waiting = false;
  #ahead: Event[] = [];
  /**
   * The device is new to the conversation and accepted no event yet: accepted comes from the first view. A push that is
   * older than that view lowers it, so that the event is not dropped.
   */
  #fresh: boolean;

  constructor(id: string, position: number, head: number, fresh: boolean) {
    this.id = id;
    this.accepted = this.stored = position;
    this.head = head;
    this.#fresh = fresh;
  }

  /** Whether events are known to be missing. */
  get behind(): boolean {
    return this.accepted < this.head;
  }

  /** Takes a pushed event, and returns the events that are next in order now. Without room it accepts none. */
  push(event: Event, room: boolean): Event[] {
    this.head = Math.max(this.head, event.seq);
    if (this.#fresh && event.seq <= this.accepted) this.accepted = this.stored = event.seq - 1;
    if (event.seq === this.accepted + 1 && room) return [this.#accept(event), ...this.#acceptAhead()];
    if (event.seq > this.accepted && this.pulling) this.#hold(event);
    return [];
  }

  /** Takes a page, and returns the events that are next in order now. */
  page({ events, head_seq: head, floor_seq: floor }: EventPage): Event[] {
    const next: Event[] = [];
    events.forEach((event, i) => {
      // If the device may not read what follows accepted, the page starts at the floor.
      const atFloor = i === 0 && event.seq > this.accepted && event.seq === floor;
      if (event.seq === this.accepted + 1 || atFloor) next.push(this.#accept(event));
    });
    next.push(...this.#acceptAhead());
    if (events.length === 0) {
      this.head = this.accepted; // nothing is readable above, whatever was announced
      this.#ahead = [];
    } else {
      this.head = Math.max(this.head, head);
    }
    return next;
  }

  /** The session has ended, and the pull with it. */
  lost(): void {
    this.pulling = this.waiting = false;
    this.#ahead = [];
  }

  #accept(event: Event): Event {
    this.accepted = event.seq;
    this.#fresh = false;
    return event;
  }

  #hold(event: Event): void {
    const last = this.#ahead.at(-1);
    if (this.#ahead.length < maxAhead && (!last || event.seq === last.seq + 1)) this.#ahead.push(event);
  }

  #acceptAhead(): Event[] {
    const from = this.#ahead.findIndex((event) => event.seq === this.accepted + 1);
    if (from < 0) {
      if ((this.#ahead.at(-1)?.seq ?? 0) <= this.accepted) this.#ahead = [];
      return [];
    }
    const next = this.#ahead.slice(from);
    this.#ahead = [];
    return next.map((event) => this.#accept(event));
  }
}
