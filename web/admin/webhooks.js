// Webhooks, and what one of them owes: deliveries that wait or have failed, sending again, a test call.
//
//   enabled   events are sent
//   disabled  by an operator or the app, or by itself when the endpoint answered 410: nothing is sent, and all is
//             owed until it is enabled again

import { ask } from '../page/ask.js';
import { el } from '../page/dom.js';
import { openForm, problemAt } from '../page/form.js';
import { explain, path } from './api.js';
import { conversationID } from './lookup.js';
import { actionButton, facts, listing, part, table, tag } from './part.js';
import { format, seqOf } from './place.js';
import { time } from './times.js';
import { conversationLink } from './users.js';

const testMs = 30_000; // the endpoint has 15 s

const stateTag = ({ state }) => tag(state, state === 'enabled' ? 'good' : 'alarm');

/** @type {import('./main.js').View} */
export function webhooksView({ api, signal }) {
  const list = listing({
    title: 'All webhooks', signal, empty: 'No webhook. The app makes them, by POST /v1/webhooks.',
    page: (cursor, inner) => api.get('/webhooks', { query: { cursor, limit: 50 }, signal: inner }),
    list: (items) => table('Webhooks', ['Address', 'State', 'Types', 'Created'], items.map((one) => [
      [el('a', { class: 'id', href: format(['webhooks', one.webhook_id]) }, one.url), one.description ? el('p', { class: 'quiet', dir: 'auto' }, one.description) : null].filter(Boolean),
      stateTag(one), one.types?.join(', ') ?? 'all events', time(one.created_at),
    ])),
    tools: [el('button', { type: 'button', class: 'small', click: () => list.refresh() }, 'Refresh')],
  });
  return { title: 'Webhooks', nodes: [el('div', { class: 'title' }, el('h1', { tabindex: -1 }, 'Webhooks')), list.node] };
}

/** @type {import('./main.js').View} */
export function webhookView({ api, signal, note, fail }, id, query) {
  const here = path('webhooks', id);
  const actions = el('div', { class: 'actions' });
  const about = part({
    title: 'About', signal,
    load: (inner) => api.get(here, { signal: inner }),
    draw(webhook) {
      actions.replaceChildren(
        webhook.state === 'enabled'
          ? actionButton('Disable', { danger: true, run: () => setState('disabled'), report: fail })
          : actionButton('Enable', { run: () => setState('enabled'), report: fail }),
        actionButton('Make a test call', { run: test, report: fail }),
        el('button', { type: 'button', class: 'small', click: replay }, 'Send again …'));
      return facts([
        ['Address', el('span', { class: 'id' }, webhook.url)],
        ['State', [stateTag(webhook), webhook.disabled_reason ? ` ${webhook.disabled_reason}` : '']],
        webhook.description && ['Description', webhook.description],
        ['Types', webhook.types?.join(', ') ?? 'all events'],
        ['Conversations', webhook.conversation_ids ? el('ul', {}, ...webhook.conversation_ids.map((one) => el('li', {}, conversationLink(one)))) : 'all'],
        webhook.recipients && ['Recipients', webhook.recipients],
        ['Created', time(webhook.created_at)],
        ['Webhook', el('code', { class: 'id' }, id)],
      ]);
    },
  });
  const state = ['waiting', 'failed'].includes(query.state) ? query.state : undefined;
  const deliveries = listing({
    title: 'Deliveries that are not taken', signal, empty: 'All that is owed has been taken.',
    page: (cursor, inner) => api.get(`${here}/deliveries`, { query: { state, cursor, limit: 50 }, signal: inner }),
    list: (items) => table('Deliveries', ['What', 'State', 'Attempts', 'Last answer', 'Next attempt'], items.map((one) => [
      [conversationLink(one.conversation_id, { at: one.type === undefined ? undefined : one.seq || undefined }), el('p', { class: 'quiet' }, `${one.type ?? 'event'} ${one.seq}`)],
      tag(one.state, one.state === 'failed' ? 'alarm' : 'warm'), one.attempts,
      lastAnswer(one), one.next_attempt_at ? time(one.next_attempt_at) : null,
    ])),
    tools: [
      el('nav', { class: 'tabs', 'aria-label': 'States of deliveries' }, ...[['All'], ['Waiting', 'waiting'], ['Failed', 'failed']]
        .map(([name, value]) => el('a', { href: format(['webhooks', id], { state: value }), 'aria-current': value === state ? 'page' : null }, name))),
      el('button', { type: 'button', class: 'small', click: () => deliveries.refresh() }, 'Refresh'),
    ],
  });

  async function setState(to) {
    const words = to === 'disabled'
      ? { title: 'Disable this webhook?', text: 'Nothing is sent until it is enabled again. Then all that is owed is sent.', yes: 'Disable' }
      : { title: 'Enable this webhook?', text: 'All that is owed since it was disabled is sent now.', yes: 'Enable' };
    if (!await ask(words)) return;
    await api.call('PATCH', here, { body: { state: to } });
    note(`The webhook is ${to} now.`);
    await about.refresh();
  }

  async function test() {
    const { taken, status, duration_ms: took, error } = await api.call('POST', `${here}/test`, { within: testMs });
    note(`The endpoint has ${taken ? 'taken' : 'not taken'} the test call: ${[status, error].filter(Boolean).join(', ') || 'no answer'}, after ${took} ms.`);
  }

  function replay() {
    openForm({
      title: 'Send events again?', text: 'Either all events since a time, or those of one conversation after a seq. The endpoint gets them a second time, with the same ids.', yes: 'Send again', danger: true, explain,
      fields: [
        { name: 'since', kind: 'text', label: 'Since', placeholder: '2026-01-02T03:04:05Z', pointer: '/since' },
        { name: 'conversation', kind: 'text', label: 'or of the conversation', pointer: '/conversation_id' },
        { name: 'after', kind: 'text', label: 'after seq', placeholder: '0', pointer: '/after_seq' },
      ],
      async run({ since, conversation, after }) {
        await api.call('POST', `${here}/replay`, { body: replayOf({ since, conversation, after }) });
        note('The events are going to be sent.');
        await deliveries.refresh();
      },
    });
  }

  return {
    title: 'Webhook',
    nodes: [el('div', { class: 'title' }, el('h1', { tabindex: -1 }, 'Webhook')), actions, about.node, deliveries.node],
  };
}

/** The body of a replay, of what was typed. */
export function replayOf({ since, conversation, after }) {
  if (since && conversation) throw problemAt('since', 'Either a time or a conversation');
  if (conversation) {
    if (!conversationID.test(conversation)) throw problemAt('conversation', 'This is no id of a conversation');
    if (after && after !== '0' && !seqOf(after)) throw problemAt('after', 'This is no seq');
    return { conversation_id: conversation, after_seq: Number(after || 0) };
  }
  if (Number.isNaN(Date.parse(since))) throw problemAt('since', 'A time is needed, such as 2026-01-02T03:04:05Z');
  return { since: new Date(since).toISOString() };
}

function lastAnswer({ status, error, duration_ms: took, attempted_at: at }) {
  if (!at) return 'not attempted yet';
  return [el('span', {}, error ?? (status ? `status ${status}` : 'no answer')), el('p', { class: 'quiet' }, time(at), took === undefined ? '' : `, ${took} ms`)];
}
