// Searching messages: what is typed is asked for when the typing rests, and what is
// found stands where the conversations are until the field is empty again.

import { $, avatar, el, when } from './dom.js';
import { nameOf } from './words.js';

const restMs = 250;
const pageSize = 30;

export class Search {
  #clientOf;
  #pick;
  #asked = null; // { q }: what is looked for, another one for each change of it
  #timer = null;

  /**
   * @param {() => Client} clientOf the one that is signed in
   * @param {(message: {conversation_id: string, seq: number}) => Promise<boolean>} pick shows what was found, if it can
   */
  constructor(clientOf, pick) {
    this.#clientOf = clientOf;
    this.#pick = pick;
    $('search').addEventListener('input', () => this.#typed());
    $('search').addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !$('search').value) return;
      event.stopPropagation(); // the conversation stays open
      event.preventDefault();
      this.clear();
    });
  }

  clear() {
    $('search').value = '';
    this.#typed();
  }

  #typed() {
    clearTimeout(this.#timer);
    const q = $('search').value.trim();
    this.#asked = q ? { q } : null;
    $('sidebar').classList.toggle('searching', this.#asked !== null);
    if (this.#asked) this.#timer = setTimeout(() => this.#first(this.#asked), restMs);
    else this.#show([]);
  }

  async #first(asked) {
    try {
      const items = await this.#page(asked);
      if (this.#asked === asked) this.#show(items, items.length ? '' : 'Nothing found.');
    } catch (error) {
      if (this.#asked === asked) this.#show([], error.message);
    }
  }

  async #next(asked, cursor, more) {
    try {
      const items = await this.#page(asked, cursor);
      if (this.#asked === asked) more.replaceWith(...items);
    } catch (error) {
      if (this.#asked === asked) this.#note(error.message);
    }
  }

  async #page(asked, cursor = null) {
    const client = this.#clientOf();
    const query = new URLSearchParams({ q: asked.q, limit: pageSize, ...(cursor && { cursor }) });
    const page = await client.rest('GET', `/search/messages?${query}`);
    const items = page.items.map((message) => this.#item(client, message));
    if (page.next_cursor) items.push(this.#more(asked, page.next_cursor));
    return items;
  }

  #show(items, note = '') {
    $('found').replaceChildren(...items);
    $('found').scrollTop = 0;
    this.#note(note);
  }

  #note(text) { $('search-note').textContent = text; }

  #item(client, message) {
    const view = client.conversation(message.conversation_id);
    const name = view ? nameOf(view) : message.sender;
    const who = message.sender === client.user ? 'You' : message.sender;
    return el('li', {}, el('button', { type: 'button', click: () => this.#picked(message) },
      avatar(el('span'), name, view?.kind === 'group'),
      el('span', { class: 'name' }, name),
      el('time', { datetime: message.at }, when(message.at)),
      el('span', { class: 'last' }, `${who}: `, ...marked(message.highlights[0]))));
  }

  async #picked(message) {
    this.#note('');
    if (!await this.#pick(message)) this.#note('This message cannot be shown here.');
  }

  #more(asked, cursor) {
    const item = el('li', { class: 'more' }, el('button', { type: 'button', click: () => this.#next(asked, cursor, item) }, 'More'));
    return item;
  }
}

/** A fragment with what matches marked; the ranges count code points. */
function marked({ fragment, ranges } = { fragment: '', ranges: [] }) {
  const points = Array.from(fragment);
  const parts = [];
  let at = 0;
  for (const { start, length } of ranges) {
    parts.push(points.slice(at, start).join(''), el('mark', {}, points.slice(start, start + length).join('')));
    at = start + length;
  }
  return [...parts, points.slice(at).join('')];
}
