// One message as it is drawn: its text, picture or file, what it quotes, its reactions, and how far it has come.

import { clock, full } from './dates.js';
import { avatar, el, hue, icon, icons, unseen } from './dom.js';
import { emojiForm, isOnlyEmoji } from './emoji.js';
import { beginning, link, linked, webURL } from './text.js';
import { kindOf, lineOf, sizeOf, t, whyRefused } from './words.js';

const mostWide = 420; // pixels of a picture
const mostHigh = 320;
// Trying again would be refused again.
const final = new Set(['too_large', 'invalid', 'forbidden', 'blocked', 'rejected', 'not_found', 'idempotency_conflict', 'limit_exceeded', 'conflict']);

/**
 * @typedef {object} Frame how a message stands among the others
 * @property {boolean} first of several of its sender
 * @property {boolean} last of several of its sender
 * @property {boolean} mine
 * @property {boolean} group whether the sender is shown
 * @property {string} self the user
 * @property {string} href of the message
 * @property {boolean} whole whether a very long text is shown whole
 * @property {() => void} showWhole
 * @property {'sent' | 'delivered' | 'read'} mark how far one's own message has come
 * @property {(user: string) => object} face what an avatar shows: its name, for one
 * @property {object} [quoted] null: it cannot be read; undefined: it is not here yet
 * @property {() => void} showQuoted
 * @property {(id: string) => Promise<object>} fileLink where a file of a message is
 * @property {(text: string) => void} note says something about the conversation
 * @property {(emoji: string, mine: boolean) => void} react
 */

/** @param {Frame} frame */
export function messageItem(message, frame) {
  const { mine, group, first, last, face } = frame;
  const gone = message.recalled || !message.content;
  const sender = face(message.sender).name;
  const make = () => {
    const large = !gone && message.content.type === 'text' && !message.reply_to && isOnlyEmoji(String(message.content.text ?? ''));
    const item = el('li', { class: classes(frame, message.pinned && 'is-pinned', large && 'large'), tabindex: '-1' },
      group && last ? avatar(el('span'), face(message.sender)) : null,
      el('div', { class: 'bubble' },
        group && first ? el('span', { class: `sender c${hue(message.sender)}`, dir: 'auto' }, sender) : null,
        message.reply_to ? quote(frame) : null,
        ...(gone ? [el('span', { class: 'text gone' }, t('deleted'))] : contentOf(message, frame)),
        meta(message, frame, gone)),
      reactionsOf(message, gone, frame));
    item.setAttribute('aria-label', label(message, frame, sender, gone));
    item.dataset.seq = message.seq;
    return item;
  };
  const sign = [first, last, group, frame.whole, frame.mark, sender, revision(message), message.reply_to ? revision(frame.quoted) : ''].join();
  return { key: mine ? `mine ${message.client_msg_id}` : `seq ${message.seq}`, sign, make };
}

const classes = ({ mine, group, first, last }, ...more) => ['message', mine ? 'mine' : group ? '' : 'direct', first && 'first', last && 'last', ...more].filter(Boolean).join(' ');

function label(message, { mine, mark }, sender, gone) {
  return [mine ? t('you') : sender, lineOf(message), clock(message.at), message.edited_at && !gone && t('edited'), mark && t(mark)].filter(Boolean).join(', ');
}

const revisions = new WeakMap();
let lastRevision = 0;

/** Another number for each state of a message: a change makes another object of it. */
function revision(message) {
  if (!message) return String(message);
  if (!revisions.has(message)) revisions.set(message, ++lastRevision);
  return revisions.get(message);
}

function meta({ at, edited_at: edited, pinned }, { href, mark }, gone) {
  const isEdited = edited && !gone;
  return el('a', { class: 'meta', href, title: full(at) + (isEdited ? `, ${t('editedAt', full(edited))}` : ''), tabindex: '-1' },
    pinned ? icon(icons.pin, { class: 'pin' }) : null,
    isEdited ? el('span', { class: 'edited' }, `${t('edited')} `) : null,
    el('time', { datetime: at }, clock(at)),
    mark ? el('span', { class: `mark ${mark}`, title: t(mark) }, icon(mark === 'sent' ? icons.check : icons.double)) : null);
}

function quote({ quoted, showQuoted, face }) {
  if (!quoted) return el('div', { class: 'quote gone' }, quoted === null ? t('quoteUnreadable') : '…');
  const gone = quoted.recalled || !quoted.content;
  const who = face(quoted.sender).name;
  return el('button', { type: 'button', class: `quote b${hue(quoted.sender)}`, tabindex: '-1', click: showQuoted },
    unseen(t('inReplyTo')), el('span', { class: `sender c${hue(quoted.sender)}`, dir: 'auto' }, who),
    el('span', { class: gone ? 'line gone' : 'line', dir: 'auto' }, lineOf(quoted)));
}

function contentOf({ content, mentions }, frame) {
  if (content.type === 'text') return textOf(String(content.text ?? ''), frame, mentions);
  const kind = kindOf(content);
  if (!kind) return [el('span', { class: 'text gone' }, lineOf({ content }))];
  const href = webURL(content.url ?? '');
  const shown = content.attachment_id ? attached(kind, content, frame)
    : content.type === 'image' && href ? picture(content, href) : file(kind, content, href);
  return [shown, ...(content.text ? textOf(content.text, frame, mentions) : [])];
}

