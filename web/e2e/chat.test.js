import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './people.js';
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

test('two people chat, live both ways', async () => {
  const alice = await Person.at(browser, server.url, 'alice');
  const bob = await Person.at(browser, server.url, 'bob');
  await alice.picture('sign-in');
  await alice.signIn();
  await bob.signIn();
  await alice.picture('empty');

  await alice.startWith('bob');
  await alice.start();
  await alice.say('Hello, Bob!');
  await bob.open('alice');
  await bob.sees(['Hello, Bob!']);
  await bob.say('Hello, Alice.');
  await alice.sees(['Hello, Bob!', 'Hello, Alice.']);

  const markup = '<img src=x onerror="document.title=1"> & <b>bold</b>';
  await bob.say(markup);
  await alice.sees(['Hello, Bob!', 'Hello, Alice.', markup]);

  await Promise.all([alice, bob].map(async (who) => { // at once
    for (let i = 0; i < 5; i++) await who.say(`${who.name} ${i}`);
  }));
  const want = (texts, who) => texts.filter((text) => text.startsWith(`${who} `));
  for (const who of [alice, bob]) {
    await who.page.waitForFunction(() => document.querySelectorAll('.message:not(.pending)').length === 13);
  }
  assert.deepEqual(await alice.texts(), await bob.texts());
  for (const who of ['alice', 'bob']) assert.deepEqual(want(await alice.texts(), who), [0, 1, 2, 3, 4].map((n) => `${who} ${n}`));

  await bob.page.reload(); // still signed in; the same history, once
  await bob.online();
  await bob.open('alice');
  await bob.sees(await alice.texts());
  await alice.leave();
  await bob.leave();
});

test('unread counts, newest conversation first, reading clears', async () => {
  const carol = await Person.at(browser, server.url, 'carol');
  const dave = await Person.at(browser, server.url, 'dave');
  await carol.signIn();
  await dave.signIn();
  await dave.startWith('carol');
  await dave.start();
  for (const text of ['one', 'two', 'three']) await dave.say(text);
  await carol.badge('dave').getByText('3', { exact: true }).waitFor();
  assert.equal(await carol.page.title(), '(3) im');

  await dave.startWith('carol', 'erin');
  await dave.page.getByLabel('Name of the group').fill('Weekend trip');
  await dave.start();
  await dave.say('Who is in?');
  await carol.badge('Weekend trip').getByText('1', { exact: true }).waitFor();
  assert.deepEqual(await carol.page.locator('#conversations .name').allTextContents(), ['Weekend trip', 'dave']);

  await carol.open('dave');
  await carol.sees(['one', 'two', 'three']);
  assert.equal(await carol.page.locator('.messages .new').count(), 1);
  await carol.badge('dave').waitFor({ state: 'detached' });
  await carol.page.reload(); // the server knows, too
  await carol.online();
  await carol.badge('Weekend trip').waitFor();
  assert.equal(await carol.badge('dave').count(), 0);
  await carol.leave();
  await dave.leave();
});

test('scrolling back loads older messages', async () => {
  const frank = await Person.at(browser, server.url, 'frank');
  await frank.signIn();
  await frank.startWith('grace');
  await frank.start();
  await frank.say('0');
  await frank.sees(['0']);
  const all = Array.from({ length: 180 }, (_, i) => String(i));
  await frank.postsOf('grace', 'frank', all.slice(1));
  await frank.sees(all); // live, all of them
  await frank.page.reload();
  await frank.online();
  await frank.open('grace');
  await frank.page.waitForFunction(() => document.querySelectorAll('.message').length >= 50);
  assert.ok((await frank.texts()).length < 180, 'only the end is loaded at first');
  for (const until = Date.now() + 20_000; Date.now() < until && (await frank.texts()).length < 180;) {
    await frank.page.locator('#scroller').evaluate((box) => { box.scrollTop = 0; });
    await frank.page.waitForTimeout(100);
  }
  await frank.sees(all);
  await frank.leave();
});

test('a message is found and shown where it stands', async () => {
  const judy = await Person.at(browser, server.url, 'judy');
  await judy.signIn();
  await judy.startWith('kim');
  await judy.start();
  await judy.say('Dinner in 北京 <b>on</b> Friday?');
  await judy.sees(['Dinner in 北京 <b>on</b> Friday?']);
  await judy.postsOf('judy', 'kim', Array.from({ length: 120 }, (_, i) => `after it ${i + 1}`));
  await judy.page.reload();
  await judy.online();

  const found = judy.page.getByRole('list', { name: 'Messages', exact: true }).getByRole('button');
  await judy.search('京 din', () => found.count(), 1);
  assert.deepEqual(await found.locator('mark').allTextContents(), ['Dinner', '京']);
  assert.match(await found.textContent(), /kim.*You: Dinner in 北京 <b>on<\/b> Friday\?/);
  assert.equal(await judy.page.locator('#conversations').isVisible(), false);
  await judy.picture('search');
  await found.click();
  const message = judy.page.locator('.message').filter({ hasText: 'Dinner' });
  await message.waitFor();
  await judy.page.waitForFunction((node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  }, await message.elementHandle());
  await judy.picture('found');

  await judy.search('"after it 120"', () => found.count(), 1); // so far the index has come
  await judy.search('after', () => found.count(), 31); // a page of 30, and the button for more
  await judy.page.getByRole('button', { name: 'More', exact: true }).click();
  await judy.page.waitForFunction(() => document.querySelectorAll('#found .last').length === 60);
  await judy.search('nowhere', () => judy.page.locator('#search-note').textContent(), 'Nothing found.');
  await judy.search('?', () => judy.page.locator('#search-note').textContent().then((text) => text.length > 0), true);
  await judy.page.keyboard.press('Escape');
  await judy.page.locator('#conversations').waitFor();
  assert.equal(await judy.page.locator('#thread').isVisible(), true, 'the conversation stays open');
  await judy.leave();
});

