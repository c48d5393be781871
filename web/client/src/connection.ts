import { asError } from './errors.js';
import type { ClientFrame, ServerFrame, WelcomeFrame } from './generated/frames.js';
import { jitter, now, type Timing } from './limits.js';
import type { Tokens } from './tokens.js';
import type { Status } from './types.js';

/** The part of WebSocket that the client uses. */
export interface Socket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** A class of WebSockets: that of browsers, of Node 22 and later, or of the package ws. */
export type SocketClass = new (url: string, protocol: string) => Socket;

/** What a connection needs of its client. */
export interface ConnectionHost {
  readonly tokens: Tokens;
  deviceId(): string;
  /** A welcome came: the first one of a session, or the answer to a renewed token. */
  welcomed(welcome: WelcomeFrame, send: (frame: ClientFrame) => void): void;
  receive(frame: ServerFrame): void;
  /** The session has ended. */
  lost(): void;
  status(status: Status): void;
  /** Whether an answer is late. */
  doubt(isLate: boolean): void;
  /** Called every Timing.tick during a session. */
  tick(): void;
  error(error: Error): void;
}

/** What the end of a connection asks for: the range of its close code says it. */
export function reaction(code: number): 'reconnect' | 'renew' | 'stop' {
  if (code >= 4200 && code <= 4299) return 'renew';
  return (code >= 4300 && code <= 4499) || code === 1009 ? 'stop' : 'reconnect';
}

/**
 * Keeps a socket to one of several nodes.
 *
 * | state | status | left when |
 * |---|---|---|
 * | asking | connecting | the callback has a token: to opening; it fails: to waiting |
 * | opening | connecting | the socket is open: to hello; Timing.open: to waiting |
 * | hello | connecting | welcome: to session; Timing.welcome: to waiting |
 * | session | syncing, online | the delay of a drain frame is over: to asking |
 * | waiting | offline | the random delay is over, or wake: to asking, with the next URL |
 * | stopped | stopped | start: to asking |
 *
 * Every state with a socket is left when the socket ends: for waiting, or for stopped if the close code says so, or if
 * the token has expired and the callback has no newer one. The same if the server is silent for a heartbeat and
 * Timing.pong, for waiting; or for Timing.check after the device has lost its network. Before that, a session is doubtful
 * while an answer is late (Timing.doubt).
 */
export class Connection {
  readonly #host: ConnectionHost;
  readonly #urls: readonly string[];
  readonly #socketClass: SocketClass;
  readonly #timing: Timing;
  readonly background: boolean;
  #running = false;
  #socket: Socket | null = null;
  #welcome: WelcomeFrame | null = null;
  /** The tokens of the last hello, and of the hello that the last welcome answered; one that was refused as too old. */
  #offered: string | null = null;
  #accepted: string | null = null;
  #expired: string | null = null;
  #attempt = 0;
  #tries = 0;
  #began = 0;
  #heard = 0;
  /** When a ping went out that nothing has answered; null otherwise. */
  #pinged: number | null = null;
  /** When a request went out after which nothing came; null otherwise. */
  #asked: number | null = null;
  /** The server asked for this delay before the next hello. */
  #retryAfter = 0;
  #timers: Partial<Record<'tick' | 'retry' | 'drain' | 'renew' | 'check', ReturnType<typeof setTimeout>>> = {};

  constructor(host: ConnectionHost, urls: readonly string[], socketClass: SocketClass, timing: Timing, background: boolean) {
    this.#host = host;
    this.#urls = urls;
    this.#socketClass = socketClass;
    this.#timing = timing;
    this.background = background;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#timers.tick = setInterval(() => this.#tick(), this.#timing.tick);
    void this.#connect();
  }

