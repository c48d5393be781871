// Groups and their people, with two people at two nodes: what one does is at once on the other side.

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

const panel = (person) => person.page.locator('#panel');
const dialog = (person) => person.page.locator('dialog[open]');
const field = (person) => person.page.getByLabel('Message', { exact: true });
const note = (person, text) => person.page.locator('.messages .note').getByText(text).waitFor();

async function about(person) {
  if (!await panel(person).getByRole('heading', { name: 'About' }).isVisible()) await person.page.getByRole('button', { name: 'About', exact: true }).click();
}

/** Does something with a member, from the panel; answers the dialog that asks, if it has such a button. */
async function act(person, user, action, yes) {
  await about(person);
  await panel(person).locator(`[data-user="${user}"]`).click();
  await panel(person).getByRole('button', { name: action, exact: true }).click();
  if (yes) await dialog(person).getByRole('button', { name: yes, exact: true }).click();
}

const back = (person) => panel(person).getByRole('button', { name: 'Back to the group' }).click();

/** A group of the first user with the others, over REST. */
async function group(owner, title, members, more = {}) {
  const call = await caller(server.url, owner);
  const made = await call('POST', '/conversations', { kind: 'group', title, members, ...more });
  return { call, id: made.conversation_id };
}

test('a group is made, people are added and get roles, and a member who is removed sees it go', async () => {
  const ada = await Person.at(browser, server.url, 'ada');
  const ben = await Person.at(browser, server.otherUrl, 'ben');
  await ada.signIn();
  await ben.signIn();
  await ada.startWith('ben');
  await dialog(ada).getByText('A direct conversation with ben').waitFor();
  await dialog(ada).getByRole('switch', { name: 'Make it a group' }).check();
  await dialog(ada).getByText('A group of 2: you, ben').waitFor();
  await dialog(ada).getByLabel('Name of the group').fill('Chess club');
  await ada.start();
  await ben.open('Chess club');
  await note(ben, 'ada started the conversation');

  await about(ada);
  await panel(ada).getByRole('button', { name: 'Add people' }).click();
  await dialog(ada).getByLabel('User names').fill('cat, d e');
  await dialog(ada).getByRole('button', { name: 'Add', exact: true }).click();
  await dialog(ada).getByText('“d e” has a space').waitFor(); // it stays, and says what to do
  await dialog(ada).getByLabel('User names').fill('cat');
  await dialog(ada).getByRole('button', { name: 'Add', exact: true }).click();
  await note(ben, 'ada added cat');
  await about(ben);
  await panel(ben).locator('[data-user="cat"]').waitFor();
  assert.equal(await panel(ben).getByRole('button', { name: 'Settings' }).count(), 0, 'a member changes no settings');

  await act(ada, 'ben', 'Make admin');
  await note(ben, 'ada made ben admin');
  await panel(ben).getByRole('button', { name: 'Settings' }).waitFor(); // at once, in the panel that is open
  await panel(ada).getByRole('button', { name: 'Make ordinary member' }).waitFor();
  await act(ben, 'cat', 'Remove from the group', 'Remove');
  await note(ada, 'ben removed cat');

  await ada.page.keyboard.press('Escape'); // from the person to the group
  await act(ada, 'ben', 'Make owner', 'Make owner');
  await panel(ada).locator('.facts').getByText('owner').waitFor();
  await back(ada);
  await panel(ada).locator('[data-user="ada"]').getByText('admin').waitFor();
  await act(ben, 'ada', 'Remove from the group', 'Remove');
  await ada.page.getByText('ben removed you from Chess club.').first().waitFor();
  await ada.row('Chess club').waitFor({ state: 'detached' });
  assert.equal(await ada.page.locator('#panel').isVisible(), false);

  await back(ben);
  await panel(ben).getByRole('button', { name: 'Leave the group' }).click();
  await dialog(ben).getByRole('button', { name: 'Leave', exact: true }).click();
  await ben.page.getByText('You left Chess club.').first().waitFor();
  await ada.leave();
  await ben.leave();
});

