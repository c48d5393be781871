// For Node: a WebSocket also where Node has none (before 22), and a store in a file.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { Client as CoreClient } from './client.js';
import type { SocketClass } from './connection.js';
import type { ClientOptions } from './options.js';
import type { Batch, Snapshot } from './store.js';
import { MemoryStore, type MemoryStoreOptions } from './store/memory.js';

async function find(): Promise<SocketClass | undefined> {
  const own = (globalThis as { WebSocket?: SocketClass }).WebSocket;
  if (own) return own;
  try {
    const name = 'ws'; // an optional peer dependency, which need not have types
    return (await import(name) as { default: SocketClass }).default;
  } catch {
    return undefined;
  }
}

const found = await find();

/** The Client of the core, with a WebSocket: that of Node 22 and later, or that of the package `ws`. */
export class Client extends CoreClient {
  /** Checks the options. The client is not connected before start. */
  constructor(options: ClientOptions) {
    const WebSocket = options.WebSocket ?? found;
    if (!WebSocket) throw new TypeError('Node has a WebSocket from version 22 on: install the package "ws", or set the option WebSocket');
    super({ ...options, WebSocket });
  }
}

/**
 * Keeps everything in one JSON file, which each commit replaces: for bots and tests, with few conversations. Each file
 * has one client at a time.
 */
export class FileStore extends MemoryStore {
  readonly #path: string;
  #opened = false;

  /** The folder of path must exist. It keeps the newest 200 events of each conversation, unless options say otherwise. */
  constructor(path: string, options: MemoryStoreOptions = {}) {
    super({ keep: 200, ...options });
    this.#path = path;
  }

  /** Implements Store. A file that does not exist is an empty store. */
  override async open(): Promise<Snapshot> {
    if (!this.#opened) {
      const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (text !== null) this.#load(JSON.parse(text) as Batch);
      this.#opened = true;
    }
    return super.open();
  }

  /** Implements Store. */
  override async commit(batch: Batch): Promise<void> {
    const before = this.#dump();
    this.apply(batch);
    try {
      const temporary = `${this.#path}.new`;
      await writeFile(temporary, JSON.stringify(this.#dump()), { flush: true } as object);
      await rename(temporary, this.#path);
    } catch (error) {
      this.#load(before);
      throw error;
    }
  }

  /** Everything as one batch. */
  #dump(): Batch {
    return {
      ...(this.device && { device: this.device }),
      conversations: [...this.conversations.values()], events: [...this.log.values()].flat(), outbox: [...this.outbox.values()],
    };
  }

  #load(dump: Batch): void {
    this.device = null;
    this.apply({ drop: 'all', ...dump });
  }
}

export * from './index.js';
