// Text as people write it: links can be clicked, mentions stand out, and very long texts are cut. Markup is never made
// from it.

import { el } from './dom.js';

const mostChars = 1000;
const mostLines = 18;

/** The URL if its scheme is http or https, else null. */
export function webURL(text) {
  const url = URL.parse?.(text) ?? parsed(text);
  return url && (url.protocol === 'https:' || url.protocol === 'http:') ? url.href : null;
}

function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** A link that opens elsewhere, and shows the other page nothing of this one. */
export const link = (href, ...children) => el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, ...children);

const address = /\bhttps?:\/{2}[^\s<>"“”«»]+/giu;

/**
 * A text as nodes, in which the web addresses are links, and the users that it mentions are marked.
 * @param {string} text
 * @param {{mentions?: string[], self?: string}} [about]
 */
export function linked(text, { mentions = [], self = '' } = {}) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    const shown = trimmed(match[0]);
    const href = webURL(shown);
    if (!href) continue;
    nodes.push(...marked(text.slice(at, match.index), mentions, self), link(href, shown));
    at = match.index + shown.length;
  }
  nodes.push(...marked(text.slice(at), mentions, self));
  return nodes.filter((node) => node !== '');
}

/** The word by which everyone in a group is mentioned. */
export const all = 'all';

const letter = String.raw`[\p{L}\p{N}._:@+=|-]`;

/** The mentions in a text: each user of users, or `*` for everyone, whose @name stands in it. */
export function mentionsIn(text, users, mayAll = false) {
  const found = new Set();
  for (const [, word] of text.matchAll(mention)) {
    const user = userOf(word, (one) => users.has(one) || (mayAll && one === all));
    if (user) found.add(users.has(user) ? user : '*');
  }
  return [...found];
}

const mention = new RegExp(`(?<!${letter})@(${letter}+)`, 'gu');

/** The user of a word: without the punctuation at its end, if there is no such user. */
function userOf(word, isUser) {
  for (let end = word.length; end > 0; end--) {
    const user = word.slice(0, end);
    if (isUser(user)) return user;
    if (!/[.:=|+-]/.test(word[end - 1])) return null;
  }
  return null;
}

function marked(text, mentions, self) {
  if (!mentions.length || !text) return [text];
  const isUser = (user) => mentions.includes(user) || (user === all && mentions.includes('*'));
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(mention)) {
    const user = userOf(match[1], isUser);
    if (!user) continue;
    const me = user === self || (!mentions.includes(user) && user === all);
    nodes.push(text.slice(at, match.index), el('span', { class: me ? 'mention me' : 'mention' }, `@${user}`));
    at = match.index + 1 + user.length;
  }
  return [...nodes, text.slice(at)];
}

/** An address without the punctuation of the sentence around it. */
function trimmed(address) {
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    const open = { ')': '(', ']': '[', '}': '{' }[last];
    const kept = address.slice(0, end);
    if (open ? kept.split(open).length >= kept.split(last).length : !/[.,;:!?'’*…。、，．！？：；）】」』》〉]/u.test(last)) break;
  }
  return address.slice(0, end);
}

/** The beginning of a text that is too long to be shown whole, or null. */
export function beginning(text) {
  const lines = text.split('\n', mostLines + 1);
  const short = lines.length > mostLines ? lines.slice(0, mostLines).join('\n') : text;
  if (short.length <= mostChars) return short === text ? null : short;
  const points = Array.from(short.slice(0, mostChars + 64)); // a character is not cut in two
  return points.slice(0, mostChars).join('').replace(/[\p{M}\u200d]+$/u, '');
}
