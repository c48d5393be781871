import { asError, Refusal, type Code, type RefusalFields } from './errors.js';
import type { Timing } from './limits.js';
import type { Tokens } from './tokens.js';

/** What a REST call takes beside its path. */
export interface CallOptions {
  /** Undefined values are left out; arrays repeat their parameter. */
  query?: Record<string, string | number | boolean | readonly (string | number)[] | undefined>;
  /** The body, as a JSON value. */
  body?: unknown;
  /** Ends the call. */
  signal?: AbortSignal;
}

/** A page of a list. */
export interface ListPage<T> {
  items: T[];
  next_cursor: string | null;
}

/** Makes REST calls to one of several nodes. */
export class Rest {
  readonly #urls: readonly string[];
  readonly #fetch: typeof fetch;
  readonly #tokens: Tokens;
  readonly #timing: Timing;

  constructor(urls: readonly string[], fetcher: typeof fetch, tokens: Tokens, timing: Timing) {
    this.#urls = urls;
    this.#fetch = fetcher;
    this.#tokens = tokens;
    this.#timing = timing;
  }

  /** Makes a call below /v1. It is not repeated, except once with a new token after `token_expired`. */
  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const token = this.#tokens.current ?? await this.#tokens.next();
      try {
        return await this.#anyNode(method, path, token, options) as T;
      } catch (error) {
        if (attempt > 1 || !(error instanceof Refusal) || error.code !== 'token_expired') throw error;
        this.#tokens.forget(token);
      }
    }
  }

  /** Iterates over a list, and requests its pages as they are needed. */
  async *list<T>(path: string, query: CallOptions['query'] = {}): AsyncGenerator<T, void, undefined> {
    for (let cursor: string | undefined; ;) {
      const page: ListPage<T> = await this.call('GET', path, { query: { ...query, cursor } });
      yield* page.items;
      if (page.next_cursor === null || page.next_cursor === undefined) return;
      cursor = page.next_cursor;
    }
  }

  /** Nodes that cannot be reached are passed over. */
  async #anyNode(method: string, path: string, token: string, options: CallOptions): Promise<unknown> {
    let failure: Error | undefined;
    for (const base of this.#urls) {
      try {
        return await this.#one(`${base}/v1${path}${queryText(options.query)}`, method, token, options);
      } catch (error) {
        if (error instanceof Refusal || options.signal?.aborted) throw error;
        failure = asError(error);
      }
    }
    throw new Refusal({ code: 'network', message: `no node answered: ${failure?.message ?? 'no URL'}`, retry: 'again' }, { cause: failure });
  }

  async #one(url: string, method: string, token: string, { body, signal }: CallOptions): Promise<unknown> {
    const late = AbortSignal.timeout(this.#timing.call);
    const response = await this.#fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    const text = await response.text();
    if (response.ok) return text === '' ? null : JSON.parse(text) as unknown;
    throw problem(response.status, text);
  }
}

function queryText(query: CallOptions['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

/** Returns the refusal of a problem document. Whatever else answers (a proxy) is `unavailable` or `invalid`. */
function problem(status: number, text: string): Refusal {
  let document: Partial<RefusalFields> & { title?: string; detail?: string } = {};
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    // not JSON
  }
  const code: Code = document.code ?? (status >= 500 ? 'unavailable' : 'invalid');
  const message = document.detail ?? document.title ?? `the server answered ${status}`;
  return new Refusal({ retry: status >= 500 ? 'again' : 'never', ...document, code, message });
}
