// Searching messages: what is typed is asked for when the typing rests, and what is
// found stands where the conversations are until the field is empty again.

import { $, avatar, el, when } from './dom.js';
import { nameOf } from './words.js';

const restMs = 250;
const pageSize = 30;

export class Search {
  #clientOf;
  #pick;
  #asked = null; // what is looked for
  #timer = null;

  /**
   * @param {() => Client} clientOf the one that is signed in
   * @param {(message: {conversation_id: string, seq: number}) => void} pick opens what was found
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
    this.#asked = $('search').value.trim() || null;
    $('sidebar').classList.toggle('searching', this.#asked !== null);
    if (this.#asked !== null) this.#timer = setTimeout(() => this.#ask(this.#asked), restMs);
    else this.#show([]);
  }

  async #ask(q, cursor = null) {
    const client = this.#clientOf();
    const query = new URLSearchParams({ q, limit: pageSize, ...(cursor && { cursor }) });
    try {
      const page = await client.rest('GET', `/search/messages?${query}`);
      if (this.#asked !== q || this.#clientOf() !== client) return; // another is looked for
      const items = page.items.map((message) => this.#item(client, message));
      if (page.next_cursor) items.push(this.#more(q, page.next_cursor));
      if (cursor) $('found').append(...items);
      else this.#show(items, 'Nothing found.');
    } catch (error) {
      if (this.#asked === q) this.#show([], error.message);
    }
  }

  #show(items, otherwise = '') {
    $('found').replaceChildren(...items);
    $('found').scrollTop = 0;
    $('search-note').textContent = items.length ? '' : otherwise;
  }

  #item(client, message) {
    const view = client.conversation(message.conversation_id);
    const name = view ? nameOf(view) : message.sender;
    const who = message.sender === client.user ? 'You' : message.sender;
    return el('li', {}, el('button', { type: 'button', click: () => this.#pick(message) },
      avatar(el('span'), name, view?.kind === 'group'),
      el('span', { class: 'name' }, name),
      el('time', { datetime: message.at }, when(message.at)),
      el('span', { class: 'last' }, `${who}: `, ...marked(message.highlights[0]))));
  }

  #more(q, cursor) {
    const item = el('li', { class: 'more' }, el('button', {
      type: 'button', click: () => { item.remove(); this.#ask(q, cursor); },
    }, 'More'));
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
