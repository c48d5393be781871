// The admin page in a real browser, against a real node: at its admin address, and by the public API only.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { adminStates, backend, brokenEndpoint, prepareAdmin } from './admin-scenes.js';
import { faults } from './axe.js';
import { launch, Person } from './people.js';
import { Operator } from './operator.js';
import { secret } from './scenes.js';
import { Server } from './server.js';

const server = new Server({ IM_JWT_SECRET: secret });
let browser;
let endpoint;
let scene;

before(async () => {
  endpoint = await brokenEndpoint();
  await server.start();
  browser = await launch();
  scene = await prepareAdmin(server, endpoint);
});

after(async () => {
  await browser?.close();
  await server.close();
  endpoint?.close();
});

/** Waits until a condition holds. */
async function until(what, holds, timeout = 30_000) {
  for (const end = Date.now() + timeout; Date.now() < end;) {
    if (await holds()) return;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  assert.fail(`never: ${what}`);
}

test('only a server token gets in, and it stays in the tab', async () => {
  const operator = await Operator.at(browser, server);
  const { page, context } = operator;
  const problem = page.locator('#sign-in-error');
  assert.equal(new URL(page.url()).pathname, '/admin/');

  await operator.enter('nonsense');
  await problem.getByText(/unauthenticated: the token is not a JWT.* Request [A-Z0-9]+\./).waitFor();
  await operator.enter(server.token('alice'));
  await problem.getByText(/not a server token.*forbidden:.* Request [A-Z0-9]+\./).waitFor();
  await operator.enter('with a space');
  await problem.getByText('This is no token').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0, 'a refused token is kept nowhere');

  const token = server.token('operator', '--server');
  const asked = [];
  page.on('request', (request) => asked.push(request));
  await operator.signIn(token);
  await page.getByText('operator').waitFor();
  await operator.go('#/users/alice');
  await operator.part('Profile').getByText('Alice Weber').waitFor();
  const where = await page.evaluate(() => ({ session: Object.values(sessionStorage), local: Object.values(localStorage), html: document.documentElement.outerHTML, cookie: document.cookie, field: document.getElementById('token').value }));
  assert.deepEqual(where.session, [token]);
  assert.ok(!JSON.stringify([where.local, where.html, where.cookie, where.field]).includes(token.slice(0, 40)), 'the token is in sessionStorage only');
  for (const request of asked) {
    assert.ok(!request.url().includes(token.slice(0, 40)), request.url());
    assert.ok(request.url().startsWith(server.adminUrl), request.url());
    const { pathname } = new URL(request.url());
    assert.match(pathname, /^\/(v1\/|readyz$|admin\/)/, 'only the public API, and the files of the page');
  }

  await page.reload();
  await operator.part('Profile').getByText('Alice Weber').waitFor(); // the same place, still signed in
  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByLabel('Server token').waitFor(); // another tab has no token
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Server token').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await operator.leave();
});

test('a token that ends signs the operator out, and says why', async () => {
  const operator = await Operator.at(browser, server);
  await operator.signIn();
  await operator.page.route('**/v1/users*', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: JSON.stringify({ code: 'token_expired', detail: 'the token has expired', request_id: 'REQ7' }) }));
  await operator.go('#/users/alice');
  await operator.page.locator('#sign-in-error').getByText('You are signed out. token_expired: the token has expired. Request REQ7.').waitFor();
  assert.equal(await operator.page.evaluate(() => sessionStorage.length), 0);
  await operator.leave();
});

test('the cluster: what it counts, its nodes, and what it depends on', async () => {
  const operator = await Operator.at(browser, server);
  await operator.signIn();
  const stats = await backend(server)('GET', '/stats');
  const tile = (name) => operator.page.locator('.tile').filter({ hasText: name }).locator('strong');
  assert.equal(await tile('Messages ever').innerText(), String(stats.messages));
  await operator.part('Nodes').getByText(stats.nodes[0].node_id).waitFor();
  await operator.part('This node').getByText('ready', { exact: true }).waitFor();
  const [erin, before] = [await Person.at(browser, server.url, 'erin'), Number(await tile('Sessions').innerText())];
  await erin.signIn();
  await until('the new session is counted by itself', async () => Number(await tile('Sessions').innerText()) === before + 1);
  await erin.leave();
  await operator.leave();
});

