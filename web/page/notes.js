// What happened in a conversation beside messages: who came, left, or named it. The client's window has messages only, so
// the events between them are requested, page by page, and kept; later ones come live.

import { until } from './dates.js';
import { noteOf } from './words.js';

const most = 1000; // events that are looked through at a time
const mostPages = 5;
const fewHoles = 3; // are asked for one by one
const againMs = 5_000;

export class Notes {
  #client;
  #id;
  #nameOf;
  #events = new Map(); // seq → event
  #covered = []; // ranges [first, last] that were looked through, ascending
  #underWay = false;
  #notBefore = 0;

  constructor(client, id, nameOf) {
    this.#client = client;
    this.#id = id;
    this.#nameOf = nameOf;
  }

  /** The notes from first to last, ascending, as { seq, at, note }. */
  between(first, last) {
    const notes = [];
    for (const event of this.#events.values()) {
      const { seq, at } = event;
      if (seq >= first && seq <= last) notes.push({ seq, at, note: noteOf(event, this.#nameOf, until) });
    }
    return notes.sort((a, b) => a.seq - b.seq);
  }

  /** Takes an event as it happens. Returns whether there is another note. */
  event(event) {
    this.#cover(event.seq, event.seq);
    return this.#take(event);
  }

  #take(event) {
    if (this.#events.has(event.seq) || !noteOf(event)) return false;
    this.#events.set(event.seq, event);
    return true;
  }

  /** The log has another epoch: what is here is void. */
  clear() {
    this.#events.clear();
    this.#covered = [];
  }

  /**
   * Loads what is between the messages with these seqs, from first to last. Resolves to whether there is something new.
   * It fails silently: the messages are worth more than the notes.
   */
  async load(first, last, seqs) {
    if (this.#underWay || first > last || Date.now() < this.#notBefore) return false;
    const holes = this.#holes(first, last, seqs);
    if (!holes.length) return false;
    this.#underWay = true;
    let isNew = false;
    try {
      for (const [from, to] of holes.length <= fewHoles ? holes : [[holes[0][0], holes.at(-1)[1]]]) {
        isNew = await this.#loadRange(Math.max(from, to - most + 1), to) || isNew;
        this.#cover(from, to);
      }
    } catch {
      this.#notBefore = Date.now() + againMs;
    } finally {
      this.#underWay = false;
    }
    return isNew;
  }

  async #loadRange(from, to) {
    let isNew = false;
    for (let after = from - 1, pages = 0; after < to && pages < mostPages; pages++) { // a page ends at 1 MiB
      const page = await this.#client.fetchEvents(this.#id, { after_seq: after, limit: Math.min(to - after, most) });
      for (const event of page.events) if (event.seq <= to) isNew = this.#take(event) || isNew;
      if (!page.has_more || !page.to_seq) break;
      after = page.to_seq;
    }
    return isNew;
  }

  /** The seqs from first to last that are neither messages nor covered, as ranges. */
  #holes(first, last, seqs) {
    const messages = new Set(seqs);
    const holes = [];
    let range = 0;
    for (let seq = first; seq <= last; seq++) {
      while (this.#covered[range]?.[1] < seq) range++;
      if (messages.has(seq) || this.#covered[range]?.[0] <= seq) continue;
      if (holes.at(-1)?.[1] === seq - 1) holes.at(-1)[1] = seq;
      else holes.push([seq, seq]);
    }
    return holes;
  }

  #cover(first, last) {
    const merged = [];
    for (const range of [...this.#covered, [first, last]].sort((a, b) => a[0] - b[0])) {
      const before = merged.at(-1);
      if (before && range[0] <= before[1] + 1) before[1] = Math.max(before[1], range[1]);
      else merged.push([...range]);
    }
    this.#covered = merged;
  }
}
