// Searching: people and titles of one's own conversations at once, messages when the
// typing rests. What is found stands where the conversations are until the field is
// empty again.

import { when } from './dates.js';
import { $, avatar, el, reconcile } from './dom.js';
import { messageAfter } from '../im.js';
import { lineOf, name as isolated, subtitleOf, t } from './words.js';

const restMs = 250;
const pageSize = 30;
const mostConversations = 8;
const leadChars = 18; // before the first match

export class Search {
  #page;
  #asked = null; // { q }: what is looked for, another one for each change of it
  #timer = null;
  #found = new Map(); // key → { message, line }
  #note = ''; // how the search for messages ended

  /**
   * @param {object} page
   *   client(): the one that is signed in; names(); open(place): shows a conversation; pick(message): shows a message,
   *   resolves to whether it could
   */
  constructor(page) {
    this.#page = page;
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

  /** Takes an event: what was found may be edited or recalled. */
  event(event) {
    if (event.type !== 'message.edited' && event.type !== 'message.recalled') return;
    const found = this.#found.get(keyOf({ conversation_id: event.conversation_id, seq: event.body.target_seq }));
    if (!found) return;
    found.message = messageAfter(found.message, event, this.#page.client().user);
    found.line.replaceChildren(lineOf(found.message));
    found.line.classList.toggle('gone', found.message.recalled);
  }

  /** The conversations have changed. */
  refresh() {
    if (this.#asked) this.#showConversations(this.#asked.q);
  }

  #typed() {
    clearTimeout(this.#timer);
    const q = $('search').value.trim();
    this.#asked = q ? { q } : null;
    $('sidebar').classList.toggle('searching', this.#asked !== null);
    this.#showConversations(q);
    if (this.#asked) this.#timer = setTimeout(() => this.#first(this.#asked), restMs);
    else this.#show([]);
  }

  #showConversations(q) {
    const { client, open } = this.#page;
    const names = this.#page.names();
    const wanted = q.toLowerCase();
    const has = (text) => text.toLowerCase().includes(wanted);
    const views = wanted ? client().conversations.filter((view) => [names.of(view, false), view.peer ?? '', ...names.membersOf(view)].some(has)).slice(0, mostConversations) : [];
    reconcile($('found-conversations'), views.map((view) => {
      const { conversation_id: id } = view;
      const name = names.of(view);
      const make = () => el('li', {}, el('button', { type: 'button', click: () => open({ id }) },
        avatar(el('span'), names.faceOf(view)),
        el('span', { class: 'name', dir: 'auto' }, ...markedText(name, wanted)),
        el('span', { class: 'last' }, subtitleOf(view))));
      return { key: id, sign: JSON.stringify([names.faceOf(view), wanted, subtitleOf(view)]), make };
    }));
    $('found-conversations-part').hidden = !views.length;
    this.#say();
  }

  async #first(asked) {
    this.#say(t('searching'));
    try {
      const items = await this.#load(asked, null, true);
      if (this.#asked === asked) this.#show(items, items.length ? '' : t('noMessagesFound'));
    } catch (error) {
      if (this.#asked === asked) this.#show([], error.message);
    }
  }

  async #next(asked, cursor, more) {
    try {
      const items = await this.#load(asked, cursor);
      if (this.#asked === asked) more.replaceWith(...items);
    } catch (error) {
      if (this.#asked === asked) this.#say(error.message);
    }
  }

  async #load(asked, cursor, fresh = false) {
    const client = this.#page.client();
    const page = await client.call('GET', '/search/messages', { query: { q: asked.q, limit: pageSize, cursor: cursor ?? undefined } });
    if (this.#asked !== asked) return [];
    if (fresh) this.#found.clear();
    const items = page.items.map((message) => this.#item(client, message));
    if (page.next_cursor) items.push(this.#more(asked, page.next_cursor));
    return items;
  }

  #show(items, note = '') {
    if (!items.length) this.#found.clear();
    $('found').replaceChildren(...items);
    $('found-part').hidden = !items.length;
    $('lists').scrollTop = 0;
    this.#note = note;
    this.#say();
  }

  /** Says how the search stands, in one place: below the field. */
  #say(text = this.#note) {
    const nothing = text === t('noMessagesFound') && $('found-conversations-part').hidden;
    $('search-note').textContent = nothing ? t('nothingFound') : text;
  }

  #item(client, message) {
    const view = client.conversation(message.conversation_id);
    const names = this.#page.names();
    const face = view ? names.faceOf(view) : names.face(message.sender);
    const who = message.sender === client.user ? t('youSaid') : t('said', isolated(names.user(message.sender)));
    const line = el('bdi', { class: 'line' }, ...marked(message.highlights[0] ?? { fragment: lineOf(message), offset: 0, ranges: [] }));
    this.#found.set(keyOf(message), { message, line });
    return el('li', {}, el('button', { type: 'button', click: () => this.#picked(message) },
      avatar(el('span'), face),
      el('span', { class: 'name', dir: 'auto' }, face.name),
      el('span', { class: 'when' }, el('time', { datetime: message.at }, when(message.at))),
      el('span', { class: 'last' }, who, line)));
  }

  async #picked(message) {
    this.#say('');
    if (!await this.#page.pick(message)) this.#say(t('messageNotHere')); // below the field, too: a narrow page may show no conversation
  }

  #more(asked, cursor) {
    const item = el('li', { class: 'more' }, el('button', { type: 'button', click: () => this.#next(asked, cursor, item) }, t('more')));
    return item;
  }
}

const keyOf = ({ conversation_id: id, seq }) => `${id} ${seq}`;

/** A text in which what was looked for is marked. */
function markedText(text, wanted) {
  const at = text.toLowerCase().indexOf(wanted);
  if (at < 0 || text.toLowerCase().length !== text.length) return [text];
  return [text.slice(0, at), el('mark', {}, text.slice(at, at + wanted.length)), text.slice(at + wanted.length)];
}

/**
 * A fragment with what matches marked; the ranges count code points. It begins shortly
 * before the first match, so that the narrow list shows it.
 */
function marked({ fragment, offset, ranges }) {
  const points = Array.from(fragment);
  let at = startOf(points, ranges[0]?.start ?? 0);
  const parts = at > 0 || offset > 0 ? ['… '] : [];
  for (const { start, length } of ranges) {
    parts.push(points.slice(at, start).join(''), el('mark', {}, points.slice(start, start + length).join('')));
    at = start + length;
  }
  return [...parts, points.slice(at).join('')];
}

/** Where to begin: at the word that is up to leadChars before a match, if there is one. */
function startOf(points, match) {
  if (match <= leadChars) return 0;
  for (let at = match - leadChars; at < match; at++) if (/\s/.test(points[at - 1])) return at;
  const text = points.slice(0, match).join('');
  const last = [...new Intl.Segmenter().segment(text)].slice(-leadChars)[0]; // never within a character
  return Array.from(text.slice(0, last.index)).length;
}
