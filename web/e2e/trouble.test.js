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
    await person.page.waitForFunction(() => document.querySelectorAll('.message:not(.pending)').length >= 25, null, { timeout: 60_000 });
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
  const dora = await Person.at(browser, server.url, 'dora');
  // A restore, as the page sees it: every epoch that the server names is another one.
  await dora.page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const node = socket.connectToServer();
    socket.onMessage((text) => node.send(text));
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
  await dora.page.locator('#placeholder').waitFor();
  await dora.online();
  await dora.open('emil');
  await dora.sees(['kept']);
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
