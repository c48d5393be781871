// Files of messages: uploads with progress, and addresses to show and save them.

import { Refusal } from './errors.js';
import type { CallOptions } from './rest.js';

/** What of a Client the functions here need. */
export interface Caller {
  call<T>(method: string, path: string, options?: CallOptions): Promise<T>;
}

/** Where a file can be read for five minutes, by everyone who has the URL. */
export interface AttachmentLink {
  attachment_id: string;
  url: string;
  expires_at: string;
  name: string;
  mime: string;
  size: number;
}

export interface UploadOptions {
  /** Default: the name of the File, or "file". */
  name?: string;
  /** The media type. Default: that of the Blob, or application/octet-stream. */
  mime?: string;
  /** Called while the bytes go out, with values from 0 to 1. */
  onProgress?: (part: number) => void;
  /** Ends the upload. */
  signal?: AbortSignal;
  /** Default: globalThis.fetch. Browsers use XMLHttpRequest, which reports progress. */
  fetch?: typeof fetch;
}

/** What the content of a message says of an uploaded file. */
export interface Uploaded {
  attachment_id: string;
  name: string;
  mime: string;
  size: number;
}

interface SignedUpload {
  attachment_id: string;
  upload_url: string;
  method: string;
  headers: Record<string, string>;
}

/**
 * Uploads a file. Put the result into the content of a message: `{ type: 'image', ...uploaded }`. A file that no message
 * names is deleted after a day. Rejects with a Refusal: `too_large`, `rate_limited`, `unavailable` with `retry: 'never'`
 * where the server stores no files, `invalid` where the storage refuses the bytes, `network` without an answer.
 */
export async function upload(client: Caller, file: Blob, options: UploadOptions = {}): Promise<Uploaded> {
  const name = options.name ?? (('name' in file && typeof file.name === 'string' && file.name) || 'file');
  const mime = (options.mime ?? file.type).split(';')[0]!.trim().toLowerCase() || 'application/octet-stream';
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { signal } = options;
  const signed = await client.call<SignedUpload>('POST', '/attachments', {
    body: { name, mime, size: bytes.length, sha256: hex(await sha256(bytes)) }, ...(signal && { signal }),
  });
  // With this type, browsers send the header as it was signed.
  const body = new Blob([bytes], { type: mime });
  const status = await (options.fetch || typeof XMLHttpRequest === 'undefined' ? byFetch : byRequest)(signed, body, options);
  if (status >= 300) {
    throw new Refusal({
      code: status >= 500 ? 'unavailable' : 'invalid', message: `the storage refused the file with status ${status}`, retry: status >= 500 ? 'again' : 'never',
    });
  }
  options.onProgress?.(1);
  return { attachment_id: signed.attachment_id, name, mime, size: bytes.length };
}

async function byFetch(signed: SignedUpload, body: Blob, options: UploadOptions): Promise<number> {
  try {
    const response = await (options.fetch ?? fetch)(signed.upload_url, {
      method: signed.method, headers: signed.headers, body, signal: options.signal ?? null,
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unanswered(error);
  }
}

function byRequest(signed: SignedUpload, body: Blob, { onProgress, signal }: UploadOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    const end = (): void => signal?.removeEventListener('abort', abort);
    request.open(signed.method, signed.upload_url);
    for (const [name, value] of Object.entries(signed.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => { end(); resolve(request.status); };
    request.onerror = () => { end(); reject(unanswered()); };
    request.onabort = () => { end(); reject(signal?.reason as Error ?? unanswered()); };
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) { reject(signal.reason as Error); return; }
    request.send(body);
  });
}

function unanswered(cause?: unknown): Refusal {
  return new Refusal({ code: 'network', message: 'the storage of files did not answer', retry: 'again' }, { cause });
}

/** Asks where a file is. Rejects with `not_found` for one that the user may not read, and after a recall. */
export function attachmentLink(client: Caller, id: string, options: { signal?: AbortSignal } = {}): Promise<AttachmentLink> {
  return client.call('GET', `/attachments/${encodeURIComponent(id)}`, { query: { redirect: false }, ...options });
}

/**
 * Remembers links until shortly before they expire, so that a picture that is shown again is in the cache of the browser.
 * An `<img>` sends no token: set `src` to the URL of a link.
 */
export class AttachmentLinks {
  readonly #client: Caller;
  readonly #known = new Map<string, Promise<AttachmentLink>>();

  constructor(client: Caller) {
    this.#client = client;
  }

  async get(id: string): Promise<AttachmentLink> {
    const known = await this.#known.get(id)?.catch(() => undefined);
    if (known && Date.parse(known.expires_at) - Date.now() > 30_000) return known;
    const asked = attachmentLink(this.#client, id);
    this.#known.delete(id);
    this.#known.set(id, asked);
    if (this.#known.size > 500) this.#known.delete(this.#known.keys().next().value!);
    return asked;
  }

  /** Forgets a link, of a message that was recalled. */
  forget(id: string): void {
    this.#known.delete(id);
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Returns the SHA-256 checksum. Pages that are not loaded securely have no crypto.subtle. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  return subtle ? new Uint8Array(await subtle.digest('SHA-256', bytes)) : sha256Plain(bytes);
}

/** SHA-256 by FIPS 180-4. */
export function sha256Plain(bytes: Uint8Array): Uint8Array {
  const k = new Uint32Array(64);
  const state = new Uint32Array(8);
  for (let found = 0, n = 2; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
    if (!prime) continue;
    if (found < 8) state[found] = (n ** 0.5 % 1) * 2 ** 32;
    k[found++] = (Math.cbrt(n) % 1) * 2 ** 32;
  }
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length * 8);
  const turn = (x: number, by: number): number => x >>> by | x << 32 - by;
  const w = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        w[i] = view.getUint32(at + 4 * i);
        continue;
      }
      const a = w[i - 15]!;
      const b = w[i - 2]!;
      w[i] = w[i - 16]! + (turn(a, 7) ^ turn(a, 18) ^ a >>> 3) + w[i - 7]! + (turn(b, 17) ^ turn(b, 19) ^ b >>> 10);
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + k[i]! + w[i]!;
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c);
      [h, g, f, e, d, c, b, a] = [g, f, e, d + one | 0, c, b, a, one + two | 0];
    }
    for (const [i, add] of [a, b, c, d, e, f, g, h].entries()) state[i] = state[i]! + add;
  }
  const sum = new Uint8Array(32);
  const out = new DataView(sum.buffer);
  for (const [i, word] of state.entries()) out.setUint32(4 * i, word);
  return sum;
}
