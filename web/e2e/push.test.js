// Push notifications of the page. No browser without a head reaches a push service, so that the subscription is one that
// leads to a server of the test: the node sends to it for real, and the browser's debugger gives the worker what came.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { caller, launch, Person, post } from './people.js';
import { PushService } from './pushservice.js';
import { Server } from './server.js';

const item = 'Notifications when the chat is closed …';
const toggle = 'Notifications when the chat is closed';
let browser;
let bob;
const server = new Server({ IM_PUSH_ALLOW: '127.0.0.0/8', IM_PUSH_DELAY: '1s' });
const service = new PushService();

before(async () => {
  [browser] = await Promise.all([launch(), server.start(), service.start()]);
  bob = await caller(server.url, 'bob');
});

after(async () => {
  await browser?.close();
  await server.close();
  await service.close();
});

/** Replaces the browser's subscriptions, in each page. They are kept in localStorage. */
function stub({ url, keys }) {
  const kept = () => JSON.parse(localStorage.getItem('test.push') ?? 'null');
  const made = ({ endpoint, key }) => ({
    endpoint, options: { applicationServerKey: Uint8Array.from(atob(key.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0)).buffer },
    toJSON: () => ({ endpoint, expirationTime: null, keys }),
    unsubscribe: async () => {
      localStorage.removeItem('test.push');
      return true;
    },
  });
  PushManager.prototype.getSubscription = async () => kept() && made(kept());
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey: key }) => {
    if (!userVisibleOnly) throw new Error('userVisibleOnly is required');
    if (localStorage.getItem('test.away')) throw new DOMException('Registration failed - push service not available', 'AbortError');
    const n = Number(localStorage.getItem('test.subscriptions') ?? 0) + 1;
    localStorage.setItem('test.subscriptions', n);
    localStorage.setItem('test.push', JSON.stringify({ endpoint: `${url}/${localStorage.getItem('test.name')}-${n}`, key }));
    return made(kept());
  };
}

async function someone(name, { granted = true } = {}) {
  const person = await Person.at(browser, server.url, name);
  if (granted) await person.context.grantPermissions(['notifications'], { origin: server.url });
  await person.context.addInitScript(stub, { url: service.url, keys: service.keys });
  await person.page.reload();
  await person.page.evaluate((value) => localStorage.setItem('test.name', value), name);
  person.calls = [];
  listen(person, person.page);
  await person.signIn();
  return person;
}

/** Notes the calls about push notifications that a page makes. */
function listen(person, page) {
  page.on('requestfinished', async (request) => {
    const path = new URL(request.url()).pathname;
    if (!/^\/v1\/devices\/.*\/push$/.test(path)) return;
    person.calls.push({ method: request.method(), path, status: (await request.response()).status(), body: request.postDataJSON() });
  });
}

async function until(what, check, timeout = 30_000) {
  for (const end = Date.now() + timeout; ;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

/** Delivers a message to the worker, again until check says that it shows: headless Chromium drops notifications after a while. */
function delivered(deliver, payload, what, check) {
  return until(what, async () => {
    await deliver(payload);
    for (let n = 0; n < 40; n++) {
      if (await check()) return true;
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    return false;
  }, 60_000);
}

const called = (person, method, n = 1) => until(`${method} ${n}`, () => person.calls.filter((call) => call.method === method)[n - 1]);

async function settings({ page, ...person }) {
  await page.getByRole('button', { name: 'Menu', exact: true }).click();
  await page.getByRole('menu').getByText(item, { exact: true }).click();
  return page.locator('dialog[open]');
}

async function switchTo(person, on, preview) {
  const dialog = await settings(person);
  await dialog.getByRole('switch', { name: toggle }).setChecked(on);
  if (preview) await dialog.getByText(preview, { exact: true }).click();
  await dialog.getByRole('button', { name: 'Save' }).click();
  return dialog;
}

async function isOn({ page }) {
  await page.getByRole('button', { name: 'Menu', exact: true }).click();
  const checked = await page.getByRole('menuitemradio', { name: item }).getAttribute('aria-checked');
  await page.keyboard.press('Escape');
  return checked === 'true';
}

/** The debugger of the workers of a person's browser: it gives them push messages. */
async function debuggerOf(person) {
  const session = await person.context.newCDPSession(person.page);
  let registration;
  session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    registration = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(server.url) && !isDeleted) ?? registration;
  });
  await session.send('ServiceWorker.enable');
  await until('the worker', () => registration);
  return {
    deliver: (payload) => session.send('ServiceWorker.deliverPushMessage', { origin: server.url, registrationId: registration.registrationId, data: JSON.stringify(payload) }),
  };
}

