// The panels about conversations and people: what is shown when, and what they know of their group.

import { AboutPanel } from './about.js';
import { $ } from './dom.js';
import * as panel from './panel.js';
import { PersonPanel } from './person.js';
import { Sanctions, sanctionList } from './sanctions.js';
import { t, whyRefused } from './words.js';

export class People {
  #page;
  #sanctions = null;

  /** @param {object} page client(); names(); thread(); direct(user): opens the conversation with them; left(id): the user has left it; note(text) */
  constructor(page) {
    this.#page = { ...page, redraw: panel.refresh, sanctions: () => this.#sanctions };
  }

  /** Another user is signed in. */
  begin() { this.#sanctions = new Sanctions(this.#page.client(), panel.refresh); }

  /** Takes an event. */
  event(event) { this.#sanctions.event(event); }

  /** Shows what there is about the open conversation, or hides it. */
  about() {
    const thread = this.#page.thread();
    if (!thread) return;
    const peer = thread.to ?? thread.view?.peer;
    if (peer) {
      const one = new PersonPanel(this.#page, thread.id, peer);
      panel.show('about', t('aboutTitle'), (body) => one.draw(body));
      return;
    }
    const { id } = thread;
    const one = new AboutPanel({ ...this.#page, person: (user) => this.person(user), list: (kind) => this.#list(id, kind), copy: (text) => this.#copy(text) }, id);
    panel.show('about', t('aboutTitle'), (body) => one.draw(body));
  }

  /** Shows somebody, as they are in the open conversation. */
  person(user) {
    const one = new PersonPanel(this.#page, this.#page.thread()?.id ?? null, user);
    panel.show(`person ${user}`, t('person'), (body) => one.draw(body), this.#back(`[data-user="${CSS.escape(user)}"]`));
  }

  /** From a panel back to the one about the conversation, where the focus was. */
  #back(selector) {
    return {
      back: async () => {
        panel.close();
        this.about();
        const begun = document.activeElement;
        const id = this.#page.thread()?.id;
        if (id) await this.#page.names().members(id).catch(() => {}); // the list of them may have to be fetched
        if (document.activeElement === begun) $('panel-body').querySelector(selector)?.focus();
      },
    };
  }

  #list(id, kind) {
    let problem = '';
    const run = (lift) => async (user) => {
      problem = '';
      try {
        await this.#page.client()[lift](id, user);
      } catch (error) {
        problem = whyRefused(error, { forbidden: 'notModerator' });
      }
      panel.refresh();
    };
    const how = kind === 'mutedMembers' ? { lift: 'unmute', none: 'nobodyMuted', run: run('unmute') } : { lift: 'unban', none: 'nobodyBanned', run: run('unban') };
    panel.show(kind, t(kind), (body) => {
      const { mutes, bans } = this.#sanctions.of(id);
      const items = kind === 'mutedMembers' ? mutes : bans;
      const sign = JSON.stringify([items, problem]);
      if (body.dataset.sign === sign) return;
      body.dataset.sign = sign;
      const note = document.createElement('p');
      note.className = 'error';
      note.setAttribute('role', 'alert');
      note.textContent = problem;
      body.replaceChildren(sanctionList(this.#page.names(), items, how), note);
    }, this.#back('.rows button'));
  }

  #copy(text) {
    const copied = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error());
    copied.then(() => this.#page.note(t('copied')), () => this.#page.note(t('somethingFailed')));
  }
}
