// The messages of a conversation as they stand, or as they stood when an earlier event was the head: edits, recalls,
// reactions and pins as of then. The server folds the log; this page only asks for the seq.

import { el, later } from '../page/dom.js';
import { path } from './api.js';
import { contentOf, json } from './content.js';
import { describe } from './events.js';
import { failureBox, part, tag } from './part.js';
import { format, seqOf } from './place.js';
import { stamp, time } from './times.js';
import { traceOf } from './trace.js';
import { conversationLink, userLink } from './users.js';

const pageSize = 50;
const restMs = 150; // the slider rests: then the server is asked

/**
 * The parts of the view.
 * @param {import('./main.js').Page} page
 * @param {string} id
 * @param {{as_of?: string, at?: string}} query as_of: the head of then; at: the message to begin with, with its trace
 */
export function messageLog({ api, signal, replace, go }, id, query) {
  const messagesPath = `${path('conversations', id)}/messages`;
  let asOf = seqOf(query.as_of); // undefined: now
  const at = seqOf(query.at);
  let head = null;

  const slider = asOfSlider((seq) => {
    asOf = seq === head ? undefined : seq;
    replace(format(['conversations', id], { as_of: asOf, at }));
    ask();
  });
  const ask = later(() => void list.refresh(), restMs);

  const list = part({
    title: 'Messages', signal, empty: 'No message: the conversation had none by then.',
    async load(inner) {
      const [page, { events: [event], head_seq: now }] = await Promise.all([
        api.get(messagesPath, { query: { as_of_seq: asOf, before_seq: at && at + 1, limit: pageSize }, signal: inner }),
        api.get(`${path('conversations', id)}/events`, { query: asOf ? { after_seq: asOf - 1, limit: 1 } : { limit: 1 }, signal: inner }),
      ]);
      return { page, event, now };
    },
    draw({ page, event, now }) {
      head = now;
      if (asOf > head) asOf = undefined;
      slider.show(head, asOf ?? head, event);
      const touched = event && (event.body.target_seq ?? event.seq);
      const nodes = rows(page, asOf === undefined ? null : touched);
      return nodes.length ? nodes : null;
    },
    tools: [
      goTo((seq) => go(['conversations', id], { as_of: asOf, at: seq })),
      at && el('a', { class: 'small', href: format(['conversations', id], { as_of: query.as_of }) }, 'Newest'),
      el('button', { type: 'button', class: 'small', click: () => list.refresh() }, 'Refresh'),
    ].filter(Boolean),
  });

  /** The newest first, with a button for those before. */
  function rows(page, touched) {
    if (!page.messages.length) return [];
    const isHere = (message) => message.seq === at;
    const items = el('ol', { class: 'entries', reversed: true });
    const add = ({ messages, users }) => items.append(...messages.toReversed().map((message) => entry(message, { users, touched: message.seq === touched, open: isHere(message) })));
    add(page);
    const missing = at && !page.messages.some(isHere)
      ? el('p', { class: 'quiet' }, `There is no message with the seq ${at}${asOf ? ` as of ${asOf}` : ''}; these are the ones before it.`) : null;
    return [missing, items, page.has_more_before && older(page.messages[0].seq, add)].filter(Boolean);
  }

  function older(before, add) {
    const then = asOf;
    const problem = el('div', {});
    const button = el('button', { type: 'button', class: 'small', click: async () => {
      button.disabled = true;
      problem.replaceChildren();
      try {
        const page = await api.get(messagesPath, { query: { as_of_seq: then, before_seq: before, limit: pageSize }, signal });
        add(page);
        if (page.has_more_before) [before] = [page.messages[0].seq];
        else box.remove();
      } catch (error) {
        if (!signal.aborted) problem.replaceChildren(failureBox(error));
      }
      button.disabled = false;
    } }, 'Show older');
    const box = el('div', { class: 'more' }, button, problem);
    return box;
  }

  function entry(message, { users, touched, open }) {
    const { seq, sender, at: posted, edited_at: edited, recalled, pinned, reactions, reply_to: replied, mentions, metadata } = message;
    const traceId = `trace-${seq}`;
    const trace = el('div', { id: traceId, hidden: true });
    const button = el('button', { type: 'button', class: 'small', 'aria-expanded': 'false', 'aria-controls': traceId, click: () => toggle() }, 'Trace', el('span', { class: 'hidden' }, ` of message ${seq}`));
    const toggle = () => {
      const isOpen = trace.hidden;
      trace.hidden = !isOpen;
      button.setAttribute('aria-expanded', String(isOpen));
      trace.replaceChildren(...(isOpen ? [traceOf({ api, signal }, id, seq)] : []));
    };
    if (open) toggle();
    const name = users[sender]?.name;
    return el('li', { class: touched ? 'entry touched' : 'entry', value: seq, id: `message-${seq}`, 'data-row': '' },
      el('div', { class: 'entry-head' },
        el('a', { class: 'seq', href: format(['conversations', id], { at: seq, as_of: asOf }), 'aria-label': `Message ${seq}` }, String(seq)),
        userLink(sender), name && name !== sender ? el('span', { class: 'quiet', dir: 'auto' }, name) : null, time(posted),
        edited ? tag(`edited ${stamp(edited)}`, 'warm') : null, recalled ? tag('recalled', 'alarm') : null, pinned ? tag('pinned', 'good') : null,
        touched ? el('span', { class: 'hidden' }, 'changed by the event of the slider') : null),
      replied ? el('p', { class: 'quiet' }, 'Answers ', conversationLink(id, { at: replied, as_of: asOf }, `message ${replied}`)) : null,
      contentOf(recalled ? null : message.content),
      mentions?.length ? el('p', { class: 'quiet' }, `Mentions ${mentions.join(', ')}`) : null,
      metadata ? el('details', {}, el('summary', {}, 'Metadata'), json(metadata)) : null,
      el('div', { class: 'entry-foot' }, el('span', { class: 'tags' }, ...reactions.map(({ emoji, count }) => tag(`${emoji} ${count}`))), button),
      trace);
  }

  return [slider.node, list.node];
}