test("a user's session is ended, and its socket is closed; then all are, and tokens are revoked", async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  await operator.signIn();
  const frank = await Person.at(browser, server.url, 'frank');
  await frank.signIn();
  await page.getByRole('link', { name: 'Users' }).click();
  await page.getByLabel('Id of the user').fill('frank');
  await page.keyboard.press('Enter');
  const sessions = operator.part('Live sessions');
  const end = sessions.getByRole('button', { name: /^End the session of/ });
  await end.waitFor();
  await end.click();
  await operator.answer('Cancel');
  assert.ok(await frank.page.locator('#state.online').isVisible(), 'nothing has happened');
  assert.equal((await backend(server)('GET', '/sessions', undefined, 'frank')).items.length, 1);
  await end.click();
  await operator.answer('End session');
  await frank.page.locator('#sign-in').waitFor(); // 4401: the page does not reconnect
  await sessions.getByText('No live session.').waitFor();
  await frank.leave();

  const [gina, call] = [await Person.at(browser, server.url, 'gina'), backend(server)];
  await gina.signIn();
  const token = server.token('gina');
  const ask = () => fetch(`${server.url}/v1/conversations`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal((await ask()).status, 200);
  await operator.go('#/users/gina');
  await page.getByRole('button', { name: 'Revoke tokens' }).click();
  await operator.answer('Revoke tokens');
  await gina.page.locator('#sign-in').waitFor();
  await until('the token is refused', async () => (await ask()).status === 401);
  assert.equal((await call('GET', '/sessions', undefined, 'gina')).items.length, 0);
  await gina.leave();
  await operator.leave();
});

test('a user is banned from the app, and the ban is lifted', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  await operator.signIn();
  const henry = await Person.at(browser, server.url, 'henry');
  await henry.signIn();
  await operator.go('#/users/henry');
  await page.getByRole('button', { name: 'Ban …' }).click();
  const form = page.locator('dialog.form');
  await form.getByLabel('How long').selectOption('1 day');
  await form.getByLabel('Reason').fill('fraud');
  await form.getByRole('button', { name: 'Ban', exact: true }).click();
  await form.waitFor({ state: 'detached' });
  await henry.page.locator('#sign-in').waitFor(); // 4404
  const status = async () => (await fetch(`${server.url}/v1/conversations`, { headers: { Authorization: `Bearer ${server.token('henry')}` } })).status;
  await until('new tokens are refused', async () => await status() === 403);
  await page.getByRole('button', { name: 'Lift ban' }).click();
  await operator.answer('Lift ban');
  await until('new tokens are good again', async () => await status() === 200);
  await henry.leave();
  await operator.leave();
});

test('the slider shows messages as they stood before an edit, and the address holds it', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  await operator.signIn();
  await operator.go(`#/conversations/${scene.id}`);
  const message = page.locator(`#message-${scene.plan}`);
  await message.getByText('We ship on Friday.').waitFor();
  await message.getByText(/^edited /).waitFor();
  await message.getByText('pinned').waitFor();
  const slider = page.getByRole('slider', { name: 'As of' });
  const head = Number(await slider.getAttribute('max'));
  assert.equal(await slider.inputValue(), String(head));

  await slider.fill(String(scene.plan + 2)); // after the reaction, before the edit
  await message.getByText('We ship on Thursday.').waitFor();
  assert.equal(await message.getByText(/^edited /).count() + await message.getByText('pinned').count(), 0);
  await message.getByText('👍 1').waitFor();
  assert.match(await page.locator('#as-of-about').innerText(), /As of seq 4 of \d+: reaction\.added by bob, 👍 of message 2/);
  assert.match(await message.getAttribute('class'), /touched/);
  assert.equal(new URL(page.url()).hash, `#/conversations/${scene.id}?as_of=${scene.plan + 2}`);

  await slider.focus();
  await page.keyboard.press('ArrowLeft'); // before the reaction
  await until('the reaction is gone', async () => await message.getByText('👍 1').count() === 0);
  await page.getByLabel('As of seq').fill('1');
  await page.keyboard.press('Tab');
  await page.getByText('No message: the conversation had none by then.').waitFor();
  await page.getByRole('button', { name: 'One event later' }).click();
  await message.getByText('We ship on Thursday.').waitFor();
  await page.reload();
  await message.getByText('We ship on Thursday.').waitFor();
  await page.getByRole('button', { name: 'Now' }).click();
  await message.getByText('We ship on Friday.').waitFor();
  assert.equal(new URL(page.url()).hash, `#/conversations/${scene.id}`);
  await page.getByText('Recalled: the content is erased').waitFor();
  assert.equal(await page.getByText('Never mind.').count(), 0);
  await operator.leave();
});

