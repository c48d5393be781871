// Where one is: the address of what is open, drafts, where a conversation opens, and what
// conversations are called.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { caller, launch, Person, post } from './people.js';
import { Server } from './server.js';

const server = new Server();
let browser;

before(async () => {
  await server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server.close();
});

/** Whether an element is within the part of the conversation that is in view. */
const inView = (person, selector) => person.page.locator(selector).evaluate((node) => {
  const box = document.querySelector('#scroller').getBoundingClientRect();
  const { top, bottom } = node.getBoundingClientRect();
  return top >= box.top && bottom <= box.bottom;
});

const hash = (person) => person.page.evaluate(() => location.hash);

test('25 unread messages open at the first of them', async () => {
  const abe = await Person.at(browser, server.url, 'abe');
  const bob = await caller(server.url, 'bob');
  const read = [];
  for (let n = 1; n <= 30; n++) read.push(await post(bob, { to: 'abe' }, `read ${n}`));
  await (await caller(server.url, 'abe'))('PUT', `/conversations/${read[0].conversation_id}/read`, { seq: read.at(-1).seq });
  for (let n = 1; n <= 25; n++) await post(bob, { to: 'abe' }, `unread ${n}\nwith a second line`);
  await abe.signIn();
  await abe.open('bob');
  await abe.page.locator('.messages .new').waitFor();
  await abe.page.waitForFunction(() => document.querySelector('#scroller').scrollTop > 0);
  assert.ok(await inView(abe, '.messages .new'));
  assert.ok(await abe.message(/^unread 1\n/).isVisible());
  assert.equal(await inView(abe, '.message:last-child'), false);
  assert.equal(await abe.page.locator('#newer-text').textContent(), '25 new');
  await abe.row('bob').locator('.count').getByText('25').waitFor(); // they are not read yet
  await abe.picture('new');
  await abe.page.getByRole('button', { name: '25 new' }).click();
  await abe.row('bob').locator('.count').waitFor({ state: 'detached' });

  for (const n of [1, 2]) await post(bob, { to: 'abe' }, `live ${n}`); // they are at the end, in view
  await abe.message('live 2').waitFor();
  assert.ok(await inView(abe, '.message:last-child'));
  await abe.leave();
});

test('a reload keeps the open conversation, the draft and the place', async () => {
  const cam = await Person.at(browser, server.url, 'cam');
  const dee = await caller(server.url, 'dee');
  await post(dee, { to: 'cam' }, 'hello');
  await cam.signIn();
  await cam.open('dee');
  await cam.sees(['hello']);
  const draft = cam.page.getByLabel('Message', { exact: true });
  await draft.fill('half a sen');
  await cam.page.reload();
  await cam.online();
  await cam.sees(['hello']);
  assert.equal(await draft.inputValue(), 'half a sen');

  await cam.startWith('eve'); // nobody yet
  await cam.start();
  await draft.fill('to somebody new');
  assert.equal(await hash(cam), '#/to/eve');
  await cam.page.reload();
  await cam.online();
  await cam.page.getByRole('heading', { name: 'eve' }).waitFor();
  assert.equal(await draft.inputValue(), 'to somebody new');
  await draft.press('Enter');
  await cam.sees(['to somebody new']);
  await cam.page.waitForFunction(() => location.hash.startsWith('#/c/'));
  assert.equal(await draft.inputValue(), '');

  await cam.page.goBack(); // the history of the browser: dee
  await cam.page.getByRole('heading', { name: 'dee' }).waitFor();
  assert.equal(await draft.inputValue(), 'half a sen');
  await cam.page.goForward();
  await cam.page.getByRole('heading', { name: 'eve' }).waitFor();
  await cam.choose('Sign out');
  await cam.page.getByLabel('Your name').waitFor();
  assert.equal(await cam.page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })).then((kept) => /half a sen/.test(kept)), false);
  assert.doesNotMatch(await cam.page.content(), /to somebody new|hello/);
  await cam.leave();
});

