// Bans and mutes of a group: the dialogs that make them, and the lists of them, which the server shows owner and admins.

import { duration, until } from './dates.js';
import { avatar, el, unseen } from './dom.js';
import { openForm } from './form.js';
import { name, t } from './words.js';

const mostListed = 1_000;
const ends = [15 * 60, 3_600, 8 * 3_600, 86_400, 7 * 86_400, 30 * 86_400]; // seconds from now

const endField = (value) => ({
  name: 'end', kind: 'select', label: t('sanctionEnd'), value, pointer: '/until',
  options: [...ends.map((seconds) => [String(seconds), t('sanctionFor', duration(seconds))]), ['', t('untilLifted')]],
});

const untilOf = ({ end }) => (end ? { until: new Date(Date.now() + Number(end) * 1_000).toISOString() } : {});

/** Asks how long a member is muted, and mutes them. */
export function openMute({ client, names }, id, user) {
  openForm({
    title: t('muteTitle', name(names.user(user))), text: t('muteText'), yes: t('mute'), refusals: { forbidden: 'notModerator', not_found: 'notMemberNow' },
    fields: [endField('3600')],
    run: (values) => client.mute(id, user, untilOf(values)),
  });
}

/** Asks how long and why a user is banned, and bans them. */
export function openBan({ client, names }, id, user) {
  openForm({
    title: t('banTitle', name(names.user(user))), text: t('banText'), yes: t('ban'), danger: true, refusals: { forbidden: 'notModerator' },
    fields: [endField(''), { name: 'reason', kind: 'text', label: t('reason'), hint: t('reasonHint'), max: client.limits?.reason_chars ?? 200, pointer: '/reason' }],
    run: ({ reason, ...values }) => client.ban(id, user, { ...untilOf(values), ...(reason && { reason }) }),
  });
}

/** What is in force, by group, as far as the user may see it. It is requested again after each change. */
export class Sanctions {
  #client;
  #changed;
  #groups = new Map(); // conversation id → { mutes, bans }

  /**
   * @param {import('../im.js').Client} client
   * @param {() => void} changed a list is another one now
   */
  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
  }

  /** The mutes and bans of a group, as far as they are known; those that have ended are left out. */
  of(id) {
    if (!this.#groups.has(id)) this.#load(id);
    const now = Date.now();
    const inForce = ({ until: end }) => !end || Date.parse(end) > now;
    const { mutes, bans } = this.#groups.get(id);
    return { mutes: mutes.filter(inForce), bans: bans.filter(inForce) };
  }

  /** Takes an event. */
  event({ type, conversation_id: id, body }) {
    if (!this.#groups.has(id)) return;
    if (/^member\.(un)?(muted|banned)$/.test(type)) this.#load(id);
    if (type === 'member.role_changed' && body.user_id === this.#client.user) this.#load(id);
  }

  async #load(id) {
    const lists = { mutes: [], bans: [], ...this.#groups.get(id) };
    this.#groups.set(id, lists); // the former ones stay until then
    try {
      const [mutes, bans] = await Promise.all([all(this.#client.mutes(id)), all(this.#client.bans(id))]);
      if (this.#groups.get(id) === lists) this.#groups.set(id, { mutes, bans });
    } catch {
      if (this.#groups.get(id) === lists) this.#groups.delete(id); // the next time it is looked at
      return;
    }
    this.#changed();
  }
}

async function all(list) {
  const items = [];
  for await (const item of list) if (items.push(item) >= mostListed) break;
  return items;
}

/**
 * Draws a list of bans or mutes, each with a button that lifts it.
 * @param {object} names
 * @param {{user_id: string, until?: string, reason?: string, by: string, at: string}[]} items
 * @param {{lift: string, none: string, run: (user: string) => Promise<void>}} how
 */
export function sanctionList(names, items, { lift, none, run }) {
  if (!items.length) return el('p', { class: 'quiet empty' }, t(none));
  return el('ul', { class: 'people sanctions' }, ...items.map(({ user_id: user, until: end, reason, by, at }) => el('li', {},
    avatar(el('span'), names.face(user)),
    el('div', { class: 'person-text' },
      el('span', { class: 'name', dir: 'auto' }, names.user(user)),
      el('span', { class: 'quiet' }, end ? t('endsAt', until(end)) : t('untilLifted')),
      reason ? el('q', { dir: 'auto' }, reason) : null,
      el('span', { class: 'quiet' }, t('byAt', name(names.user(by)), until(at)))),
    el('button', { type: 'button', class: 'small', click: () => run(user) }, t(lift), unseen(`: ${names.user(user)}`)))));
}
