// People at browsers: each has a context of their own, as on a machine of their own.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'node:test';
import { chromium } from 'playwright-core';

export async function launch() {
  const profile = mkdtempSync(join(tmpdir(), 'im-chromium-'));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--disk-cache-dir=${profile}`,
      ...(process.env.IM_PAGE ? ['--disable-features=LocalNetworkAccessChecks'] : []), // a page that a test serves has no address
    ],
  });
  // Chromium's other processes may write a moment longer.
  browser.on('disconnected', () => rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return browser;
}

/** Returns a function that makes REST calls below /v1 as a user, and resolves to the answer. */
export async function caller(url, user) {
  const json = { 'Content-Type': 'application/json' };
  const { token } = await (await fetch(`${url}/dev/token`, { method: 'POST', headers: json, body: JSON.stringify({ user }) })).json();
  return async (method, path, body) => {
    const response = await fetch(`${url}/v1${path}`, {
      method, headers: { ...(body && json), Authorization: `Bearer ${token}` }, body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.status === 204 ? null : response.json();
  };
}

let posted = 0;

/** Posts a content (or a text) by a caller; resolves to the event. */
export function post(call, where, content, more = {}) {
  const body = { client_msg_id: `posted-${++posted}`, content: typeof content === 'string' ? { type: 'text', text: content } : content, ...more };
  return where.to ? call('POST', '/messages', { ...body, to: where.to }) : call('POST', `/conversations/${where.id}/messages`, body);
}

const pictures = new URL('./screenshots/', import.meta.url).pathname;
mkdirSync(pictures, { recursive: true });

const tree = new URL('../', import.meta.url).pathname;
const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };

/** Serves the pages of the tree instead of those in the binary, with their headers: IM_PAGE=1 saves a build after each change. */
function servePage(context, url) {
  return context.route((asked) => asked.href.startsWith(url) && existsSync(fileOf(asked)), async (route) => {
    const name = fileOf(new URL(route.request().url()));
    const policy = "default-src 'self'; img-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";
    await route.fulfill({ body: readFileSync(name), headers: { 'Content-Type': types[name.split('.').at(-1)], 'Content-Security-Policy': policy } });
  });
}

function fileOf({ pathname }) {
  if (pathname === '/') return `${tree}index.html`;
  if (pathname === '/admin/') return `${tree}admin.html`;
  const name = pathname.replace(/^\/admin\/(?=[a-z]+\/|icon)/, '/');
  return /^\/((page|admin)\/[a-z-]+\.(js|css)|im\.js|push-worker\.js|icon\.svg)$/.test(name) ? tree + name.slice(1) : '';
}

/**
 * Opens a page in a context of its own; errors gets what goes wrong in it, as lines.
 * @param {string} url of the server, which is all that the page may talk to
 */
export async function openPage(browser, url, errors, { path = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, ...options });
  context.setDefaultTimeout(Number(process.env.IM_WAIT ?? 60_000));
  if (process.env.IM_PAGE) await servePage(context, url);
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    // A server that is away is part of the tests, and Chromium logs it.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) errors.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith(url.replace('http', 'ws'))) errors.push(`asked ${request.url()}`);
  });
  opened.add({ page, errors });
  await page.goto(url + path);
  return { context, page };
}

const opened = new Set();

// What was on the pages when a test failed: they cannot be looked at any more.
afterEach(async (t) => {
  for (const { page, errors } of opened) if (!t.passed && !page.isClosed()) console.log(await describe(page), errors);
  opened.clear();
});

/** Describes what is on a page. */
async function describe(page) {
  const { text, focus } = await page.evaluate(() => {
    const { activeElement: node } = document;
    return { text: document.body.innerText.replace(/\n+/g, ' | '), focus: `${node.localName}#${node.id} ${node.innerText.slice(0, 60)}` };
  }).catch((error) => ({ text: error.message, focus: '' }));
  return `a page showed: ${text.slice(0, 2_000)}\nwith the focus in ${focus}`;
}

export class Person {
  static async at(browser, url, name, options = {}) {
    const errors = [];
    const { context, page } = await openPage(browser, url, errors, options);
    return Object.assign(new Person(name, context, page, url), { errors });
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

  /** Chooses from the user's menu. */
  async choose(name) {
    await this.page.getByRole('button', { name: 'Menu', exact: true }).click();
    await this.page.getByRole('menu').getByText(name, { exact: true }).click();
  }

  online(timeout = 60_000) {
    return this.page.locator('#state.online').waitFor({ timeout });
  }

  async startWith(...users) {
    await this.page.getByRole('button', { name: 'New conversation' }).click();
    await this.page.getByRole('dialog').getByLabel('With').fill(users.join(', '));
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

  /** A conversation in the list. */
  row(name) {
    return this.page.locator('#conversations button').filter({ has: this.page.locator('.name', { hasText: name }) });
  }

  /** The messages of the open conversation that have this text. */
  message(text) {
    return this.page.locator('.message').filter({ has: this.page.locator('.text', { hasText: text }) });
  }

  /** Takes this machine off the network, and back. */
  async cutOff() {
    await this.context.setOffline(true);
    await this.page.locator('#state.offline').waitFor({ timeout: 20_000 });
  }

  async mend() {
    await this.context.setOffline(false);
    await this.online();
  }

  /** The texts of the open conversation, in order. */
  texts() {
    return this.page.locator('.message .text').allTextContents();
  }

  async sees(texts, timeout = 40_000) {
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
    const field = this.page.getByLabel('Search people and messages');
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
