// The parts of the JavaScript client that need no browser, by the dice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jitter, Outbox } from '../outbox.js';
import { Stream } from '../stream.js';
import { Views } from '../views.js';

/** A small generator of numbers, the same for the same seed. */
function dice(seed) {
  return (sides) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 8) % sides;
  };
}

const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => ({ seq: from + i }));

test('a stream gives each event once and in order, whatever was pushed and pulled', () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const roll = dice(seed);
    const stream = new Stream('c', 0, 0);
    const out = [];
    let log = 0;
    let page = null; // pulled, and still on its way
    for (let step = 0; step < 60; step++) {
      switch (roll(6)) {
        case 0: case 1: case 2:
          log++;
          if (roll(4)) out.push(...stream.push({ seq: log })); // else left out
          if (!roll(6)) out.push(...stream.push({ seq: 1 + roll(log) })); // repeated
          break;
        case 3:
          if (stream.behind && !page) {
            stream.pulling = true;
            page = { events: range(stream.accepted + 1, Math.min(log, stream.accepted + 1 + roll(9))), head_seq: log, floor_seq: 1 };
          }
          break;
        case 4:
          if (page) {
            stream.pulling = false;
            out.push(...stream.page(page));
            page = null;
          }
          break;
        case 5:
          if (!roll(5)) {
            stream.lost();
            page = null;
          }
      }
    }
    stream.lost();
    stream.head = log; // as the next sync tells
    if (stream.behind) out.push(...stream.page({ events: range(stream.accepted + 1, log), head_seq: log, floor_seq: 1 }));
    assert.deepEqual(out.map(({ seq }) => seq), range(1, log).map(({ seq }) => seq), `seed ${seed}`);
  }
});

test('a page begins at the floor, and one with a hole is not believed', () => {
  const floor = new Stream('c', 2, 9);
  assert.equal(floor.page({ events: range(7, 9), head_seq: 9, floor_seq: 7 }).length, 3);
  const hole = new Stream('c', 2, 9);
  hole.fresh = false;
  assert.equal(hole.page({ events: range(7, 9), head_seq: 9, floor_seq: 1 }).length, 0);
  assert.ok(hole.behind);
});

test('sends of one lane wait for each other, and are repeated in order', async () => {
  const outbox = new Outbox();
  const first = outbox.add({ type: 'send', n: 1 }, { lane: 'c' });
  const second = outbox.add({ type: 'send', n: 2 }, { lane: 'c' });
  const other = outbox.add({ type: 'read', n: 3 });
  const went = (now, limit = 64) => outbox.ready(now, limit).map(({ n }) => n);
  assert.deepEqual(went(0), [1, 3]);
  outbox.answered({ type: 'error', id: '1', code: 'unavailable', retry: 'again' }, 0);
  assert.deepEqual(went(0), [], 'not before its time, and nothing overtakes it');
  assert.ok(outbox.due() > 0);
  assert.deepEqual(went(21_000), [1]);
  outbox.lost();
  assert.deepEqual(went(0, 1), [1], 'again over the next connection, within the limit');
  outbox.answered({ type: 'sent', id: '1', seq: 7 }, 0);
  assert.equal((await first).seq, 7);
  assert.deepEqual(went(0), [2, 3]);
  outbox.answered({ type: 'error', id: '2', code: 'forbidden', message: 'no', retry: 'never' }, 0);
  await assert.rejects(second, { code: 'forbidden', message: 'no' });
  outbox.answered({ type: 'read_state', id: '3' }, 0);
  await other;
});

test('the event of a send answers it, too', async () => {
  const outbox = new Outbox();
  const sent = outbox.add({ type: 'send', to: 'bob', client_msg_id: 'm' }, { lane: 'to bob' });
  outbox.arrived({ conversation_id: 'c', seq: 4, client_msg_id: 'other' }, 'bob');
  outbox.arrived({ conversation_id: 'c', seq: 5, client_msg_id: 'm' }, 'carol');
  outbox.arrived({ conversation_id: 'c', seq: 6, client_msg_id: 'm' }, 'bob');
  assert.equal((await sent).seq, 6);
  assert.deepEqual(outbox.ready(0, 64), []);
});

test('what belongs to a connection ends with it', async () => {
  const outbox = new Outbox();
  const pull = outbox.add({ type: 'pull' }, { ofLink: true });
  outbox.lost();
  await assert.rejects(pull, /lost/);
});

test('delays grow with full jitter, to 20 s', () => {
  for (let tries = 0; tries < 12; tries++) {
    const ceiling = Math.min(20_000, 500 * 2 ** tries);
    const all = Array.from({ length: 500 }, () => jitter(tries));
    assert.ok(Math.max(...all) <= ceiling && Math.max(...all) > ceiling * 0.8);
    assert.ok(Math.min(...all) < ceiling * 0.2);
  }
});

test('views count what others write, and forget it when one writes oneself', () => {
  const views = new Views();
  views.self = 'me';
  views.put({ conversation_id: 'c', head_seq: 3, read_seq: 3, unread_count: 0, mention_count: 0, member_count: 2 });
  const posted = (seq, sender, mentions) => ({ conversation_id: 'c', seq, type: 'message.posted', sender, at: '2026', body: { content: { type: 'text', text: 'x' }, mentions } });
  for (const event of [posted(3, 'you'), posted(4, 'you'), posted(5, 'you', ['me']), posted(5, 'you', ['me'])]) views.apply(event);
  assert.deepEqual([views.get('c').unread_count, views.get('c').mention_count, views.get('c').head_seq], [2, 1, 5]);
  views.put({ conversation_id: 'c', head_seq: 4, unread_count: 99 }); // an older view
  assert.equal(views.get('c').unread_count, 2);
  views.apply(posted(6, 'me'));
  assert.equal(views.get('c').unread_count, 0);
});
