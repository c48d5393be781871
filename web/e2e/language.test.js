// The page in Chinese: by the browser's setting, and by the switch in the menu.

import assert from 'node:assert/strict';
import test from 'node:test';
import { english } from '../page/words-en.js';
import { chinese } from '../page/words-zh.js';
import { caller, launch, Person, post } from './people.js';
import { Server } from './server.js';

const server = new Server();
let browser;
test.before(async () => {
  await server.start();
  browser = await launch();
}, { timeout: 120_000 });
test.after(async () => {
  await browser?.close();
  await server.close();
});

test('each word is there in each language, with the same parameters', () => {
  assert.deepEqual(Object.keys(chinese), Object.keys(english));
  for (const [key, word] of Object.entries(english)) {
    assert.equal(typeof chinese[key], typeof word, key);
    assert.ok(chinese[key].length >= (typeof word === 'function' ? word.length : 1), key);
  }
});

test('a Chinese browser shows a Chinese page, and the menu switches to English and back', async () => {
  const group = await (await caller(server.url, 'wei'))('POST', '/conversations', { kind: 'group', title: '周末', members: ['li', 'alice'] });
  await post(await caller(server.url, 'wei'), { id: group.conversation_id }, '你好');
  const li = await Person.at(browser, server.url, 'li', { locale: 'zh-CN' });
  const { page } = li;
  await page.getByLabel('你的用户名').fill('li');
  await page.getByRole('button', { name: '开始聊天' }).click();
  await li.online();
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  await li.open('周末');
  await page.getByText('wei发起了会话').waitFor();
  await page.getByRole('combobox', { name: '消息' }).waitFor();
  await page.getByText('今天').first().waitFor();

  await page.locator('#my-menu').click();
  await page.getByRole('menuitemradio', { name: 'English' }).click();
  await page.getByText('wei started the conversation').waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await page.getByText('Today').first().waitFor();
  await page.locator('#my-menu').click();
  await page.getByRole('menuitemradio', { name: '中文' }).click();
  await page.getByText('wei发起了会话').waitFor();
  await li.leave();
});
