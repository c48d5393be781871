// The dialog that starts a conversation. It shows what would be made before it is made,
// and what can be known of the people named.

import { newId } from '../im.js';
import { $, el } from './dom.js';
import { name as isolated, t, whyRefused } from './words.js';

const restMs = 250;
const nameChars = 128;
const notInNames = /[^A-Za-z0-9._:@+=|-]/u;

/**
 * What the field "With" asks for.
 * @param {string} text
 * @param {string} self
 * @returns {{users: string[], problem: ?string}} problem: why this cannot be made
 */
export function parse(text, self) {
  const names = [...new Set(text.split(/[,;\n，；、]+/).map((name) => name.trim()).filter(Boolean))];
  for (const name of names) {
    const problem = problemOf(name);
    if (problem) return { users: [], problem };
  }
  const users = names.filter((name) => name !== self);
  return { users, problem: users.length || !names.length ? null : t('yourselfOnly') };
}

/** Why no user can have this name, or null. */
function problemOf(name) {
  if (/\s/.test(name)) return t('hasSpace', name, name.split(/\s+/));
  const [wrong] = notInNames.exec(name) ?? [];
  if (wrong) return t('hasLetter', name, wrong);
  return name.length > nameChars || name === '.' || name === '..' ? t('noUserName', name.slice(0, 40)) : null;
}

/** The group that the address of one names, or null. */
export const groupIn = (text) => /#\/c\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/?\s*$/i.exec(text)?.[1].toLowerCase() ?? null;

/** What cannot be said of users with whom one shares no conversation. */
export const cannotTell = (users) => t('cannotTell', users);

/** A name among people that looks like a mistyped one, or undefined. */
export function similar(name, people) {
  const lower = name.toLowerCase();
  return [...people].find((known) => known.toLowerCase() === lower) ?? [...people].find((known) => isNear(lower, known.toLowerCase()));
}

/** Whether one letter was left out, added, changed, or two were swapped. */
function isNear(a, b) {
  if (Math.abs(a.length - b.length) > 1 || Math.min(a.length, b.length) < 3) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const [x, y] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return Math.max(x.length, y.length) <= 1 || (x.length === 2 && x === y[1] + y[0]);
}

export class Start {
  #page;
  #profiles = new Map(); // user → profile, or null
  #timer = null;
  #made = null; // { sign, id }: the group that was asked for last; asked for again, it is the same one
  #busy = false;

  /**
   * @param {object} page
   *   client(): the one that is signed in; people(): users that are known; direct(user), group(what), go(place): carry it
   *   out; started(): the dialog is closed
   */
  constructor(page) {
    this.#page = page;
    $('new-joining').append(...['invite', 'open'].map((value) => el('option', { value }, t(`joining_${value}`))));
    $('new-group').addEventListener('change', () => this.#render());
    $('new-chat').onclick = () => this.open();
    $('new-cancel').onclick = () => $('new-dialog').close();
    $('new-users').addEventListener('input', () => this.#typed());
    $('new-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  open() {
    $('new-form').reset();
    $('new-group').disabled = false;
    this.#profiles.clear();
    $('new-error').textContent = '';
    this.#render();
    $('new-dialog').showModal();
  }

  /** What can be said of a user: the server tells of those only with whom one shares a conversation. */
  about(user) {
    const people = this.#page.people();
    const profile = this.#profiles.get(user);
    if (profile || people.has(user)) return { known: true, name: profile?.name };
    return { known: false, similar: similar(user, people) };
  }

  #asked() { return parse($('new-users').value, this.#page.client().user); }

  #typed() {
    $('new-error').textContent = '';
    this.#render();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookUp(), restMs);
  }

  /** Asks for the profiles of those who are not known. */
  async #lookUp() {
    const people = this.#page.people();
    const users = this.#asked().users.filter((user) => !people.has(user) && !this.#profiles.has(user)).slice(0, 100);
    if (!users.length) return;
    try {
      const profiles = await this.#page.client().fetchProfiles(users);
      for (const user of users) this.#profiles.set(user, profiles[user] ?? null);
      this.#render();
    } catch {
      // It stays unknown.
    }
  }

  #render() {
    const link = groupIn($('new-users').value);
    const { users, problem } = link ? { users: [], problem: null } : this.#asked();
    const isGroup = users.length > 1 || $('new-group').checked;
    const isWanted = users.length > 0 || (isGroup && !problem);
    $('new-group-field').hidden = users.length > 1 || link !== null;
    $('new-group-fields').hidden = !isGroup || link !== null;
    $('new-submit').disabled = !isWanted && !link;
    $('new-submit').textContent = t(link ? 'openGroup' : 'start');
    $('new-problem').textContent = problem ?? '';
    $('new-what').textContent = link ? t('groupByLink') : !isWanted ? '' : !isGroup ? t('directWith', users[0]) : users.length ? t('groupWith', users.length + 1, users) : t('groupOfYou');
    $('new-people').replaceChildren(...users.map((user) => this.#person(user)));
    const unknown = users.filter((user) => !this.about(user).known);
    $('new-unknown').textContent = unknown.length ? cannotTell(unknown) : '';
  }

  #person(user) {
    const about = this.about(user);
    const text = about.known ? [about.name && isolated(about.name), t('youShare')].filter(Boolean).join(', ') : t('youShareNone');
    return el('li', { class: about.known ? 'known' : 'unknown' }, el('strong', {}, user), ` ${text}`,
      about.similar ? el('button', { type: 'button', class: 'link', click: () => this.#replace(user, about.similar) }, t('didYouMean', about.similar)) : null);
  }

  #replace(user, other) {
    $('new-users').value = this.#asked().users.map((name) => (name === user ? other : name)).join(', ');
    this.#typed();
    $('new-users').focus();
  }

  async #submit() {
    const link = groupIn($('new-users').value);
    const { users } = this.#asked();
    if (this.#busy || $('new-submit').disabled) return;
    this.#busy = true;
    $('new-error').textContent = '';
    try {
      if (link) this.#page.go({ id: link });
      else if (users.length === 1 && !$('new-group').checked) this.#page.direct(users[0]);
      else await this.#page.group(this.#group(users));
      this.#made = null;
      $('new-dialog').close();
      this.#page.started();
    } catch (error) {
      $('new-error').textContent = whyRefused(error, { limit_exceeded: 'groupFull', forbidden: 'mayNotCreate' });
    }
    this.#busy = false;
  }

  /** The group that is asked for. No answer does not mean that it was not made, so its id stays until it is another one. */
  #group(members) {
    const title = $('new-name').value.trim();
    const group = { members, ...(title && { title }), settings: { joining: $('new-joining').value } };
    const sign = JSON.stringify(group);
    if (this.#made?.sign !== sign) this.#made = { sign, id: newId() };
    return { ...group, client_conversation_id: this.#made.id };
  }
}
