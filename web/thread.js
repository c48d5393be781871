// The conversation that is open: messages by seq, each once, whether they came as
// history or live; what is being sent; where the new ones begin.

import { $, avatar, clock, day, el, hue, reconcile } from './dom.js';
import { messageOf } from './views.js';
import { newId } from './im.js';
import { nameOf, noteOf, subtitleOf, textOf } from './words.js';

const pageSize = 50;
const nearEdge = 120; // pixels
const maxPages = 12; // of 500, to find a message in

export class Thread {
  #client;
  #entries = new Map(); // seq → message or { note }
  #order = []; // seqs, ascending
  #sending = []; // { client_msg_id, text, at, failed }
  #first = 0; // of history; live events do not count
  #drawn = null; // the first seq on the page
  #loaded = false;
  #loading = null; // while a page is on its way: a promise of whether it came
  #retry = null; // a timer, after a page that did not
  #revealing = null; // the seq that is looked for
  #complete = false; // nothing precedes the first entry
  #newAfter = null; // what others wrote beyond it is new
  #marked = 0;
  #missed = 0; // came while the reader was further up
  #closed = false;

  /** A thread of a conversation, or of none yet with a user (to). */
  constructor(client, { id = null, to = null }) {
    this.#client = client;
    this.id = id;
    this.to = to;
    this.#complete = !id;
    if (id) this.#begin();
  }

  get view() { return this.id ? this.#client.conversation(this.id) : null; }

  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  /** The conversation of a thread that had none exists now. */
  exists(id) {
    this.id = id;
    this.#complete = false;
    this.#begin();
  }

  #begin() {
    const view = this.view;
    if (view?.unread_count) this.#newAfter = view.read_seq;
    this.#marked = view?.read_seq ?? 0;
    this.#load(Math.min(Math.max(pageSize, (view?.unread_count ?? 0) + 10), 500));
  }

  /** Loads a page of what comes before, unless one is on its way. */
  #load(limit) {
    if (!this.#complete && !this.#closed) this.#loading ??= this.#page(limit).finally(() => { this.#loading = null; });
    return this.#loading;
  }