function textOf(text, { whole, showWhole, self }, mentions) {
  const short = whole ? null : beginning(text);
  const about = { mentions, self };
  if (short === null) return [el('span', { class: 'text', dir: 'auto' }, ...linked(text, about))];
  return [
    el('span', { class: 'text', dir: 'auto' }, ...linked(short, about), ' …'),
    el('button', { type: 'button', class: 'more', click: showWhole }, t('showMore', text.length)),
  ];
}

function picture(content, href) {
  const label = content.name || content.text || t('picture');
  const image = el('img', { src: href, alt: label, loading: 'lazy', decoding: 'async', referrerpolicy: 'no-referrer', ...room(content) });
  const shown = link(href, image);
  shown.className = 'picture';
  image.addEventListener('error', () => shown.replaceWith(file(t('picture'), content, href)));
  return shown;
}

/** A file of the server's own. Its address needs the token of the user, and is asked for when it is needed. */
function attached(kind, content, frame) {
  if (content.type !== 'image') return opening(frame, content, 'file', ...aboutFile(kind, content));
  const image = el('img', { alt: content.name || content.text || t('picture'), decoding: 'async', referrerpolicy: 'no-referrer', ...room(content) });
  const shown = opening(frame, content, 'picture', image);
  const fail = () => shown.replaceWith(opening(frame, content, 'file', ...aboutFile(kind, content)));
  image.addEventListener('error', fail);
  frame.fileLink(content.attachment_id).then(({ url }) => { image.src = webURL(new URL(url, location.href).href); }, fail);
  return shown;
}

/** A button that opens a file in a tab of its own, or saves it, as the server says. */
function opening({ fileLink, note }, { attachment_id: id }, kind, ...children) {
  const open = async () => {
    try {
      const { url } = await fileLink(id);
      link(webURL(new URL(url, location.href).href)).click();
    } catch {
      note(t('fileGone'));
    }
  };
  return el('button', { type: 'button', class: kind, click: open }, ...children);
}

/** The width and height at which a picture of a known size is shown; its place is kept free until it is here. */
function room({ width, height }) {
  if (![width, height].every((length) => Number.isFinite(length) && length >= 1)) return {};
  const scale = Math.min(1, mostWide / width, mostHigh / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

function aboutFile(kind, content, href = null) {
  const about = [kind, sizeOf(content.size)].filter(Boolean).join(' · ');
  return [
    el('span', { class: 'file-name', dir: 'auto' }, content.name || (href ? new URL(href).pathname.split('/').pop() : '') || kind),
    el('span', { class: 'file-kind' }, about),
  ];
}

function file(kind, content, href) {
  const parts = aboutFile(kind, content, href);
  if (!href) return el('span', { class: 'file' }, ...parts);
  const shown = link(href, ...parts);
  shown.className = 'file';
  return shown;
}

function reactionsOf({ reactions = [], recalled }, gone, { react }) {
  if (!reactions.length || (gone && !recalled)) return null;
  return el('ul', { class: 'reactions', 'aria-label': t('reactions') }, ...reactions.map(({ emoji, count, mine }) => el('li', {},
    el('button', {
      type: 'button', class: mine ? 'mine' : '', 'aria-pressed': String(mine), title: mine ? t('reactedToo') : null, tabindex: '-1',
      disabled: recalled, click: () => react(emoji, mine),
    }, emojiForm(emoji), count > 1 || mine ? el('span', {}, ` ${count}`) : null))));
}

/**
 * A message that is not in the log yet, or was refused.
 * @param {import('../im.js').Outgoing} message
 * @param {Frame & {again: () => void, edit: () => void, discard: () => void}} frame
 */
export function sendingItem(message, frame) {
  const { error, client_msg_id: id, content } = message;
  const state = message.state === 'failed' ? 'failed' : 'pending';
  const action = (name, click) => el('button', { type: 'button', click }, name);
  const make = () => el('li', { class: classes(frame, state), tabindex: '-1', 'aria-label': `${t(state === 'failed' ? 'isNotSent' : 'isSending')}, ${lineOf(message)}` },
    el('div', { class: 'bubble' }, message.reply_to ? quote(frame) : null, ...contentOf(message, frame),
      el('span', { class: 'meta' }, state === 'failed' ? null : icon(icons.clock, { class: 'clock' }), t(state === 'failed' ? 'notSent' : 'sending'))),
    state === 'failed' ? el('div', { class: 'trouble', role: 'alert' }, el('span', {}, whyRefused(error ?? {})),
      content.type === 'text' ? action(t('edit'), frame.edit) : null,
      final.has(error?.code) ? null : action(t('tryAgain'), frame.again),
      action(t('discard'), frame.discard)) : null);
  return { key: `mine ${id}`, sign: JSON.stringify([frame.first, frame.last, state, error?.message, frame.whole, revision(frame.quoted)]), make };
}

/** What an event other than a message did. */
export function noteItem({ seq, at, note }) {
  return { key: `seq ${seq}`, sign: note, make: () => el('li', { class: 'note', 'data-seq': seq, title: full(at) }, note) };
}
