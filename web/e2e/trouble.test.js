// The page over a connection that misbehaves as the contract allows: pushes left
// out and told by `gap`, pushes twice, requests refused or lost, sockets closed.

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

/** Stands between a page and the server, and does every nth thing wrong. */
async function interfere(page, trouble) {
  await page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const node = socket.connectToServer();
    const gaps = {};
    socket.onMessage((text) => {
      const frame = JSON.parse(text);
      const what = trouble.upstream?.(frame);
      if (what === 'refuse') {
        socket.send(JSON.stringify({ type: 'error', id: frame.id, code: 'unavailable', message: 'not now', retry: 'again' }));
      } else if (what === 'cut') {
        node.send(text); // it arrives; the answer does not
        setTimeout(() => socket.close({ code: 4003 }), 5);
      } else {
        node.send(text);
      }
    });
    node.onMessage((text) => {
      const frame = JSON.parse(text);
      const what = frame.type === 'event' ? trouble.event?.(frame.event) : trouble.downstream?.(frame, socket);
      if (what === 'drop') return;
      if (what === 'leave out') {
        gaps[frame.event.conversation_id] = frame.event.seq;
        setTimeout(() => {
          if (!gaps[frame.event.conversation_id]) return;
          socket.send(JSON.stringify({ type: 'gap', conversations: { ...gaps }, reason: 'slow' }));
          for (const id of Object.keys(gaps)) delete gaps[id];
        }, 20);
        return;
      }
      if (frame.type === 'event' && gaps[frame.event.conversation_id]) {
        socket.send(JSON.stringify({ type: 'gap', conversations: { ...gaps }, reason: 'slow' }));
        for (const id of Object.keys(gaps)) delete gaps[id];
      }
      socket.send(text);
      if (what === 'twice') socket.send(text);
    });
    node.onClose((code, reason) => socket.close({ code: code ?? 4000, reason }));
    socket.onClose(() => node.close());
    trouble.socket = socket;
  });
  await page.reload();
}

test('what is in a list twice for a moment does not stay there', async () => {
  const una = await Person.at(browser, server.url, 'una');
  const shown = await una.page.evaluate(async () => {
    const { reconcile } = await import('/page/dom.js');
    const list = document.createElement('ul');
    const draw = (...keys) => {
      reconcile(list, keys.map((key) => ({ key, sign: '', make: () => Object.assign(document.createElement('li'), { textContent: key }) })));
      return [...list.children].map(({ textContent }) => textContent).join(' ');
    };
    return [draw('a', 'b'), draw('a', 'b', 'a'), draw('a', 'b'), draw('b', 'a', 'c', 'a'), draw('c', 'a')];
  });
  assert.deepEqual(shown, ['a b', 'a b a', 'a b', 'b a c a', 'c a']);
  await una.leave();
});

test('each message once and in order over a bad connection, both ways', async () => {
  const anna = await Person.at(browser, server.url, 'anna');
  const ben = await Person.at(browser, server.url, 'ben');
  let n = 0;
  for (const person of [anna, ben]) {
    await interfere(person.page, {
      event: () => [null, 'leave out', 'twice', null][n++ % 4],
      upstream: ({ type, id }) => id && [null, null, 'refuse', null, null, type === 'send' ? 'cut' : null, null][n++ % 7],
    });
    await person.signIn();
  }
  await anna.startWith('ben');
  await anna.start();
  await anna.say('anna 0');
  await ben.page.locator('#conversations button').waitFor();
  await ben.open('anna');
  await Promise.all([anna, ben].map(async (person) => {
    for (let i = 1; i <= 12; i++) await person.say(`${person.name} ${i}`);
  }));
  for (const person of [anna, ben]) {
    const settled = () => document.querySelectorAll('.message:not(.pending)').length === 25 && !document.querySelector('.message.pending');
    await person.page.waitForFunction(settled, null, { timeout: 60_000 });
  }
  const seen = await anna.texts();
  assert.deepEqual(await ben.texts(), seen);
  assert.deepEqual(seen.filter((text) => text.startsWith('anna')), Array.from({ length: 13 }, (_, i) => `anna ${i}`));
  assert.deepEqual(seen.filter((text) => text.startsWith('ben')), Array.from({ length: 12 }, (_, i) => `ben ${i + 1}`));
  await anna.leave();
  await ben.leave();
});

test('close codes: come back, or say why not', async () => {
  const trouble = {};
  const cleo = await Person.at(browser, server.url, 'cleo');
  await interfere(cleo.page, trouble);
  await cleo.signIn();
  for (const code of [4000, 4001, 4004, 4200]) {
    await cleo.page.waitForTimeout(1100); // a token of the same second is the same token
    await trouble.socket.close({ code });
    await cleo.page.locator('#state:not(.online)').waitFor();
    await cleo.online(); // with another token, where the code asks for one
  }
  await trouble.socket.close({ code: 4402 });
  await cleo.page.getByText('You are signed in somewhere newer.').waitFor();
  await cleo.leave();
});

