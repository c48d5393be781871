// The API reference at /docs, in a real browser.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Server } from './server.js';

const server = new Server();
let browser;

before(async () => {
  await server.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  await server.close();
});

/** Opens the reference; fails the test if the page asks another server, or reports an error. */
async function open(t, path = 'docs') {
  const page = await browser.newPage();
  const wrong = [];
  page.on('request', (request) => { if (!request.url().startsWith(server.url)) wrong.push(request.url()); });
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(message.text()); });
  page.on('pageerror', (error) => wrong.push(error.message));
  t.after(async () => {
    await page.close();
    assert.deepEqual(wrong, []);
  });
  await page.goto(`${server.url}/${path}`);
  return page;
}

test('a call is tried with a token of im dev', async (t) => {
  const page = await open(t);
  await page.getByRole('button', { name: 'Get a token' }).click();
  await page.getByText('You are alice.').waitFor();

  const create = page.locator('#createConversation');
  await create.getByText('Try it').click();
  assert.match(await create.locator('.curl').textContent(), new RegExp(`^curl -s -X POST '${server.url}/v1/conversations'`));
  await create.getByLabel('example').selectOption('direct');
  await create.getByRole('button', { name: 'Send' }).click();
  await create.locator('.result', { hasText: '"kind": "direct"' }).waitFor();
  const answer = await create.locator('.result').textContent();
  assert.match(answer, /^20[01] /);

  const { conversation_id: id } = JSON.parse(answer.slice(answer.indexOf('{')));
  const list = page.locator('#listMembers');
  await list.getByText('Try it').click();
  await list.getByLabel('conversation_id').fill(id);
  await list.getByLabel('limit').fill('1');
  await list.getByRole('button', { name: 'Send' }).click();
  await list.locator('.result', { hasText: 'next_cursor' }).waitFor();
});

test('a call that needs no token is made without one', async (t) => {
  const page = await open(t);
  await page.locator('#token').fill('');
  const health = page.locator('#getHealth');
  await health.getByText('Try it').click();
  await health.getByRole('button', { name: 'Send' }).click();
  await health.locator('.result', { hasText: '200' }).waitFor();
});

test('the contents are filtered, and lead to a section', async (t) => {
  const page = await open(t);
  await page.getByLabel('Filter the contents').fill('put reaction');
  const entries = page.locator('nav li:visible');
  assert.equal(await entries.count(), 1);
  await entries.first().getByRole('link').click();
  assert.match(page.url(), /#react$/);
});
