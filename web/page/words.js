// The words of the page, in the language that is in use. A word is a text, or a function of what it names.

import { english } from './words-en.js';

let table = english;

/** Uses another table of words. Words that it lacks stay English. */
export function use(words) {
  table = { ...english, ...words };
}

/** The word with this key. */
export function t(key, ...values) {
  const word = table[key];
  if (word === undefined) throw new Error(`no word for ${key}`);
  return typeof word === 'function' ? word(...values) : word;
}

/** Writes the words into elements that name them: data-t is the text, data-t-label the label and so on. */
export function writeWords(root) {
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const [attribute, ...names] of [['label', 'aria-label', 'title'], ['title', 'title'], ['placeholder', 'placeholder']]) {
    for (const node of root.querySelectorAll(`[data-t-${attribute}]`)) {
      const word = t(node.getAttribute(`data-t-${attribute}`));
      for (const name of names) if (name !== 'title' || node.tagName === 'BUTTON' || attribute === 'title') node.setAttribute(name, word);
    }
  }
}

const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/** A name inside a sentence: one that is written from right to left does not turn the sentence around. */
export const name = (text) => (rightToLeft.test(text) ? `\u2068${text}\u2069` : text);

/** Names in a list: alice, bob and carol. */
export const listed = (names) => t('listed', names.map(name));

export function subtitleOf(view) {
  return view.kind === 'direct' ? t('directConversation') : t('memberCount', view.member_count);
}

/** One line about the last message, for the list. */
export function preview(view, self, nameOf) {
  const message = view.last_message;
  if (!message) return t('noMessagesYet');
  const who = message.sender === self ? t('youSaid') : view.kind === 'group' ? t('said', name(nameOf(message.sender))) : '';
  return who + lineOf(message);
}

const kinds = { image: 'picture', file: 'file', audio: 'audio', video: 'video' };

/** What kind of attachment a content is, or undefined. */
export const kindOf = (content) => kinds[content?.type] && t(kinds[content.type]);

/** A message in one line, wherever it is not shown itself: lists, quotes, what a search found. */
export function lineOf({ content, recalled }) {
  if (recalled || !content) return t('deleted');
  if (content.type === 'text') return String(content.text ?? '').slice(0, 300);
  const kind = kindOf(content);
  if (!kind) return t('cannotShow');
  return [kind, content.name, content.text].filter(Boolean).join(' · ').slice(0, 300);
}

/** What an event other than a message did, or null for nothing to tell; ending writes when something ends. */
export function noteOf({ type, sender, body }, nameOf = (user) => user, ending = String) {
  const who = name(nameOf(sender));
  const whom = body.user_id && name(nameOf(body.user_id));
  switch (type) {
    case 'conversation.created': return t('noteCreated', who);
    case 'conversation.updated':
      if ('title' in body) return body.title ? t('noteTitled', who, name(body.title)) : t('noteUntitled', who);
      if ('avatar_url' in body) return t('noteAvatar', who);
      return 'settings' in body ? t('noteSettings', who) : null;
    case 'member.added': return body.user_id === sender ? t('noteJoined', who) : t('noteAdded', who, whom);
    case 'member.removed': return body.user_id === sender ? t('noteLeft', who) : t('noteRemoved', who, whom);
    case 'member.muted': return body.until ? t('noteMutedUntil', who, whom, ending(body.until)) : t('noteMuted', who, whom);
    case 'member.unmuted': return t('noteUnmuted', who, whom);
    case 'member.banned': return (body.until ? t('noteBannedUntil', who, whom, ending(body.until)) : t('noteBanned', who, whom)) + (body.reason ? `: ${body.reason}` : '');
    case 'member.unbanned': return t('noteUnbanned', who, whom);
    case 'member.role_changed': return t('noteRole', who, whom, t(`role_${body.role}`));
    default: return null;
  }
}

const stopped = new Set([4200, 4400, 4401, 4402, 4403, 4404]);

/** Why the server has ended the session; nothing if the user did. */
export function whyStopped({ code, reason }) {
  if (stopped.has(code)) return t(`stopped${code}`);
  return code ? reason || t('stoppedOther') : '';
}

/**
 * Why something was refused, for the person who wanted it.
 * @param {{code?: string, message?: string, retryAfterMs?: number}} error
 * @param {Record<string, string>} [here] code → the key of the word that says what it means here
 */
export function whyRefused({ code, message = '', retryAfterMs = 0 }, here = {}) {
  if (code === 'forbidden' && /\bmuted\b/.test(message)) return t('youAreMuted');
  if (code === 'forbidden' && /\bfrozen\b/.test(message)) return t('isFrozen');
  if (here[code]) return t(here[code]);
  if (code === 'too_large') return t('tooLarge');
  if (code === 'blocked') return t('blockedYou');
  if (code === 'network') return t('noNetwork');
  if (code === 'unavailable') return t('serverAway');
  if (code === 'rate_limited') return t('tooFast', `${Math.max(1, Math.ceil(retryAfterMs / 1_000))} s`);
  return t('refused', code, message);
}

/** A size in bytes, for people. */
export function sizeOf(bytes) {
  if (!(bytes >= 0)) return null;
  const units = ['bytes', 'kB', 'MB', 'GB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** at).toPrecision(at ? 2 : 4))} ${units[at]}`;
}
