import { asError } from './errors.js';
import type { Conversation } from './generated/frames.js';
import type { Rest } from './rest.js';

/** Requests the states of conversations that are in doubt: one at a time, each once however often it is asked for. */
export class Refresher {
  readonly #rest: Rest;
  readonly #show: (view: Conversation) => boolean;
  readonly #error: (error: Error) => void;
  #waiting = new Set<string>();
  #running = false;

  /** show takes a state, and reports whether it was new enough: events may have come meanwhile. */
  constructor(rest: Rest, show: (view: Conversation) => boolean, error: (error: Error) => void) {
    this.#rest = rest;
    this.#show = show;
    this.#error = error;
  }

  request(id: string): void {
    this.#waiting.add(id);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      try {
        for (let tries = 0; tries < 5; tries++) {
          if (this.#show(await this.#rest.call<Conversation>('GET', `/conversations/${encodeURIComponent(id)}`))) break;
        }
      } catch (error) {
        this.#error(asError(error)); // the next sync tells
      }
    }
    this.#running = false;
  }
}
