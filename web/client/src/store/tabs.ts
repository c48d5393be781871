import type { Tabs } from '../store.js';

/** The part of navigator.locks that the store uses. */
export interface LocksLike {
  request(name: string, options: { signal: AbortSignal }, callback: () => Promise<void>): Promise<unknown>;
}

/** The class of BroadcastChannel. */
export type BroadcastChannelClass = new (name: string) => {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
};

/**
 * Tabs of one origin. The one that holds the lock leads, until it is closed or crashes: the browser gives the lock to
 * the next one then. Browsers do not freeze tabs that hold a lock.
 */
export class WebTabs implements Tabs {
  readonly #name: string;
  readonly #locks: LocksLike | undefined;
  readonly #channelClass: BroadcastChannelClass | undefined;
  #channel: InstanceType<BroadcastChannelClass> | null = null;
  #receive: (message: unknown) => void = () => {};
  #abandon: AbortController | null = null;
  #release: (() => void) | null = null;

  constructor(name: string, locks: LocksLike | undefined, channelClass: BroadcastChannelClass | undefined) {
    this.#name = name;
    this.#locks = locks;
    this.#channelClass = channelClass;
  }

  /** Without locks two tabs could write at once: then the store must not be used. */
  open(): void {
    if (!this.#locks || !this.#channelClass) {
      throw new Error('the browser has no Web Locks or BroadcastChannel here: use https, or a memory store');
    }
    if (this.#channel) return;
    this.#channel = new this.#channelClass(this.#name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
  }

  /** Implements Tabs. */
  async lead(): Promise<void> {
    const abandon = this.#abandon = new AbortController();
    const { signal } = abandon;
    await new Promise<void>((resolve, reject) => {
      this.#locks?.request(this.#name, { signal }, () => new Promise<void>((release) => {
        this.#release = release;
        if (signal.aborted) release();
        else resolve();
      })).catch((error: unknown) => {
        if (!signal.aborted) reject(error as Error);
      });
    });
  }

  /** Implements Tabs. */
  post(message: unknown): void {
    this.#channel?.postMessage(message);
  }

  /** Implements Tabs. */
  listen(receive: (message: unknown) => void): void {
    this.#receive = receive;
  }

  /** Lets another tab lead. */
  close(): void {
    this.#abandon?.abort();
    this.#release?.();
    this.#release = this.#abandon = null;
    this.#channel?.close();
    this.#channel = null;
  }
}
