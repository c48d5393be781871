// Two nodes as two processes: one is killed under one of two people.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './people.js';
import { Cluster } from './server.js';

const cluster = new Cluster();
let browser;

before(async () => {
  await cluster.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await cluster.close();
});

async function personAt(node, name) {
  const person = await Person.at(browser, cluster.urls[node], name);
  await person.page.getByLabel('Your token').fill(cluster.token(name));
  await person.page.getByRole('button', { name: 'Start chatting' }).click();
  await person.online();
  return person;
}

test('a node is killed under one of two people: both see every message once, and the other notices nothing', async () => {
  const ann = await personAt(0, 'ann');
  const bob = await personAt(1, 'bob');
  await ann.startWith('bob', 'cy');
  await ann.page.getByLabel('Name of the group').fill('Night shift');
  await ann.start();
  await ann.say('before');
  await bob.open('Night shift');
  await bob.sees(['before']);
  await bob.page.evaluate(() => {
    window.states = new Set();
    const state = document.querySelector('#state');
    new MutationObserver(() => window.states.add(state.className)).observe(state, { attributes: true });
  });

  await cluster.kill(0);
  await ann.say('while it is away'); // in the very moment
  await bob.say('from the other side');
  await ann.online();
  const sorted = (texts) => [...texts].sort();
  const wanted = ['before', 'from the other side', 'while it is away'];
  for (const person of [ann, bob]) {
    await person.message('while it is away').waitFor();
    await person.message('from the other side').waitFor();
    await person.page.locator('.message.pending').waitFor({ state: 'detached' });
    assert.deepEqual(sorted(await person.texts()), wanted);
  }
  assert.deepEqual(await ann.texts(), await bob.texts(), 'in one order');
  assert.deepEqual(await bob.page.evaluate(() => [...window.states]), [], 'bob was online all the time');

  await bob.page.getByRole('button', { name: 'About', exact: true }).click();
  await ann.page.getByRole('button', { name: 'About', exact: true }).click();
  await ann.page.locator('#panel [data-user="bob"]').click();
  await ann.page.getByRole('button', { name: 'Make admin' }).click();
  await bob.page.locator('#panel').getByRole('button', { name: 'Settings' }).waitFor();
  await bob.say('after');
  await ann.sees([...await bob.texts()]);
  await ann.leave();
  await bob.leave();
});