const workerOf = ({ context }) => until('the worker runs', () => context.serviceWorkers().find((one) => one.url() === `${server.url}/push-worker.js`));

const shown = (worker) => worker.evaluate(async () => (await self.registration.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, seq: data.seq })));

test('a message to a closed chat is sent to the browser, shown by the worker, and opened from there', async () => {
  const alice = await someone('alice');
  assert.equal(await isOn(alice), false);
  assert.equal(alice.context.serviceWorkers().length, 0, 'nobody has asked for a worker');
  const dialog = await settings(alice);
  await alice.picture('push');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await (await switchTo(alice, true)).waitFor({ state: 'hidden' });
  const put = await called(alice, 'PUT');
  assert.equal(put.status, 204);
  assert.match(put.path, /^\/v1\/devices\/js-[^/]+\/push$/);
  assert.deepEqual(put.body, {
    provider: 'webpush', preview: 'full', locale: 'en', subscription: { endpoint: `${service.url}/alice-1`, expirationTime: null, keys: service.keys },
  });
  assert.ok(await isOn(alice));
  const worker = await workerOf(alice);

  // The page is closed: the device acknowledges no more.
  await alice.page.goto('about:blank');
  const event = await post(bob, { to: 'alice' }, 'Are you there?');
  const id = event.conversation_id;
  const { headers, payload } = await service.takes('/alice-1', ({ type }) => type === 'message');
  const { vapid_public_key: key } = await bob('GET', '/push');
  assert.match(headers.authorization, new RegExp(`^vapid t=[\\w.-]+, k=${key}$`), 'the page has subscribed with this key');
  assert.equal(headers['content-encoding'], 'aes128gcm');
  assert.deepEqual(payload, { type: 'message', conversation_id: id, seq: event.seq, unread_total: 1, sender: 'bob', title: 'bob', body: 'Are you there?' });

  const { deliver } = await debuggerOf(alice);
  await delivered(deliver, payload, 'the notification', async () => (await shown(worker)).length);
  assert.deepEqual(await shown(worker), [{ title: 'bob', body: 'Are you there?', tag: id, seq: payload.seq }]);
  await delivered(deliver, { ...payload, seq: payload.seq + 1, body: 'Hello?' }, 'the next one in its place', async () => (await shown(worker))[0]?.body === 'Hello?');
  assert.equal((await shown(worker)).length, 1, 'one a conversation');

  // A click opens a window, as no page is open.
  const click = () => worker.evaluate(async () => {
    const [notification] = await self.registration.getNotifications();
    let done;
    const event = new NotificationEvent('notificationclick', { notification });
    event.waitUntil = (promise) => { done = promise; }; // an event of a script has none
    const asked = [];
    self.clients.openWindow = async (url) => { asked.push(url); }; // only a user's click may
    WindowClient.prototype.focus = async function focus() { asked.push('focus'); };
    self.dispatchEvent(event);
    await done;
    return asked;
  });
  assert.deepEqual(await click(), [`${server.url}/#/c/${id}`]);
  assert.deepEqual(await shown(worker), []);

  // With a page of the account, it comes to the front and opens the conversation.
  await alice.page.goto(server.url);
  await alice.online();
  await called(alice, 'PUT', 2); // at each start
  await delivered(deliver, { type: 'test', body: 'A test.', unread_total: 1 }, 'the test, although a page is visible', async () => (await shown(worker)).length);
  await worker.evaluate(async () => { for (const one of await self.registration.getNotifications()) one.close(); });
  await worker.evaluate(([tag]) => self.registration.showNotification('bob', { tag, data: { conversation_id: tag, seq: 9 } }), [id]);
  assert.deepEqual(await click(), ['focus']);
  await alice.sees(['Are you there?']);
  assert.equal(await alice.page.evaluate(() => location.hash), `#/c/${id}`);
  await alice.leave();
});

