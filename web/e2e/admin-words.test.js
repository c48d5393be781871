// What the admin page makes of addresses, times and readings; no browser is needed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure, explain, path } from '../admin/api.js';
import { place } from '../admin/chart.js';
import { ratesOf } from '../admin/cluster.js';
import { describe } from '../admin/events.js';
import { conversationID, userID } from '../admin/lookup.js';
import { format, parse, seqOf } from '../admin/place.js';
import { rate, span } from '../admin/times.js';
import { replayOf } from '../admin/webhooks.js';
import { claimsOf } from '../page/claims.js';

const id = '0198c5de-0000-7000-8000-000000000001';

test('addresses lead back to where they came from', () => {
  for (const [parts, query] of [[[], {}], [['users', 'a|b@c+d=.e'], {}], [['conversations', id], { as_of: '41', at: '17' }], [['reports'], { state: 'all' }]]) {
    assert.deepEqual(parse(format(parts, query)), { parts, query });
  }
  assert.equal(format(['users', 'x'], { a: undefined, b: '', c: null }), '#/users/x');
  assert.deepEqual(parse('#/users/%'), { parts: ['users', '%'], query: {} });
  assert.deepEqual(parse(''), { parts: [], query: {} });
  assert.equal(seqOf('42'), 42);
  for (const wrong of [undefined, '', '0', '-1', '1.5', '1e3', 'x', '9999999999999999']) assert.equal(seqOf(wrong), undefined, wrong);
  assert.equal(path('users', 'a/b?c'), '/users/a%2Fb%3Fc');
});

test('ids are checked as the server does', () => {
  for (const good of ['a', '..a', 'a|b@c+d=.e:f_g-h', 'x'.repeat(128)]) assert.match(good, userID);
  for (const wrong of ['', '.', '..', 'a b', 'ä', 'a/b', 'x'.repeat(129)]) assert.doesNotMatch(wrong, userID);
  assert.match(id, conversationID);
  for (const wrong of ['', `${id}0`, id.replaceAll('-', ''), 'g'.repeat(36)]) assert.doesNotMatch(wrong, conversationID);
});

test('durations and rates', () => {
  for (const [ms, words] of [[0, '0 s'], [-5, '0 s'], [499, '0 s'], [61_000, '1 min 1 s'], [3_600_000, '1 h'], [3_605_000, '1 h'], [90_061_000, '1 d 1 h']]) assert.equal(span(ms), words);
  for (const [value, words] of [[0, '0'], [0.123, '0.12'], [3.14, '3.1'], [9.99, '10'], [1_234.5, '1,235']]) assert.equal(rate(value), words);
  const at = (seconds, messages) => ({ at: seconds * 1_000, messages });
  assert.deepEqual(ratesOf([at(0, 10), at(5, 30), at(5, 40), at(10, 20), at(12, 21)]).map(({ value }) => value), [4, 0.5], 'none for no time, nor across a restore');
  assert.deepEqual(ratesOf([at(0, 10)]), []);
});

test('a line goes from the left to the right, and from 0 up', () => {
  const line = place([{ at: 0, value: 0 }, { at: 50, value: 10 }, { at: 100, value: 5 }]);
  assert.deepEqual(line, [[0, 61], [150, 3], [300, 32]]);
  assert.deepEqual(place([{ at: 0, value: 0 }, { at: 10, value: 0 }]), [[0, 61], [300, 61]], 'nothing is at the bottom');
});

test('a replay is either of a time or of a conversation', () => {
  assert.deepEqual(replayOf({ since: '2026-01-02T03:04:05Z', conversation: '', after: '' }), { since: '2026-01-02T03:04:05.000Z' });
  assert.deepEqual(replayOf({ since: '', conversation: id, after: '' }), { conversation_id: id, after_seq: 0 });
  assert.deepEqual(replayOf({ since: '', conversation: id, after: '41' }), { conversation_id: id, after_seq: 41 });
  for (const [values, field] of [[{}, 'since'], [{ since: 'yesterday' }, 'since'], [{ since: '2026-01-02', conversation: id }, 'since'], [{ conversation: 'x' }, 'conversation'], [{ conversation: id, after: '-1' }, 'after']]) {
    assert.throws(() => replayOf({ since: '', conversation: '', after: '', ...values }), { field }, JSON.stringify(values));
  }
});

test('failures and events in words', () => {
  const problem = { code: 'invalid', detail: 'bad request', fields: { '/limit': 'must be an integer' }, request_id: 'R1' };
  assert.equal(explain(new Failure(problem)), 'invalid: bad request (limit must be an integer). Request R1.');
  assert.equal(explain(new Error('x')), 'x');
  const event = { type: 'member.banned', sender: 'ann', at: 'then', body: { user_id: 'bob', reason: 'spam' } };
  assert.equal(describe(event), 'member.banned by ann, bob (spam), then');
  assert.equal(describe({ type: 'message.edited', sender: 'ann', at: 'then', body: { target_seq: 7 } }), 'message.edited by ann, of message 7, then');
});

test('the claims of a token', () => {
  const token = (claims) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
  assert.deepEqual(claimsOf(token({ sub: 'zoë', exp: 1 })), { sub: 'zoë', exp: 1 });
  for (const wrong of ['', 'x', 'a.b.c', token('text'), token(null)]) assert.equal(claimsOf(wrong), null, wrong);
});
