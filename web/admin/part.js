// A part of a view whose content is loaded.
//
//   state    shows                                       becomes
//   loading  that it loads; after a while, that it is    shown, empty or failed, by the answer
//            slow
//   shown    what draw made of the answer                loading by refresh(): what is shown stays meanwhile
//   empty    that there is nothing                       loading by refresh()
//   failed   why, above what was shown before, and a     loading by that button or refresh()
//            button to try again
//
// A later refresh replaces one that is under way, and leaving the view ends all.

import { el } from '../page/dom.js';
import { explain } from './api.js';

const slowMs = 3_000;

/** A box that says what failed. */
export const failureBox = (error, again) => el('div', { class: 'failure', role: 'alert' },
  el('p', {}, explain(error)), again && el('button', { type: 'button', class: 'small', click: again }, 'Try again'));

let made = 0;

/** A section with a heading, and tools beside it. */
export function section(title, children, { level = 2, tools = [] } = {}) {
  const id = `part-${++made}`;
  return el('section', { class: 'part', 'aria-labelledby': id }, el('header', {}, el(`h${level}`, { id, tabindex: -1 }, title), ...tools), ...children);
}

/**
 * Makes a part. It loads at once.
 * @param {object} what
 * @param {string} what.title
 * @param {number} [what.level] of its heading
 * @param {AbortSignal} what.signal the view is left
 * @param {(signal: AbortSignal) => Promise<any>} what.load
 * @param {(value: any) => ?(Node | Node[])} what.draw null: there is nothing
 * @param {string} [what.empty] what is said then
 * @param {Node[]} [what.tools] stand beside the title
 * @returns {{node: HTMLElement, refresh: () => Promise<void>}}
 */
export function part({ title, level = 2, signal, load, draw, empty = 'Nothing here.', tools = [] }) {
  const state = el('div', { class: 'part-state' });
  const body = el('div', { class: 'part-body' });
  const node = section(title, [state, body], { level, tools });
  let running = null;

  async function refresh() {
    running?.abort();
    const mine = running = new AbortController();
    node.setAttribute('aria-busy', 'true');
    const isFirst = !body.hasChildNodes();
    if (isFirst) state.replaceChildren(el('p', { class: 'quiet' }, 'Loading …'));
    const slow = setTimeout(() => state.replaceChildren(el('p', { class: 'quiet', role: 'status' }, 'Still loading: the node takes long to answer …')), slowMs);
    try {
      const value = await load(AbortSignal.any([signal, mine.signal]));
      if (running !== mine || signal.aborted) return;
      const drawn = draw(value);
      const hadFocus = body.contains(document.activeElement);
      state.replaceChildren();
      body.replaceChildren(...(drawn === null ? [el('p', { class: 'quiet nothing' }, empty)] : [drawn].flat()));
      if (hadFocus && !body.contains(document.activeElement)) node.querySelector(`h${level}`).focus({ preventScroll: true });
    } catch (error) {
      if (running !== mine || signal.aborted) return;
      state.replaceChildren(failureBox(error, refresh));
    } finally {
      clearTimeout(slow);
      if (running === mine) node.removeAttribute('aria-busy');
    }
  }

  void refresh();
  return { node, refresh };
}

/**
 * Makes a part that is a list of pages, of which the next is loaded at the end of the one before.
 * @param {object} what as of a part, and
 * @param {(cursor: ?string, signal: AbortSignal) => Promise<{items: object[], next_cursor: ?string}>} what.page
 * @param {(items: object[]) => Node} what.list draws all items
 */
export function listing({ page, list, signal, ...what }) {
  let items = [];
  const more = (cursor) => {
    const problem = el('div', {});
    const button = el('button', { type: 'button', class: 'small', click: async () => {
      button.disabled = true;
      problem.replaceChildren();
      try {
        const answer = await page(cursor, signal);
        items = [...items, ...answer.items];
        node.replaceChildren(...contents(answer.next_cursor));
        node.querySelectorAll('[data-row]')[items.length - answer.items.length]?.focus({ preventScroll: true });
      } catch (error) {
        if (signal.aborted) return;
        button.disabled = false;
        problem.replaceChildren(failureBox(error));
      }
    } }, 'Show more');
    return el('div', { class: 'more' }, button, problem);
  };
  const contents = (cursor) => [list(items), cursor && more(cursor)].filter(Boolean);
  const node = el('div', {});
  return part({
    ...what, signal,
    load: (inner) => page(null, inner),
    draw(answer) {
      items = answer.items;
      if (!items.length) return null;
      node.replaceChildren(...contents(answer.next_cursor));
      return node;
    },
  });
}

/** A button that does something, once at a time. Failures are told by report. */
export function actionButton(label, { danger = false, unseen = '', run, report }) {
  let isBusy = false; // not disabled: that would lose the focus
  const button = el('button', { type: 'button', class: danger ? 'small danger' : 'small', click: async () => {
    if (isBusy) return;
    isBusy = true;
    button.setAttribute('aria-disabled', 'true');
    try {
      await run();
    } catch (error) {
      report(error);
    }
    isBusy = false;
    button.removeAttribute('aria-disabled');
  } }, label, unseen && el('span', { class: 'hidden' }, unseen));
  return button;
}

/**
 * A table that becomes a list of cards where there is little room; the roles keep it a table for screen readers.
 * @param {string} label
 * @param {string[]} columns their names; an empty one is for buttons
 * @param {(Node | string | number | null)[][]} rows
 */
export function table(label, columns, rows) {
  return el('table', { role: 'table', 'aria-label': label },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...columns.map((name) => el('th', { role: 'columnheader', scope: 'col' }, name || el('span', { class: 'hidden' }, 'Actions'))))),
    el('tbody', { role: 'rowgroup' }, ...rows.map((cells) => el('tr', { role: 'row', 'data-row': '', tabindex: -1 },
      ...cells.map((cell, at) => el('td', { role: 'cell', 'data-label': columns[at] }, ...[cell ?? '–'].flat()))))));
}

/** Pairs of a name and what it is. */
export const facts = (pairs) => el('dl', { class: 'pairs' }, ...pairs.filter(Boolean).flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, ...[value ?? '–'].flat())]));

/** A state as a coloured word. tone: good, warm, alarm or none. */
export const tag = (text, tone = '') => el('span', { class: `tag ${tone}` }, text);