  stop(): void {
    if (this.#running) this.#end({ reason: 'stopped by the app' });
  }

  /** The network or the page is back: does not wait for the next try, and checks a socket that was silent. */
  wake(): void {
    if (!this.#running) return;
    if (!this.#socket && this.#timers.retry !== undefined) {
      clearTimeout(this.#timers.retry);
      void this.#connect();
    } else if (this.#welcome) {
      this.#heard = Math.min(this.#heard, now() - this.#welcome.heartbeat_ms - 1);
      this.#tick();
    }
  }

  /** Writes a frame if there is a session. */
  write(frame: ClientFrame): void {
    if (this.#socket?.readyState !== 1) return;
    if ('id' in frame || frame.type === 'ping') this.#asked ??= now();
    this.#socket.send(JSON.stringify(frame));
  }

  /** The device has lost its network: the connection is given up, unless the server (on this device, say) answers soon. */
  check(): void {
    if (!this.#welcome) return;
    if (this.#pinged === null) this.#ping();
    this.#later('check', this.#timing.check, () => {
      if (this.#pinged !== null) this.abandon('no network');
    });
  }

  #ping(): void {
    this.#pinged = now();
    this.write({ type: 'ping' });
  }

  /** Gives the connection up, and connects again: it may be dead, and its close event slow to come. */
  abandon(reason: string): void {
    if (this.#socket) this.#closed(1006, reason);
  }

  async #connect(): Promise<void> {
    this.#timers.retry = undefined;
    const attempt = ++this.#attempt;
    this.#host.status({ state: 'connecting' });
    let token: string;
    try {
      token = await this.#host.tokens.next();
    } catch (error) {
      if (this.#running && attempt === this.#attempt) this.#retry({ reason: asError(error).message });
      return;
    }
    if (!this.#running || attempt !== this.#attempt) return;
    if (token === this.#expired) {
      this.#end({ code: 4200, reason: 'the token has expired, and the callback has no newer one' });
      return;
    }
    this.#open(token);
  }

  #open(token: string): void {
    const base = this.#urls[(this.#attempt - 1) % this.#urls.length] ?? '';
    let socket: Socket;
    try {
      socket = new this.#socketClass(`${base.replace(/^http/, 'ws')}/v1/ws`, 'im.v1');
    } catch (error) {
      this.#retry({ reason: asError(error).message });
      return;
    }
    this.#socket = socket;
    this.#accepted = null;
    this.#offered = token;
    this.#began = this.#heard = now();
    this.#pinged = null;
    this.#retryAfter = 0;
    socket.onopen = () => {
      this.#heard = now();
      this.#hello(token);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    socket.onerror = () => {}; // a close event follows
  }

  #hello(token: string): void {
    this.#offered = token;
    this.write({
      type: 'hello', device_id: this.#host.deviceId(), token, ...(this.background && { background: true }),
    });
  }

  #receive(data: unknown): void {
    this.#heard = now();
    this.#pinged = this.#asked = null;
    this.#host.doubt(false);
    try {
      const frame = JSON.parse(String(data)) as ServerFrame;
      if (frame.type === 'welcome') this.#welcomed(frame);
      else if (frame.type === 'drain') this.#drain(frame.reconnect_after_ms);
      else if (this.#welcome) this.#host.receive(frame);
      else if (frame.type === 'error') this.#retryAfter = frame.retry_after_ms ?? 0;
    } catch (error) {
      this.#host.error(asError(error));
      this.abandon(`a frame could not be handled: ${asError(error).message}`);
    }
  }

  #welcomed(welcome: WelcomeFrame): void {
    const renewed = this.#welcome !== null;
    this.#welcome = welcome;
    this.#accepted = this.#offered;
    this.#expired = null;
    // Both times are the server's: the clock of this device may be wrong.
    const left = Date.parse(welcome.token_expires_at) - Date.parse(welcome.server_time);
    this.#later('renew', left > 0 ? Math.max(left - 60_000, left / 2) : Infinity, () => void this.#renew());
    if (!renewed) this.#host.status({ state: 'syncing' });
    this.#host.welcomed(welcome, (frame) => this.write(frame));
  }

  /** Offers a newer token, again and again until one is welcome. */
  async #renew(): Promise<void> {
    const welcome = this.#welcome;
    const token = await this.#host.tokens.next().catch((error: unknown) => {
      this.#host.error(asError(error));
      return null;
    });
    if (!welcome || this.#welcome !== welcome) return; // the next one has its own time
    this.#later('renew', this.#timing.renewal, () => void this.#renew());
    if (token && token !== this.#accepted) this.#hello(token);
  }

  #drain(delay: number): void {
    this.#later('drain', delay, () => {
      this.#tries = 0;
      this.#leave();
      void this.#connect(); // another node answers: the server has spread these delays
    });
  }

  #later(name: 'drain' | 'renew' | 'check', delay: number, run: () => void): void {
    clearTimeout(this.#timers[name]);
    if (Number.isFinite(delay)) this.#timers[name] = setTimeout(run, Math.min(delay, 2 ** 31 - 1));
  }

  /** Drops the socket, without waiting for its end. */
  #leave(): void {
    const socket = this.#socket;
    clearTimeout(this.#timers.drain);
    clearTimeout(this.#timers.renew);
    clearTimeout(this.#timers.check);
    this.#asked = null;
    this.#socket = this.#welcome = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#host.lost();
  }

  #closed(code: number, reason: string): void {
    const lasted = this.#welcome ? now() - this.#began : 0;
    this.#leave();
    if (lasted > this.#timing.settled) this.#tries = 0;
    const why = { code, ...(reason && { reason }) };
    switch (reaction(code)) {
      case 'stop':
        this.#end(why);
        return;
      case 'renew':
        this.#expired = this.#accepted ?? this.#offered;
        if (this.#expired) this.#host.tokens.forget(this.#expired);
    }
    this.#retry(why);
  }

  #retry(why: Omit<Status, 'state'>): void {
    this.#host.status({ state: 'offline', ...why });
    clearTimeout(this.#timers.retry);
    this.#timers.retry = setTimeout(() => void this.#connect(), this.#retryAfter + jitter(this.#timing, this.#tries++));
  }

  #end(why: Omit<Status, 'state'>): void {
    this.#running = false;
    this.#attempt++; // void the callback under way
    clearInterval(this.#timers.tick);
    clearTimeout(this.#timers.retry);
    this.#timers.retry = undefined;
    this.#leave();
    this.#host.status({ state: 'stopped', ...why });
  }

  #tick(): void {
    const silence = now() - this.#heard;
    if (!this.#socket) return;
    if (!this.#welcome) {
      if (silence > (this.#socket.readyState === 1 ? this.#timing.welcome : this.#timing.open)) this.abandon('the server did not answer');
      return;
    }
    const heartbeat = this.#welcome.heartbeat_ms;
    // Browsers slow the timers of hidden pages down: silence counts from a ping that was really sent.
    if (this.#pinged !== null && now() - this.#pinged > this.#timing.pong) {
      this.abandon('nothing received from the server');
      return;
    }
    const isLate = this.#asked !== null && now() - this.#asked > this.#timing.doubt;
    this.#host.doubt(isLate);
    if (this.#pinged === null && (isLate || silence > Math.min(heartbeat, this.#timing.quiet))) this.#ping();
    this.#host.tick();
  }
}