test('an open group is found by its link, and closed again', async () => {
  const eda = await Person.at(browser, server.url, 'eda');
  const flo = await Person.at(browser, server.otherUrl, 'flo');
  await eda.signIn();
  await flo.signIn();
  await eda.startWith('');
  await dialog(eda).getByRole('switch', { name: 'Make it a group' }).check();
  await dialog(eda).getByLabel('Name of the group').fill('Open stage');
  await dialog(eda).getByLabel('Joining').selectOption('With the link');
  await eda.start();
  await about(eda);
  const link = await panel(eda).getByLabel('Link to this group').inputValue();

  await flo.startWith(new URL(link).hash.replace('#', `${server.otherUrl}/#`));
  await dialog(flo).getByText('The address of a group').waitFor();
  await dialog(flo).getByRole('button', { name: 'Open', exact: true }).click();
  await flo.page.getByText('An open group of 1 person.').waitFor();
  await flo.page.getByRole('button', { name: 'Join the group' }).click();
  await flo.page.getByRole('heading', { name: 'Open stage' }).waitFor();
  await note(eda, 'flo joined');

  await panel(eda).getByRole('button', { name: 'Settings' }).click();
  await dialog(eda).getByLabel('Picture').fill('not an address');
  await dialog(eda).getByRole('button', { name: 'Save' }).click();
  await dialog(eda).getByText('This is no web address').waitFor();
  await dialog(eda).getByLabel('Picture').fill('');
  await dialog(eda).getByLabel('Name of the group').fill('Closed stage');
  await dialog(eda).getByLabel('Joining').selectOption('By invitation');
  await dialog(eda).getByLabel('Read marks').uncheck();
  await dialog(eda).getByRole('button', { name: 'Save' }).click();
  await flo.page.getByRole('heading', { name: 'Closed stage' }).waitFor();
  await about(flo);
  await panel(flo).locator('.facts').getByText('By invitation').waitFor();
  await panel(eda).getByLabel('Link to this group').waitFor({ state: 'detached' });

  const gus = await Person.at(browser, server.url, 'gus');
  await gus.signIn();
  await gus.page.evaluate((hash) => { location.hash = hash; }, new URL(link).hash);
  await gus.page.getByText('This conversation does not exist, or you are not a member of it.').waitFor();
  await gus.leave();
  await eda.leave();
  await flo.leave();
});

test('who may not write sees why, and for how long', async () => {
  const { call, id } = await group('hal', 'Workshop', ['ida']);
  const hal = await Person.at(browser, server.url, 'hal');
  const ida = await Person.at(browser, server.otherUrl, 'ida');
  await hal.signIn();
  await ida.signIn();
  await hal.open('Workshop');
  await ida.open('Workshop');
  const closed = ida.page.locator('#read-only');

  await field(ida).fill('half a sen');
  await act(hal, 'ida', 'Mute …');
  await dialog(hal).getByLabel('How long').selectOption('For 15 minutes');
  await dialog(hal).getByRole('button', { name: 'Mute', exact: true }).click();
  await closed.getByText(/You are muted here until/).waitFor();
  await closed.locator('.left').getByText(/^1[45]:\d\d$/).waitFor();
  assert.equal(await field(ida).isVisible(), false);
  await note(hal, /hal muted ida until/);
  await ida.page.reload(); // the browser knows it
  await ida.online();
  await closed.getByText(/You are muted here until/).waitFor();
  const other = await Person.at(browser, server.url, 'ida'); // a device that is new
  await other.signIn();
  await other.open('Workshop');
  await other.page.locator('#read-only').getByText(/You are muted here until/).waitFor();
  await other.leave();

  await panel(hal).getByRole('button', { name: 'Unmute' }).click();
  await field(ida).waitFor();
  assert.equal(await field(ida).inputValue(), 'half a sen');

  await call('PATCH', `/conversations/${id}`, { settings: { slow_mode_s: 60 } });
  await ida.page.locator('#slow').getByText('Slow mode: one message every minute').waitFor();
  await field(ida).fill('the first');
  await field(ida).press('Enter');
  await ida.page.locator('#slow').getByText(/^Slow mode: you can send again in 0:[0-5]\d\.$/).waitFor();
  await field(ida).fill('the second');
  await field(ida).press('Enter');
  assert.equal(await field(ida).inputValue(), 'the second', 'it waits in the field');
  assert.equal(await ida.page.locator('.message').count(), 1);
  await call('PATCH', `/conversations/${id}`, { settings: { slow_mode_s: 1 } });
  await ida.page.locator('#slow').getByText('Slow mode: one message every second').waitFor();
  await field(ida).press('Enter');
  await hal.sees(['the first', 'the second']);

  await call('PATCH', `/conversations/${id}`, { settings: { slow_mode_s: 0, posting: 'admins' } });
  await closed.getByText('Only admins can write here.').waitFor();
  await call('PATCH', `/conversations/${id}`, { settings: { posting: 'nobody' } });
  await closed.getByText('This group is frozen: no one can write at the moment.').waitFor();
  await hal.page.locator('#read-only').getByText('Change “Who may write” in its settings').waitFor();
  await call('PATCH', `/conversations/${id}`, { settings: { posting: 'everyone' } });
  await field(ida).waitFor();
  await hal.leave();
  await ida.leave();
});

test('a mute that nobody told of is learned from the refusal', async () => {
  const { call, id } = await group('jon', 'Quiet room', ['kay']);
  await call('PUT', `/conversations/${id}/mutes/kay`, {});
  for (let n = 1; n <= 30; n++) await post(call, { id }, `line ${n}`);
  const kay = await Person.at(browser, server.otherUrl, 'kay');
  await kay.page.route(/\/events\?/, (route) => route.abort()); // what happened cannot be looked up
  await kay.signIn();
  await kay.open('Quiet room');
  await kay.say('hello?');
  await kay.page.locator('#read-only').getByText('You are muted here: you can read, but not write or react.').waitFor();
  await kay.page.locator('.message.failed').getByText('You are muted here').waitFor();
  await kay.leave();
});

