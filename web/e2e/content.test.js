// What messages look like: links, pictures, files, long texts, those that are refused.

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

test('web addresses are links, and nothing else is', async () => {
  const amy = await Person.at(browser, server.url, 'amy');
  const bea = await caller(server.url, 'bea');
  await amy.signIn();
  const texts = [
    'see https://example.org/a_(b)?q=1&r=%20#top, or (http://example.com/x).',
    'javascript:alert(1) data:text/html,x ftp://example.org https:// httpss://x',
    '<a href="https://example.org/" onclick="alert(1)">x</a><img src=x onerror="document.title=1">',
    'https://example.org/"onmouseover="alert(1)" https://exa\u202emple.org',
    'https://bücher.example/straße?ä=ö 你好https://例え.jp/。',
  ];
  for (const text of texts) await post(bea, { to: 'amy' }, text);
  await amy.open('bea');
  await amy.sees(texts);
  const links = await amy.page.locator('.message .text a').evaluateAll((all) => all.map((a) => [a.textContent, a.getAttribute('href'), a.rel, a.target]));
  const elsewhere = ['noopener noreferrer', '_blank'];
  assert.deepEqual(links.slice(0, 2), [
    ['https://example.org/a_(b)?q=1&r=%20#top', 'https://example.org/a_(b)?q=1&r=%20#top', ...elsewhere],
    ['http://example.com/x', 'http://example.com/x', ...elsewhere],
  ]);
  for (const [, href, rel] of links) {
    assert.match(href, /^https?:/);
    assert.equal(rel, 'noopener noreferrer');
  }
  assert.deepEqual(links.slice(-2).map(([text, href]) => [text, href]), [
    ['https://bücher.example/straße?ä=ö', 'https://xn--bcher-kva.example/stra%C3%9Fe?%C3%A4=%C3%B6'], ['https://例え.jp/', 'https://xn--r8jz45g.jp/'],
  ]);
  assert.equal(await amy.page.locator('.message img').count(), 0);
  assert.equal(await amy.message('javascript:').locator('.text a').count(), 0);
  assert.equal(await amy.message('onerror').locator('.text a').evaluateAll((all) => all.map((a) => a.getAttribute('href')).join()), 'https://example.org/');
  await amy.leave();
});

test('pictures are shown, files are links, and only with safe addresses', async () => {
  const cal = await Person.at(browser, server.url, 'cal');
  const dot = await caller(server.url, 'dot');
  await cal.signIn();
  await post(dot, { to: 'cal' }, { type: 'image', url: `${server.url}/icon.svg`, name: 'logo', text: 'The new logo, see https://example.org/', width: 64, height: 64 });
  await post(dot, { to: 'cal' }, { type: 'file', url: 'https://files.example/report.pdf', name: 'Report.pdf', size: 1_234_567 });
  await post(dot, { to: 'cal' }, { type: 'image', url: `${server.url}/nothing.png`, name: 'gone' });
  for (const url of ['javascript:alert(1)', 'data:text/html,<script>alert(1)</script>', '/relative', 'ftp://x/y', 'blob:x']) {
    await post(dot, { to: 'cal' }, { type: 'image', url, name: `bad ${url.slice(0, 4)}` });
    await post(dot, { to: 'cal' }, { type: 'file', url, name: `bad file ${url.slice(0, 4)}` });
  }
  await cal.open('dot');
  const picture = cal.page.locator('.message img');
  await cal.page.waitForFunction(() => document.querySelector('.message img')?.naturalWidth > 0);
  await cal.page.locator('.message').filter({ hasText: 'gone' }).locator('.file').waitFor(); // instead of a broken one
  assert.equal(await picture.count(), 1);
  assert.equal(await picture.getAttribute('alt'), 'logo');
  assert.equal(await picture.getAttribute('referrerpolicy'), 'no-referrer');
  assert.deepEqual(await cal.page.locator('.message').first().locator('.text').allTextContents(), ['The new logo, see https://example.org/']);
  const file = cal.page.getByRole('link', { name: /Report\.pdf/ });
  assert.equal(await file.getAttribute('href'), 'https://files.example/report.pdf');
  assert.equal(await file.getAttribute('rel'), 'noopener noreferrer');
  assert.match(await file.textContent(), /1\.2 MB/);
  assert.equal(await cal.page.locator('.message').filter({ hasText: 'bad' }).count(), 10);
  assert.equal(await cal.page.locator('.message').filter({ hasText: 'bad' }).locator('a:not(.meta), img').count(), 0);
  await cal.picture('content');
  await cal.leave();
});

test('a text that is too large is drawn in part, and can be edited, not sent again', async () => {
  const eli = await Person.at(browser, server.url, 'eli');
  await eli.signIn();
  await eli.startWith('flo');
  await eli.start();
  await eli.say('fine');
  await eli.sees(['fine']);
  for (const length of [40_000, 90_000]) { // beyond content_bytes; beyond frame_bytes, too, which would end the session
    await eli.say(`${length} ${'x'.repeat(length)}`);
    const failed = eli.page.locator('.message.failed');
    await failed.waitFor();
    await failed.getByText('Too large').waitFor();
    assert.ok((await failed.locator('.text').textContent()).length < 2_000);
    assert.equal(await failed.getByRole('button', { name: 'Try again' }).count(), 0);
    await failed.getByRole('button', { name: /Show more/ }).click();
    assert.ok((await failed.locator('.text').textContent()).length > length);
    await failed.getByRole('button', { name: 'Edit' }).click();
    await failed.waitFor({ state: 'detached' });
    const draft = eli.page.getByLabel('Message', { exact: true });
    assert.ok((await draft.inputValue()).startsWith(`${length} xxx`));
    await draft.fill(`shortened ${length}`);
    await eli.page.keyboard.press('Enter');
    await eli.message(`shortened ${length}`).and(eli.page.locator(':not(.pending)')).waitFor();
  }
  await eli.online();
  const gus = await caller(server.url, 'flo');
  await post(gus, { to: 'eli' }, `${'long 👩‍👩‍👧 '.repeat(600)}end`);
  const long = eli.page.locator('.message').last();
  await long.getByRole('button', { name: /Show more/ }).waitFor();
  assert.doesNotMatch(await long.locator('.text').textContent(), /end$|\ufffd|\u200d …$/);
  await long.getByRole('button', { name: /Show more/ }).click();
  await long.getByText(/end$/).waitFor();
  await eli.picture('long');
  await eli.leave();
});

test('what may pass can be tried again', async () => {
  const hui = await Person.at(browser, server.url, 'hui');
  await hui.page.routeWebSocket(/\/v1\/ws$/, (socket) => {
    const node = socket.connectToServer();
    let tries = 0;
    socket.onMessage((frame) => {
      const { type, id } = JSON.parse(frame);
      if (type === 'send' && ++tries <= 9) socket.send(JSON.stringify({ type: 'error', id, code: 'internal', message: 'something broke', retry: 'again', retry_after_ms: 1 }));
      else node.send(frame);
    });
    node.onMessage((frame) => socket.send(frame));
  });
  await hui.page.reload();
  await hui.signIn();
  await hui.page.clock.install();
  await hui.startWith('ian');
  await hui.start();
  await hui.say('again');
  const again = hui.page.getByRole('button', { name: 'Try again' });
  for (const until = Date.now() + 60_000; Date.now() < until && !await again.isVisible();) await hui.page.clock.runFor(2_000);
  await hui.page.getByText('Something broke').waitFor();
  await again.click();
  await hui.page.locator('.message:not(.pending):not(.failed)').getByText('again').waitFor();
  await hui.leave();
});
