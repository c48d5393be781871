// The picker of emojis.

import { $, el } from './dom.js';
import { emojisOf, groups } from './emoji.js';
import { close, open } from './popup.js';
import { t } from './words.js';

const key = 'im.emoji';
const mostRecent = 16;

function recent() {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}

/** Remembers that an emoji was used. */
export function used(emoji) {
  try {
    localStorage.setItem(key, JSON.stringify([emoji, ...recent().filter((one) => one !== emoji)].slice(0, mostRecent)));
  } catch {
    // There is no room: nothing is remembered.
  }
}

/** Opens the picker beside an anchor; calls pick with an emoji. */
export function pickEmoji(anchor, pick) {
  const field = el('input', { type: 'search', placeholder: t('searchEmoji'), 'aria-label': t('searchEmoji'), autocomplete: 'off' });
  const box = el('div', { class: 'emoji-groups' });
  const node = el('div', { class: 'popup picker', role: 'dialog', 'aria-label': t('emoji') }, field, box);
  const choose = (emoji) => {
    used(emoji);
    close();
    pick(emoji);
  };
  const button = ([emoji, words]) => el('button', { type: 'button', title: words, 'aria-label': `${emoji} ${words}`, click: () => choose(emoji) }, emoji);
  const draw = () => {
    const wanted = field.value.trim().toLowerCase();
    const parts = wanted ? [[null, Object.keys(groups).flatMap(emojisOf).filter(([emoji, words]) => words.includes(wanted) || emoji === wanted)]]
      : [['frequent', recent().map((emoji) => [emoji, ''])], ...Object.keys(groups).map((group) => [group, emojisOf(group)])];
    box.replaceChildren(...parts.filter(([, all]) => all.length).flatMap(([group, all]) => [
      group && el('h3', {}, t(group)), el('div', { class: 'emoji-grid' }, ...all.map(button)),
    ].filter(Boolean)));
    if (!box.children.length) box.append(el('p', { class: 'quiet nothing' }, t('nothingFound')));
  };
  field.addEventListener('input', draw);
  node.addEventListener('keydown', (event) => move(event, node, field, choose));
  draw();
  if (open(node, anchor)) field.focus({ preventScroll: true });
}

/** Arrow keys go over the emojis; Enter in the field takes the first. */
function move(event, node, field, choose) {
  const buttons = [...node.querySelectorAll('button')];
  const at = buttons.indexOf(document.activeElement);
  if (event.key === 'Enter' && document.activeElement === field) {
    event.preventDefault();
    if (buttons[0]) choose(buttons[0].textContent);
    return;
  }
  const columns = at < 0 ? 1 : Math.max(1, Math.floor(buttons[at].parentElement.clientWidth / buttons[at].offsetWidth));
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns }[event.key];
  if (next === undefined || (at < 0 && event.key !== 'ArrowDown')) return;
  event.preventDefault();
  if (next < 0) field.focus();
  else buttons[Math.min(next, buttons.length - 1)]?.focus();
}

/** Puts an emoji into the field of the message. */
export function insert(text, field = $('draft')) {
  field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(new Event('input'));
  field.focus();
}