test('the worker shows nothing while a page of the account is visible', async () => {
  const carol = await someone('carol');
  await (await switchTo(carol, true)).waitFor({ state: 'hidden' });
  const worker = await workerOf(carol);
  const { deliver } = await debuggerOf(carol);
  const { conversation_id: id } = await post(bob, { to: 'carol' }, 'Hi');
  const payload = { type: 'message', conversation_id: id, seq: 2, unread_total: 1, sender: 'bob', title: 'bob', body: 'Hi' };
  await carol.row('bob').waitFor();
  await deliver(payload);
  await deliver({ type: 'test', body: 'after it' }); // deliveries are taken in turn
  await until('the test', async () => (await shown(worker)).length);
  assert.deepEqual((await shown(worker)).map(({ body }) => body), ['after it']);

  // A visible page of another account does not show the message.
  await carol.page.evaluate(() => sessionStorage.setItem('im.who', JSON.stringify({ name: 'dora' })));
  await carol.page.reload();
  await carol.online();
  assert.equal(await isOn(carol), false, 'they are for another account');
  await delivered(deliver, payload, 'the message', async () => (await shown(worker)).some(({ tag }) => tag === id));

  // What is read, here or elsewhere, is taken away.
  await carol.page.evaluate(() => sessionStorage.setItem('im.who', JSON.stringify({ name: 'carol' })));
  await carol.page.reload();
  await carol.online();
  await called(carol, 'PUT', 2);
  assert.ok((await shown(worker)).some(({ tag }) => tag === id), 'it is unread');
  await carol.open('bob');
  const left = () => carol.page.evaluate(async () => (await (await navigator.serviceWorker.getRegistration()).getNotifications()).map(({ body }) => body).join());
  await until('it alone is taken away', async () => await left() === 'after it', 15_000); // Chromium forgets all of them after a while
  await carol.leave();
});

