// The panel about a message: who has read it, and who reacted how.

import { full } from './dates.js';
import { avatar, el } from './dom.js';
import { emojiForm } from './emoji.js';
import { lineOf, t } from './words.js';

/** Returns what draws the panel about a message. */
export function details(client, names, thread, message) {
  let reactions = [];
  let isAsked = false;
  return function draw(body) {
    if (!isAsked) {
      isAsked = true;
      load(client, message).then((all) => {
        reactions = all;
        if (body.isConnected) draw(body);
      }, () => {});
    }
    const person = (user, ...more) => el('li', {}, avatar(el('span'), names.face(user)), el('span', { class: 'name', dir: 'auto' }, names.user(user)), ...more);
    const others = thread.receipts.isOn ? thread.receipts.all().filter(({ user }) => user !== message.sender) : null;
    const part = (key, users) => (users.length ? [el('h3', {}, t(key)), el('ul', { class: 'people' }, ...users.map(({ user }) => person(user)))] : []);
    const read = others?.filter((one) => one.read >= message.seq) ?? [];
    const delivered = others?.filter((one) => one.read < message.seq && one.delivered >= message.seq) ?? [];
    const rest = others?.filter((one) => one.delivered < message.seq) ?? [];
    body.replaceChildren(
      el('blockquote', { dir: 'auto' }, lineOf(thread.message(message.seq) ?? message)),
      el('p', { class: 'quiet' }, full(message.at)),
      ...(others ? [...part('readBy', read), ...part('deliveredTo', delivered), ...part('notYet', rest)] : [el('p', { class: 'quiet' }, t('noReceipts'))]),
      ...(reactions.length ? [el('h3', {}, t('reactions')), el('ul', { class: 'people' }, ...reactions.map(({ user_id: user, emoji }) => person(user, el('span', { class: 'role' }, emojiForm(emoji)))))] : []),
    );
  };
}

async function load(client, { conversation_id: id, seq }) {
  const all = [];
  for await (const one of client.reactions(id, seq)) if (all.push(one) >= 200) break;
  return all;
}
