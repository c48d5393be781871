// The backend of a shop: it ships orders, and notifies the buyers. It needs no library: a call of im is one fetch.

import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';

const { PORT = '3001', IM_URL = 'http://127.0.0.1:8080', IM_JWT_SECRET } = process.env;
if (!IM_JWT_SECRET) {
  console.error('Set IM_JWT_SECRET to the same value as for im.');
  process.exit(2);
}
const orders = new Map([[7, { buyer: 'alice' }], [8, { buyer: 'bob' }]]);

/** A server token: its scope lets it do what only backends may. Never give one to an app or a page. */
function serverToken() {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'shop', name: 'Shop', scope: 'server', exp: Math.floor(Date.now() / 1000) + 60 })}`;
  return `${body}.${createHmac('sha256', IM_JWT_SECRET).update(body).digest('base64url')}`;
}

/** Makes a REST call of im. Repeats it while im is busy or restarting: only calls that may take effect twice, or have an id. */
async function im(method, path, body, headers = {}) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${IM_URL}/v1${path}`, {
      method, body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${serverToken()}`, 'Content-Type': 'application/json', ...headers },
      signal: AbortSignal.timeout(10_000),
    }).catch((error) => error);
    if (response.ok) return response.json();
    const problem = response instanceof Error
      ? { code: 'network', detail: response.message, retry: 'again' }
      : await response.json().catch(() => ({ code: 'network', detail: `status ${response.status}`, retry: 'again' }));
    if (problem.retry === 'never' || attempt === 5) throw new Error(`${method} ${path}: ${problem.code}: ${problem.detail}`);
    await new Promise((resolve) => { setTimeout(resolve, problem.retry_after_ms ?? 2 ** attempt * 100); });
  }
}

/**
 * Notifies the buyer. A notice reaches the sessions that are live now, and is never stored: fine for a page that is
 * open. What must not be lost is a message: of type custom, in the buyer's direct conversation with the shop, and with
 * an id, so that it is there once however often this runs.
 */
async function notifyShipped(id, { buyer }) {
  const what = { biz_type: 'order.shipped', data: { order_id: id } };
  const { sessions } = await im('POST', `/users/${encodeURIComponent(buyer)}/notices`, what);
  await im('POST', '/messages', { to: buyer, client_msg_id: `shipped-${id}`, content: { type: 'custom', ...what } }, { 'X-IM-User': 'shop' });
  return sessions;
}

createServer(async (request, response) => {
  const answer = (status, json) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(json)}\n`);
  const id = Number(/^\/orders\/(\d{1,9})\/ship$/.exec(request.url)?.[1]);
  const order = orders.get(id);
  if (request.method !== 'POST' || !order) return answer(404, { error: 'There is no such order.' });
  try {
    answer(200, { order_id: id, buyer: order.buyer, live_sessions: await notifyShipped(id, order) });
  } catch (error) {
    answer(502, { error: error.message });
  }
}).listen(Number(PORT), '127.0.0.1', function listening() {
  console.log(`Ship an order: curl -X POST http://127.0.0.1:${this.address().port}/orders/7/ship`);
});
