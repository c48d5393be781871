// The panel on the right of a conversation: one thing at a time stands in it. A part of the page that has something to
// show calls show with a title and a function that draws into the body, and draws again when the page says so.

import { $ } from './dom.js';

let shown = null; // { key, draw, back }

/** Whether something is shown, or a certain thing. */
export const isShown = (key) => (key === undefined ? shown !== null : shown?.key === key);

/**
 * Shows something in the panel.
 * @param {string} key names it: shown again, it is closed
 * @param {string} title
 * @param {(body: HTMLElement) => void} draw fills the body, which is empty the first time
 * @param {{back?: () => void}} [how] back: shows what this was opened from
 */
export function show(key, title, draw, { back } = {}) {
  if (isShown(key)) {
    close();
    return;
  }
  shown = { key, draw, back };
  $('panel-title').textContent = title;
  clear();
  $('panel-back').hidden = !back;
  draw($('panel-body'));
  $('panel').hidden = false;
  $('app').classList.add('with-panel');
  $('thread-info').setAttribute('aria-expanded', String(key === 'about'));
  $(back ? 'panel-back' : 'panel-close').focus({ preventScroll: true });
}

function clear() {
  $('panel-body').replaceChildren();
  delete $('panel-body').dataset.sign;
  $('panel-body').scrollTop = 0;
}

/** Goes back to what the panel was opened from, if there is such a thing, or closes it. Returns whether it was open. */
export function back() {
  if (!shown?.back) return close();
  shown.back();
  return true;
}

/** Something has changed that the panel may show. */
export function refresh() {
  shown?.draw($('panel-body'));
}

/** Closes the panel. Returns whether it was open. */
export function close() {
  if (!shown) return false;
  shown = null;
  const hadFocus = $('panel').contains(document.activeElement);
  $('panel').hidden = true;
  clear();
  $('app').classList.remove('with-panel');
  $('thread-info').setAttribute('aria-expanded', 'false');
  if (hadFocus) $('thread-info').focus({ preventScroll: true });
  return true;
}

$('panel-back').onclick = () => back();
$('panel-close').onclick = () => close();
