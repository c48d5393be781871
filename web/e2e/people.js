// People at browsers: each has a context of their own, as on a machine of their own.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export async function launch() {
  const profile = mkdtempSync(join(tmpdir(), 'im-chromium-'));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--disk-cache-dir=${profile}`,
    ],
  });
  browser.on('disconnected', () => rmSync(profile, { recursive: true, force: true }));
  return browser;
}

const pictures = new URL('./screenshots/', import.meta.url).pathname;
mkdirSync(pictures, { recursive: true });

export class Person {
  static async at(browser, url, name, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, ...options });
    const page = await context.newPage();
    const person = new Person(name, context, page, url);
    page.on('pageerror', (error) => person.errors.push(error.message));
    page.on('console', (message) => {
      // A server that is away is part of the tests, and Chromium logs it.
      if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) person.errors.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith(url.replace('http', 'ws'))) person.errors.push(`asked ${request.url()}`);
    });
    await page.goto(url);
    return person;
  }

  errors = [];

  constructor(name, context, page, url) {
    Object.assign(this, { name, context, page, url });
  }

  async signIn() {
    await this.page.getByLabel('Your name').fill(this.name);
    await this.page.getByRole('button', { name: 'Start chatting' }).click();
    await this.online();
  }

  online(timeout = 30_000) {
    return this.page.locator('#state.online').waitFor({ timeout });
  }

  async startWith(...users) {
    await this.page.getByRole('button', { name: 'New conversation' }).click();
    await this.page.getByLabel('With').fill(users.join(', '));
  }

  async start() {
    await this.page.getByRole('button', { name: 'Start', exact: true }).click();
    await this.page.getByRole('dialog').waitFor({ state: 'hidden' });
  }

  async say(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Has a user write to another over REST, from this page. */
  postsOf(user, to, texts) {
    return this.page.evaluate(async ([user, to, texts]) => {
      const json = { 'Content-Type': 'application/json' };
      const { token } = await (await fetch('/dev/token', { method: 'POST', body: JSON.stringify({ user }), headers: json })).json();
      for (const text of texts) {
        const response = await fetch('/v1/messages', {
          method: 'POST', headers: { ...json, Authorization: `Bearer ${token}` },
          body: JSON.stringify({ to, client_msg_id: `by REST: ${text.slice(0, 40)}`, content: { type: 'text', text } }),
        });
        if (!response.ok) throw new Error(await response.text());
      }
    }, [user, to, texts]);
  }

  open(name) {
    return this.page.locator('#conversations button').filter({ has: this.page.locator('.name', { hasText: name }) }).click();
  }

  /** The texts of the open conversation, in order. */
  texts() {
    return this.page.locator('.message .text').allTextContents();
  }

  async sees(texts, timeout = 20_000) {
    const deadline = Date.now() + timeout;
    let seen = await this.texts();
    while (JSON.stringify(seen) !== JSON.stringify(texts) && Date.now() < deadline) {
      await this.page.waitForTimeout(50);
      seen = await this.texts();
    }
    assert.deepEqual(seen, texts, `what ${this.name} sees`);
  }

  /** Types what to look for, again until the index has followed: until got gives what is wanted. */
  async search(text, got, wanted, timeout = 20_000) {
    const field = this.page.getByLabel('Search messages');
    const deadline = Date.now() + timeout;
    let last;
    do {
      await field.fill('');
      await field.fill(text);
      for (let i = 0; i < 40 && last !== wanted; i++) {
        await this.page.waitForTimeout(50);
        last = await got();
      }
    } while (last !== wanted && Date.now() < deadline);
    assert.equal(last, wanted, `what ${this.name} finds by ${text}`);
  }

  badge(name) {
    return this.page.locator('#conversations button').filter({ has: this.page.locator('.name', { hasText: name }) }).locator('.badge');
  }

  async picture(name) {
    await this.page.waitForTimeout(250); // for fonts and focus to settle; proves nothing
    await this.page.screenshot({ path: join(pictures, `${name}.png`) });
  }

  async leave() {
    await this.context.close();
    assert.deepEqual(this.errors, [], `errors on ${this.name}'s page`);
  }
}
