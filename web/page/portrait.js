// How the panel shows a user or a group: a picture, a name, what is quiet below it, and facts as pairs.

import { when } from './dates.js';
import { avatar, el } from './dom.js';
import { t } from './words.js';

/** What is known of a user's presence, as a text. */
export function presenceOf(client, user) {
  const presence = client.presence(user);
  if (presence?.online) return t('online');
  return presence?.last_seen_at ? t('lastSeen', when(presence.last_seen_at)) : '';
}

/** The upper part of the panel. */
export function portrait(face, title, ...lines) {
  return el('div', { class: 'about-head' }, avatar(el('span'), face), el('strong', { dir: 'auto' }, title),
    ...lines.filter(Boolean).map((line) => el('span', { class: line === t('online') ? 'is-online' : 'quiet', dir: 'auto' }, line)));
}

/** Pairs of a name and what it is. */
export const factList = (facts) => el('dl', { class: 'facts' }, ...facts.flatMap(([key, value]) => [el('dt', {}, key), el('dd', { dir: 'auto' }, value)]));
