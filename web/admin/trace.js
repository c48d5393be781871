// How far a message has come: committed, routed to nodes, acknowledged by devices, read by members. Best effort: the
// server keeps positions, not what it wrote to which socket.

import { el } from '../page/dom.js';
import { path } from './api.js';
import { facts, listing, table, tag } from './part.js';
import { time } from './times.js';
import { userLink } from './users.js';

/** A part with the trace of a message. */
export function traceOf({ api, signal }, id, seq) {
  let trace = null;
  return listing({
    title: `Trace of message ${seq}`, level: 3, signal, empty: 'No member is left who could have it.',
    async page(cursor, inner) {
      trace = await api.get(`${path('conversations', id)}/messages/${seq}/trace`, { query: { cursor, limit: 50 }, signal: inner });
      return trace;
    },
    list: (items) => el('div', {},
      facts([
        ['Committed', [time(trace.committed.at), trace.committed.node ? [' by ', el('code', {}, trace.committed.node)] : ' by a node that is no longer known'].flat()],
        ['Routed to', routed(trace.routed)],
      ]),
      table(`Who has message ${seq}`, ['Member', 'Delivered', 'Read', 'Devices', 'Live sessions'], items.map((member) => [
        userLink(member.user_id),
        member.delivered ? tag('delivered', 'good') : tag(`up to ${member.delivered_seq}`, 'warm'),
        member.read ? tag('read', 'good') : tag(`up to ${member.read_seq}`),
        lines(member.devices, (one) => [el('code', {}, one.device_id), one.acked ? ' acknowledged' : ` up to ${one.acked_seq}`]),
        member.sessions === null ? 'unknown' : lines(member.sessions, (one) => [el('code', {}, one.device_id), ' on ', el('code', {}, one.node_id), one.pushed ? ': has it' : ': not acknowledged']),
      ]))),
  }).node;
}

function routed(nodes) {
  if (nodes === null) return 'unknown: the live sessions cannot be asked for';
  return nodes.length ? nodes.flatMap((node, at) => [at ? ', ' : '', el('code', {}, node)]) : 'no node: no member has a live session';
}

const lines = (items, write) => (items.length ? el('ul', {}, ...items.map((item) => el('li', {}, ...write(item)))) : '–');