test('the trace of a message: who has it, and by which device', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  await operator.signIn();
  const carol = await Person.at(browser, server.url, 'carol');
  await carol.signIn();
  await carol.open('Release train');
  await carol.message('We ship on Friday.').waitFor();
  const [{ device_id: device }] = (await backend(server)('GET', '/sessions', undefined, 'carol')).items;
  await operator.go(`#/conversations/${scene.id}`);
  const trace = operator.part(`Trace of message ${scene.plan}`);
  await page.getByRole('button', { name: `Trace of message ${scene.plan}` }).click();
  const row = trace.getByRole('row').filter({ has: page.getByRole('link', { name: 'carol', exact: true }) });
  await until("carol's device has acknowledged", async () => {
    if (await row.getByText('delivered', { exact: true }).count() && await row.getByText(`${device} acknowledged`).count()) return true;
    await page.getByRole('button', { name: `Trace of message ${scene.plan}` }).click(); // closes
    await page.getByRole('button', { name: `Trace of message ${scene.plan}` }).click();
    await row.waitFor();
    return false;
  });
  await trace.getByText(/ by dev1/).waitFor();
  assert.equal(await trace.getByRole('row').filter({ has: page.getByRole('link', { name: 'bob', exact: true }) }).getByText('delivered', { exact: true }).count(), 0);
  await operator.go(`#/conversations/${scene.id}?at=${scene.plan}`);
  await trace.getByRole('table').waitFor(); // a link to it opens it
  await carol.leave();
  await operator.leave();
});

test('the log, by pages, leads to the messages as of an event', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  const call = backend(server);
  const { conversation_id: id } = await call('POST', '/conversations', { kind: 'group', members: ['ivy'] }, 'alice');
  for (let n = 1; n <= 70; n++) await call('POST', `/conversations/${id}/messages`, { client_msg_id: `n${n}`, content: { type: 'text', text: `number ${n}` } }, 'alice');
  await operator.signIn();
  await operator.go(`#/conversations/${id}/events`);
  const seqs = () => page.locator('.entry .seq').allInnerTexts();
  await page.getByRole('button', { name: 'Show more' }).click();
  await until('all events are there', async () => (await seqs()).length === 71);
  assert.deepEqual(await seqs(), Array.from({ length: 71 }, (_, n) => String(71 - n)), 'dense, the newest first');
  assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0);
  await page.getByRole('link', { name: 'Messages as of here (event 20)' }).click();
  await page.getByText('number 19', { exact: true }).waitFor();
  assert.equal(await page.getByText('number 20', { exact: true }).count(), 0);

  await operator.go(`#/conversations/${id}`);
  await page.getByText('number 70', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Show older' }).click();
  await page.getByText('number 1', { exact: true }).waitFor();
  assert.equal((await seqs()).length, 70);
  await page.getByLabel('Go to the message with this seq').fill('31');
  await page.keyboard.press('Enter');
  await operator.part('Trace of message 31').waitFor();
  assert.equal((await seqs())[0], '31');
  await operator.leave();
});

test('reports are decided, webhooks are disabled, enabled, tried and sent again', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  await operator.signIn();
  await operator.go('#/reports');
  await page.getByText('Cheap watches, only today!').waitFor();
  await page.getByRole('button', { name: /^Accept the report by alice/ }).click();
  await page.getByRole('button', { name: /^Open again/ }).waitFor();
  assert.equal((await backend(server)('GET', '/reports?state=accepted')).items.length, 1);
  await page.getByRole('link', { name: 'Accepted' }).click();
  await page.getByRole('link', { name: `Message ${scene.spam} in its conversation` }).click();
  await operator.part(`Trace of message ${scene.spam}`).waitFor();
  await operator.go('#/reports?state=accepted');
  await page.getByRole('button', { name: /^Open again/ }).click();
  await page.getByRole('button', { name: /^Dismiss/ }).waitFor();

  const call = backend(server);
  const state = async () => (await call('GET', `/webhooks/${scene.webhook}`)).state;
  await operator.go('#/webhooks');
  await page.getByRole('link', { name: endpoint.url }).click();
  const deliveries = operator.part('Deliveries that are not taken');
  await deliveries.getByText(/\b503\b/).first().waitFor();
  await page.getByRole('button', { name: 'Make a test call' }).click();
  await page.locator('#toast').getByText(/has not taken the test call: 503/).waitFor();
  await page.getByRole('button', { name: 'Disable' }).click();
  await operator.answer('Disable');
  await page.getByRole('button', { name: 'Enable' }).waitFor();
  assert.equal(await state(), 'disabled');
  endpoint.status = 200;
  await page.getByRole('button', { name: 'Enable' }).click();
  await operator.answer('Enable');
  await until('the webhook is enabled', async () => await state() === 'enabled');

  const form = page.locator('dialog.form');
  await page.getByRole('button', { name: 'Send again …' }).click();
  await form.getByRole('button', { name: 'Send again' }).click();
  await form.getByText('A time is needed').waitFor();
  await form.getByLabel('or of the conversation').fill(scene.id);
  await form.getByLabel('after seq').fill('1');
  await form.getByRole('button', { name: 'Send again' }).click();
  await form.waitFor({ state: 'detached' });
  endpoint.status = 503;
  await operator.leave();
});

