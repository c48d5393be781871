// What others edit, recall and react to, on every part of the page: at once, after the
// connection was lost, and for messages that the page does not hold.

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

const text = (value, mentions) => ({ content: { type: 'text', text: value }, ...(mentions && { mentions }) });
const edit = (call, { conversation_id: id, seq }, value, mentions) => call('PATCH', `/conversations/${id}/messages/${seq}`, text(value, mentions));
const recall = (call, { conversation_id: id, seq }) => call('DELETE', `/conversations/${id}/messages/${seq}`);

/** Everything that the page holds: what it draws, and what it stores. */
const held = (person) => person.page.evaluate(async () => JSON.stringify([
  document.documentElement.outerHTML, { ...sessionStorage }, { ...localStorage }, await indexedDB.databases(), await caches?.keys(),
]));

test('an edit and a recall reach the list, the badges and the title', async () => {
  const ann = await Person.at(browser, server.url, 'ann');
  const ben = await caller(server.url, 'ben');
  await ann.signIn();
  const first = await post(ben, { to: 'ann' }, 'the first text');
  const second = await post(ben, { to: 'ann' }, 'a secret', { mentions: ['ann'] });
  const row = ann.row('ben');
  await row.locator('.count').getByText('2', { exact: true }).waitFor();
  await row.locator('.mention').waitFor();
  await row.getByText('a secret').waitFor();
  assert.equal(await ann.page.title(), '(2) im');

  await recall(ben, second);
  await row.locator('.count').getByText('1', { exact: true }).waitFor();
  await row.locator('.mention').waitFor({ state: 'detached' });
  await row.getByText('This message was deleted').waitFor();
  assert.equal(await ann.page.title(), '(1) im');
  assert.doesNotMatch(await held(ann), /secret/);

  await edit(ben, first, 'now for @ann', ['ann']);
  await row.locator('.mention').waitFor();
  await edit(ben, first, 'for nobody', []);
  await row.locator('.mention').waitFor({ state: 'detached' });
  await recall(ben, first);
  await row.locator('.count').waitFor({ state: 'detached' });
  assert.equal(await ann.page.title(), 'im');
  const last = await post(ben, { to: 'ann' }, 'a third one');
  await edit(ben, last, 'a third one, edited');
  await row.getByText('a third one, edited').waitFor();
  await ann.leave();
});

test('an edit and a recall reach the message and its quotes', async () => {
  const cid = await Person.at(browser, server.url, 'cid');
  const dan = await caller(server.url, 'dan');
  await cid.signIn();
  const first = await post(dan, { to: 'cid' }, 'a tpyo');
  const where = { id: first.conversation_id };
  await cid.open('dan');
  await cid.sees(['a tpyo']);
  await post(dan, where, 'an answer', { reply_to: first.seq });
  const quote = cid.page.locator('.message .quote .line');
  assert.equal(await quote.textContent(), 'a tpyo');

  await edit(dan, first, 'a typo');
  await cid.sees(['a typo', 'an answer']);
  assert.equal(await quote.textContent(), 'a typo');
  assert.equal(await cid.message('a typo').locator('.edited').textContent(), 'edited ');
  assert.equal(await cid.message('an answer').locator('.edited').count(), 0);
  await cid.page.getByRole('button', { name: /^In reply to ?dan ?a typo$/ }).click();
  await cid.page.locator('.message.found').waitFor();

  await dan('PUT', `/conversations/${where.id}/messages/${first.seq}/reactions/${encodeURIComponent('🎉')}`);
  const cidCalls = await caller(server.url, 'cid');
  await cidCalls('PUT', `/conversations/${where.id}/messages/${first.seq}/reactions/${encodeURIComponent('🎉')}`);
  await cid.message('a typo').locator('.reactions .mine').getByText('2').waitFor();
  assert.equal(await cid.message('a typo').locator('.reactions').textContent(), '🎉 2');
  await cidCalls('DELETE', `/conversations/${where.id}/messages/${first.seq}/reactions/${encodeURIComponent('🎉')}`);
  await cid.message('a typo').locator('.reactions').getByText('2').waitFor({ state: 'detached' });
  assert.equal(await cid.message('a typo').locator('.reactions').textContent(), '🎉');
  await cid.picture('changes');

  await recall(dan, first);
  await cid.sees(['This message was deleted', 'an answer']);
  assert.equal(await quote.textContent(), 'This message was deleted');
  assert.equal(await cid.page.locator('.edited').count(), 0);
  assert.doesNotMatch(await held(cid), /typo|tpyo/);

  await cid.page.reload();
  await cid.online();
  await cid.sees(['This message was deleted', 'an answer']);
  await cid.leave();
});

