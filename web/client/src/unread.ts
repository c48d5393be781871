import { maxUnread } from './limits.js';

/**
 * The unread messages of one conversation that events have shown, because an edit or a recall names only the seq of
 * its message. Messages of the user are never among them: sending reads up to the message sent.
 */
export class Unread {
  #mentioned = new Map<number, boolean>();

  get size(): number {
    return this.#mentioned.size;
  }

  add(seq: number, mentioned: boolean): void {
    if (this.#mentioned.size >= maxUnread) this.#mentioned.delete(this.#mentioned.keys().next().value ?? 0);
    this.#mentioned.set(seq, mentioned);
  }

  /** Whether a message mentions the user; undefined if it is not known. */
  mentioned(seq: number): boolean | undefined {
    return this.#mentioned.get(seq);
  }

  set(seq: number, mentioned: boolean): void {
    if (this.#mentioned.has(seq)) this.#mentioned.set(seq, mentioned);
  }

  delete(seq: number): void {
    this.#mentioned.delete(seq);
  }

  /** Forgets the messages up to seq, and returns the counts of the others. */
  read(seq: number): { unread: number; mentions: number } {
    let mentions = 0;
    for (const [unread, mentioned] of this.#mentioned) {
      if (unread <= seq) this.#mentioned.delete(unread);
      else if (mentioned) mentions++;
    }
    return { unread: this.#mentioned.size, mentions };
  }
}
