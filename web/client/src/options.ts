import type { SocketClass } from './connection.js';
import type { Event } from './generated/frames.js';
import type { Timing } from './limits.js';
import type { Store } from './store.js';

/** Options of a Client. Only `token` is required, and `url` outside browsers. */
export interface ClientOptions {
  /** The base URLs of the nodes, such as https://chat.example.org. Each connection uses the next one. Default: the page's origin. */
  url?: string | readonly string[];
  /**
   * Returns a token. It is called for each connection, before a token expires, and when a REST call finds it expired. If
   * it throws or takes 30 s, the client tries again with a growing random delay.
   */
  token: () => string | Promise<string>;
  /** Keeps events, positions and messages to be sent. Default: in memory. */
  store?: Store;
  /** The device id of a new store. Default: a random one. */
  deviceId?: string;
  /** How many of the newest events of each conversation a new device receives; Infinity: all. Default 20. */
  history?: number;
  /** Connects without showing the user as online. */
  background?: boolean;
  /**
   * Receives each event before it is stored and acknowledged; its promise is awaited. After a crash in between it comes
   * again: recognise it by (conversation_id, seq). An error is reported, and the stream goes on. Tabs that do not lead
   * do not call it.
   */
  onEvent?: (event: Event) => void | Promise<void>;
  /** Default: globalThis.WebSocket. The entry point `im-client/node` has one for Node 20. */
  WebSocket?: SocketClass;
  /** Default: globalThis.fetch. */
  fetch?: typeof fetch;
  /** Time-outs and delays, for tests. */
  timing?: Partial<Timing>;
}

/** Checks the URLs, and completes them. */
export function checkUrls(url: ClientOptions['url']): string[] {
  const urls = (url === undefined ? [globalThis.location?.origin ?? ''] : [url].flat()) as string[];
  for (const one of urls) if (!/^https?:\/\/[^/]/.test(one)) throw new TypeError(`url: "${one}" is not an http or https URL`);
  if (!urls.length) throw new TypeError('url: at least one is needed');
  return urls.map((one) => one.replace(/\/+$/, ''));
}

/** Returns the class of WebSockets to use. */
export function socketClass(given: SocketClass | undefined): SocketClass {
  const found = given ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
  if (!found) throw new TypeError('WebSocket: there is none here; take the Client of "im-client/node"');
  return found;
}