test('addresses of a conversation and of a message', async () => {
  const fin = await Person.at(browser, server.url, 'fin');
  const gia = await caller(server.url, 'gia');
  const messages = [];
  for (let n = 1; n <= 80; n++) messages.push(await post(gia, { to: 'fin' }, `line ${n}\nof several`));
  const { conversation_id: id, seq } = messages[4];
  await fin.page.goto(`${server.url}/#/c/${id}/${seq}`); // before anybody is signed in
  await fin.page.reload();
  await fin.signIn();
  await fin.page.locator(`.message[data-seq="${seq}"]`).waitFor();
  await fin.page.waitForFunction((which) => {
    const { top, bottom } = document.querySelector(`.message[data-seq="${which}"]`)?.getBoundingClientRect() ?? {};
    return top >= 0 && bottom <= innerHeight;
  }, seq);

  const time = fin.message(/^line 7\n/).locator('.meta'); // the time is the address of the message
  assert.equal(await time.getAttribute('href'), `#/c/${id}/${messages[6].seq}`);
  await time.click();
  await fin.page.locator(`.message.found[data-seq="${messages[6].seq}"]`).waitFor();
  assert.equal(await hash(fin), `#/c/${id}/${messages[6].seq}`);
  await fin.page.evaluate((where) => { location.hash = where; }, `#/c/${id}/1`); // how it began is no message
  await fin.page.locator('#messages .note.found, #thread-note:not(:empty)').first().waitFor();
  await fin.page.evaluate((where) => { location.hash = where; }, `#/c/${id}/999`);
  await fin.page.getByText('This message cannot be shown').waitFor();
  await fin.page.keyboard.press('Escape');
  await fin.page.locator('#placeholder').waitFor();
  assert.equal(await hash(fin), '#/');

  for (const place of ['c/0198c5de-0000-7000-8000-000000000001', 'c/0198c5de-0000-7000-8000-000000000001/7']) {
    await fin.page.evaluate((where) => { location.hash = `#/${where}`; }, place);
    await fin.page.getByText('This conversation does not exist, or you are not a member of it.').waitFor();
  }
  for (const place of ['c/x', 'nothing', 'to/%ff', 'to/a/b', `c/${id}/-1`]) {
    await fin.page.evaluate((where) => { location.hash = `#/${where}`; }, place);
    await fin.page.getByText('Choose a conversation').waitFor();
  }
  await fin.leave();
});

test('groups without a title are named by their members; how it began is there after a reload', async () => {
  const hal = await Person.at(browser, server.url, 'hal');
  const ivy = await caller(server.url, 'ivy');
  await hal.signIn();
  const group = await ivy('POST', '/conversations', { kind: 'group', members: ['hal', 'jon'] });
  await hal.row('ivy, jon').waitFor();
  await ivy('POST', `/conversations/${group.conversation_id}/members`, { user_ids: ['kim', 'liv'] });
  await hal.row(/^ivy, jon, (kim|liv) \+1$/).waitFor();
  await hal.open('ivy, jon');
  await hal.page.getByText('ivy started the conversation').waitFor();
  await hal.page.reload();
  await hal.online();
  await hal.page.getByRole('heading', { name: /^ivy, jon, (kim|liv) \+1$/ }).waitFor();
  const notes = hal.page.locator('.messages .note');
  await hal.page.getByText('ivy started the conversation').waitFor();
  assert.deepEqual(await notes.allTextContents(), ['ivy started the conversation', 'ivy added kim', 'ivy added liv']);

  const first = await post(ivy, { id: group.conversation_id }, 'one'); // notes stand among messages
  await ivy('PATCH', `/conversations/${group.conversation_id}`, { title: 'Choir' });
  for (const emoji of ['👍', '🎉']) await ivy('PUT', `/conversations/${group.conversation_id}/messages/${first.seq}/reactions/${encodeURIComponent(emoji)}`);
  await post(ivy, { id: group.conversation_id }, 'two');
  await ivy('DELETE', `/conversations/${group.conversation_id}/members/liv`);
  await hal.page.getByText('ivy removed liv').waitFor();
  const live = await hal.page.locator('.messages :is(.note, .text)').allTextContents();
  await hal.page.reload();
  await hal.online();
  await hal.page.getByText('ivy removed liv').waitFor();
  assert.deepEqual(await hal.page.locator('.messages :is(.note, .text)').allTextContents(), live);
  await hal.page.getByRole('heading', { name: 'Choir' }).waitFor();
  await hal.leave();
});