test('another endpoint or another key of the server is registered at the next start', async () => {
  const erin = await someone('erin');
  await (await switchTo(erin, true, 'Who wrote')).waitFor({ state: 'hidden' });
  const first = await called(erin, 'PUT');
  assert.equal(first.body.preview, 'sender');
  await erin.page.evaluate((endpoint) => {
    localStorage.setItem('test.push', JSON.stringify({ ...JSON.parse(localStorage.getItem('test.push')), endpoint }));
  }, `${service.url}/erin-moved`);
  await erin.page.reload();
  const second = await called(erin, 'PUT', 2);
  assert.deepEqual([second.path, second.body.preview, second.body.subscription.endpoint], [first.path, 'sender', `${service.url}/erin-moved`]);
  await erin.page.evaluate(() => {
    localStorage.setItem('test.push', JSON.stringify({ ...JSON.parse(localStorage.getItem('test.push')), key: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4' }));
  });
  await erin.page.reload();
  const third = await called(erin, 'PUT', 3);
  assert.equal(third.body.subscription.endpoint, `${service.url}/erin-2`, 'it has subscribed anew');
  const { vapid_public_key: key } = await bob('GET', '/push');
  assert.equal(await erin.page.evaluate(() => JSON.parse(localStorage.getItem('test.push')).key), key);
  await erin.page.goto('about:blank');
  await post(bob, { to: 'erin' }, 'secret');
  const { payload } = await service.takes('/erin-2', ({ type }) => type === 'message');
  assert.deepEqual([payload.title, payload.body], ['bob', 'New message']);
  await erin.leave();
});

test('notifications end when they are switched off, and with a sign-out', async () => {
  const fred = await someone('fred');
  const subscribed = () => fred.page.evaluate(() => localStorage.getItem('test.push') !== null);
  await (await switchTo(fred, true)).waitFor({ state: 'hidden' });
  await (await switchTo(fred, false)).waitFor({ state: 'hidden' });
  assert.equal((await called(fred, 'DELETE')).status, 204);
  assert.deepEqual([await subscribed(), await isOn(fred)], [false, false]);
  const as = await caller(server.url, 'fred');
  const device = () => fred.calls.at(-1).path.slice('/v1'.length);
  await assert.rejects(as('POST', `${device()}/test`), /not_found/);

  await (await switchTo(fred, true)).waitFor({ state: 'hidden' });
  await called(fred, 'PUT', 2);
  assert.equal((await as('POST', `${device()}/test`)).taken, true);
  await service.takes('/fred-2', ({ type }) => type === 'test');
  await fred.choose('Sign out');
  await fred.page.getByLabel('Your name').waitFor();
  assert.equal((await called(fred, 'DELETE', 2)).status, 204);
  assert.equal(await subscribed(), false);
  await assert.rejects(as('POST', `${device()}/test`), /not_found/);
  await fred.signIn();
  assert.equal(await isOn(fred), false, 'nothing of the account stays');
  await fred.leave();
});

test('the session that the server ends takes the subscription along until the next one', async () => {
  const hana = await someone('hana');
  const subscribed = () => hana.page.evaluate(() => localStorage.getItem('test.push') !== null);
  await (await switchTo(hana, true)).waitFor({ state: 'hidden' });
  const as = await caller(server.url, 'hana');
  for (const { session_id: id } of (await as('GET', '/sessions')).items) await as('DELETE', `/sessions/${id}`);
  await hana.page.getByText('You were signed out.').waitFor();
  await until('unsubscribed', async () => !await subscribed());
  await hana.signIn();
  const again = await called(hana, 'PUT', 2);
  assert.equal(again.body.subscription.endpoint, `${service.url}/hana-2`);
  await hana.leave();
});

test('the page says why there are no notifications', async () => {
  const gina = await someone('gina', { granted: false });
  let dialog = await switchTo(gina, true);
  await dialog.getByText('The browser does not allow notifications for this page.').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await gina.context.grantPermissions(['notifications'], { origin: server.url });

  await gina.page.evaluate(() => localStorage.setItem('test.away', '1'));
  dialog = await switchTo(gina, true);
  await dialog.getByText('push service did not answer').waitFor();
  await gina.page.evaluate(() => localStorage.removeItem('test.away'));

  const refuse = (route) => (route.request().method() === 'PUT'
    ? route.fulfill({ status: 409, contentType: 'application/problem+json', body: JSON.stringify({ status: 409, code: 'limit_exceeded', detail: 'too many devices', retry: 'never' }) })
    : route.continue());
  await gina.page.route('**/v1/devices/*/push', refuse);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText('Too many of your devices have notifications.').waitFor();
  assert.equal(await gina.page.evaluate(() => localStorage.getItem('test.push')), null, 'no subscription stays');
  await gina.page.unroute('**/v1/devices/*/push', refuse);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'hidden' });
  assert.ok(await isOn(gina));
  await gina.leave();
});

test('a server without Web Push shows no switch', async () => {
  const ivan = await someone('ivan');
  await ivan.page.route('**/v1/push', (route) => route.fulfill({ json: { providers: [] } }));
  const told = ivan.page.waitForResponse('**/v1/push');
  await ivan.page.reload();
  await told;
  await ivan.online();
  await ivan.page.getByRole('button', { name: 'Menu', exact: true }).click();
  await ivan.page.getByRole('menu').getByText('Keyboard shortcuts').waitFor();
  assert.equal(await ivan.page.getByRole('menu').getByText(item).count(), 0);
  await ivan.leave();
});
