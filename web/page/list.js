// The list of conversations.

import { when } from './dates.js';
import { $, avatar, el, icon, icons, reconcile, unseen } from './dom.js';
import { menu } from './popup.js';
import { preview, t, whyRefused } from './words.js';

const lowestRow = 48; // pixels
const rowsAhead = 10;

export class List {
  #page;
  #showsArchived = false;
  #shown = []; // ids, as they are listed

  /**
   * @param {object} page
   *   client(); names(); drafts; current(): the id of the open conversation; open(place); note(text); isOnline()
   */
  constructor(page) {
    this.#page = page;
    $('archived').onclick = () => {
      this.#showsArchived = !this.#showsArchived;
      this.draw();
    };
    $('conversations').addEventListener('contextmenu', (event) => {
      const id = event.target.closest('li')?.dataset.key;
      if (!id) return;
      event.preventDefault();
      this.openMenu(id, { x: event.clientX, y: event.clientY });
    });
    $('conversations').addEventListener('keydown', (event) => {
      if (event.key !== 'ContextMenu' && !(event.key === 'F10' && event.shiftKey)) return;
      event.preventDefault();
      const button = event.target.closest('button');
      if (button) this.openMenu(button.parentElement.dataset.key, button);
    });
  }

  reset() {
    this.#showsArchived = false;
    $('conversations').replaceChildren();
  }

  /** The conversation that is by steps further in the list; of those that have unread messages, if asked. */
  next(by, { unread = false } = {}) {
    const { conversation } = this.#views();
    const at = this.#shown.indexOf(this.#page.current());
    for (let next = at < 0 && by < 0 ? this.#shown.length - 1 : at + by; next >= 0 && next < this.#shown.length; next += by) {
      if (!unread || conversation.get(this.#shown[next])?.unread_count) return this.#shown[next];
    }
    return null;
  }

  #views() {
    const all = this.#page.client().conversations;
    return { all, conversation: new Map(all.map((view) => [view.conversation_id, view])) };
  }

  draw() {
    const { all } = this.#views();
    const archived = all.filter(({ preferences }) => preferences.archived);
    if (!archived.length) this.#showsArchived = false;
    const listed = this.#showsArchived ? archived : all.filter(({ preferences }) => !preferences.archived);
    const views = [...listed.filter(({ preferences }) => preferences.pinned), ...listed.filter(({ preferences }) => !preferences.pinned)];
    this.#shown = views.map((view) => view.conversation_id);
    $('archived').hidden = !archived.length;
    $('archived').replaceChildren(icon(this.#showsArchived ? 'M15 5l-7 7 7 7' : icons.archive), this.#showsArchived ? t('backFromArchived') : t('archived', archived.length));
    $('no-conversations').hidden = all.length > 0 || !this.#page.isOnline();
    const inView = this.#rowsInView();
    reconcile($('conversations'), views.map((view, row) => this.#row(view, row < inView)));
    const total = all.reduce((sum, view) => sum + view.unread_count, 0);
    document.title = total ? `(${total}) im` : 'im';
  }

  /** How many rows of the list have been in view, about. */
  #rowsInView() {
    const box = $('lists');
    return Math.ceil((box.scrollTop + box.clientHeight) / lowestRow) + rowsAhead;
  }

  #row(view, isNear) {
    const { client, names, drafts, current } = this.#page;
    const { conversation_id: id, unread_count: unread, mention_count: mentioned, preferences: { notify, pinned } } = view;
    const name = names().of(view, isNear);
    const face = names().faceOf(view, isNear);
    const typing = client().typing(id).length > 0;
    const draft = current() === id ? '' : drafts.get(id).text;
    const said = typing ? t('isTyping') : draft || preview(view, client().user, (user) => names().user(user));
    const at = view.last_message?.at ?? view.created_at;
    const muted = notify === 'none';
    const label = [unread && t('unread', unread), mentioned && t('mentionsYou', mentioned), face.online && t('isOnline'), pinned && t('isPinned'), muted && t('isMuted')].filter(Boolean).join(', ');
    const kind = typing ? 'last typing' : view.last_message?.recalled && !draft ? 'last gone' : 'last';
    return {
      key: id,
      sign: JSON.stringify([face, name, said, typing, draft, unread, mentioned, notify, pinned, current() === id, when(at)]),
      make: () => el('li', {}, el('button', {
        type: 'button', class: [unread && 'unread', muted && 'muted'].filter(Boolean).join(' '), 'aria-current': current() === id && 'true',
        click: () => this.#page.open({ id }),
      },
      avatar(el('span'), face),
      el('span', { class: 'name', dir: 'auto' }, name),
      el('span', { class: 'when' }, muted ? icon(icons.mute) : null, el('time', { datetime: at }, when(at))),
      el('span', { class: kind, dir: 'auto' }, draft && !typing ? el('span', { class: 'draft' }, t('draft')) : null, said),
      unread || pinned ? el('span', { class: 'badges' },
        mentioned ? el('span', { class: 'badge mention', title: t('youAreMentioned'), 'aria-hidden': 'true' }, '@') : null,
        unread ? el('span', { class: 'badge count', 'aria-hidden': 'true' }, unread > 99 ? '99+' : String(unread)) : icon(icons.pin, { class: 'pin' })) : null,
      unseen(label))),
    };
  }

  /** What can be done with a conversation, from the list or from its header. */
  openMenu(id, anchor) {
    const client = this.#page.client();
    const view = client.conversation(id);
    if (!view) return;
    const { notify, pinned, archived } = view.preferences;
    const set = (change) => client.setPreferences(id, change).catch((error) => this.#page.note(whyRefused(error)));
    menu(anchor, [
      view.unread_count ? { name: t('markAsRead'), run: () => client.markRead(id, view.head_seq).catch(() => {}) } : undefined,
      { name: t(pinned ? 'unpinFromTop' : 'pinToTop'), run: () => set({ pinned: !pinned }) },
      { name: t(archived ? 'unarchive' : 'archive'), run: () => set({ archived: !archived }) },
      null,
      ...[['notifyAll', 'all'], ['notifyMentions', 'mentions'], ['notifyNone', 'none']].map(([key, value]) => ({
        name: t(key), checked: notify === value, run: () => set({ notify: value }),
      })),
    ].filter((item) => item !== undefined));
  }
}

/** Moves the focus up and down a list of buttons. */
export function withArrows(list) {
  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll('button')];
    buttons[buttons.indexOf(document.activeElement) + step]?.focus();
  });
}