test('what a search or an empty list says stands below its cause', async () => {
  const max = await Person.at(browser, server.url, 'max');
  const near = async (text, cause) => {
    const [a, b] = await Promise.all([max.page.getByText(text), cause].map((locator) => locator.boundingBox()));
    return a.y >= b.y && a.y - (b.y + b.height) < 40;
  };
  await max.signIn();
  const field = max.page.getByLabel('Search people and messages');
  await max.page.getByText('No conversations yet').waitFor();
  assert.ok(await near('No conversations yet', field));
  await max.search('zebra', () => max.page.locator('#search-note').textContent(), 'Nothing found.');
  assert.ok(await near('Nothing found.', field));
  await max.picture('nothing');
  await max.leave();
});

test('a search finds people, titles and members, and shows what was hit', async () => {
  const ned = await Person.at(browser, server.url, 'ned');
  const oda = await caller(server.url, 'oda.smith');
  await post(oda, { to: 'ned' }, `${'Some words that come before it, as people write them. '.repeat(3)}The giraffe is here.`);
  const titled = await oda('POST', '/conversations', { kind: 'group', title: 'Garden party', members: ['ned'] });
  await oda('POST', '/conversations', { kind: 'group', members: ['ned', 'pia'] });
  await ned.signIn();
  const people = ned.page.getByRole('list', { name: 'People and groups' }).getByRole('button');
  const field = ned.page.getByLabel('Search people and messages');
  for (const [asked, found] of [['SMITH', ['oda.smith', 'oda.smith, pia']], ['garden', ['Garden party']], ['pia', ['oda.smith, pia']]]) {
    await field.fill(asked);
    await ned.page.waitForFunction((n) => document.querySelectorAll('#found-conversations button').length === n, found.length);
    assert.deepEqual((await people.locator('.name').allTextContents()).sort(), found.sort());
  }
  await field.fill('garden');
  await people.click();
  await ned.page.getByRole('heading', { name: 'Garden party' }).waitFor();
  assert.equal(await hash(ned), `#/c/${titled.conversation_id}`);

  const found = ned.page.locator('#found button');
  await ned.search('giraffe', () => found.count(), 1);
  assert.ok(await found.locator('mark').evaluate((mark) => {
    const { right, bottom, top } = mark.getBoundingClientRect();
    const box = mark.closest('.last').getBoundingClientRect();
    return right <= box.right && top >= box.top - 1 && bottom <= box.bottom + 1;
  }), 'the hit is in view');
  await ned.picture('search-people');
  await ned.leave();
});

test('a new conversation shows what will be made, and what is known of the people', async () => {
  const pat = await Person.at(browser, server.url, 'pat');
  const quin = await caller(server.url, 'quinn');
  await post(quin, { to: 'pat' }, 'hi');
  await pat.signIn();
  await pat.row('quinn').waitFor();
  const dialog = pat.page.getByRole('dialog');
  const start = dialog.getByRole('button', { name: 'Start', exact: true });

  await pat.startWith('Bob Smith');
  await dialog.getByText('“Bob Smith” has a space, and user names have none. For a group with Bob and Smith, write “Bob, Smith”.').waitFor();
  assert.ok(await start.isDisabled());
  await pat.picture('with-space');
  const field = dialog.getByLabel('With');
  await field.fill('Bob, Smith');
  await dialog.getByText('A group of 3: you, Bob and Smith').waitFor();
  assert.ok(await start.isEnabled());
  await field.fill('quinn');
  await dialog.getByText('A direct conversation with quinn').waitFor();
  await dialog.getByText('quinn you share a conversation').waitFor();
  await field.fill('quin');
  await dialog.getByText('so this page cannot say whether this user exists. Check the spelling.').waitFor();
  await pat.picture('with-unknown');
  await dialog.getByRole('button', { name: 'Did you mean quinn?' }).click();
  assert.equal(await field.inputValue(), 'quinn');
  for (const [name, problem] of [['jürgen', '“jürgen” cannot be a user name: it has “ü”'], ['pat', 'You are in it anyway'], ['x'.repeat(129), 'cannot be a user name']]) {
    await field.fill(name);
    await dialog.getByText(problem).waitFor();
    assert.ok(await start.isDisabled());
  }
  await field.fill('stranger');
  await start.click();
  await pat.page.getByText(/The beginning of your conversation with stranger\. The server shows nothing of users/).waitFor();
  await pat.leave();
});
