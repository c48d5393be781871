// Calls of the REST API as the operator: with the server token, at the origin of the page.

/** Where the API is: the page is at /admin/ of the same origin, perhaps below the path of a proxy. */
const base = () => new URL('..', document.baseURI).href;

const callMs = 20_000; // the node answers within 9 s

/** A call that failed: the code and the words of the server, and the id by which its log knows the request. */
export class Failure extends Error {
  /** @param {{code: string, detail?: string, request_id?: string, fields?: object, retry_after_ms?: number}} problem */
  constructor({ code, detail, title, request_id: request, fields, retry_after_ms: retryAfterMs }) {
    super(detail ?? title ?? 'no reason given');
    Object.assign(this, { code, request, fields, retryAfterMs });
  }
}

/** What a failure says, in one text. */
export function explain(error) {
  if (!(error instanceof Failure)) return String(error?.message ?? error);
  const fields = Object.entries(error.fields ?? {}).map(([name, reason]) => `${name.replace(/^\//, '')} ${reason}`);
  const request = error.request ? ` Request ${error.request}.` : '';
  return `${error.code}: ${error.message}${fields.length ? ` (${fields.join(', ')})` : ''}.${request}`;
}

export class Api {
  #token;
  #refused;

  /**
   * @param {string} token
   * @param {(failure: Failure) => void} refused the server takes the token no more
   */
  constructor(token, refused = () => {}) {
    this.#token = token;
    this.#refused = refused;
  }

  /**
   * Makes a call below /v1; resolves to the answer, or null if it has no body.
   * @param {string} method
   * @param {string} path without a query; the parts are encoded, see path()
   * @param {{query?: object, body?: object, as?: string, signal?: AbortSignal, within?: number}} [how] as: on behalf of this user
   */
  async call(method, path, { query, body, as, signal, within = callMs } = {}) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (as !== undefined) headers['X-IM-User'] = as;
    const { response, text } = await answered(`${base()}v1${path}${queryText(query)}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer',
    }, within);
    if (response.ok) return text ? JSON.parse(text) : null;
    const failure = failureOf(response, text);
    if (response.status === 401) this.#refused(failure);
    throw failure;
  }

  get(path, how) { return this.call('GET', path, how); }
}

/** What this node says of the services that it depends on. It answers the same with a failing status. */
export async function readiness(signal) {
  const { response, text } = await answered(`${base()}readyz`, { signal, cache: 'no-store', credentials: 'omit' }, callMs);
  try {
    return JSON.parse(text);
  } catch {
    throw failureOf(response, text);
  }
}

/** A path of parts, each of which is encoded: path('users', id). */
export const path = (...parts) => parts.map((part) => `/${encodeURIComponent(part)}`).join('');

async function answered(url, init, within) {
  const late = AbortSignal.timeout(within);
  try {
    const response = await fetch(url, { ...init, signal: init.signal ? AbortSignal.any([init.signal, late]) : late });
    return { response, text: await response.text() };
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Failure({ code: 'unavailable', detail: late.aborted ? `the node has not answered within ${within / 1_000} s` : 'the node cannot be reached' });
  }
}

function failureOf(response, text) {
  try {
    const problem = JSON.parse(text);
    if (problem.code) return new Failure(problem);
  } catch { /* not from the API: of a proxy, say */ }
  return new Failure({ code: `status ${response.status}`, detail: text.trim().slice(0, 200) || response.statusText, request_id: response.headers.get('X-Request-Id') });
}

function queryText(query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}
