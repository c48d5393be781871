// Notifications of the browser, and what a screen reader says about new messages.

import { $ } from './dom.js';
import { lineOf, name, t } from './words.js';

const key = 'im.notify';

export class Notifier {
  #page;

  /** @param {object} page client(); names(); current(): the id of the open conversation; open(place) */
  constructor(page) { this.#page = page; }

  get isOn() {
    return globalThis.Notification?.permission === 'granted' && localStorage.getItem(key) === 'on';
  }

  /** Switches notifications on or off. Resolves to whether it could. */
  async toggle() {
    if (this.isOn) {
      localStorage.removeItem(key);
      return true;
    }
    if (await globalThis.Notification?.requestPermission() !== 'granted') return false;
    localStorage.setItem(key, 'on');
    return true;
  }

  /** Takes an event. */
  event(event) {
    const client = this.#page.client();
    if (event.type !== 'message.posted' || event.sender === client.user || event.body.content === null) return;
    const view = client.conversation(event.conversation_id);
    if (!view || event.seq <= view.read_seq || Date.now() - Date.parse(event.at) > 60_000) return; // caught up with, not new
    const isMention = event.body.mentions?.some((user) => user === client.user || user === '*') ?? false;
    const { notify } = view.preferences;
    const wanted = notify === 'all' || (notify === 'mentions' && isMention);
    this.#announce(event, view, wanted);
    if (wanted && this.isOn && (document.hidden || !document.hasFocus())) this.#show(event, view);
  }

  #announce(event, view, wanted) {
    const names = this.#page.names();
    const who = name(names.user(event.sender));
    if (this.#page.current() === event.conversation_id) $('announcer').textContent = t('newMessageFrom', who, lineOf(event.body));
    else if (wanted) $('announcer').textContent = t('newMessageIn', who, names.of(view));
  }

  #show(event, view) {
    const names = this.#page.names();
    const who = names.user(event.sender);
    const line = lineOf(event.body);
    const shown = new Notification(names.of(view), {
      body: view.kind === 'group' ? t('said', name(who)) + line : line, tag: event.conversation_id, icon: new URL('../icon.svg', import.meta.url).href,
    });
    shown.onclick = () => {
      window.focus();
      shown.close();
      this.#page.open({ id: event.conversation_id });
    };
  }
}
