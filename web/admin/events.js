// The log of a conversation: its events as they are stored, the newest first.

import { el } from '../page/dom.js';
import { path } from './api.js';
import { contentOf, json } from './content.js';
import { listing } from './part.js';
import { format, seqOf } from './place.js';
import { stamp, time } from './times.js';
import { userLink } from './users.js';

const pageSize = 50;

/** What an event did beside its content: whom it concerns, which emoji, until when and why. */
const details = ({ user_id: user, role, emoji, title, until, reason }) => [user, role, emoji, title && `“${title}”`, until && `until ${stamp(until)}`, reason && `(${reason})`].filter(Boolean).join(' ');

/** An event in one line. */
export function describe({ type, sender, at, body }) {
  const about = [details(body), body.target_seq && `of message ${body.target_seq}`].filter(Boolean).join(' ');
  return `${type} by ${sender}${about && `, ${about}`}, ${stamp(at)}`;
}

/**
 * @param {import('./main.js').Page} page
 * @param {string} id
 * @param {{before?: string}} query
 */
export function eventLog({ api, signal }, id, query) {
  const from = seqOf(query.before);
  const log = listing({
    title: from ? `Events before ${from}` : 'Events', signal, empty: 'No event.',
    async page(cursor, inner) {
      const { events, floor_seq: floor } = await api.get(`${path('conversations', id)}/events`, { query: { before_seq: cursor ?? from, limit: pageSize }, signal: inner });
      return { items: events.toReversed(), next_cursor: events[0]?.seq > floor ? events[0].seq : null };
    },
    list: (items) => el('ol', { class: 'entries', reversed: true }, ...items.map((event) => entry(id, event))),
    tools: [
      from && el('a', { class: 'small', href: format(['conversations', id, 'events']) }, 'Newest'),
      el('button', { type: 'button', class: 'small', click: () => log.refresh() }, 'Refresh'),
    ].filter(Boolean),
  });
  return [log.node];
}

function entry(id, event) {
  const { seq, type, sender, at, body } = event;
  const target = body.target_seq;
  return el('li', { class: 'entry', value: seq, 'data-row': '', tabindex: -1 },
    el('div', { class: 'entry-head' }, el('span', { class: 'seq' }, String(seq)), el('strong', {}, type), userLink(sender), time(at)),
    'content' in body ? contentOf(body.content) : null,
    details(body) ? el('p', { dir: 'auto' }, details(body)) : null,
    target ? el('p', { class: 'quiet' }, 'Of ', el('a', { href: format(['conversations', id], { at: target, as_of: seq }) }, `message ${target}`)) : null,
    el('div', { class: 'entry-foot' },
      el('details', {}, el('summary', {}, 'As stored', el('span', { class: 'hidden' }, ` (event ${seq})`)), json(event)),
      el('a', { class: 'small', href: format(['conversations', id], { as_of: seq }) }, 'Messages as of here', el('span', { class: 'hidden' }, ` (event ${seq})`))));
}
