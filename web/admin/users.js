// A user: profile, presence, live sessions, conversations; and what ends sessions, refuses tokens and bans.

import { ask } from '../page/ask.js';
import { el } from '../page/dom.js';
import { openForm } from '../page/form.js';
import { explain, path } from './api.js';
import { actionButton, facts, listing, part, table, tag } from './part.js';
import { format } from './place.js';
import { span, time } from './times.js';

export const userLink = (id) => el('a', { href: format(['users', id]), dir: 'auto' }, id);
export const conversationLink = (id, query, text = id) => el('a', { href: format(['conversations', id], query), class: text === id ? 'id' : null, dir: 'auto' }, text);

/** The name of a conversation for a list. */
const nameOf = ({ kind, title, peer, conversation_id: id }) => (kind === 'direct' ? `with ${peer ?? '?'}` : title || id);

/** @type {import('./main.js').View} */
export function userView({ api, signal, note, fail }, id) {
  const profile = part({
    title: 'Profile', signal,
    async load(inner) {
      const [{ users }, { items: [presence] }] = await Promise.all([
        api.get('/users', { query: { user_id: id }, signal: inner }), api.get('/presence', { query: { user_id: id }, signal: inner }),
      ]);
      return { profile: users[id], presence };
    },
    draw: ({ profile: known, presence }) => facts([
      ['User', el('code', {}, id)],
      ['Name', known ? known.name ?? '–' : el('span', { class: 'quiet' }, 'no profile: not of a token, nor set by a backend')],
      known?.avatar_url && ['Picture', el('span', { class: 'id' }, known.avatar_url)],
      known?.metadata && ['Metadata', el('pre', { tabindex: 0 }, JSON.stringify(known.metadata, null, 2))],
      ['Presence', presenceOf(presence)],
    ]),
  });
  const sessions = part({
    title: 'Live sessions', signal, empty: 'No live session.',
    load: (inner) => api.get('/sessions', { as: id, signal: inner }),
    draw: ({ items }) => (items.length ? table('Live sessions', ['Device', 'Node', 'Connected', 'State', ''], items.map((session) => [
      el('code', {}, session.device_id), el('code', {}, session.node_id), [time(session.connected_at), el('span', { class: 'quiet' }, ` ${span(Date.now() - Date.parse(session.connected_at))}`)],
      session.background ? tag('background') : tag('online', 'good'),
      actionButton('End', { danger: true, unseen: ` the session of ${session.device_id}`, run: () => endOne(session), report: fail }),
    ])) : null),
    tools: [
      el('button', { type: 'button', class: 'small', click: () => sessions.refresh() }, 'Refresh', el('span', { class: 'hidden' }, ' live sessions')),
    ],
  });
  const conversations = listing({
    title: 'Conversations', signal, empty: 'In no conversation.',
    page: (cursor, inner) => api.get('/conversations', { as: id, query: { cursor, limit: 50 }, signal: inner }),
    list: (items) => table('Conversations', ['Conversation', 'Kind', 'Role', 'Unread', 'Head', 'Active'], items.map((one) => [
      conversationLink(one.conversation_id, {}, nameOf(one)), one.kind, one.role ?? '–', one.unread_count, one.head_seq, time(one.active_at),
    ])),
  });

  async function endOne({ session_id: session, device_id: device }) {
    const yes = await ask({ title: 'End this session?', text: `The socket of ${id} on ${device} is closed with 4401. The client does not reconnect by itself.`, yes: 'End session' });
    if (!yes) return;
    await api.call('DELETE', path('sessions', session), { as: id });
    note('The session ends.');
    await settled();
  }

  async function endAll(revoke) {
    const yes = await ask(revoke
      ? { title: 'Revoke all tokens?', text: `All sockets of ${id} are closed, and every token issued until now is refused. Clients need a new one.`, yes: 'Revoke tokens' }
      : { title: 'End all sessions?', text: `All sockets of ${id} are closed with 4401, on all nodes. Tokens stay valid.`, yes: 'End sessions' });
    if (!yes) return;
    await api.call('DELETE', `${path('users', id)}/sessions`, { query: { revoke } });
    note(revoke ? 'Tokens issued until now are refused.' : 'The sessions end.');
    await settled();
  }

  /** A session stays in the list until its node has closed it. */
  async function settled() {
    await sessions.refresh();
    setTimeout(() => { if (!signal.aborted) void sessions.refresh(); }, 2_000);
  }

  function ban() {
    openForm({
      title: `Ban ${id} from the app?`, text: 'All sockets are closed with 4404, and every token is refused until the ban ends.', yes: 'Ban', danger: true, explain,
      fields: [
        { name: 'end', kind: 'select', label: 'How long', value: '', pointer: '/until', options: [['', 'Until it is lifted'], ['3600', '1 hour'], ['86400', '1 day'], ['604800', '7 days'], ['2592000', '30 days']] },
        { name: 'reason', kind: 'text', label: 'Reason', hint: 'For the records; the user does not see it.', max: 200, pointer: '/reason' },
      ],
      async run({ end, reason }) {
        const until = end && new Date(Date.now() + Number(end) * 1_000).toISOString();
        await api.call('PUT', `${path('users', id)}/ban`, { body: { ...(until && { until }), ...(reason && { reason }) } });
        note(`${id} is banned.`);
        await settled();
      },
    });
  }

  async function unban() {
    if (!await ask({ title: `Lift the ban of ${id}?`, text: 'The user needs a new token to come back. Without a ban, nothing changes.', yes: 'Lift ban' })) return;
    await api.call('DELETE', `${path('users', id)}/ban`);
    note(`${id} is not banned.`);
  }

  return {
    title: id,
    nodes: [
      el('div', { class: 'title' }, el('h1', { tabindex: -1, dir: 'auto' }, id)),
      el('div', { class: 'actions' },
        actionButton('End all sessions', { danger: true, run: () => endAll(false), report: fail }),
        actionButton('Revoke tokens', { danger: true, run: () => endAll(true), report: fail }),
        el('button', { type: 'button', class: 'small danger', click: ban }, 'Ban …'),
        actionButton('Lift ban', { run: unban, report: fail })),
      profile.node, sessions.node, conversations.node,
    ],
  };
}

function presenceOf(presence) {
  if (!presence || presence.online === null) return 'unknown at the moment';
  if (presence.online) return tag('online', 'good');
  return presence.last_seen_at ? ['last seen ', time(presence.last_seen_at)] : 'offline';
}
