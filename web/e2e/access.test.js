// The page for people who use it without a mouse, or with a screen reader: axe finds nothing serious in the states of the
// page, in both themes, and the keyboard goes all the way.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { faults } from './axe.js';
import { launch, Person } from './people.js';
import { prepare, secret, states } from './scenes.js';
import { Server } from './server.js';

const server = new Server({ IM_JWT_SECRET: secret });
const checked = ['chat', 'group', 'panel', 'person', 'settings', 'banned', 'report', 'mention', 'muted', 'invitation', 'new-group', 'offline'];
let browser;
let scene;

before(async () => {
  await server.start();
  browser = await launch();
  scene = { garden: await prepare(server) };
});

after(async () => {
  await browser?.close();
  await server.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious: ${colorScheme}`, async () => {
    const alice = await Person.at(browser, server.url, 'alice', { colorScheme });
    const found = {};
    for (const [name, show] of Object.entries(states)) {
      await show(alice, scene);
      await alice.page.waitForTimeout(300); // what fades in has not its colour yet
      if (checked.includes(name)) Object.assign(found, { [name]: await faults(alice.page) });
    }
    assert.deepEqual(found, Object.fromEntries(checked.map((name) => [name, []])));
    await alice.leave();
  });
}

/** Goes on with the tab key to what has this name. */
async function tabTo(person, name, key = 'Tab') {
  const matches = () => person.page.evaluate((wanted) => {
    const node = document.activeElement;
    const label = node.getAttribute('aria-label') ?? node.querySelector('.name')?.innerText ?? node.labels?.[0]?.innerText ?? node.innerText ?? '';
    return label.trim().split('\n')[0].startsWith(wanted);
  }, name);
  for (let n = 0; n < 80; n++) {
    await person.page.keyboard.press(key);
    if (await matches()) return;
  }
  assert.fail(`the tab key does not get to ${name}`);
}

test('a group is made, filled, moderated and left with the keyboard alone', async () => {
  const { page, ...rest } = await Person.at(browser, server.url, 'uma');
  const uma = Object.assign(Object.create(Person.prototype), rest, { page });
  const { keyboard } = page;
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.user);
  await page.getByLabel('Your name').waitFor();
  await keyboard.type('uma');
  await keyboard.press('Enter');
  await uma.online();
  await keyboard.press('n');
  await page.locator('#new-dialog').waitFor();
  await keyboard.type('vic');
  await tabTo(uma, 'Make it a group');
  await keyboard.press('Space');
  await tabTo(uma, 'Name of the group');
  await keyboard.type('By hand');
  await keyboard.press('Enter');
  await page.getByRole('heading', { name: 'By hand' }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'draft');
  await keyboard.type('hello');
  await keyboard.press('Enter');
  await uma.sees(['hello']);

  await tabTo(uma, 'About', 'Shift+Tab');
  await keyboard.press('Enter');
  await page.locator('#panel [data-user="vic"]').waitFor();
  await tabTo(uma, 'Add people');
  await keyboard.press('Enter');
  await keyboard.type('wes');
  await keyboard.press('Enter');
  await page.locator('#panel [data-user="wes"]').waitFor();
  await page.waitForFunction(() => document.activeElement.textContent === 'Add people'); // back where it was
  await tabTo(uma, 'wes');
  await keyboard.press('Enter');
  await tabTo(uma, 'Mute');
  await keyboard.press('Enter');
  await page.locator('dialog[open]').waitFor();
  await keyboard.press('ArrowDown'); // longer
  await tabTo(uma, 'Mute');
  await keyboard.press('Enter');
  await page.locator('.messages .note').getByText(/uma muted wes until/).waitFor();
  await page.locator('#panel').getByText('Unmute').waitFor();
  // To the group, where the focus was, though the members have to be fetched again.
  await page.route(/\/members(\?|$)/, (route) => { setTimeout(() => route.continue(), 1_000); });
  await keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement.dataset.user === 'wes');
  await tabTo(uma, 'Leave the group');
  await keyboard.press('Enter');
  await page.locator('#ask-dialog').waitFor();
  await keyboard.press('Escape');
  await page.locator('#ask-dialog').waitFor({ state: 'hidden' });
  await keyboard.press('Escape');
  assert.equal(await focused(), 'thread-info');
  await keyboard.press('i'); // the shortcut
  await tabTo(uma, 'Leave the group');
  await keyboard.press('Enter');
  await page.locator('#ask-dialog').waitFor();
  await tabTo(uma, 'Leave');
  await keyboard.press('Enter');
  await page.locator('#ask-dialog').waitFor({ state: 'hidden' });
  await page.getByText('You left By hand.').first().waitFor();
  await uma.leave();
});
