// What stands in the list of messages: messages, lines between days, the line above the new ones, notes, and what is being
// sent.

import { messageItem, noteItem, sendingItem } from './bubble.js';
import { day } from './dates.js';
import { el } from './dom.js';
import { t } from './words.js';

const togetherMs = 5 * 60_000; // messages of one sender within this time belong together

/**
 * @param {object} what
 *   messages, notes: ascending; outgoing; self; newAfter: the seq above which messages of others are new, or null;
 *   frame(message), sendingFrame(message): how they are drawn, without first and last
 * @returns {{key: string, sign: string, make: () => HTMLElement}[]}
 */
export function itemsOf({ messages, notes, outgoing: sent, self, newAfter, frame, sendingFrame }) {
  const committed = new Set(messages.filter(({ sender }) => sender === self).map(({ client_msg_id: id }) => id));
  const outgoing = sent.filter(({ client_msg_id: id }) => !committed.has(id)); // for a moment, one may be in both
  const rows = merged(messages, notes);
  const items = [];
  let today = null;
  let isMarked = false;
  rows.forEach((row, at) => {
    const thisDay = day(row.at);
    if (thisDay !== today) items.push(line('day', thisDay));
    const isNew = !isMarked && newAfter !== null && row.message && row.seq > newAfter && row.message.sender !== self;
    if (isNew) {
      isMarked = true;
      items.push({ key: 'new', sign: '', make: () => el('li', { class: 'new' }, el('span', {}, t('newLine'))) });
    }
    const isFirst = isNew || thisDay !== today || !together(rows[at - 1], row);
    today = thisDay;
    if (!row.message) {
      items.push(noteItem(row));
      return;
    }
    const next = rows[at + 1] ?? (row.message.sender === self && outgoing[0] ? { message: { sender: self }, at: outgoing[0].created_at } : undefined);
    const isLast = !together(row, next) || day(next.at) !== thisDay;
    items.push(messageItem(row.message, { ...frame(row.message), first: isFirst, last: isLast }));
  });
  let previous = rows.at(-1);
  outgoing.forEach((message, at) => {
    const row = { message: { sender: self }, at: message.created_at };
    const thisDay = day(row.at);
    if (thisDay !== today) items.push(line('day', thisDay));
    items.push(sendingItem(message, { ...sendingFrame(message), first: thisDay !== today || !together(previous, row), last: at === outgoing.length - 1 }));
    today = thisDay;
    previous = row;
  });
  return items;
}

function line(kind, text) {
  return { key: `${kind} ${text}`, sign: '', make: () => el('li', { class: kind }, el('span', {}, text)) };
}

function together(one, next) {
  return Boolean(one?.message && next?.message && one.message.sender === next.message.sender
    && Math.abs(Date.parse(next.at) - Date.parse(one.at)) < togetherMs);
}

/** Messages and notes as rows, by seq. */
function merged(messages, notes) {
  const rows = [];
  let note = 0;
  for (const message of messages) {
    while (notes[note]?.seq < message.seq) rows.push(notes[note++]);
    rows.push({ seq: message.seq, at: message.at, message });
  }
  return [...rows, ...notes.slice(note)];
}
