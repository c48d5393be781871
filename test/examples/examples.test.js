// Each example, as its README says, against one im dev.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Server } from '../../web/e2e/server.js';
import { folder, launch, newDatabase, root, secret, start, until } from './programs.js';

// Receivers of webhooks are stopped for seconds, and not for minutes.
const server = new Server({ IM_JWT_SECRET: secret, IM_ALLOWED_ORIGINS: 'http://localhost:*', IM_WEBHOOK_RETRIES: Array(60).fill('1s').join() });
const built = mkdtempSync(join(tmpdir(), 'im-examples-'));
const backend = 'backend'; // its tokens are server tokens
const passwords = { alice: 'wonderland', bob: 'builder', carol: 'christmas' };
let browser;
const goBot = join(built, 'bot');
const goReceiver = join(built, 'receiver');
test.before(async () => {
  execFileSync('go', ['build', '-o', goBot, './examples/bot-go'], { cwd: root, stdio: 'inherit' });
  execFileSync('go', ['build', '-o', goReceiver, './examples/webhook-go'], { cwd: root, stdio: 'inherit' });
  await server.start();
  browser = await launch();
}, { timeout: 180_000 });
test.after(async () => {
  await browser?.close();
  await server.close();
  rmSync(built, { recursive: true, force: true });
});

const node = (t, script, pattern, cwd = folder(t)) => start(t, process.execPath, [join(root, 'examples', script)], { cwd, env: { IM_URL: server.url, PORT: '0' } }, pattern);
const app = async (t) => (await node(t, 'react-app/server.js', /http:\/\/localhost:\d+/)).match[0];

const botInGo = (t, cwd) => start(t, goBot, [], { cwd, env: { IM_URL: server.url } }, /online/);

/** Signs a user of the React app in. Each person has a browser profile. */
async function person(t, url, user) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error' && !/401/.test(message.text())) errors.push(message.text()); });
  await page.goto(url);
  await page.getByLabel('Name').fill(user);
  await page.getByLabel('Password').fill(passwords[user]);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('[role=status].online').waitFor({ timeout: 60_000 });
  return {
    page, errors, user,
    async openWith(name) {
      await page.getByLabel('Chat with').fill(name);
      await page.keyboard.press('Enter');
      await page.getByLabel('Message', { exact: true }).waitFor();
    },
    open: (title) => page.getByRole('list', { name: 'Conversations' }).getByRole('button', { name: title }).click(),
    async say(text) {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
    },
    texts: () => page.getByRole('log', { name: 'Messages' }).locator('p').allInnerTexts(),
    sees(text) {
      return page.getByRole('log', { name: 'Messages' }).getByText(text, { exact: true }).waitFor({ timeout: 60_000 });
    },
  };
}

const tokenOf = (user) => execFileSync(server.binary, ['token', '--user', user, ...(user === backend ? ['--server'] : [])], { env: { ...process.env, IM_JWT_SECRET: secret }, encoding: 'utf8' }).trim();