test('what is slow, empty or failed is shown, with the code and the request of the server', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  await operator.signIn();
  await operator.go('#/conversations/0198c5de-0000-7000-8000-000000000001');
  await operator.part('Messages').getByRole('alert').getByText(/^not_found: no such thing, or not yours to see\. Request [A-Z0-9]+\.$/).waitFor();
  await operator.go('#/users/nobody-has-this-id');
  await operator.part('Profile').getByText('no profile').waitFor();
  await operator.part('Live sessions').getByText('No live session.').waitFor();
  await operator.part('Conversations').getByText('In no conversation.').waitFor();
  await operator.go('#/nowhere/at/all');
  await page.getByRole('heading', { name: 'Nothing here' }).waitFor();

  let answer = null; // lets the held call go on
  await page.route('**/v1/reports*', async (route) => {
    await new Promise((resolve) => { answer = resolve; });
    await route.continue();
  });
  await operator.go('#/reports?state=dismissed');
  await page.getByText('Still loading').waitFor();
  answer();
  await page.getByText('No report.').waitFor();
  await page.unroute('**/v1/reports*');

  await operator.context.setOffline(true);
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByRole('alert').getByText('unavailable: the node cannot be reached.').waitFor();
  await page.getByText('No report.').waitFor(); // what was there stays
  await operator.context.setOffline(false);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await operator.leave();
});

test('texts of users are text, and no picture of theirs is loaded', async () => {
  const call = backend(server);
  const hostile = '<img src=x onerror="document.title=1"><script>alert(1)</script>';
  await call('PUT', '/users/mallory', { name: hostile, avatar_url: 'https://elsewhere.example/track.png' });
  const { conversation_id: id } = await call('POST', '/conversations', { kind: 'group', title: hostile, members: ['alice'] }, 'mallory');
  await call('POST', `/conversations/${id}/messages`, { client_msg_id: 'x', content: { type: 'image', url: 'https://elsewhere.example/track.png', text: hostile } }, 'mallory');
  const operator = await Operator.at(browser, server); // fails if a request goes elsewhere
  await operator.signIn();
  await operator.go('#/users/mallory');
  await operator.part('Profile').getByText(hostile).waitFor();
  await operator.go(`#/conversations/${id}`);
  await operator.page.getByText(hostile).first().waitFor();
  await operator.page.getByText('https://elsewhere.example/track.png').waitFor();
  assert.equal(await operator.page.locator('#view img').count(), 0);
  await operator.leave();
});

for (const [name, options] of [['light', { colorScheme: 'light' }], ['dark', { colorScheme: 'dark' }], ['narrow', { colorScheme: 'light', viewport: { width: 360, height: 740 } }]]) {
  test(`axe finds nothing serious, and nothing is wider than the page: ${name}`, async () => {
    const alice = await Person.at(browser, server.url, 'alice');
    await alice.signIn();
    const operator = await Operator.at(browser, server, options);
    const found = {};
    for (const [state, show] of Object.entries(adminStates)) {
      await show(operator, scene);
      await operator.page.waitForTimeout(200); // what fades in has not its colour yet
      const wide = await operator.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      found[state] = [...await faults(operator.page), ...(wide > 0 ? [`${wide} px too wide`] : [])];
      if (process.env.IM_PNG) await operator.page.screenshot({ path: `${process.env.IM_PNG}/admin-${state}-${name}.png`, fullPage: true });
    }
    assert.deepEqual(found, Object.fromEntries(Object.keys(adminStates).map((state) => [state, []])));
    await alice.leave();
    await operator.leave();
  });
}

test('the keyboard alone ends a session', async () => {
  const operator = await Operator.at(browser, server);
  const { page } = operator;
  const judy = await Person.at(browser, server.url, 'judy');
  await judy.signIn();
  await page.getByLabel('Server token').waitFor();
  await page.keyboard.insertText(server.token('operator', '--server')); // the field has the focus
  const tabTo = async (text) => {
    for (let n = 0; n < 60; n++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((wanted) => document.activeElement.textContent.trim().startsWith(wanted), text)) return;
    }
    assert.fail(`the tab key does not get to ${text}`);
  };
  await tabTo('Sign in');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Cluster' }).waitFor();
  await page.keyboard.press('Shift+Tab');
  await operator.go('#/users');
  await page.getByLabel('Id of the user').waitFor();
  await page.keyboard.type('judy'); // the field has the focus
  await page.keyboard.press('Enter');
  await operator.part('Live sessions').getByRole('table').waitFor();
  await tabTo('End the session of');
  await page.keyboard.press('Enter');
  await page.locator('#ask-dialog[open]').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await judy.page.locator('#sign-in').waitFor();
  await page.waitForFunction(() => document.activeElement !== document.body); // the row is gone; the focus is not lost
  await judy.leave();
  await operator.leave();
});
