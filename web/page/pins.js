// The pinned messages of the open conversation: the newest in a bar below the header, all of them in the panel.

import { $, el, icon, icons, unseen } from './dom.js';
import * as panel from './panel.js';
import { lineOf, t } from './words.js';

const changes = new Set(['message.pinned', 'message.unpinned', 'message.edited', 'message.recalled']);

export class Pins {
  #page;
  #thread = null;
  #pins = []; // the newest first

  /** @param {object} page client(); names(); go(place): shows a message */
  constructor(page) { this.#page = page; }

  /** Another conversation is open, or none. */
  open(thread) {
    this.#thread = thread;
    this.#pins = [];
    this.#draw();
    if (thread?.id) this.#load();
  }

  /** Takes an event of the open conversation. */
  event({ type, body }) {
    if (!changes.has(type)) return;
    if (type.endsWith('pinned') || this.#pins.some(({ seq }) => seq === body.target_seq)) this.#load();
  }

  async #load() {
    const thread = this.#thread;
    const pins = [];
    try {
      for await (const pin of this.#page.client().pins(thread.id)) if (!pin.recalled) pins.push(pin); // a recall keeps the pin
    } catch {
      return; // the next change asks again
    }
    if (thread !== this.#thread) return;
    this.#pins = pins.sort((a, b) => Date.parse(b.pinned_at ?? b.at) - Date.parse(a.pinned_at ?? a.at));
    this.#draw();
    panel.refresh();
  }

  #line(message) {
    const names = this.#page.names();
    return el('span', { class: 'pin-line', dir: 'auto' }, el('strong', {}, names.user(message.sender)), ` ${lineOf(message)}`);
  }

  #go(message) {
    return () => this.#page.go({ id: message.conversation_id, seq: message.seq });
  }

  #draw() {
    const [newest] = this.#pins;
    $('pinned').hidden = !newest;
    if (!newest) return;
    const count = this.#pins.length;
    $('pinned').replaceChildren(
      el('button', { type: 'button', class: 'pin-jump', click: this.#go(newest) }, icon(icons.pin), unseen(t('pinnedMessage')), this.#line(newest)),
      ...(count > 1 ? [el('button', { type: 'button', class: 'pin-all', title: t('pinnedMessages'), click: () => this.show() }, String(count), unseen(t('pinnedMessages')))] : []));
  }

  /** Shows all of them in the panel. */
  show() {
    panel.show('pins', t('pinnedMessages'), (body) => {
      body.replaceChildren(...(this.#pins.length ? [el('ul', { class: 'pins' }, ...this.#pins.map((pin) => el('li', {},
        el('button', { type: 'button', click: this.#go(pin) }, this.#line(pin)))))] : [el('p', { class: 'quiet empty' }, t('noPins'))]));
    });
  }
}
