// What people do with messages on the page, with two people at two nodes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { caller, launch, Person, post } from './people.js';
import { Server } from './server.js';

const server = new Server({}, 2);
let browser;

before(async () => {
  await server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server.close();
});

const field = (person) => person.page.getByLabel('Message', { exact: true });
const menu = async (person, text, item) => {
  await person.message(text).click({ button: 'right' });
  await person.page.getByRole('menuitem', { name: item, exact: true }).click();
};

test('edits, recalls, reactions, replies and pins are on the other side at once, and in its list', async () => {
  const ann = await Person.at(browser, server.url, 'ann');
  const bob = await Person.at(browser, server.otherUrl, 'bob');
  await ann.signIn();
  await bob.signIn();
  await ann.startWith('bob');
  await ann.start();
  await ann.say('one');
  await ann.say('tow');
  await bob.open('ann');
  await bob.sees(['one', 'tow']);
  await ann.page.locator('.mark.read').nth(1).waitFor(); // bob has read them

  await field(ann).press('ArrowUp'); // edits the last message
  assert.equal(await field(ann).inputValue(), 'tow');
  await field(ann).fill('two');
  await field(ann).press('Enter');
  await bob.sees(['one', 'two']);
  await bob.row('ann').getByText('two').waitFor();
  assert.equal(await field(ann).inputValue(), '');

  await menu(bob, 'one', '👍');
  await ann.message('one').locator('.reactions').getByText('👍').waitFor();
  await ann.message('one').getByRole('button', { name: '👍' }).click();
  await bob.message('one').locator('.reactions .mine').getByText('2').waitFor();

  await menu(bob, 'one', 'Reply');
  await bob.page.getByText('Reply to ann').waitFor();
  await bob.page.reload(); // the draft keeps what it replies to
  await bob.online();
  await bob.page.getByText('Reply to ann').waitFor();
  await bob.say('an answer');
  await ann.message('an answer').locator('.quote').getByText('one', { exact: true }).waitFor();

  await menu(bob, 'two', 'Pin');
  await ann.page.locator('#pinned').getByText('two').waitFor();
  await menu(ann, 'one', 'Who has read it');
  await ann.page.locator('.panel').getByText('Read by').waitFor();
  await ann.page.keyboard.press('Escape');

  await menu(ann, 'two', 'Delete for everyone');
  await ann.page.getByRole('button', { name: 'Delete', exact: true }).click();
  await bob.message('This message was deleted').waitFor();
  await bob.page.locator('#pinned').waitFor({ state: 'hidden' });

  await field(bob).pressSequentially('wri');
  await ann.page.locator('#typing').getByText('bob is typing …').waitFor();
  await ann.row('bob').getByText('typing …').waitFor();
  await ann.leave();
  await bob.leave();
});

test('who can be mentioned may be known only after the @ was written', async () => {
  const fay = await Person.at(browser, server.url, 'fay');
  const call = await caller(server.url, 'fay');
  await call('POST', '/conversations', { kind: 'group', title: 'Slow', members: ['gus', 'gwen'] });
  const asked = [];
  await fay.page.route(/\/members(\?|$)/, (route) => asked.push(route)); // unanswered
  await fay.signIn();
  await fay.open('Slow');
  await field(fay).pressSequentially('ask @g');
  assert.equal(await fay.page.locator('.completions').isVisible(), false);
  while (!asked.length) await fay.page.waitForTimeout(50);
  for (const route of asked.splice(0)) await route.continue();
  await fay.page.locator('.completions li').nth(1).waitFor();

  await fay.page.reload();
  await fay.online();
  await field(fay).fill('see @gwen');
  await field(fay).press('Enter');
  await field(fay).press('Enter'); // while it waits for them
  while (!asked.length) await fay.page.waitForTimeout(50);
  for (const route of asked.splice(0)) await route.continue();
  await fay.page.locator('.message .mention').getByText('@gwen').waitFor();
  await fay.sees(['see @gwen']);
  await fay.leave();
});

test('mentions are completed, drafts are in the list, muted and archived conversations say so', async () => {
  const cleo = await Person.at(browser, server.url, 'cleo');
  const dan = await Person.at(browser, server.otherUrl, 'dan');
  const call = await caller(server.url, 'cleo');
  const group = await call('POST', '/conversations', { kind: 'group', title: 'Crew', members: ['dan', 'dora'] });
  await cleo.signIn();
  await dan.signIn();
  await cleo.open('Crew');
  await field(cleo).pressSequentially('ask @d');
  await cleo.page.locator('.completions li').nth(1).waitFor();
  await field(cleo).press('ArrowDown');
  await field(cleo).press('ArrowUp');
  await field(cleo).press('Enter');
  assert.equal(await field(cleo).inputValue(), 'ask @dan ');
  await field(cleo).press('Enter');
  await dan.row('Crew').locator('.mention').waitFor();
  await dan.open('Crew');
  assert.equal(await dan.page.locator('.message .mention.me').textContent(), '@dan');

  await field(cleo).fill('not yet sent');
  await cleo.startWith('dan');
  await cleo.start();
  await cleo.row('Crew').getByText('Draft: not yet sent').waitFor();
  await cleo.row('Crew').click({ button: 'right' });
  await cleo.page.getByRole('menuitemradio', { name: 'Mute' }).click();
  await cleo.page.locator('#conversations button.muted').waitFor();
  await cleo.row('Crew').click({ button: 'right' });
  await cleo.page.getByRole('menuitem', { name: 'Archive' }).click();
  await cleo.page.getByRole('button', { name: 'Archived (1)' }).click();
  await cleo.row('Crew').waitFor();
  await post(await caller(server.url, 'dan'), { id: group.conversation_id }, 'back with you');
  await cleo.page.getByRole('button', { name: 'Archived (1)' }).waitFor({ state: 'hidden' });
  await cleo.leave();
  await dan.leave();
});

test('Enter that chooses a candidate of an input method does not send', async () => {
  const emi = await Person.at(browser, server.url, 'emi');
  await emi.signIn();
  await emi.startWith('fuu');
  await emi.start();
  await field(emi).fill('にほん');
  const press = (before, key) => field(emi).evaluate((node, [types, init]) => {
    for (const type of types) node.dispatchEvent(new CompositionEvent(type, { bubbles: true }));
    node.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...init }));
  }, [before, key]);
  await press(['compositionstart'], { isComposing: true, keyCode: 229 });
  await press(['compositionend'], { keyCode: 229 }); // as WebKit has it: the key comes after the end
  await press(['compositionend'], {}); // without the code, too
  assert.equal(await field(emi).inputValue(), 'にほん');
  await emi.page.waitForTimeout(100); // after the key that ended the composition
  await field(emi).press('Enter');
  await emi.sees(['にほん']);

  await emi.say('שלום, world');
  await emi.say('Hello, עולם');
  await emi.sees(['にほん', 'שלום, world', 'Hello, עולם']);
  const directions = await emi.page.locator('.message .text').evaluateAll((all) => all.map((node) => node.matches(':dir(rtl)')));
  assert.deepEqual(directions, [false, true, false]);
  await emi.search('にほん', () => emi.page.locator('#found button').count(), 1);
  await emi.leave();
});
