// What the page makes of texts, names and addresses; no browser is needed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { emojiForm, isOnlyEmoji } from '../page/emoji.js';
import { format, parse as parsePlace } from '../page/route.js';
import { parse, similar } from '../page/start.js';
import { beginning, mentionsIn, webURL } from '../page/text.js';
import { sizeOf } from '../page/words.js';

test('only web addresses are taken for links', () => {
  for (const good of ['https://example.org', 'HTTP://EXAMPLE.ORG/x', 'https://[::1]:8080/']) assert.ok(webURL(good), good);
  for (const bad of ['', 'x', '/x', '//example.org', 'javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' data:text/html,x', 'file:///etc', 'https:', 'vbscript:x']) {
    assert.equal(webURL(bad), null, bad);
  }
});

test('a long text is cut where no character is', () => {
  assert.equal(beginning('short\ntext'), null);
  assert.equal(beginning('x'.repeat(1000)), null);
  assert.equal(beginning('x'.repeat(1001)), 'x'.repeat(1000));
  assert.equal(beginning(`${'x'.repeat(999)}👩‍👩‍👧 and more`).length, 1001);
  assert.equal(beginning(`${'e\u0301'.repeat(600)}`).at(-1), 'e');
  assert.equal(beginning('line\n'.repeat(30)).split('\n').length, 18);
});

test('what the field With asks for', () => {
  assert.deepEqual(parse(' bob ', 'me'), { users: ['bob'], problem: null });
  assert.deepEqual(parse('bob,carol;dave,\nbob, me,', 'me'), { users: ['bob', 'carol', 'dave'], problem: null });
  assert.deepEqual(parse('', 'me'), { users: [], problem: null });
  for (const wrong of ['Bob Smith', 'bob carol, dave', 'böb', 'a/b', 'me', '..', 'x'.repeat(129), 'bob\u00a0smith']) {
    const { users, problem } = parse(wrong, 'me');
    assert.deepEqual(users, [], wrong);
    assert.ok(problem, wrong);
  }
});

test('mistyped names', () => {
  const people = ['quinn', 'Robert', 'al'];
  for (const [typed, meant] of [['quin', 'quinn'], ['quinnn', 'quinn'], ['qiunn', 'quinn'], ['Quinn', 'quinn'], ['qu1nn', 'quinn'], ['robret', 'Robert']]) {
    assert.equal(similar(typed, people), meant, typed);
  }
  for (const other of ['quentin', 'a', 'bl', 'bob', 'nniuq', '']) assert.equal(similar(other, people), undefined, other);
});

test('places and addresses', () => {
  const id = '0198c5de-0000-7000-8000-000000000001';
  for (const place of [{ id }, { id, seq: 42 }, { to: 'a|b@c+d=' }]) assert.deepEqual(parsePlace(format(place)), place);
  for (const hash of ['', '#', '#/', '#/c', '#/c/', '#/c/x', `#/c/${id}/0`, `#/c/${id}/1.5`, `#/c/${id}/1/2`, '#/to/', '#/to/%', '#/to/a/1', '#/x/y']) {
    assert.equal(parsePlace(hash), null, hash);
  }
});

test('sizes of files', () => {
  for (const [bytes, words] of [[0, '0 bytes'], [999, '999 bytes'], [1500, '1.5 kB'], [2_000_000, '2 MB'], [64 * 2 ** 20, '67 MB'], [undefined, null], [-1, null]]) {
    assert.equal(sizeOf(bytes), words);
  }
});

test('an emoji is shown in its fully-qualified form, and other text as it is', async () => {
  const lines = (await readFile(new URL('../../domain/testdata/emoji-forms.txt', import.meta.url), 'utf8')).split('\n');
  const emojis = lines.filter((line) => line && !line.startsWith('# ')).map((line) => line.split(' '));
  assert.equal(emojis.length, 3664);
  for (const forms of emojis) {
    for (const form of [...forms, forms[0].replaceAll('\uFE0F', '')]) assert.equal(emojiForm(form), forms[0]);
  }
  for (const text of ['', '+1', ':heart:', '1', '#', '1000', 'a\u20E3', 'ok ❤', 'hé', '❤\uFE0E', '北京']) assert.equal(emojiForm(text), text);
});

test('a few emojis alone are large', () => {
  for (const large of ['👍', '❤️', '👩‍👩‍👧', ' 🎉🎉 🎉 ', '🇩🇪']) assert.ok(isOnlyEmoji(large), large);
  for (const other of ['', ' ', '1', 'ok 👍', '🎉🎉🎉🎉', '12', '#']) assert.equal(isOnlyEmoji(other), false, other);
});

test('mentions are the users of a text', () => {
  const users = new Set(['bob', 'bob.smith', 'a:b', '张']);
  const cases = [
    ['@bob hi', ['bob']], ['hi @bob.', ['bob']], ['(@bob)', ['bob']], ['@bob.smith and @bob', ['bob.smith', 'bob']], ['me@bob', []], ['@bobby', []],
    ['@bob, @bob', ['bob']], ['@a:b: x', ['a:b']], ['@all', []], ['你好@bob', []], ['', []],
  ];
  for (const [text, wanted] of cases) assert.deepEqual(mentionsIn(text, users), wanted, text);
  assert.deepEqual(mentionsIn('@all @bob', users, true), ['*', 'bob']);
});