test('a ban has a reason and an end, and is lifted from the list', async () => {
  const { id } = await group('lea', 'Market', ['max', 'nia']);
  const lea = await Person.at(browser, server.url, 'lea');
  const max = await Person.at(browser, server.otherUrl, 'max');
  await lea.signIn();
  await max.signIn();
  await max.open('Market');
  await lea.open('Market');
  await act(lea, 'max', 'Ban …');
  await dialog(lea).getByLabel('How long').selectOption('For 1 day');
  await dialog(lea).getByLabel('Reason').fill('Sold fakes');
  await dialog(lea).getByRole('button', { name: 'Ban', exact: true }).click();
  await max.page.getByText('lea removed you from Market.').first().waitFor();
  await note(lea, /lea banned max until .*: Sold fakes/);

  await back(lea);
  await panel(lea).getByRole('button', { name: 'Add people' }).click();
  await dialog(lea).getByLabel('User names').fill('olaf, max');
  await dialog(lea).getByRole('button', { name: 'Add', exact: true }).click();
  await dialog(lea).getByText('max is banned here. Lift the ban first.').waitFor();
  await lea.page.keyboard.press('Escape');
  await panel(lea).getByRole('button', { name: /^Banned people/ }).click();
  await panel(lea).getByText('Sold fakes').waitFor();
  await panel(lea).getByRole('button', { name: /Lift the ban ?: max/ }).click();
  await panel(lea).getByText('No one is banned.').waitFor();
  await (await caller(server.url, 'lea'))('PUT', `/conversations/${id}/members/max`, { role: 'member' });
  await max.row('Market').waitFor();
  await lea.leave();
  await max.leave();
});

test('a message is reported, and a refusal says what to do where it was asked', async () => {
  const { call, id } = await group('pam', 'Kiosk', ['quy']);
  const bad = await post(call, { id }, 'buy now!!!');
  await post(call, { id }, 'a second one');
  const quy = await Person.at(browser, server.url, 'quy');
  await quy.signIn();
  await quy.open('Kiosk');
  await quy.message('buy now').click({ button: 'right' });
  await quy.page.getByRole('menuitem', { name: 'Report …' }).click();
  await dialog(quy).getByRole('radio', { name: 'Something else' }).check();
  await dialog(quy).getByLabel(/What should the moderators know/).fill('the third time');
  await quy.context.setOffline(true);
  await dialog(quy).getByRole('button', { name: 'Send the report' }).click();
  await dialog(quy).getByText('No connection: try again later.').waitFor();
  assert.equal(await dialog(quy).getByLabel(/What should the moderators know/).inputValue(), 'the third time');
  await quy.context.setOffline(false);
  await dialog(quy).getByRole('button', { name: 'Send the report' }).click();
  await quy.page.getByText('Reported. Only the moderators of this app see it.').waitFor();

  await quy.message('a second one').click({ button: 'right' });
  await quy.page.getByRole('menuitem', { name: 'Report …' }).click();
  await call('DELETE', `/conversations/${id}/messages/${bad.seq + 1}`);
  await dialog(quy).getByRole('button', { name: 'Send the report' }).click();
  await dialog(quy).getByText('This message was deleted meanwhile.').waitFor();
  await quy.page.keyboard.press('Escape');
  await quy.leave();
});

test('people have a name, a picture, presence, and can be blocked', async () => {
  const ray = await Person.at(browser, server.url, 'ray');
  const sue = await Person.at(browser, server.otherUrl, 'sue');
  await group('ray', 'Pair', ['sue']);
  await ray.signIn();
  await sue.signIn();
  await ray.open('Pair');
  await about(ray);
  await panel(ray).locator('[data-user="sue"]').click();
  await panel(ray).locator('.about-head').getByText('Online').waitFor();
  await panel(ray).getByRole('button', { name: 'Block' }).click();
  await dialog(ray).getByRole('button', { name: 'Block', exact: true }).click();
  await panel(ray).getByRole('button', { name: 'Unblock' }).waitFor();
  await sue.startWith('ray');
  await sue.start();
  await sue.say('hello');
  await sue.page.locator('.message.failed').getByText('You cannot write to this person.').waitFor();
  await panel(ray).getByRole('button', { name: 'Unblock' }).click();
  await panel(ray).getByRole('button', { name: 'Block', exact: true }).waitFor();
  await panel(ray).getByRole('button', { name: 'Send a message' }).click();
  await ray.page.getByRole('heading', { name: 'sue' }).waitFor();
  await ray.leave();
  await sue.leave();
});
