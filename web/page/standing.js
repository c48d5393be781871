// Whether the user may write in the open conversation, and what the page says if not: the group is frozen, for admins
// only, or in slow mode, or the user is muted.
//
// The view of a conversation does not say that its user is muted. The events do, and so does a refusal; what they said is
// kept in the browser, because a later page may not see them.

import { countdown, duration, until } from './dates.js';
import { $, el, icon, icons } from './dom.js';
import { t } from './words.js';

const lookBack = 300; // events that are looked through for a mute, once a conversation
const longestTick = 30_000;
const recentMs = 60_000; // an older message is caught up with

export class Standing {
  #page;
  #key = null;
  #mutes = {}; // conversation id → { seq, until }; until is null for a mute without an end, and 0 where there is none
  #sentAt = new Map(); // conversation id → when this page saw the last own message
  #asked = new Set();
  #timer = null;

  /** @param {object} page client(); thread(): the one that is open; redraw() */
  constructor(page) { this.#page = page; }

  begin(account) {
    this.#key = `im.mutes ${account}`;
    this.#mutes = read(this.#key);
    this.#sentAt.clear();
    this.#asked.clear();
  }

  /** The user has signed out. */
  forget() { if (this.#key) localStorage.removeItem(this.#key); }

  /** Takes an event. */
  event({ type, conversation_id: id, seq, sender, at, body }) {
    const self = this.#page.client().user;
    if (type === 'message.posted' && sender === self && Date.now() - Date.parse(at) < recentMs) this.#sentAt.set(id, Date.now());
    if ((type !== 'member.muted' && type !== 'member.unmuted') || body.user_id !== self) return;
    if (seq > (this.#mutes[id]?.seq ?? 0)) this.#set(id, { seq, until: type === 'member.unmuted' ? 0 : body.until ? Date.parse(body.until) : null });
  }

  /** The server has refused to take a message. */
  refused(id, { code, message, retryAfterMs }) {
    if (code !== 'forbidden' || !/\bmuted\b/.test(message)) return;
    this.#set(id, { seq: this.#mutes[id]?.seq ?? 0, until: retryAfterMs ? Date.now() + retryAfterMs : null });
    this.#page.redraw();
  }

  /** The log is another one. */
  reset() {
    this.#asked.clear();
    for (const id of Object.keys(this.#mutes)) this.#set(id, undefined);
  }

  #set(id, mute) {
    if (mute) this.#mutes[id] = mute;
    else delete this.#mutes[id];
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#mutes));
    } catch {
      // There is no room: it is known as long as the page is open.
    }
  }

  /** Looks for a mute among the last events, if this browser has none of them. */
  async #look(view) {
    const { conversation_id: id, kind, role } = view;
    if (kind !== 'group' || role === 'owner' || this.#mutes[id] || this.#asked.has(id)) return;
    this.#asked.add(id);
    try {
      const { events } = await this.#page.client().fetchEvents(id, { before_seq: view.head_seq + 1, limit: lookBack });
      for (const event of events) if (event.type.endsWith('muted')) this.event(event);
      this.#page.redraw();
    } catch {
      this.#asked.delete(id);
    }
  }

  /**
   * What keeps the user from writing.
   * @returns {?{kind: 'frozen' | 'admins' | 'muted' | 'slow', left: number, end?: number}} left: milliseconds; Infinity: no end
   */
  of(view, messages = []) {
    if (view?.kind !== 'group') return null;
    const { settings: { posting, slow_mode_s: slow = 0 }, role, conversation_id: id } = view;
    if (posting === 'nobody') return { kind: 'frozen', left: Infinity };
    if (posting === 'admins' && role === 'member') return { kind: 'admins', left: Infinity };
    const mute = this.#mutes[id];
    if (mute && role !== 'owner') {
      if (mute.until === null) return { kind: 'muted', left: Infinity };
      if (mute.until > Date.now()) return { kind: 'muted', left: mute.until - Date.now(), end: mute.until };
    }
    if (!slow || role !== 'member') return null;
    const self = this.#page.client().user;
    const last = messages.findLast(({ sender }) => sender === self);
    const at = this.#sentAt.get(id) ?? (last ? Date.parse(last.at) : 0); // the clocks of both ends may differ: count from what was seen here
    const left = Math.min(at + slow * 1_000 - Date.now(), slow * 1_000);
    return left > 0 ? { kind: 'slow', left } : null;
  }

  /** Shows it below the messages of a thread, and again as time goes by. */
  draw(thread) {
    clearTimeout(this.#timer);
    const { view } = thread;
    if (view) this.#look(view);
    const state = this.of(view, thread.messages);
    const isClosed = state !== null && state.kind !== 'slow';
    const hadFocus = $('composer').contains(document.activeElement);
    $('composer').hidden = isClosed;
    $('read-only').hidden = !isClosed;
    $('composer').classList.toggle('waits', state?.kind === 'slow');
    const slow = view?.kind === 'group' && view.role === 'member' && !isClosed ? view.settings.slow_mode_s ?? 0 : 0;
    $('slow').hidden = !slow;
    $('slow').textContent = !slow ? '' : state ? t('slowWait', countdown(state.left)) : t('slowNow', duration(slow));
    if (isClosed) this.#say(state, view);
    if (isClosed && hadFocus) $('read-only').focus({ preventScroll: true });
    if (state && state.left < Infinity) this.#timer = setTimeout(() => this.#tick(thread), state.left > 3_600_000 ? longestTick : state.left % 1_000 + 20);
  }

  #tick(thread) { if (this.#page.thread() === thread) this.draw(thread); }

  /** Whether a message has to wait, and draws attention to why. */
  mustWait({ view, messages }) {
    if (this.of(view, messages)?.kind !== 'slow') return false;
    for (const animation of $('slow').getAnimations()) animation.cancel();
    $('slow').animate?.([{ opacity: .2 }, { opacity: 1 }], 300);
    return true;
  }

  #say({ kind, left, end }, view) {
    const isMod = view.role !== 'member';
    const text = { frozen: isMod ? 'frozenForYou' : 'isFrozen', admins: 'cannotPost', muted: end ? 'mutedUntil' : 'youAreMuted' }[kind];
    const words = t(text, end && until(end));
    const box = $('read-only');
    if (box.dataset.sign !== words) {
      box.dataset.sign = words;
      box.replaceChildren(icon(icons.lock), el('span', { role: 'status' }, words), el('span', { class: 'left', 'aria-hidden': 'true' }));
    }
    box.lastElementChild.textContent = left < Infinity ? countdown(left) : '';
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}
