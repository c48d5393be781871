// Push notifications, which the worker shows while no page is open. A browser has one subscription, so that they are for
// one account of it: the last one that switched them on.
//
// | kept            | subscription | changes                                                                      |
// |-----------------|--------------|------------------------------------------------------------------------------|
// | nothing         | none         | switched on: to this account, registered                                     |
// | this account    | registered   | switched off, signed out, permission withdrawn: to nothing                   |
// |                 |              | the server ends the session: to this account, none                           |
// |                 |              | another account switches on: to another account                              |
// | this account    | none         | online again: to registered                                                  |
// | another account | of that one  | switched on: to this account, registered                                     |

import { problemAt } from './form.js';
import { language } from './language.js';
import { format } from './route.js';
import { t, whyRefused } from './words.js';

const workerURL = new URL('../push-worker.js', import.meta.url);
const scope = new URL('./', workerURL).pathname;
const key = `im.push ${scope}`;
const leaveMs = 3_000; // a sign-out waits no longer for the server

const isSupported = 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;

/** Returns { account, preview }, or null if notifications are off. */
function kept() {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

const isGranted = () => Notification.permission === 'granted';

/** Returns the registration of the worker, which is active. */
async function register() {
  const registration = await navigator.serviceWorker.register(workerURL, { scope });
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return registration;
  await new Promise((resolve, reject) => {
    const look = () => {
      if (worker.state === 'activated') resolve();
      else if (worker.state === 'redundant') reject(new Error('the worker was not installed'));
    };
    worker.addEventListener('statechange', look);
    look();
  });
  return registration;
}

async function unsubscribe() {
  const registration = await navigator.serviceWorker.getRegistration(scope);
  for (const shown of await registration?.getNotifications() ?? []) shown.close();
  await navigator.clearAppBadge?.().catch(() => {});
  const subscription = await registration?.pushManager.getSubscription();
  if (subscription && !await subscription.unsubscribe()) throw new Error('the browser has kept the subscription');
}

/** Whether a subscription is bound to a key, in base64url. */
function isFor({ options }, vapid) {
  const bytes = new Uint8Array(options?.applicationServerKey ?? new ArrayBuffer(0));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') === vapid;
}

/** Returns the subscription for a key. One for another key, which the server had before, is of no use any more. */
async function subscribe(vapid) {
  const { pushManager } = await register();
  const present = await pushManager.getSubscription();
  if (present && isFor(present, vapid)) return present;
  await present?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: vapid });
}

export class Push {
  #page;
  #vapid = ''; // '': the server does not say that it has Web Push
  #isRenewed = false;
  #unread = null; // when badge and notifications were last looked at
  #last = Promise.resolve();

  /** @param {object} page client(); account(); note(text) */
  constructor(page) {
    this.#page = page;
    if (isSupported) navigator.serviceWorker.addEventListener('message', ({ data, ports }) => this.#asked(data, ports));
  }

  /** Whether the server and the browser have Web Push. */
  get isOffered() { return isSupported && this.#vapid !== ''; }

  get isOn() { return isSupported && kept()?.account === this.#page.account() && isGranted(); }

  /** How much the notifications show: full, sender or none. */
  get preview() { return kept()?.preview ?? 'full'; }

  /** A session begins, or its store was reset: the device may be another one. */
  begin() {
    this.#isRenewed = false;
    this.#unread = null;
  }

  /** The client is online. Once in a session the server is told where notifications go: it, or the browser, may have forgotten. */
  async online() {
    if (!isSupported || this.#isRenewed) return;
    this.#isRenewed = true;
    const client = this.#page.client();
    try {
      const { vapid_public_key: vapid = '' } = await client.call('GET', '/push');
      if (client !== this.#page.client()) return;
      this.#vapid = vapid;
      if (vapid) await this.#next(() => this.#renew(client));
      this.refresh();
    } catch (error) {
      if (client !== this.#page.client()) return;
      if (error.code === 'network' || error.code === 'unavailable') this.#isRenewed = false; // it is tried again when it is online again
      else if (this.isOn) this.#page.note(t('pushLost', error.field ? error.message : whyRefused(error)));
    }
  }

  /** Switches them on, or changes what they show. Call it in an event of the user: it may ask for the permission. */
  async turnOn(preview) {
    const permission = await Notification.requestPermission();
    if (permission !== 'granted') throw problemAt('on', t('notificationsDenied'));
    const before = kept();
    await this.#next(async () => {
      try {
        await this.#put(this.#page.client(), preview);
      } catch (error) {
        if (!before) await unsubscribe().catch(() => {}); // nobody has a use for it
        throw error;
      }
      localStorage.setItem(key, JSON.stringify({ account: this.#page.account(), preview }));
    });
  }

  /** Switches them off. One of the two is enough: a server learns from the push service that a subscription is gone. */
  async turnOff(signal) {
    if (kept()?.account !== this.#page.account()) return;
    const client = this.#page.client();
    await this.#next(async () => {
      const [here, there] = await Promise.allSettled([unsubscribe(), this.#delete(client, signal)]);
      if (here.reason && there.reason) throw there.reason;
      localStorage.removeItem(key);
    });
  }

  /** The user signs out. */
  async signOut() {
    await this.turnOff(AbortSignal.timeout(leaveMs)).catch(() => {});
    if (kept()?.account === this.#page.account()) localStorage.removeItem(key);
  }

  /** The session has ended. If the server ended it, notifications come again with the next session of the account. */
  end() {
    this.#vapid = '';
    if (isSupported && kept()?.account === this.#page.account()) void this.#next(unsubscribe).catch(() => {});
  }

  /** Keeps the badge current, and closes notifications of what was read, here or elsewhere. */
  refresh() {
    const client = this.#page.client();
    if (!client || !this.isOffered || !this.isOn || client.unreadTotal === this.#unread) return;
    this.#unread = client.unreadTotal;
    void navigator.setAppBadge?.(this.#unread).catch(() => {});
    void navigator.serviceWorker.getRegistration(scope).then((registration) => registration?.getNotifications()).then((shown = []) => {
      for (const one of shown) {
        const id = one.data?.conversation_id; // a test has none
        if (id && !client.conversation(id)?.unread_count) one.close();
      }
    });
  }

  /** The worker asks whether notifications are for this page, or to open a conversation, or says that the subscription changed. */
  #asked(data, [port]) {
    const isMine = Boolean(this.#page.client()) && this.isOn;
    if (isMine && data?.type === 'push.open' && data.id) location.hash = format({ id: data.id });
    if (isMine && data?.type === 'push.changed') {
      this.#isRenewed = false;
      void this.online();
    }
    port?.postMessage(isMine);
  }

  #next(step) {
    const taken = this.#last.then(step);
    this.#last = taken.catch(() => {}); // the caller has the error
    return taken;
  }

  async #renew(client) {
    if (kept()?.account !== this.#page.account()) return;
    if (isGranted()) return this.#put(client, this.preview);
    localStorage.removeItem(key);
    await this.#delete(client);
  }

  async #put(client, preview) {
    const subscription = await subscribe(this.#vapid).catch(() => { throw problemAt('on', t('pushNotSubscribed')); });
    await client.call('PUT', this.#path(client), { body: { provider: 'webpush', subscription: subscription.toJSON(), preview, locale: language } });
  }

  async #delete(client, signal) { await client.call('DELETE', this.#path(client), { signal }); }

  #path({ deviceId }) {
    if (!deviceId) throw Object.assign(new Error('the tab that leads has not told the device yet'), { code: 'unavailable' });
    return `/devices/${encodeURIComponent(deviceId)}/push`;
  }
}
