// What stands above the messages of the open conversation: its name, who is there, how it began.

import { $, avatar, el } from './dom.js';
import { presenceOf } from './portrait.js';
import { cannotTell } from './start.js';
import { name, subtitleOf, t } from './words.js';

/** Draws the header of a thread. */
export function drawHead(thread, client, names, standing) {
  const { view } = thread;
  const typists = view ? client.typing(view.conversation_id).map((user) => name(names.user(user))) : [];
  avatar($('thread-avatar'), view ? names.faceOf(view) : names.face(thread.to));
  $('thread-title').textContent = thread.title;
  const presence = view?.peer ? presenceOf(client, view.peer) : '';
  $('thread-subtitle').textContent = !view ? t('newConversation') : presence || subtitleOf(view);
  $('thread-subtitle').classList.toggle('is-online', presence === t('online'));
  $('typing').textContent = typists.length ? t('typing', typists) : '';
  standing.draw(thread);
}

/** Draws how a conversation began, above its first message. */
export function drawBeginning(thread, isComplete, names, start) {
  const { view, isolatedTitle: title } = thread;
  const box = $('beginning');
  box.hidden = !isComplete;
  if (!isComplete) return;
  const face = view ? names.faceOf(view) : names.face(thread.to);
  const isKnown = view || !thread.to || start.about(thread.to).known;
  const text = view?.kind === 'group' ? t('beginning', title) : t('beginningDirect', title) + (isKnown ? '' : `. ${cannotTell([thread.to])}`);
  const sign = JSON.stringify([face, text, view === null]);
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  box.replaceChildren(avatar(el('span'), { ...face, online: false }), el('strong', { dir: 'auto' }, thread.title), el('p', { class: 'quiet' }, text),
    ...(view ? [] : [el('p', { class: 'quiet' }, t('sayHello'))]));
}