/** Makes a REST call as a user. */
async function call(user, method, path, body) {
  const response = await fetch(`${server.url}/v1${path}`, {
    method, headers: { Authorization: `Bearer ${tokenOf(user)}`, ...(body && { 'Content-Type': 'application/json' }) }, body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return [202, 204].includes(response.status) ? null : response.json();
}
const textsOf = async (user, id) => (await call(user, 'GET', `/conversations/${id}/messages`)).messages.map(({ sender, content }) => `${sender}: ${content.text}`);
const post = (user, where, text, more) => call(user, 'POST', `${where.id ? `/conversations/${where.id}` : ''}/messages`, {
  ...(where.to && { to: where.to }), client_msg_id: crypto.randomUUID(), content: { type: 'text', text }, ...more,
});

test('two people chat in the React app, which is on another origin', async (t) => {
  const url = await app(t);
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((user) => person(t, url, user)));
  await alice.openWith('bob');
  await alice.say('Hello, Bob');
  await bob.open(/alice/i);
  await bob.sees('Hello, Bob');
  await bob.page.getByLabel('Message', { exact: true }).pressSequentially('Hello');
  await alice.page.getByText('Bob …').waitFor();
  await bob.say('Hello, Alice');
  await alice.sees('Hello, Alice');

  // What was written offline goes out once, after a reload, too.
  await alice.page.context().setOffline(true);
  await alice.page.locator('[role=status].offline').waitFor({ timeout: 60_000 });
  await alice.say('from the train');
  await alice.page.locator('.pending').waitFor();
  await alice.page.context().setOffline(false);
  await alice.page.reload();
  await bob.sees('from the train');
  await alice.open('Bob');
  await until('one of each', async () => (await alice.texts()).join() === 'You Hello, Bob,Bob Hello, Alice,You from the train');

  await alice.page.getByRole('button', { name: 'Sign out' }).click();
  await alice.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.deepEqual(bob.errors, []);
  assert.deepEqual(alice.errors.filter((error) => !/ERR_INTERNET_DISCONNECTED|WebSocket/.test(error)), []);
});

test('the backend of the React app signs tokens for its users only', async (t) => {
  const url = await app(t);
  const json = (path, options) => fetch(`${url}/api/${path}`, { method: 'POST', ...options });
  assert.equal((await json('chat-token')).status, 401);
  for (const login of [{ user: 'alice', password: 'no' }, { user: 'mallory' }, { user: 'mallory', password: 'wonderland' }, {}]) {
    assert.equal((await json('login', { body: JSON.stringify(login) })).status, 401);
  }
  assert.equal((await json('login', { body: '{' })).status, 400);
  assert.equal((await fetch(`${url}/../server.js`)).status, 404);
});

test('the React app works under npm run dev, where React runs each effect twice', async (t) => {
  const backend = await node(t, 'react-app/server.js', /http:\/\/localhost:(\d+)/);
  const vite = await start(t, process.execPath, ['node_modules/vite/bin/vite.js', '--port', '5190'], {
    cwd: join(root, 'examples/react-app'), env: { PORT: backend.match[1], NO_COLOR: '1' },
  }, /http:\/\/localhost:\d+/);
  const carol = await person(t, vite.match[0], 'carol');
  await carol.openWith('alice');
  await carol.say('Hello from the dev server');
  await carol.sees('Hello from the dev server');
  await carol.page.waitForFunction(() => !document.querySelector('.pending'));
  assert.deepEqual(carol.errors, []);
});

test('the bot in Go answers, and what came while it was stopped, too', async (t) => {
  const cwd = folder(t);
  const bot = await botInGo(t, cwd);
  const { conversation_id: id } = await post('dave', { to: 'echo' }, 'hello');
  await until('the answer', async () => (await textsOf('dave', id)).join() === 'dave: hello,echo: You said: hello');
  assert.equal(await bot.stop(), 0);
  await post('dave', { id }, 'are you there?');
  await botInGo(t, cwd);
  await until('the late answer', async () => (await textsOf('dave', id)).slice(2).join() === 'dave: are you there?,echo: You said: are you there?');

  const group = (await call('dave', 'POST', '/conversations', { kind: 'group', title: 'Team', members: ['echo'] })).conversation_id;
  await post('dave', { id: group }, 'not for the bot');
  await post('dave', { id: group }, 'for the bot', { mentions: ['echo'] });
  await until('the answer in the group', async () => (await textsOf('dave', group)).includes('echo: You said: for the bot'));
  assert.equal((await textsOf('dave', group)).length, 3);
});

test('the bot in Go works in a module of its own', (t) => {
  const own = join(folder(t), 'mybot');
  mkdirSync(own);
  copyFileSync(join(root, 'examples/bot-go/main.go'), join(own, 'main.go'));
  const go = (...args) => execFileSync('go', args, { cwd: own, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, GOFLAGS: '-mod=mod', GOWORK: 'off' } });
  go('mod', 'init', 'example.org/mybot');
  go('mod', 'edit', '-require', 'im@v0.0.0', '-replace', `im=${root}`);
  go('mod', 'tidy');
  go('build', '-o', 'mybot', '.');
});

test('the bot in JavaScript welcomes new members and lists them, after a restart, too', async (t) => {
  const cwd = folder(t);
  const bot = await node(t, 'bot-js/bot.js', /online/, cwd);
  const group = (await call('dave', 'POST', '/conversations', { kind: 'group', title: 'Club', members: ['greeter'] })).conversation_id;
  await call('dave', 'PUT', `/conversations/${group}/members/erin`, { role: 'member' });
  await until('the welcome', async () => (await textsOf('dave', group)).join() === 'greeter: Welcome, erin!');
  assert.equal(await bot.stop(), 0);
  await post('erin', { id: group }, '/members');
  const again = await node(t, 'bot-js/bot.js', /online/, cwd);
  const answer = await until('the members', async () => (await textsOf('dave', group))[2]);
  assert.equal(answer, 'greeter: dave, erin, Greeter bot');

  // It may be removed while it answers, and goes on.
  await call('dave', 'DELETE', `/conversations/${group}/members/greeter`);
  const { conversation_id: direct } = await post('dave', { to: 'greeter' }, '/members');
  await until('the answer elsewhere', async () => (await textsOf('dave', direct)).length === 2);
  assert.doesNotMatch(again.said, /Error/);
});