test('what changed while the connection was lost is changed after it came back', async () => {
  const eva = await Person.at(browser, server.url, 'eva');
  const fay = await caller(server.url, 'fay');
  await eva.signIn();
  const first = await post(fay, { to: 'eva' }, 'the oldest');
  const where = { id: first.conversation_id };
  for (let n = 1; n <= 70; n++) await post(fay, where, `line ${n}`);
  const answer = await post(fay, where, 'an answer to the oldest', { reply_to: first.seq });
  const other = await post(fay, where, 'to be recalled');
  await (await caller(server.url, 'eva'))('PUT', `/conversations/${where.id}/read`, { seq: other.seq });
  await eva.page.reload(); // the page holds the newest only
  await eva.online();
  await eva.open('fay');
  await eva.message('an answer to').locator('.quote').getByText('the oldest').waitFor();
  assert.equal((await eva.texts()).includes('the oldest'), false, 'the quoted message is beyond what is loaded');

  await eva.cutOff();
  await edit(fay, first, 'the oldest, edited');
  await edit(fay, answer, 'an edited answer');
  await recall(fay, other);
  await edit(fay, answer, 'an answer, edited twice');
  await eva.mend();
  await eva.message('an answer, edited twice').locator('.quote').getByText('the oldest, edited').waitFor();
  assert.equal((await eva.texts()).at(-1), 'This message was deleted');
  await eva.row('fay').getByText('This message was deleted').waitFor();
  await recall(fay, first);
  await eva.message('an answer, edited twice').locator('.quote').getByText('This message was deleted').waitFor();
  assert.doesNotMatch(await held(eva), /to be recalled|the oldest/);
  await eva.leave();
});

test('a recall of an unread message that the page never had counts, too', async () => {
  const gil = await Person.at(browser, server.url, 'gil');
  const hal = await caller(server.url, 'hal');
  const messages = [];
  for (const n of [1, 2, 3]) messages.push(await post(hal, { to: 'gil' }, `unseen ${n}`, { mentions: n === 1 ? ['gil'] : [] }));
  await gil.signIn();
  const row = gil.row('hal');
  await row.locator('.count').getByText('3', { exact: true }).waitFor();
  await row.locator('.mention').waitFor();
  await recall(hal, messages[0]);
  await row.locator('.count').getByText('2', { exact: true }).waitFor();
  await row.locator('.mention').waitFor({ state: 'detached' });
  await edit(hal, messages[1], 'unseen, for gil', ['gil']);
  await row.locator('.mention').waitFor();
  await gil.leave();
});

test('a change that comes while history is on its way is not lost', async () => {
  const ida = await Person.at(browser, server.url, 'ida');
  const joe = await caller(server.url, 'joe');
  const one = await post(joe, { to: 'ida' }, 'before');
  const two = await post(joe, { to: 'ida' }, 'a mistake');
  for (let n = 1; n <= 30; n++) await post(joe, { to: 'ida' }, `later ${n}`); // a new device has the newest only
  await ida.signIn();
  await ida.row('joe').waitFor();
  let answered;
  const read = new Promise((resolve) => { answered = resolve; });
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await ida.page.route(/\/messages\?before_seq/, async (route) => {
    const response = await route.fetch();
    answered();
    await released;
    await route.fulfill({ response });
  });
  await ida.open('joe');
  await read;
  await edit(joe, one, 'after');
  await recall(joe, two);
  await post(joe, { to: 'ida' }, 'the end');
  await ida.row('joe').getByText('the end').waitFor();
  release();
  await ida.sees(['after', 'This message was deleted', ...Array.from({ length: 30 }, (_, n) => `later ${n + 1}`), 'the end']);
  await ida.leave();
});

test('what a search has found is changed, too', async () => {
  const kay = await Person.at(browser, server.url, 'kay');
  const lou = await caller(server.url, 'lou');
  await kay.signIn();
  const one = await post(lou, { to: 'kay' }, 'a pineapple pizza');
  const two = await post(lou, { to: 'kay' }, 'no pineapple please');
  const found = kay.page.locator('#found button');
  await kay.search('pineapple', () => found.count(), 2);
  await recall(lou, one);
  await edit(lou, two, 'no fruit please');
  await found.getByText('This message was deleted').waitFor();
  await found.getByText('no fruit please').waitFor();
  assert.doesNotMatch(await held(kay), /pizza|<mark>pineapple/);
  await kay.leave();
});
