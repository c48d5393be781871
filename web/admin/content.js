// The content of a message, for reading. Pictures and files are named, not loaded: their address is the choice of a user.

import { el } from '../page/dom.js';
import { sizeOf } from '../page/words.js';
import { tag } from './part.js';

/** A JSON value, indented. */
export const json = (value) => el('pre', { tabindex: 0, dir: 'auto' }, JSON.stringify(value, null, 2));

/** @param {?object} content null after a recall */
export function contentOf(content) {
  if (!content) return el('p', { class: 'quiet gone' }, 'Recalled: the content is erased, from its past too.');
  const { type, text, name, url, attachment_id: attachment, mime, size, preview, ...others } = content;
  const rest = Object.keys(others).length ? json(others) : null;
  const caption = typeof text === 'string' ? el('p', { class: 'text', dir: 'auto' }, text) : null;
  if (type === 'text') return el('div', { class: 'content' }, caption, rest);
  const facts = [name, mime, sizeOf(size), attachment && `attachment ${attachment}`, url].filter(Boolean);
  return el('div', { class: 'content' }, el('p', {}, tag(type), ' ', el('span', { class: 'id' }, facts.join(' · '))), caption, rest);
}
