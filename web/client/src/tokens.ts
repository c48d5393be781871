import { asError, Refusal } from './errors.js';
import type { Timing } from './limits.js';

/** Calls the app's token callback, once at a time, and remembers the last token for REST calls. */
export class Tokens {
  readonly #source: () => string | Promise<string>;
  readonly #timing: Timing;
  #last: string | null = null;
  #asking: Promise<string> | null = null;

  constructor(source: () => string | Promise<string>, timing: Timing) {
    this.#source = source;
    this.#timing = timing;
  }

  /** Returns the last token without asking for one. */
  get current(): string | null {
    return this.#last;
  }

  /** Forgets a token that the server found expired. */
  forget(token: string): void {
    if (this.#last === token) this.#last = null;
  }

  /** Returns a new token. It rejects if the callback throws, takes too long, or returns none. */
  next(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the token callback took longer than ${this.#timing.token} ms`)), this.#timing.token);
    });
    try {
      const token = await Promise.race([(async () => this.#source())(), late]);
      if (typeof token !== 'string' || token === '') throw new Error('the token callback returned no token');
      this.#last = token;
      return token;
    } catch (error) {
      throw new Refusal({ code: 'unauthenticated', message: `no token: ${asError(error).message}`, retry: 'again' }, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}
