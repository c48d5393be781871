import { asError } from './errors.js';

/** Calls listeners. One that throws does not stop the others, nor the caller. */
export class Emitter<Events extends { error: Error }> {
  #listeners = new Map<keyof Events, Set<(value: never) => unknown>>();

  /** Adds a listener, and returns a function that removes it. */
  on<K extends keyof Events>(name: K, listener: (value: Events[K]) => unknown): () => void {
    let all = this.#listeners.get(name);
    if (!all) this.#listeners.set(name, all = new Set());
    const own = (value: Events[K]): unknown => listener(value); // so that one function may be added twice
    all.add(own);
    return () => all.delete(own);
  }

  /** Whether somebody listens. */
  has(name: keyof Events): boolean {
    return Boolean(this.#listeners.get(name)?.size);
  }

  /** Calls the listeners of a name. */
  emit<K extends keyof Events>(name: K, value: Events[K]): void {
    for (const listener of [...this.#listeners.get(name) ?? []] as ((value: Events[K]) => unknown)[]) {
      try {
        const result = listener(value);
        if (result instanceof Promise) result.catch((error: unknown) => this.#failed(name, error));
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }

  #failed(name: keyof Events, error: unknown): void {
    if (name === 'error' || !this.has('error')) console.error('im-client: a callback failed', error);
    else this.emit('error', asError(error) as Events['error']);
  }
}