test('a new epoch: what was shown is void, and shown anew', async () => {
  let epoch = null;
  const trouble = {};
  const readAnew = new Promise((resolve, reject) => {
    trouble.readAnew = resolve;
    setTimeout(() => reject(new Error('the page did not sync from the start')), 60_000).unref();
  });
  const dora = await Person.at(browser, server.url, 'dora');
  // A restore, as the page sees it: every epoch that the server names is another one.
  await dora.page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const node = socket.connectToServer();
    socket.onMessage((text) => {
      const frame = JSON.parse(text);
      if (epoch && frame.type === 'sync' && !frame.cursor) trouble.readAnew();
      node.send(text);
    });
    node.onMessage((text) => {
      const frame = JSON.parse(text);
      if (epoch && frame.epoch) frame.epoch = epoch;
      socket.send(JSON.stringify(frame));
    });
    trouble.socket = socket;
  });
  await dora.page.reload();
  await dora.signIn();
  await dora.startWith('emil');
  await dora.start();
  await dora.say('kept');
  await dora.sees(['kept']);
  epoch = 'another';
  await trouble.socket.close({ code: 4004 });
  await readAnew;
  await dora.online();
  await dora.sees(['kept']); // the same conversation is open again
  await dora.say('after');
  await dora.sees(['kept', 'after']);
  await dora.leave();
});

test('a silent connection is given up', async () => {
  let mute = false;
  const fred = await Person.at(browser, server.url, 'fred');
  await fred.page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const node = socket.connectToServer();
    const muted = mute; // of this connection, for good
    socket.onMessage((text) => node.send(text));
    node.onMessage((text) => {
      const frame = JSON.parse(text);
      if (frame.type === 'welcome') frame.heartbeat_ms = 500;
      if (!mute || !muted && frame.type === 'welcome') socket.send(JSON.stringify(frame));
    });
  });
  await fred.page.reload();
  await fred.signIn();
  await fred.page.waitForTimeout(1_500); // quiet, but pings are answered
  assert.equal(await fred.page.locator('#state.online').count(), 1);
  mute = true;
  await fred.page.locator('#state:not(.online)').waitFor({ timeout: 20_000 });
  mute = false;
  await fred.online();
  await fred.leave();
});

test('without a network the state says so, and soon', async () => {
  const gwen = await Person.at(browser, server.url, 'gwen');
  await gwen.signIn();
  await gwen.startWith('hugo');
  await gwen.start();
  await gwen.say('before');
  await gwen.sees(['before']);
  await gwen.context.setOffline(true); // as the browser knows
  await gwen.page.locator('#state.offline').getByText('Offline, reconnecting …').waitFor({ timeout: 5_000 });
  await gwen.say('meanwhile');
  await gwen.page.locator('.message.pending').waitFor();
  await gwen.page.waitForTimeout(3_000); // further tries do not look like news
  assert.equal(await gwen.page.locator('#state').textContent(), 'Offline, reconnecting …');
  await gwen.picture('no-network');
  await gwen.context.setOffline(false);
  await gwen.online(5_000);
  await gwen.sees(['before', 'meanwhile']);
  await gwen.leave();
});

/**
 * Takes the network away from a page without a word. Frames of both directions wait, and
 * arrive when it is back, as TCP sends them again.
 */
async function silentNetwork(page) {
  let away = false;
  const waiting = [];
  const pass = (send) => (text) => { if (away) waiting.push(() => send(text)); else send(text); };
  await page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const node = socket.connectToServer();
    socket.onMessage(pass((text) => node.send(text)));
    node.onMessage(pass((text) => socket.send(text)));
  });
  return {
    leave() { away = true; },
    comeBack() {
      away = false;
      for (const send of waiting.splice(0)) send();
    },
  };
}

test('a network that is away without a word: the state is in doubt, then offline', async () => {
  const ines = await Person.at(browser, server.url, 'ines');
  const network = await silentNetwork(ines.page);
  await ines.page.reload();
  await ines.signIn();
  await ines.startWith('jack');
  await ines.start();
  network.leave();
  await ines.say('into the void');
  await ines.page.locator('#state.unsure').getByText('No answer, waiting …').waitFor({ timeout: 9_000 });
  await ines.page.locator('.message.pending').waitFor();
  await ines.page.locator('#state.offline').waitFor({ timeout: 15_000 });
  network.comeBack();
  await ines.online();
  await ines.sees(['into the void']);

  network.leave(); // nothing is under way: the page asks by itself
  await ines.page.locator('#state.unsure').waitFor({ timeout: 18_000 });
  network.comeBack();
  await ines.online();
  await ines.leave();
});

test('a server on this machine answers without a network', async () => {
  const kurt = await Person.at(browser, server.url, 'kurt');
  await kurt.signIn();
  await kurt.page.evaluate(() => {
    window.seen = new Set();
    const state = document.querySelector('#state');
    new MutationObserver(() => window.seen.add(state.className)).observe(state, { attributes: true });
    window.dispatchEvent(new Event('offline'));
  });
  await kurt.page.waitForTimeout(4_000); // longer than the page waits for an answer
  assert.deepEqual(await kurt.page.evaluate(() => [...window.seen]), []);
  await kurt.leave();
});