function goTo(go) {
  const field = el('input', { type: 'number', min: 1, step: 1, inputmode: 'numeric', 'aria-label': 'Go to the message with this seq', placeholder: 'Seq' });
  return el('form', { class: 'go-to', submit: (event) => {
    event.preventDefault();
    const seq = seqOf(field.value.trim());
    if (seq) go(seq);
  } }, field, el('button', { class: 'small' }, 'Go'));
}

/** The slider over the seqs of the log, which says what the event at its place was. */
function asOfSlider(move) {
  const range = el('input', { type: 'range', id: 'as-of', min: 1, max: 1, step: 1, disabled: true, input: () => moved(Number(range.value)) });
  const exact = el('input', { type: 'number', min: 1, step: 1, inputmode: 'numeric', 'aria-label': 'As of seq', disabled: true, change: () => moved(Math.min(Math.max(1, Math.round(Number(exact.value) || 1)), Number(range.max))) });
  const step = (by, label, sign) => el('button', { type: 'button', class: 'small', disabled: true, 'aria-label': label, title: label, click: () => moved(Math.min(Math.max(1, Number(range.value) + by), Number(range.max))) }, sign);
  const [back, on] = [step(-1, 'One event earlier', '‹'), step(1, 'One event later', '›')];
  const now = el('button', { type: 'button', class: 'small', disabled: true, click: () => moved(Number(range.max)) }, 'Now');
  const about = el('p', { class: 'quiet', role: 'status', id: 'as-of-about' }, ' ');
  const place = (seq, text) => {
    const most = Number(range.max);
    range.value = seq;
    exact.value = seq;
    range.setAttribute('aria-valuetext', seq === most ? `now, seq ${seq}` : `seq ${seq} of ${most}`);
    back.disabled = range.disabled || seq <= 1;
    on.disabled = now.disabled = range.disabled || seq >= most;
    about.textContent = text;
  };
  const moved = (seq) => {
    place(seq, `As of seq ${seq} …`);
    move(seq);
  };
  return {
    node: el('div', { class: 'as-of' }, el('label', { for: 'as-of' }, 'As of'), range, el('div', { class: 'as-of-tools' }, back, exact, on, now), about),
    show(head, seq, event) {
      for (const input of [range, exact]) Object.assign(input, { max: head, disabled: false });
      place(seq, `${seq === head ? `Now: seq ${seq} is the head` : `As of seq ${seq} of ${head}`}${event ? `: ${describe(event)}` : ''}`);
    },
  };
}
