// A push service of a browser: it takes what nodes send, and decrypts it by RFC 8291, as the browser would.

import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

export class PushService {
  received = []; // { path, headers, payload }
  #server;
  #ecdh = createECDH('prime256v1');
  #auth = randomBytes(16);

  constructor() { this.#ecdh.generateKeys(); }

  async start() {
    this.#server = createServer(async (request, answer) => {
      const body = Buffer.concat(await request.toArray());
      this.received.push({ path: request.url, headers: request.headers, payload: JSON.parse(this.#decrypt(body)) });
      answer.writeHead(201).end();
    });
    await new Promise((resolve) => { this.#server.listen(0, '127.0.0.1', resolve); });
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  get keys() { return { p256dh: this.#ecdh.getPublicKey('base64url'), auth: this.#auth.toString('base64url') }; }

  /** Resolves to the first request to a path about which check is true. */
  async takes(path, check = () => true, timeout = 30_000) {
    for (const until = Date.now() + timeout; ;) {
      const found = this.received.find((one) => one.path === path && check(one.payload));
      if (found) return found;
      if (Date.now() > until) throw new Error(`nothing came to ${path}, only ${JSON.stringify(this.received.map((one) => [one.path, one.payload]))}`);
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  }

  #decrypt(body) {
    const salt = body.subarray(0, 16);
    const remote = body.subarray(21, 21 + body[20]);
    const info = (name, ...more) => Buffer.concat([Buffer.from(`${name}\0`), ...more]);
    const secret = hkdfSync('sha256', this.#ecdh.computeSecret(remote), this.#auth, info('WebPush: info', this.#ecdh.getPublicKey(), remote), 32);
    const key = hkdfSync('sha256', secret, salt, info('Content-Encoding: aes128gcm'), 16);
    const nonce = hkdfSync('sha256', secret, salt, info('Content-Encoding: nonce'), 12);
    const cipher = createDecipheriv('aes-128-gcm', Buffer.from(key), Buffer.from(nonce));
    cipher.setAuthTag(body.subarray(-16));
    const text = Buffer.concat([cipher.update(body.subarray(21 + body[20], -16)), cipher.final()]);
    return text.subarray(0, text.lastIndexOf(2)).toString();
  }

  async close() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }
}
