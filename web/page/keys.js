// The keyboard: from message to message, shortcuts, and the list of them.

import { $, el } from './dom.js';
import { isOpen } from './popup.js';
import { t } from './words.js';

const list = [
  ['keySearch', ['/'], ['Ctrl', 'K']], ['keyNew', ['N'], ['Alt', 'N']], ['keyNext', ['Alt', '↓']], ['keyPrevious', ['Alt', '↑']], ['keyNextUnread', ['Alt', 'Shift', '↓']],
  ['keyInfo', ['I']], ['keyHelp', ['?'], ['Ctrl', '/']], ['keyEscape', ['Esc']],
  null,
  ['keySend', ['Enter']], ['keyLine', ['Shift', 'Enter']], ['keyEditLast', ['↑']],
  null,
  ['keyMessages', ['↑'], ['↓']], ['keyMenu', ['Enter']], ['keyReply', ['R']], ['keyReact', ['+']], ['keyEdit', ['E']], ['keyDelete', ['Del']],
];

/** Shows all shortcuts. */
export function showKeys() {
  const keys = (all) => all.flatMap((one, at) => [at ? ' / ' : null, ...one.map((key) => el('kbd', {}, key))]).filter(Boolean);
  $('keys-list').replaceChildren(...list.flatMap((row) => (row ? [el('dt', {}, t(row[0])), el('dd', {}, ...keys(row.slice(1)))] : [el('hr')])));
  $('keys-dialog').showModal();
}

const isField = (node) => node instanceof HTMLElement && node.matches('input, textarea, select, [contenteditable]');

/**
 * @param {object} page
 *   isSignedIn(); search(); start(): the dialog; step(by, unread): another conversation; info(); escape(): closes what is
 *   open; messageKey(event, item): what a message does with a key
 */
export function listen(page) {
  $('messages').addEventListener('keydown', (event) => {
    const item = event.target.closest('#messages > li');
    if (item && event.target === item && (page.messageKey(event, item) || move(event, item))) event.stopPropagation();
  });
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || !page.isSignedIn() || document.querySelector('dialog[open]')) return;
    if (shortcut(event, page)) event.preventDefault();
  });
}

/** Moves the focus from message to message. */
function move(event, item) {
  const all = [...item.parentElement.querySelectorAll(':scope > .message')];
  const at = all.indexOf(item);
  const next = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return false;
  event.preventDefault();
  if (next >= all.length) $('draft').focus();
  else all[Math.max(0, next)]?.focus();
  return true;
}

function shortcut(event, page) {
  const { key, altKey, shiftKey } = event;
  const command = event.ctrlKey || event.metaKey;
  if (command && !altKey) {
    if (key === 'k' || key === 'K') page.search();
    else if (key === '/') showKeys();
    else return false;
    return true;
  }
  if (altKey && !command) {
    if (key === 'ArrowDown' || key === 'ArrowUp') page.step(key === 'ArrowDown' ? 1 : -1, shiftKey);
    else if (event.code === 'KeyN') page.start();
    else return false;
    return true;
  }
  if (key === 'Escape') return !isOpen() && page.escape();
  if (isField(event.target) || command || altKey) return false;
  const run = { '?': showKeys, '/': page.search, n: page.start, i: page.info }[key];
  run?.();
  return run !== undefined;
}

/** The messages are one stop of the tab key: the last one, or the one that was used last. */
export function keepTabStop() {
  const messages = $('messages');
  const all = messages.querySelectorAll(':scope > .message');
  const present = messages.querySelector(':scope > .message[tabindex="0"]');
  const wanted = messages.contains(document.activeElement) ? document.activeElement.closest('.message') : all[all.length - 1];
  if (present !== wanted) present?.setAttribute('tabindex', '-1');
  wanted?.setAttribute('tabindex', '0');
}
