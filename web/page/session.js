// Who is signed in. In `im dev` a name will do; elsewhere the app's backend makes the token. Each tab has an account of its
// own, and a new tab begins with that of the last one. Tabs of one account share a store, and with it the socket.

import { claimsOf } from './claims.js';
import { $ } from './dom.js';
import { Client, IndexedDBStore } from '../im.js';
import { t, whyStopped } from './words.js';

const key = 'im.who';
const quietMs = 10_000; // a user looks at the state: ask the server after this silence
/** Where the server is: the page may lie below a path. */
const base = new URL('..', import.meta.url).href.replace(/\/$/, '');

/** Returns a token for a name, from a development server. */
async function devToken(user) {
  const response = await fetch(`${base}/dev/token`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ user }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.detail ?? response.statusText), { status: response.status });
  return answer.token;
}

/** The name of the account's store: of this server, and of the user that the token names. */
function accountOf({ name, token }) {
  return `im ${new URL(base).pathname} ${name ?? subject(token)}`;
}

/** The user of a token. A store of another user is emptied by the client. */
const subject = (token) => String(claimsOf(token)?.sub ?? 'token');

function read(storage) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

export class Session {
  client = null;
  account = null;
  #page;

  /** @param {{begin: () => void, end: () => void}} page what to do when a session begins, and has ended */
  constructor(page) {
    this.#page = page;
    $('sign-in-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Goes on with the account of this tab or of the last one, or asks for one. */
  async resume() {
    const asked = new URLSearchParams(location.search).get('user'); // a link of `im dev`
    const kept = read(sessionStorage);
    if (asked && (!kept || kept.name !== asked) && !sessionStorage.getItem('im.asked')) {
      sessionStorage.setItem('im.asked', asked); // whoever signs out is not signed in again by the address
      return devToken(asked).then(() => this.#signIn({ name: asked }), () => this.#ask());
    }
    const who = kept ?? (asked ? null : read(localStorage));
    return who ? this.#signIn(who) : this.#ask();
  }

  #ask(problem = '') {
    $('app').hidden = true;
    $('sign-in').hidden = false;
    $('sign-in-error').textContent = problem;
    document.title = 'im';
    const byName = (yes) => {
      $('name-field').hidden = !yes;
      $('token-field').hidden = yes;
      $('use-token').hidden = !yes;
      $('sign-in-hint').textContent = t(yes ? 'signInByName' : 'signInByToken');
      (yes ? $('name') : $('token')).focus();
    };
    $('use-token').onclick = () => byName(false);
    devToken('nobody').then(() => byName(true), () => byName(false));
  }

  async #submit() {
    $('sign-in-error').textContent = '';
    const name = $('name-field').hidden ? '' : $('name').value.trim();
    const token = $('token').value.trim();
    if (!name && !token) return;
    try {
      if (name) await devToken(name);
      await this.#signIn(name ? { name } : { token });
    } catch (error) {
      $('sign-in-error').textContent = error.message;
    }
  }

  async #signIn(who) {
    for (const storage of [sessionStorage, localStorage]) storage.setItem(key, JSON.stringify(who));
    this.account = accountOf(who);
    $('sign-in').hidden = true;
    $('app').hidden = false;
    const client = this.client = new Client({
      url: base, token: async () => who.token ?? devToken(who.name), store: new IndexedDBStore({ name: this.account }), timing: { quiet: quietMs },
    });
    client.on('status', (status) => {
      if (this.client === client && status.state === 'stopped') this.#ended(whyStopped(status));
    });
    this.#page.begin();
    await client.start();
  }

  /** The server has ended the session, or the user in another tab. What is unsent stays in the store. */
  #ended(problem) {
    const { client } = this;
    this.client = null;
    void client.stop();
    this.#page.end();
    for (const storage of [sessionStorage, localStorage]) storage.removeItem(key);
    this.#ask(problem);
  }

  /** The user signs out: nothing of the account stays in the browser. */
  async signOut() {
    const { client, account } = this;
    this.client = null;
    await client.stop();
    indexedDB.deleteDatabase(account);
    this.#page.end({ forget: true });
    for (const storage of [sessionStorage, localStorage]) storage.removeItem(key);
    $('token').value = '';
    this.#ask();
  }
}
