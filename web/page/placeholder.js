// What stands where a conversation would: what to do, why the last one is gone, or the invitation to an open group.

import { $, avatar, el } from './dom.js';
import { t, whyRefused } from './words.js';

export class Placeholder {
  /** The group that the user is invited to, while the invitation is shown. */
  invited = null;
  #page;

  /** @param {object} page client(); decline(): the user does not want to join; redraw() */
  constructor(page) { this.#page = page; }

  /** A conversation is open. */
  hide() {
    this.invited = null;
    $('placeholder').hidden = $('invitation').hidden = true;
  }

  show(text = t('choose'), more = t('chooseMore')) {
    this.hide();
    $('placeholder-text').textContent = text;
    $('placeholder-more').textContent = more;
    $('placeholder').hidden = false;
  }

  /** Shows what the server tells of a group that the user is not in. Resolves to whether it is an open one. */
  async invite(id) {
    let group;
    try {
      group = await this.#page.client().fetchConversation(id);
    } catch (error) {
      if (!this.#isNone) return false;
      this.show(error.code === 'not_found' || error.code === 'invalid' ? t('doesNotExist') : whyRefused(error), '');
      return false;
    }
    if (!this.#isNone) return false;
    if (!group.role) this.hide();
    this.invited = id;
    if (group.role) {
      this.#page.redraw(); // a member: the conversation is on its way, or has come meanwhile
      return false;
    }
    const { title, avatar_url: url, member_count: count } = group;
    const name = title ?? t('groupOf', count);
    const problem = el('p', { class: 'error', role: 'alert' });
    const join = el('button', { type: 'button', class: 'primary', click: () => this.#join(id, join, problem) }, t('join'));
    $('invitation').replaceChildren(
      avatar(el('span'), { name, key: id, url, group: true }),
      el('h2', { dir: 'auto' }, name), el('p', { class: 'quiet' }, t('openGroupOf', count)), join,
      el('button', { type: 'button', class: 'link', click: () => this.#page.decline() }, t('notNow')), problem);
    $('invitation').hidden = false;
    join.focus({ preventScroll: true });
    return true;
  }

  get #isNone() { return $('thread').hidden; }

  /** The conversation comes by itself, and is opened then. */
  async #join(id, button, problem) {
    if (button.getAttribute('aria-disabled')) return;
    button.setAttribute('aria-disabled', 'true');
    problem.textContent = '';
    try {
      await this.#page.client().join(id);
    } catch (error) {
      problem.textContent = whyRefused(error, { forbidden: 'mayNotJoin', not_found: 'openNoMore', limit_exceeded: 'groupFull' });
    }
    button.removeAttribute('aria-disabled');
  }
}
