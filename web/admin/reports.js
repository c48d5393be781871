// Reports of messages, by state, with what decides them.
//
//   open       is decided: accepted or dismissed
//   accepted   may be opened again
//   dismissed  may be opened again

import { el } from '../page/dom.js';
import { path } from './api.js';
import { contentOf } from './content.js';
import { actionButton, listing, tag } from './part.js';
import { format } from './place.js';
import { time } from './times.js';
import { conversationLink, userLink } from './users.js';

export const reportStates = ['open', 'accepted', 'dismissed'];
const tones = { open: 'warm', accepted: 'alarm', dismissed: '' };
const decisions = { open: [['accepted', 'Accept'], ['dismissed', 'Dismiss']], accepted: [['open', 'Open again']], dismissed: [['open', 'Open again']] };

/** @type {import('./main.js').View} */
export function reportsView({ api, signal, note, fail }, query) {
  const state = query.state === 'all' ? '' : reportStates.includes(query.state) ? query.state : 'open';
  const list = listing({
    title: state ? `Reports that are ${state}` : 'All reports', signal, empty: 'No report.',
    page: (cursor, inner) => api.get('/reports', { query: { state, cursor, limit: 50 }, signal: inner }),
    list: (items) => el('ol', { class: 'entries' }, ...items.map(entry)),
    tools: [el('button', { type: 'button', class: 'small', click: () => list.refresh() }, 'Refresh')],
  });

  function entry(report) {
    const node = el('li', { class: 'entry', 'data-row': '', tabindex: -1 });
    const draw = (now) => {
      const decide = decisions[now.state].map(([to, label]) => actionButton(label, {
        unseen: ` the report by ${now.reporter} of message ${now.seq}`, report: fail,
        async run() {
          draw(await api.call('PATCH', path('reports', now.report_id), { body: { state: to } }));
          note(`The report is ${to} now.`);
          node.focus();
        },
      }));
      node.replaceChildren(
        el('div', { class: 'entry-head' }, tag(now.state, tones[now.state]), el('strong', {}, now.category), el('span', {}, 'by ', userLink(now.reporter)), time(now.created_at)),
        now.text ? el('p', { class: 'text', dir: 'auto' }, now.text) : null,
        el('blockquote', {},
          el('p', { class: 'quiet' }, userLink(now.sender), ' wrote ', time(now.posted_at), ', as reported:'), contentOf(now.content)),
        el('div', { class: 'entry-foot' }, conversationLink(now.conversation_id, { at: now.seq }, `Message ${now.seq} in its conversation`), el('span', { class: 'actions' }, ...decide)));
    };
    draw(report);
    return node;
  }

  const link = (name, value) => el('a', { href: format(['reports'], { state: value }), 'aria-current': (value ?? 'open') === (state || 'all') ? 'page' : null }, name);
  return {
    title: 'Reports',
    nodes: [
      el('div', { class: 'title' }, el('h1', { tabindex: -1 }, 'Reports')),
      el('nav', { class: 'tabs', 'aria-label': 'States of reports' }, link('Open'), link('Accepted', 'accepted'), link('Dismissed', 'dismissed'), link('All', 'all')),
      list.node,
    ],
  };
}
