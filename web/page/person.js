// A person in the panel: who it is, and what the user may do with them, in a group and elsewhere.

import { ask } from './ask.js';
import { until } from './dates.js';
import { el, reconcile } from './dom.js';
import { factList, portrait, presenceOf } from './portrait.js';
import { openBan, openMute } from './sanctions.js';
import { isModerator } from './settings.js';
import { name, t, whyRefused } from './words.js';

/** Whether the user may remove, mute and ban somebody of a role: the rule of the server. */
export function mayModerate(view, user, role, self) {
  return isModerator(view) && user !== self && role !== 'owner' && (view.role === 'owner' || role !== 'admin');
}

export class PersonPanel {
  #page;
  #id;
  #user;
  #members = null; // of the group, once they are known
  #blocked = null; // null: not known yet
  #problem = '';
  #busy = null; // what is under way

  /**
   * @param {object} page client(); names(); sanctions(); direct(user): opens the conversation with them; redraw()
   * @param {?string} id the group in which they are looked at
   * @param {string} user
   */
  constructor(page, id, user) {
    this.#page = page;
    this.#id = id;
    this.#user = user;
    page.names().fetch([user]);
    if (user !== page.client().user) this.#loadBlocks();
  }

  async #loadBlocks() {
    try {
      this.#blocked = false;
      for await (const { user_id: user } of this.#page.client().blocks()) if (user === this.#user) this.#blocked = true;
    } catch {
      this.#blocked = null;
    }
    this.#page.redraw();
  }

  get #view() { return this.#id ? this.#page.client().conversation(this.#id) : null; }

  /** Does something, and says why if that was refused. */
  async #do(key, run) {
    if (this.#busy) return;
    this.#busy = key;
    this.#problem = '';
    this.#page.redraw();
    try {
      await run(this.#page.client());
    } catch (error) {
      this.#problem = whyRefused(error, { forbidden: 'notModerator', not_found: 'notMemberNow' });
    }
    this.#busy = null;
    this.#page.redraw();
  }

  async #asked(key, words, run) {
    if (await ask(words)) await this.#do(key, run);
  }

  /** What can be done: [key, run, { danger }]. */
  #actions(role, mute) {
    const user = this.#user;
    const id = this.#id;
    const { client: clientOf, names: namesOf, direct } = this.#page;
    const [client, names, view] = [clientOf(), namesOf(), this.#view];
    if (user === client.user) return [];
    const who = name(names.user(user));
    const context = { client, names };
    const isOwner = view?.kind === 'group' && view.role === 'owner';
    const may = this.#members !== null && mayModerate(view, user, role, client.user);
    return [
      view?.kind !== 'direct' && ['sendMessage', () => direct(user)],
      isOwner && role === 'member' && ['makeAdmin', () => this.#do('makeAdmin', () => client.setRole(id, user, 'admin'))],
      isOwner && role === 'admin' && ['takeAdmin', () => this.#do('takeAdmin', () => client.setRole(id, user, 'member'))],
      isOwner && role && ['makeOwner', () => this.#asked('makeOwner', { title: t('makeOwnerTitle', who), text: t('makeOwnerText'), yes: t('makeOwner') }, () => client.setRole(id, user, 'owner'))],
      this.#blocked !== null && (this.#blocked ? ['unblock', () => this.#block(false)] : ['block', () => this.#block(true, who)]),
      may && role && (mute ? ['unmute', () => this.#do('unmute', () => client.unmute(id, user))] : ['muteMember', () => openMute(context, id, user)]),
      may && role && ['removeMember', () => this.#asked('removeMember', { title: t('removeTitle', who, name(names.of(view))), text: t('removeText'), yes: t('remove') }, () => client.removeMember(id, user)), { danger: true }],
      may && ['banMember', () => openBan(context, id, user), { danger: true }],
    ].filter(Boolean);
  }

  async #block(on, who) {
    const run = async (client) => {
      await (on ? client.block(this.#user) : client.unblock(this.#user));
      this.#blocked = on;
    };
    if (on) await this.#asked('block', { title: t('blockTitle', who), text: t('blockText'), yes: t('block') }, run);
    else await this.#do('unblock', run);
  }

  /** Draws into the body of the panel. */
  draw(body) {
    const user = this.#user;
    const { client: clientOf, names: namesOf, sanctions } = this.#page;
    const [client, names, view] = [clientOf(), namesOf(), this.#view];
    if (view?.kind === 'group') {
      names.members(this.#id).then((all) => {
        const isNew = all !== this.#members;
        this.#members = all;
        if (isNew) this.#page.redraw();
      }, () => {});
    }
    const role = this.#members?.find((one) => one.user_id === user)?.role;
    const mute = isModerator(view) ? sanctions().of(this.#id).mutes.find((one) => one.user_id === user) : null;
    const presence = presenceOf(client, user);
    const actions = this.#actions(role, mute);
    const facts = [
      this.#members && [t('role'), t(role ? `role_${role}` : 'notMember')],
      mute && [t('mutedFact'), mute.until ? t('endsAt', until(mute.until)) : t('untilLifted')],
    ].filter(Boolean);
    const face = { ...names.face(user), online: client.presence(user)?.online === true };
    const title = user === client.user ? `${names.user(user)} (${t('you')})` : names.user(user);
    const lines = [names.user(user) !== user && `@${user}`, user !== client.user && presence];
    const part = (key, values, make) => ({ key, sign: JSON.stringify(values), make });
    reconcile(body, [
      part('head', [face, title, lines], () => portrait(face, title, ...lines)),
      facts.length && part('facts', facts, () => factList(facts)),
      actions.length && part('rows', [actions.map(([key]) => key), this.#busy], () => el('div', { class: 'rows' }, ...actions.map(([key, run, { danger } = {}]) => el('button', {
        type: 'button', class: danger ? 'danger' : '', 'aria-disabled': this.#busy ? 'true' : null, click: run,
      }, t(key))))),
      part('problem', [this.#problem], () => el('p', { class: 'error', role: 'alert' }, this.#problem)),
    ].filter(Boolean));
  }
}