  async #page(limit) {
    clearTimeout(this.#retry);
    const before = this.#order.length && this.#first ? `&before_seq=${this.#first}` : '';
    try {
      const page = await this.#client.rest('GET', `/conversations/${this.id}/messages?limit=${limit}${before}`);
      if (this.#closed) return false;
      for (const message of page.messages) this.#put(message.seq, message);
      this.#first = page.messages[0]?.seq ?? this.#first;
      this.#complete = !page.has_more_before;
      this.#loaded = true;
    } catch (error) {
      if (error.retry === 'never') this.#complete = true;
      else if (!this.#closed) this.#retry = setTimeout(() => this.#load(limit), 2_000);
      this.render();
      return false;
    }
    this.render();
    this.markRead();
    if ($('scroller').scrollTop < nearEdge) setTimeout(() => this.#load(pageSize)); // there is room for more
    return true;
  }

  #put(seq, entry) {
    if (this.#entries.has(seq)) return false;
    this.#entries.set(seq, entry);
    if (entry.sender === this.#client.user) { // it has arrived, whoever tells first
      this.#sending = this.#sending.filter(({ client_msg_id: id }) => id !== entry.client_msg_id);
    }
    let at = this.#order.length;
    while (at > 0 && this.#order[at - 1] > seq) at--;
    this.#order.splice(at, 0, seq);
    return true;
  }

  /** Takes an event as it happens. */
  event(event) {
    const note = noteOf(event);
    const entry = event.type === 'message.posted' ? messageOf(event) : note && { note, seq: event.seq, at: event.at };
    if (!entry || !this.#put(event.seq, entry)) return;
    if (!this.atEnd() && event.sender !== this.#client.user) this.#missed++;
  }

  /** The connection was lost: what others write from here on is new. */
  interrupted() {
    this.#newAfter ??= this.#order.at(-1) ?? null;
  }

  // Sending.

  send(text) {
    this.#newAfter = null;
    const message = { client_msg_id: newId(), text, at: new Date().toISOString(), failed: null };
    this.#sending.push(message);
    this.#try(message);
    this.render();
    this.toEnd();
  }

  async #try(message) {
    message.failed = null;
    try {
      const sent = await this.#client.send({
        conversation_id: this.id, to: this.to, client_msg_id: message.client_msg_id,
        content: { type: 'text', text: message.text },
      });
      this.#sending = this.#sending.filter((other) => other !== message);
      this.#put(sent.seq, {
        seq: sent.seq, sender: this.#client.user, client_msg_id: message.client_msg_id, at: sent.at,
        content: sent.content ?? { type: 'text', text: message.text },
      });
    } catch (error) {
      message.failed = error.message;
    }
    if (!this.#closed) this.render();
  }

  // Reading.

  /** Tells the server that everything shown was seen, if somebody looks. */
  markRead() {
    const last = this.#order.at(-1) ?? 0;
    if (this.#closed || !this.#loaded || last <= this.#marked || !document.hasFocus() || document.hidden || !this.atEnd()) return;
    this.#marked = last;
    this.#client.read(this.id, last).catch(() => {});
  }

  atEnd() {
    const box = $('scroller');
    return box.scrollHeight - box.scrollTop - box.clientHeight < nearEdge;
  }

  toEnd() {
    const box = $('scroller');
    box.scrollTop = box.scrollHeight;
  }

  scrolled() {
    if (this.atEnd()) {
      this.#missed = 0;
      this.markRead();
    }
    if ($('scroller').scrollTop < nearEdge && this.id) this.#load(pageSize);
    this.#renderNewer();
  }

  /** Shows a message that may lie further back; resolves to false if it lies too far. */
  async reveal(seq) {
    this.#revealing = seq;
    const wanted = () => !this.#closed && this.#revealing === seq;
    for (let pages = 0; pages < maxPages && wanted() && !this.#entries.has(seq) && !this.#complete; pages++) {
      if (!await this.#load(500)) break;
    }
    if (!wanted()) return true; // another is
    const item = $('messages').querySelector(`[data-seq="${seq}"]`);
    if (!item) return false;
    item.scrollIntoView({ block: 'center' });
    item.classList.add('found');
    item.addEventListener('animationend', () => item.classList.remove('found'), { once: true });
    return true;
  }

  // Drawing.

  render() {
    if (this.#closed) return;
    const { view } = this;
    const name = view ? nameOf(view) : this.to;
    avatar($('thread-avatar'), name, view?.kind === 'group');
    $('thread-title').textContent = name;
    $('thread-subtitle').textContent = view ? subtitleOf(view) : 'New conversation';
    $('beginning').hidden = !this.#complete;
    $('beginning').textContent = view?.kind === 'group' ? `The beginning of ${name}` : `The beginning of your conversation with ${name}`;

    const box = $('scroller');
    const stick = this.atEnd();
    const fromEnd = box.scrollHeight - box.scrollTop;
    const grew = this.#drawn !== null && this.#order[0] !== this.#drawn;
    this.#drawn = this.#order[0] ?? null;
    reconcile($('messages'), this.#items());
    if (stick) this.toEnd();
    else if (grew) box.scrollTop = box.scrollHeight - fromEnd; // stay where the reader is
    this.#renderNewer();
  }

  #renderNewer() {
    $('newer').hidden = this.atEnd();
    $('newer-text').textContent = this.#missed ? `${this.#missed} new` : 'Newest';
  }

  #items() {
    const items = [];
    let today = null;
    let previous = null;
    let marked = false;
    for (const seq of this.#order) {
      const entry = this.#entries.get(seq);
      const thisDay = day(entry.at);
      if (thisDay !== today) {
        items.push({ key: `day ${thisDay}`, sign: '', make: () => el('li', { class: 'day' }, thisDay) });
        today = thisDay;
        previous = null;
      }
      if (!marked && this.#newAfter !== null && seq > this.#newAfter && entry.sender && entry.sender !== this.#client.user) {
        marked = true;
        previous = null;
        items.push({ key: 'new', sign: '', make: () => el('li', { class: 'new' }, 'New') });
      }
      items.push(entry.note ? noteItem(entry) : this.#messageItem(entry, entry.sender !== previous));
      previous = entry.note ? null : entry.sender;
    }
    for (const message of this.#sending) {
      items.push(this.#sendingItem(message, previous !== this.#client.user));
      previous = this.#client.user;
    }
    return items;
  }

  #messageItem(message, first) {
    const mine = message.sender === this.#client.user;
    const gone = message.recalled || !message.content;
    const group = !mine && this.view?.kind === 'group';
    const make = () => {
      const item = el('li', { class: ['message', mine ? 'mine' : group ? '' : 'direct', first ? 'first' : ''].filter(Boolean).join(' ') },
        group ? (first ? avatar(el('span'), message.sender) : el('span')) : null,
        el('div', { class: 'bubble' },
          group && first ? el('span', { class: `sender c${hue(message.sender)}` }, message.sender) : null,
          el('span', { class: gone ? 'text gone' : 'text' }, textOf(message)),
          el('time', { class: 'meta', datetime: message.at, title: new Date(message.at).toLocaleString() },
            clock(message.at) + (mine ? ' ✓' : ''))));
      item.setAttribute('aria-label', `${mine ? 'You' : message.sender}, ${clock(message.at)}`);
      item.dataset.seq = message.seq;
      return item;
    };
    return { key: mine ? `mine ${message.client_msg_id}` : `seq ${message.seq}`, sign: `${first}${gone}${group}sent`, make };
  }

  #sendingItem(message, first) {
    const state = message.failed === null ? 'pending' : 'failed';
    const make = () => el('li', { class: `message mine ${first ? 'first ' : ''}${state}`, 'aria-label': `You, ${state}` },
      el('div', { class: 'bubble' },
        el('span', { class: 'text' }, message.text),
        el('span', { class: 'meta' }, state === 'pending' ? 'sending …' : 'not sent')),
      message.failed === null ? null : el('div', { class: 'trouble' }, `${message.failed[0].toUpperCase()}${message.failed.slice(1)}`,
        el('button', { type: 'button', click: () => { this.#try(message); this.render(); } }, 'Try again'),
        el('button', { type: 'button', click: () => this.#discard(message) }, 'Discard')));
    return { key: `mine ${message.client_msg_id}`, sign: `${first}${state}${message.failed}`, make };
  }

  #discard(message) {
    this.#sending = this.#sending.filter((other) => other !== message);
    this.render();
  }
}

function noteItem({ seq, note }) {
  return { key: `seq ${seq}`, sign: note, make: () => el('li', { class: 'note' }, note) };
}
