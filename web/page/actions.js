// What can be done with a message, and the two ways to it: the bar that stands beside the message under the pointer, and
// the menu.

import { ask } from './ask.js';
import { $, el, icon, icons } from './dom.js';
import { emojiForm, quick } from './emoji.js';
import { pickEmoji, used } from './picker.js';
import { close, isOpen, menu } from './popup.js';
import { openReport } from './report.js';
import { address } from './route.js';
import { t, whyRefused } from './words.js';

const pressMs = 500; // a finger that rests this long opens the menu

export class Actions {
  #page;
  #bar;
  #press = null;

  /**
   * @param {object} page
   *   client(); thread(): the one that is open; composer; note(text); details(message): shows who has read it
   */
  constructor(page) {
    this.#page = page;
    const button = (key, path, click) => el('button', { type: 'button', class: 'icon', 'aria-label': t(key), title: t(key), tabindex: '-1', click }, icon(path));
    this.#bar = el('div', { class: 'tools' },
      button('react', icons.smile, (event) => this.#pick(this.#under(), event.currentTarget)),
      button('reply', icons.reply, () => this.#page.composer.reply(this.#under())),
      button('moreActions', icons.more, (event) => this.openMenu(this.#under(), event.currentTarget)));
    const list = $('messages');
    list.addEventListener('pointerover', (event) => { if (event.pointerType !== 'touch') this.#hover(event.target.closest('.message')); });
    $('scroller').addEventListener('pointerleave', () => this.#hover(null));
    list.addEventListener('contextmenu', (event) => this.#context(event));
    list.addEventListener('pointerdown', (event) => this.#touch(event));
    for (const type of ['pointerup', 'pointercancel', 'pointermove']) list.addEventListener(type, () => clearTimeout(this.#press));
    list.addEventListener('dblclick', (event) => {
      const message = this.#of(event.target.closest('.message'));
      if (message && !message.recalled && !event.target.closest('button, a, .text')) this.#page.composer.reply(message);
    });
  }

  #of(item) { return item?.dataset.seq ? this.#page.thread()?.message(Number(item.dataset.seq)) : undefined; }

  #under() { return this.#of(this.#bar.closest('.message')); }

  /** Shows the bar at a message. */
  #hover(item) {
    if (isOpen()) return;
    const message = this.#of(item);
    if (!message || message.recalled) this.#bar.remove();
    else if (this.#bar.parentElement !== item) item.append(this.#bar);
  }

  #context(event) {
    const message = this.#of(event.target.closest('.message'));
    if (!message || event.target.closest('a:not(.meta), img') || String(getSelection())) return; // the browser's own
    event.preventDefault();
    this.openMenu(message, { x: event.clientX, y: event.clientY });
  }

  #touch(event) {
    clearTimeout(this.#press);
    if (event.pointerType !== 'touch') return;
    const { clientX: x, clientY: y, target } = event;
    this.#press = setTimeout(() => {
      const message = this.#of(target.closest('.message'));
      if (message && !isOpen()) this.openMenu(message, { x, y });
    }, pressMs);
  }

  // What the client does; a refusal is said above the messages.

  async #try(promise) {
    try {
      await promise;
      return true;
    } catch (error) {
      this.#page.note(whyRefused(error));
      return false;
    }
  }

  /** Puts the user's emoji on a message, or takes it back. */
  react(message, emoji, isMine) {
    const { conversation_id: id, seq } = message;
    const client = this.#page.client();
    return this.#try(isMine ? client.unreact(id, seq, emoji) : client.react(id, seq, emoji));
  }

  #toggle(message, emoji) {
    const bare = (text) => text.replaceAll('\uFE0F', '');
    const mine = message.reactions.some((one) => one.mine && bare(one.emoji) === bare(emoji));
    return this.react(message, emoji, mine);
  }

  #pick(message, anchor) {
    pickEmoji(anchor, (emoji) => this.#toggle(message, emoji));
  }

  async recall(message) {
    if (!await ask({ title: t('recallTitle'), text: t('recallText'), yes: t('delete') })) return;
    await this.#try(this.#page.client().recall(message.conversation_id, message.seq));
  }

  #copy(text) {
    const copied = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error());
    copied.then(() => this.#page.note(t('copied')), () => this.#page.note(t('somethingFailed')));
  }

  /** What the user may do with a message. */
  #rights(message) {
    const { view } = this.#page.thread();
    const isOwn = message.sender === this.#page.client().user;
    const isAdmin = view?.kind === 'group' && view.role !== 'member';
    return { edit: isOwn && message.content?.type === 'text', recall: isOwn || isAdmin, report: !isOwn, pin: view?.kind === 'direct' || isAdmin };
  }

  /** @param {HTMLElement | {x: number, y: number}} anchor */
  openMenu(message, anchor) {
    if (!message || message.recalled) return;
    const { conversation_id: id, seq, content, pinned } = message;
    const client = this.#page.client();
    const may = this.#rights(message);
    const item = (key, run, more) => ({ name: t(key), run, ...more });
    const row = el('div', { class: 'quick', role: 'group', 'aria-label': t('react') },
      ...quick.map((emoji) => el('button', {
        type: 'button', role: 'menuitem', tabindex: '-1', 'aria-label': emoji,
        click: () => {
          used(emoji);
          close();
          this.#toggle(message, emoji);
        },
      }, emojiForm(emoji))),
      el('button', { type: 'button', role: 'menuitem', tabindex: '-1', 'aria-label': t('react'), click: () => this.#pick(message, placeOf(anchor)) }, icon('M12 5v14M5 12h14')));
    menu(anchor, [
      item('reply', () => this.#page.composer.reply(message)),
      may.edit && item('edit', () => this.#page.composer.edit(message)),
      content?.text && item('copyText', () => this.#copy(content.text)),
      item('copyLink', () => this.#copy(address({ id, seq }))),
      may.pin && item(pinned ? 'unpin' : 'pin', () => this.#try(pinned ? client.unpin(id, seq) : client.pin(id, seq))),
      item('details', () => this.#page.details(message)),
      may.report && item('report', () => openReport(client, message, () => this.#page.note(t('reported'))), { danger: true }),
      may.recall && item('recall', () => this.recall(message), { danger: true }),
    ].filter(Boolean), row);
  }

  /** Takes a key while a message has the focus. Returns whether it was for the message. */
  key(event, item) {
    const message = this.#of(item);
    if (!message || message.recalled || event.ctrlKey || event.metaKey || event.altKey) return false;
    const may = this.#rights(message);
    switch (event.key) {
      case 'Enter': case 'm': this.openMenu(message, item.querySelector('.bubble')); break;
      case 'r': this.#page.composer.reply(message); break;
      case '+': case '=': this.#pick(message, item.querySelector('.bubble')); break;
      case 'e': if (may.edit) this.#page.composer.edit(message); break;
      case 'Delete': case 'Backspace': if (may.recall) this.recall(message); break;
      default: return false;
    }
    event.preventDefault();
    return true;
  }
}

/** A point where the menu was, for what opens after it. */
const placeOf = (anchor) => {
  const box = anchor.getBoundingClientRect?.();
  return box ? { x: box.left, y: box.bottom } : anchor;
};