test('the server is killed and comes back: both catch up by themselves, each message once', async () => {
  const heidi = await Person.at(browser, server.url, 'heidi');
  const ivan = await Person.at(browser, server.url, 'ivan');
  await heidi.signIn();
  await ivan.signIn();
  await heidi.startWith('ivan');
  await heidi.start();
  await heidi.say('before');
  await ivan.open('heidi');
  await ivan.sees(['before']);

  await server.kill();
  await heidi.page.locator('#state.offline, #state.connecting').waitFor();
  await heidi.say('while it was away');
  await heidi.page.locator('.message.pending').waitFor();
  await heidi.picture('offline');
  await server.start();
  await heidi.online();
  await ivan.online();
  await ivan.sees(['before', 'while it was away']);
  await heidi.sees(['before', 'while it was away']);
  assert.equal(await heidi.page.locator('.message.pending').count(), 0);
  await ivan.say('after');
  await heidi.sees(['before', 'while it was away', 'after']);
  await heidi.leave();
  await ivan.leave();
});

test('two tabs are one device; what one writes is in the other, and one goes on alone', async () => {
  const jill = await Person.at(browser, server.url, 'jill');
  await jill.signIn();
  const sockets = [];
  jill.context.on('page', (page) => page.on('websocket', (socket) => sockets.push(socket)));
  const other = new Person('jill', jill.context, await jill.context.newPage(), server.url);
  await other.page.goto(server.url); // goes on with the account of the last tab
  await other.online();
  await jill.startWith('karl');
  await jill.start();
  await jill.say('from the first');
  await other.open('karl');
  await other.sees(['from the first']);
  await other.say('from the second');
  await jill.sees(['from the first', 'from the second']);
  assert.equal(sockets.length, 0, 'the tabs share a socket');
  await jill.page.close();
  await other.say('alone');
  await other.page.locator('.message:not(.pending)').getByText('alone').waitFor();
  await other.sees(['from the first', 'from the second', 'alone']);
  await other.online();
  await other.choose('Sign out');
  await other.page.getByLabel('Your name').waitFor();
  await other.page.waitForFunction(async () => (await indexedDB.databases()).length === 0);
  await other.leave();
});

test('what is refused is shown, and can be tried again or discarded', async () => {
  const kim = await Person.at(browser, server.url, 'kim');
  await kim.signIn();
  await kim.startWith('lee');
  await kim.start();
  await kim.say('fine');
  await kim.sees(['fine']);
  await kim.say('x'.repeat(40_000)); // beyond content_bytes
  await kim.page.locator('.message.failed').waitFor();
  await kim.picture('refused');
  await kim.page.getByRole('button', { name: 'Discard' }).click();
  await kim.sees(['fine']);
  await kim.leave();
});

test('light and dark, wide and narrow', async () => {
  const scene = [
    ['mia', 'Morning! Did you see the plan for Saturday?'], ['noah', 'Just now. The early train is fine with me.'],
    ['noah', 'I can bring the tent — the green one, it is lighter than it looks and nobody has used it since spring, so we should air it first.'],
    ['mia', 'Perfect'], ['mia', 'Then I take the stove and something to read 📚'],
  ];
  for (const colorScheme of ['light', 'dark']) {
    const [mia, noah] = await Promise.all(['mia', 'noah'].map(async (name) => {
      const person = await Person.at(browser, server.url, name, { colorScheme });
      await person.signIn();
      return person;
    }));
    await mia.startWith('noah');
    await mia.start();
    if (colorScheme === 'light') {
      await mia.say('Hi');
      await noah.open('mia');
      const said = ['Hi'];
      for (const [who, text] of scene) {
        await (who === 'mia' ? mia : noah).say(text);
        said.push(text);
        await (who === 'mia' ? noah : mia).sees(said);
      }
      await noah.startWith('mia', 'olga', 'paul');
      await noah.page.getByLabel('Name of the group').fill('Saturday');
      await noah.picture('new-conversation');
      await noah.start();
      await noah.say('Meeting point: platform 4, half past seven.');
      await noah.say('Bring rain gear, just in case.');
      await mia.badge('Saturday').getByText('2').waitFor();
    }
    await mia.picture(`direct-${colorScheme}`);
    if (colorScheme === 'dark') await mia.open('Saturday');
    if (colorScheme === 'dark') await mia.picture('group-dark');
    await mia.page.setViewportSize({ width: 390, height: 780 });
    await mia.picture(`phone-${colorScheme}`);
    await mia.page.getByRole('button', { name: 'Back to the conversations' }).click();
    await mia.picture(`phone-list-${colorScheme}`);
    await mia.leave();
    await noah.leave();
  }
});
