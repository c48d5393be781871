// Pages that are not where the server is: below a path of a proxy, and apps of another
// origin that use the JavaScript client.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { launch, Person } from './people.js';
import { Server } from './server.js';

let browser;
const servers = [];

before(async () => { browser = await launch(); });

after(async () => {
  await browser?.close();
  for (const server of servers) await server.close();
});

/** Listens on a free port; resolves to the origin. */
async function listening(server) {
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  servers.push({
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function dev(env) {
  const server = new Server(env);
  servers.push(server);
  await server.start();
  return server;
}

/** A proxy that serves a server below /chat/, and passes on the path or not. */
function proxy(target, keepsPath) {
  const ask = (incoming) => request(new URL(keepsPath ? incoming.url : incoming.url.replace(/^\/chat/, ''), target()), {
    method: incoming.method, headers: { ...incoming.headers, host: new URL(target()).host },
  });
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith('/chat')) {
      outgoing.writeHead(404).end();
      return;
    }
    incoming.pipe(ask(incoming).on('response', (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    }).on('error', () => outgoing.destroy()));
  });
  server.on('upgrade', (incoming, socket) => {
    ask(incoming).on('upgrade', (answer, upstream) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
      socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'));
      upstream.pipe(socket).pipe(upstream);
      for (const end of [upstream, socket]) end.on('error', () => { upstream.destroy(); socket.destroy(); });
    }).on('error', () => socket.destroy()).end();
  });
  return server;
}

for (const keepsPath of [false, true]) {
  test(`the page works below a path that the proxy ${keepsPath ? 'keeps' : 'removes'}`, async () => {
    let server;
    const origin = await listening(proxy(() => server.url, keepsPath));
    server = await dev({ IM_PUBLIC_URL: `${origin}/chat/` });
    const alice = await Person.at(browser, `${origin}/chat/`, 'alice'); // fails if the page asks for anything elsewhere
    await alice.signIn();
    await alice.startWith('bob');
    await alice.start();
    await alice.say('Hello from below');
    await alice.sees(['Hello from below']);
    await alice.search('below', () => alice.page.locator('#found button').count(), 1); // over REST
    await alice.context.grantPermissions(['notifications'], { origin });
    await alice.page.evaluate(() => { PushManager.prototype.subscribe = async () => { throw new DOMException('no push service', 'AbortError'); }; });
    await alice.choose('Notifications when the chat is closed …');
    await alice.page.getByRole('switch').check();
    await alice.page.getByRole('button', { name: 'Save' }).click();
    await alice.page.getByText('push service did not answer').waitFor();
    assert.deepEqual(await alice.page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).map(({ scope, active }) => [scope, active.scriptURL])),
      [[`${origin}/chat/`, `${origin}/chat/push-worker.js`]], 'the worker is below the path, too');
    await alice.leave();
  });
}

test('an app of another origin uses the client, REST and /dev/token', async () => {
  const html = '<!doctype html><meta charset="utf-8"><title>app</title>';
  const app = await listening(createServer((_, answer) => answer.writeHead(200, { 'Content-Type': 'text/html' }).end(html)));
  const foreign = await listening(createServer((_, answer) => answer.writeHead(200, { 'Content-Type': 'text/html' }).end(html)));
  const server = await dev({ IM_ALLOWED_ORIGINS: app });

  const page = await (await browser.newContext()).newPage();
  await page.goto(app);
  const seen = await page.evaluate(async (base) => {
    const json = { 'Content-Type': 'application/json' };
    const { token } = await (await fetch(`${base}/dev/token`, { method: 'POST', headers: json, body: '{"user":"alice"}' })).json();
    const { Client } = await import(`${base}/im.js`);
    const events = [];
    const client = new Client({ url: base, token: async () => token });
    client.on('event', (event) => events.push(event));
    await client.start();
    const sent = await client.send({ to: 'bob', content: { type: 'text', text: 'from an app' } });
    const traced = { Authorization: `Bearer ${token}`, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', baggage: 'a=1', 'x-requested-with': 'app' };
    const found = await fetch(`${base}/v1/sync`, { headers: traced });
    const missing = await fetch(`${base}/v1/conversations/${sent.conversation_id}/nothing`, { headers: traced });
    const refused = await fetch(`${base}/v1/sync`, { headers: { Authorization: 'Bearer nonsense' } });
    const description = await fetch(`${base}/openapi.yaml`);
    client.stop();
    return {
      seq: sent.seq, found: found.status, id: found.headers.get('X-Request-Id'), missing: (await missing.json()).code,
      refused: (await refused.json()).detail, description: (await description.text()).slice(0, 8),
    };
  }, server.url);
  assert.ok(seen.id);
  delete seen.id;
  assert.deepEqual(seen, {
    seq: 2, found: 200, missing: 'not_found', refused: 'the token is not a JWT: it has 1 instead of 3 parts with dots between them', description: 'openapi:',
  });

  await page.goto(foreign); // not allowed: it reads the public files, and nothing else
  const read = await page.evaluate(async (base) => {
    const can = (promise) => promise.then(() => true, () => false);
    return {
      client: await can(import(`${base}/im.js`)), description: await can(fetch(`${base}/asyncapi.yaml`)),
      token: await can(fetch(`${base}/dev/token`, { method: 'POST', body: '{"user":"alice"}' })),
      health: await can(fetch(`${base}/healthz`)),
      socket: await new Promise((resolve) => {
        const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, 'im.v1');
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      }),
    };
  }, server.url);
  assert.deepEqual(read, { client: true, description: true, token: false, health: false, socket: false });
  await page.context().close();
});
