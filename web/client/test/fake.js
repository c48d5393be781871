// A scripted server in this process: sockets and REST calls that a test answers by hand.

/** Polls until check returns something true, or fails with what it said last. */
export async function until(what, check, deadline = 10_000) {
  const end = performance.now() + deadline;
  for (let last; ;) {
    try {
      const found = await check();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`still waiting for ${what}${last ? `: ${last.message}` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Short delays. */
export const timing = { retry: 2, maxRetry: 10, tick: 5, renewal: 20, pong: 5_000 };

export class FakeServer {
  /** All sockets that clients opened. */
  sockets = [];
  /** Frames of clients that no test has taken: {frame, socket}. */
  frames = [];
  /** What devices have acknowledged. */
  acked = {};
  pings = 0;
  answersPings = true;
  /** REST calls that no test has taken. */
  calls = [];
  /** Answers REST calls at once, if set: (call) => [status, answer] or undefined. */
  rest = null;

  /** Handles a frame at once, and reports whether it did. */
  onFrame = () => false;

  constructor() {
    const server = this;
    this.WebSocket = class {
      readyState = 0;
      onopen = null;
      onmessage = null;
      onclose = null;
      onerror = null;
      constructor(url, protocol) {
        this.url = url;
        if (protocol !== 'im.v1') throw new Error(`subprotocol ${protocol}`);
        server.sockets.push(this);
        setImmediate(() => {
          if (this.readyState !== 0) return;
          this.readyState = 1;
          this.onopen?.({});
        });
      }
      send(text) { if (this.readyState === 1) server.#received(this, JSON.parse(text)); }
      close() { this.readyState = 3; }
    };
    this.fetch = (url, init) => new Promise((resolve, reject) => {
      const { pathname, searchParams } = new URL(url);
      const call = {
        method: init.method, path: decodeURIComponent(pathname), query: searchParams, token: init.headers.authorization.replace('Bearer ', ''),
        body: init.body && JSON.parse(init.body),
        answer: (status, answer) => resolve(new Response(status === 204 ? null : JSON.stringify(answer), { status })),
        fail: () => reject(new TypeError('fetch failed')),
      };
      const now = this.rest?.(call);
      if (now) call.answer(...now);
      else this.calls.push(call);
    });
  }

  get socket() { return this.sockets.at(-1); }

  #received(socket, frame) {
    if (frame.type === 'ack') Object.assign(this.acked, frame.acks);
    else if (frame.type === 'ping') {
      this.pings++;
      if (this.answersPings) setImmediate(() => this.send({ type: 'pong', server_time: '2026-01-02T03:04:05.000000Z' }));
    } else if (!this.onFrame(frame, socket)) this.frames.push({ frame, socket });
  }

  /** Sends a frame to the client that connected last. */
  send(frame) { this.socket.onmessage?.({ data: JSON.stringify(frame) }); }

  /** Ends the connection. 0 is a loss without a close frame. */
  close(code = 0, reason = '') {
    const { socket } = this;
    socket.readyState = 3;
    socket.onclose?.({ code: code || 1006, reason });
  }

  /** Takes the first frame that matches. */
  async take(what, matches) {
    return until(what, () => {
      const at = this.frames.findIndex(({ frame, socket }) => socket === this.socket && matches(frame));
      return at >= 0 && this.frames.splice(at, 1)[0].frame;
    }).catch((error) => {
      throw new Error(`${error.message}; there are ${JSON.stringify(this.frames.map(({ frame }) => frame))}`);
    });
  }

  /** Takes the first REST call that matches. */
  takeCall(what, matches) {
    return until(what, () => {
      const at = this.calls.findIndex(matches);
      return at >= 0 && this.calls.splice(at, 1)[0];
    });
  }
}
