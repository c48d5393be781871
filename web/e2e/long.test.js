// Much, and for long: 5,000 messages scrolled without a jump, and a store that the browser has evicted.

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

const many = 5_000;

/** Posts texts of many sizes, several at a time; in a conversation they stand in the order in which they were committed. */
async function fill(call, where, count) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const n = ++next;
      await post(call, where, `${n}: ${'some words of different length '.repeat(n % 7)}${n % 11 ? '' : '\nand a second line'}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

/**
 * Scrolls in steps, until the end of it is reached. After each step, the first message in view must stay where it is,
 * whatever is loaded above or below.
 */
function scroll(person, { by, steps }) {
  return person.page.evaluate(async ([by, steps]) => {
    const box = document.getElementById('scroller');
    const list = document.getElementById('messages');
    const frame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });
    const top = (node) => node.getBoundingClientRect().top - box.getBoundingClientRect().top;
    const seen = new Set();
    let worst = 0;
    let still = 0;
    for (let step = 0; step < steps && still < 100; step++) {
      const before = box.scrollTop;
      box.scrollTop += by;
      const isStuck = box.scrollTop === before;
      await frame(); // the page has seen that
      const anchor = [...list.children].find((node) => node.classList.contains('message') && top(node) + node.offsetHeight > 0);
      const place = top(anchor);
      const drawn = list.children.length;
      for (let frames = 0; frames < 8; frames++) {
        await frame();
        const node = list.querySelector(`[data-key="${anchor.dataset.key}"]`);
        if (node) worst = Math.max(worst, Math.abs(top(node) - place));
      }
      for (const node of list.querySelectorAll('.message')) seen.add(Number(node.dataset.seq));
      still = isStuck && list.children.length === drawn ? still + 1 : 0;
      if (isStuck && by < 0 && !document.getElementById('beginning').hidden) break;
    }
    return { worst, seen: seen.size };
  }, [by, steps]);
}

test('5,000 messages are scrolled to the first one and back, and what is in view does not jump', { timeout: 600_000 }, async (t) => {
  const eve = await caller(server.url, 'eve');
  const first = await post(eve, { to: 'dan' }, '0: the first');
  await fill(eve, { id: first.conversation_id }, many - 1);
  const mine = await caller(server.url, 'dan');
  const { head_seq: head } = await mine('GET', `/conversations/${first.conversation_id}`);
  await mine('PUT', `/conversations/${first.conversation_id}/read`, { seq: head });
  const dan = await Person.at(browser, server.url, 'dan');
  await dan.signIn();
  await dan.open('eve');
  await dan.page.locator('.message').nth(10).waitFor();
  const up = await scroll(dan, { by: -1_500, steps: 2_000 });
  await dan.message(/^0: the first$/).waitFor();
  const down = await scroll(dan, { by: 1_500, steps: 60 });
  t.diagnostic(`jumped by at most ${up.worst.toFixed(1)} pixels up, ${down.worst.toFixed(1)} down; ${up.seen} messages seen`);
  assert.equal(up.seen, many);
  assert.ok(up.worst <= 2 && down.worst <= 2, `it jumped by ${up.worst} and ${down.worst} pixels`);
  await dan.page.getByRole('button', { name: 'Newest' }).click();
  await dan.page.waitForFunction((seq) => document.querySelector(`.message[data-seq="${seq}"]`), head);
  await dan.leave();
});

test('a store that is evicted loses nothing: neither what came, nor what waits to be sent', async () => {
  const gil = await Person.at(browser, server.url, 'gil');
  const hub = await caller(server.url, 'hub');
  for (const n of [1, 2, 3]) await post(hub, { to: 'gil' }, `before ${n}`);
  await gil.signIn();
  await gil.open('hub');
  await gil.sees(['before 1', 'before 2', 'before 3']);
  const evict = () => gil.page.evaluate(async () => {
    for (const { name } of await indexedDB.databases()) {
      await new Promise((resolve, reject) => { Object.assign(indexedDB.deleteDatabase(name), { onsuccess: resolve, onerror: reject }); });
    }
  });
  await gil.page.evaluate(() => {
    globalThis.places = [];
    for (const name of ['pushState', 'replaceState']) {
      const original = history[name].bind(history);
      history[name] = (...args) => { globalThis.places.push(args[2]); original(...args); };
    }
  });
  await evict();
  await post(hub, { to: 'gil' }, 'after the eviction'); // the page notices when it stores this
  await gil.sees(['before 1', 'before 2', 'before 3', 'after the eviction']);
  await gil.online();
  assert.deepEqual(await gil.page.evaluate(() => globalThis.places), [], 'the address names the conversation all the time, for a reload');
  await gil.say('still here');
  await gil.sees(['before 1', 'before 2', 'before 3', 'after the eviction', 'still here']);

  await gil.page.locator('.message.pending').waitFor({ state: 'detached' });
  await gil.cutOff();
  await gil.say('waits');
  await gil.page.locator('.message.pending').waitFor();
  await evict();
  await gil.mend();
  await gil.page.locator('.message.pending').waitFor({ state: 'detached' });
  const all = ['before 1', 'before 2', 'before 3', 'after the eviction', 'still here', 'waits'];
  await gil.sees(all);
  await gil.page.reload();
  await gil.online();
  await gil.sees(all);
  const { messages } = await hub('GET', `/conversations/${(await hub('GET', '/conversations')).items[0].conversation_id}/messages`);
  assert.deepEqual(messages.map(({ content }) => content.text), all, 'each once in the log');
  await gil.leave();
});
