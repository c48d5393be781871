// The panel about a conversation: its settings, who is in it, and what the user may do.

import { ask } from './ask.js';
import { avatar, el, icon, icons, reconcile, unseen } from './dom.js';
import { openForm, problemAt } from './form.js';
import { factList, portrait, presenceOf } from './portrait.js';
import { address } from './route.js';
import { isModerator, openSettings, settingsInWords } from './settings.js';
import { parse } from './start.js';
import { name, t, whyRefused } from './words.js';

const manyMembers = 12; // from which on they can be filtered

export class AboutPanel {
  #page;
  #id;
  #members = [];
  #problem = '';
  #filter = '';

  /**
   * @param {object} page
   *   client(); names(); sanctions(); person(user), list(kind): show them in the panel; left(id): the user has left it; redraw(); copy(text)
   * @param {string} id of a group
   */
  constructor(page, id) {
    this.#page = page;
    this.#id = id;
  }

  /** Draws into the body of the panel. */
  draw(body) {
    const client = this.#page.client();
    const names = this.#page.names();
    const view = client.conversation(this.#id);
    if (!view) return;
    names.members(this.#id).then((all) => {
      if (all === this.#members) return;
      this.#members = all;
      names.fetch(all.map(({ user_id: user }) => user));
      this.#page.redraw();
    }, () => {});
    const isMod = isModerator(view);
    const { mutes, bans } = isMod ? this.#page.sanctions().of(this.#id) : { mutes: [], bans: [] };
    const muted = new Set(mutes.map(({ user_id: user }) => user));
    const facts = settingsInWords(view);
    const part = (key, values, make) => ({ key, sign: JSON.stringify(values), make });
    reconcile(body, [
      part('head', [names.faceOf(view), view.member_count], () => portrait(names.faceOf(view), names.of(view), t('memberCount', view.member_count))),
      isMod && part('tools', [], () => this.#tools()),
      view.settings.joining === 'open' && part('invite', [], () => this.#invite()),
      part('facts', facts, () => el('section', { 'aria-label': t('groupSettings') }, factList(facts))),
      part('title', [view.member_count], () => el('h3', {}, t('membersOf', view.member_count))),
      this.#members.length >= manyMembers && part('filter', [], () => this.#filterField()),
      part('members', [this.#shown().map(({ user_id: user, role }) => [user, role, names.user(user), presenceOf(client, user), muted.has(user)]), this.#filter], () => this.#list(muted)),
      isMod && mutes.length + bans.length > 0 && part('lists', [mutes.length, bans.length], () => this.#lists(mutes, bans)),
      part('leave', [], () => el('div', { class: 'rows' }, el('button', { type: 'button', class: 'danger', click: () => this.#leave() }, t('leaveGroup')))),
      part('problem', [this.#problem], () => el('p', { class: 'error', role: 'alert' }, this.#problem)),
    ].filter(Boolean));
  }

  #tools() {
    const button = (key, path, click) => el('button', { type: 'button', click }, icon(path), el('span', {}, t(key)));
    return el('div', { class: 'about-tools' },
      button('addPeople', icons.add, () => this.#add()),
      button('settings', icons.settings, () => openSettings(this.#page.client(), this.#page.client().conversation(this.#id))));
  }

  #invite() {
    const link = address({ id: this.#id });
    return el('section', { class: 'invite' },
      el('label', {}, el('span', {}, t('inviteLink')), el('input', { readonly: true, value: link, focus: (event) => event.target.select() })),
      el('button', { type: 'button', class: 'small', click: () => this.#page.copy(link) }, t('copyLink')),
      el('p', { class: 'quiet' }, t('inviteHint')));
  }

  #filterField() {
    const field = el('input', {
      type: 'search', class: 'filter', placeholder: t('filterMembers'), 'aria-label': t('filterMembers'), autocomplete: 'off',
      input: () => {
        this.#filter = field.value.trim().toLowerCase();
        this.#page.redraw();
      },
    });
    field.value = this.#filter;
    return field;
  }

  /** The members that the filter lets through: those with a role first, the others by name. */
  #shown() {
    const names = this.#page.names();
    const rank = ({ role }) => ['owner', 'admin', 'member'].indexOf(role);
    const has = ({ user_id: user }) => !this.#filter || [user, names.user(user)].some((text) => text.toLowerCase().includes(this.#filter));
    return this.#members.filter(has).sort((a, b) => rank(a) - rank(b) || names.user(a.user_id).localeCompare(names.user(b.user_id)));
  }

  #list(muted) {
    const client = this.#page.client();
    const names = this.#page.names();
    const shown = this.#shown();
    if (this.#filter && !shown.length) return el('p', { class: 'quiet empty' }, t('nothingFound'));
    return el('ul', { class: 'people' }, ...shown.map(({ user_id: user, role }) => {
      const shownName = user === client.user ? `${names.user(user)} (${t('you')})` : names.user(user);
      const isOnline = client.presence(user)?.online === true;
      const more = [isOnline && t('isOnline'), muted.has(user) && t('isMuted')].filter(Boolean).join(', ');
      return el('li', {}, el('button', { type: 'button', class: 'person', 'data-user': user, click: () => this.#page.person(user) },
        avatar(el('span'), { ...names.face(user), online: isOnline }),
        el('span', { class: 'name', dir: 'auto' }, shownName),
        muted.has(user) ? icon(icons.mute, { class: 'muted-mark' }) : null,
        role === 'member' ? null : el('span', { class: `role ${role}` }, t(`role_${role}`)), more && unseen(more)));
    }));
  }

  #lists(mutes, bans) {
    const row = (kind, n) => (n ? el('button', { type: 'button', click: () => this.#page.list(kind) }, el('span', {}, t(kind)), el('span', { class: 'count' }, String(n))) : null);
    return el('div', { class: 'rows' }, row('mutedMembers', mutes.length), row('bannedUsers', bans.length));
  }

  #add() {
    const client = this.#page.client();
    const { role } = client.conversation(this.#id);
    openForm({
      title: t('addPeople'), yes: t('add'), refusals: { forbidden: 'notModerator', limit_exceeded: 'groupFull' },
      fields: [
        { name: 'users', kind: 'text', label: t('userNames'), hint: t('userNamesHint'), placeholder: 'bob, carol' },
        ...(role === 'owner' ? [{ name: 'role', kind: 'select', label: t('role'), value: 'member', options: ['member', 'admin'].map((one) => [one, t(`role_${one}`)]) }] : []),
      ],
      run: async ({ users: text, role: given = 'member' }) => {
        const { users, problem } = parse(text, client.user);
        if (problem || !users.length) throw problemAt('users', problem ?? t('nameSomebody'));
        try {
          await client.addMembers(this.#id, users, given);
        } catch (error) {
          throw problemOfUser(error, users) ?? error;
        }
      },
    });
  }

  async #leave() {
    const client = this.#page.client();
    const view = client.conversation(this.#id);
    const text = [t('leaveText'), view.role === 'owner' && view.member_count > 1 && t('leaveOwnerText')].filter(Boolean).join(' ');
    if (!await ask({ title: t('leaveTitle', name(this.#page.names().of(view))), text, yes: t('leave') })) return;
    try {
      await client.leave(this.#id);
      this.#page.left(this.#id); // the event may be among those that a gap leaves out
    } catch (error) {
      this.#problem = whyRefused(error);
      this.#page.redraw();
    }
  }
}

/** What is wrong with one of several users, if a refusal says so. */
function problemOfUser({ fields = {} }, users) {
  for (const [pointer, reason] of Object.entries(fields)) {
    const user = users[/^\/user_ids\/(\d+)$/.exec(pointer)?.[1]];
    if (user) return problemAt('users', /banned/.test(reason) ? t('isBanned', user) : `${user}: ${t('notAccepted', reason)}`);
  }
  return null;
}
