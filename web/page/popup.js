// What opens beside a button and closes with Escape or a click elsewhere: menus, and the picker of emojis. One is open
// at a time.

import { el } from './dom.js';

let shown = null; // { node, anchor, closed }

/** Whether one is open. */
export const isOpen = () => shown !== null;

export function close({ refocus = false } = {}) {
  if (!shown) return;
  const { node, anchor, closed } = shown;
  shown = null;
  node.remove();
  anchor?.setAttribute?.('aria-expanded', 'false');
  if (refocus) anchor?.focus?.();
  closed?.();
}

/**
 * Opens node beside an anchor, or at a point { x, y }.
 * @param {HTMLElement} node
 * @param {HTMLElement | {x: number, y: number, focus?: () => void}} anchor
 * @param {() => void} [closed]
 */
export function open(node, anchor, closed) {
  if (shown?.anchor === anchor) {
    close({ refocus: true });
    return false;
  }
  close();
  shown = { node, anchor, closed };
  anchor.setAttribute?.('aria-expanded', 'true');
  document.body.append(node);
  place(node, anchor);
  return true;
}

const gap = 6; // pixels

function place(node, anchor) {
  const at = anchor.getBoundingClientRect?.() ?? { left: anchor.x, right: anchor.x, top: anchor.y, bottom: anchor.y };
  const { offsetWidth: width, offsetHeight: height } = node;
  const below = at.bottom + gap + height <= innerHeight - gap;
  const top = below ? at.bottom + gap : Math.max(gap, at.top - gap - height);
  const left = at.left + width <= innerWidth - gap ? at.left : at.right - width;
  Object.assign(node.style, { top: `${top}px`, left: `${Math.min(Math.max(gap, left), innerWidth - gap - width)}px` });
}

document.addEventListener('pointerdown', (event) => {
  if (!shown || shown.node.contains(event.target) || shown.anchor.contains?.(event.target)) return;
  close();
}, true);
document.addEventListener('keydown', (event) => {
  if (!shown || event.key !== 'Escape') return;
  event.stopPropagation();
  event.preventDefault();
  close({ refocus: true });
}, true);
window.addEventListener('resize', () => close());

/**
 * Opens a menu.
 * @param {HTMLElement | {x: number, y: number}} anchor
 * @param {({name: string, run: () => void, danger?: boolean, checked?: boolean} | null)[]} items null: a line between
 * @param {HTMLElement} [before] stands above the items
 */
export function menu(anchor, items, before = null) {
  const node = el('div', { class: 'popup menu', role: 'menu', tabindex: '-1' }, before, ...items.map((item) => (item === null ? el('hr') : el('button', {
    type: 'button', role: item.checked === undefined ? 'menuitem' : 'menuitemradio', 'aria-checked': item.checked === undefined ? null : String(item.checked),
    class: item.danger ? 'danger' : '', tabindex: '-1',
    click: () => {
      close({ refocus: true });
      item.run();
    },
  }, item.name))));
  node.addEventListener('keydown', (event) => {
    const buttons = [...node.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1, Tab: at + (event.shiftKey ? -1 : 1) }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    buttons.at(next % buttons.length)?.focus();
  });
  if (open(node, anchor)) (node.querySelector('button') ?? node).focus({ preventScroll: true });
}