test('bots say what is missing or wrong', async () => {
  const run = (command, args, env) => {
    try {
      execFileSync(command, args, { cwd: built, env: { ...process.env, ...env }, stdio: 'pipe', timeout: 60_000 });
      return 'it ended well';
    } catch (error) {
      return `${error.stdout}${error.stderr}`;
    }
  };
  const bot = [process.execPath, [join(root, 'examples/bot-js/bot.js')]];
  assert.match(run(...bot, { IM_JWT_SECRET: '' }), /Set IM_JWT_SECRET/);
  assert.match(run(...bot, { IM_JWT_SECRET: 'a-wrong-secret-of-32-bytes-or-more', IM_URL: server.url }), /stopped unauthenticated/);
  assert.match(run(goBot, [], { IM_JWT_SECRET: '' }), /set IM_JWT_SECRET/);
  assert.match(run(goBot, [], { IM_JWT_SECRET: 'a-wrong-secret-of-32-bytes-or-more', IM_URL: server.url }), /unauthenticated/);
});

/** How many messages each person has posted, by the feed of all events. */
async function postedByAll() {
  const senders = new Map();
  for (let cursor = '', more = true; more;) {
    const page = await call(backend, 'GET', `/feed?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    for (const { conversation_id: id, seq, type, sender } of page.events) if (type === 'message.posted') senders.set(`${id}:${seq}`, sender);
    ({ cursor, has_more: more } = page);
  }
  const counts = {};
  for (const sender of senders.values()) counts[sender] = (counts[sender] ?? 0) + 1;
  return counts;
}

/** Starts a receiver of webhooks, on the port where it was before if it is started again. */
const receivers = {
  'in JavaScript': (t, { cwd, port }) => start(t, process.execPath, [join(root, 'examples/webhook-js/receiver.js')], { cwd, env: { IM_URL: server.url, PORT: port } }, /http:\/\/127\.0\.0\.1:\d+/),
  'in Go': (t, { database, port }) => start(t, goReceiver, [], { env: { IM_URL: server.url, PORT: port, DATABASE_URL: database } }, /http:\/\/127\.0\.0\.1:\d+/),
};
for (const [name, startReceiver] of Object.entries(receivers)) {
  test(`the receiver of webhooks ${name} counts each message once, also what came while it was stopped`, async (t) => {
    const where = { cwd: folder(t), port: '0', database: await newDatabase(t) };
    const { conversation_id: id } = await post('dave', { to: 'erin' }, 'before the webhook');
    let receiver = await startReceiver(t, where);
    const counts = async () => (await fetch(`${receiver.match[0]}/counts`)).json();
    const has = async (last) => {
      const known = (await counts()).conversations[id];
      return known?.last === last && known.missing.length === 0;
    };
    const { seq } = await post('dave', { id }, 'with the webhook');
    await until('both events', () => has(seq));

    where.port = new URL(receiver.match[0]).port;
    await receiver.stop('SIGKILL');
    await post('erin', { id }, 'while it is stopped');
    const { seq: last } = await post('erin', { id }, 'and another one');
    receiver = await startReceiver(t, where);
    await until('what came while it was stopped', () => has(last));

    // A repetition of all is not counted. What is new comes after it.
    const { items: webhooks } = await call(backend, 'GET', '/webhooks');
    const { webhook_id: webhook } = webhooks.find(({ url }) => url.startsWith(receiver.match[0]));
    await call(backend, 'POST', `/webhooks/${webhook}/replay`, { conversation_id: id, after_seq: 0 });
    const { seq: after } = await post('dave', { id }, 'after the repetition');
    await until('what came after the repetition', () => has(after));
    await until('the counts of the feed', async () => isDeepStrictEqual((await counts()).messages, await postedByAll()));
    const { messages } = await counts();

    // Calls that im did not sign, and repetitions, change nothing.
    const send = (headers) => fetch(`${receiver.match[0]}/events`, { method: 'POST', headers, body: '{}' });
    assert.equal((await send({})).status, 401);
    assert.equal((await send({ 'webhook-id': 'x', 'webhook-timestamp': String(Math.floor(Date.now() / 1000)), 'webhook-signature': 'v1,AAAA' })).status, 401);
    assert.deepEqual((await counts()).messages, messages);
  });
}

test('a notice of the shop arrives in the React app, and its message is there once', async (t) => {
  const shop = (await node(t, 'notices/shop.js', /http:\/\/127\.0\.0\.1:\d+/)).match[0];
  const alice = await person(t, await app(t), 'alice');
  for (let i = 0; i < 2; i++) {
    const response = await fetch(`${shop}/orders/7/ship`, { method: 'POST' });
    assert.deepEqual([response.status, await response.json()], [200, { order_id: 7, buyer: 'alice', live_sessions: 1 }]);
  }
  await until('two notices', async () => await alice.page.getByText('Your order 7 is on its way.').count() === 2);
  await alice.open('Shop');
  await alice.sees('(custom)');
  assert.equal((await alice.texts()).length, 1);
  assert.equal((await fetch(`${shop}/orders/9/ship`, { method: 'POST' })).status, 404);

  await alice.page.close();
  const { live_sessions: live } = await until('nobody live', async () => {
    const answer = await (await fetch(`${shop}/orders/7/ship`, { method: 'POST' })).json();
    return answer.live_sessions === 0 && answer;
  });
  assert.equal(live, 0);
});
