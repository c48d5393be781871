// A conversation: what it is, who is in it, and its messages or its log.

import { el } from '../page/dom.js';
import { path } from './api.js';
import { eventLog } from './events.js';
import { messageLog } from './messages.js';
import { facts, listing, part, table, tag } from './part.js';
import { format } from './place.js';
import { time } from './times.js';
import { userLink } from './users.js';

/** @type {import('./main.js').View} */
export function conversationView(page, id, tab, query) { // tab: messages, events or about
  const { api, signal } = page;
  const heading = el('h1', { tabindex: -1, dir: 'auto' }, 'Conversation');
  const about = part({
    title: 'About', signal,
    load: (inner) => api.get(path('conversations', id), { signal: inner }),
    draw(view) {
      heading.textContent = view.title || (view.kind === 'direct' ? 'Direct conversation' : 'Group without a title');
      return facts([
        ['Conversation', el('code', { class: 'id' }, id)],
        ['Kind', view.kind],
        ['Members', view.member_count],
        ['Head', view.head_seq],
        ['Created', time(view.created_at)],
        ['Active', time(view.active_at)],
        ['Settings', settingsOf(view.settings)],
        view.metadata && ['Metadata', el('pre', { tabindex: 0 }, JSON.stringify(view.metadata, null, 2))],
      ]);
    },
  });
  const members = () => listing({
    title: 'Members', signal, empty: 'Nobody is in it.',
    page: (cursor, inner) => api.get(`${path('conversations', id)}/members`, { query: { cursor, limit: 100 }, signal: inner }),
    list: (items) => table('Members', ['User', 'Role', 'Joined at seq'], items.map((one) => [
      userLink(one.user_id), one.role === 'member' ? one.role : tag(one.role, 'good'), one.joined_seq,
    ])),
  });
  const tabs = { about: () => [about.node, members().node], events: () => eventLog(page, id, query), messages: () => messageLog(page, id, query) };
  const link = (name, parts, isHere) => el('a', { href: format(['conversations', id, ...parts]), 'aria-current': isHere ? 'page' : null }, name);
  return {
    title: 'Conversation',
    nodes: [
      el('div', { class: 'title' }, heading),
      el('nav', { class: 'tabs', 'aria-label': 'Of this conversation' }, link('Messages', [], tab === 'messages'), link('Log of events', ['events'], tab === 'events'), link('About and members', ['about'], tab === 'about')),
      ...tabs[tab](),
    ],
  };
}

function settingsOf(settings) {
  if (!settings) return null;
  return el('span', { class: 'tags' }, ...Object.entries(settings).map(([name, value]) => tag(`${name}: ${value}`)));
}
