// The list of people that opens at an @.

import { $, avatar, el } from './dom.js';
import { all } from './text.js';
import { t } from './words.js';

const most = 8;

export class Completion {
  #field;
  #candidates;
  #found = [];
  #chosen = 0;
  #start = 0; // of the word, after the @

  /**
   * @param {HTMLTextAreaElement} field
   * @param {() => ?{people: {user: string, face: object}[], mayAll: boolean}} candidates null: there are no mentions here
   */
  constructor(field, candidates) {
    this.#field = field;
    this.#candidates = candidates;
    field.addEventListener('blur', () => setTimeout(() => this.close(), 150)); // a click in the list comes first
    field.addEventListener('click', () => this.update());
  }

  get isOpen() { return this.#found.length > 0; }

  close() {
    this.#found = [];
    $('completions').hidden = true;
    this.#field.setAttribute('aria-expanded', 'false');
    this.#field.removeAttribute('aria-activedescendant');
  }

  /** The text or the place in it has changed. */
  update() {
    const before = this.#field.value.slice(0, this.#field.selectionStart);
    const word = /(?:^|[\s(（「,，。])@([^\s@]{0,40})$/u.exec(before);
    const candidates = word && this.#candidates();
    if (!candidates) {
      this.close();
      return;
    }
    const wanted = word[1].toLowerCase();
    const starts = ({ user, face }) => [user, face.name, ...face.name.split(/\s+/)].some((text) => text.toLowerCase().startsWith(wanted));
    this.#found = candidates.people.filter(starts).slice(0, most);
    if (candidates.mayAll && all.startsWith(wanted)) this.#found.push({ user: all, face: null });
    this.#chosen = 0;
    this.#start = before.length - word[1].length;
    this.#draw();
  }

  #draw() {
    if (!this.isOpen) {
      this.close();
      return;
    }
    $('completions').replaceChildren(...this.#found.map(({ user, face }, at) => {
      const option = el('li', { role: 'option', id: `completion-${at}`, 'aria-selected': String(at === this.#chosen) },
        avatar(el('span'), face ?? { name: '@', key: all }),
        el('span', { class: 'name', dir: 'auto' }, face?.name ?? `@${all}`),
        el('span', { class: 'quiet' }, face ? (face.name === user ? '' : `@${user}`) : t('everyone')));
      option.addEventListener('pointerdown', (event) => {
        event.preventDefault(); // the field keeps the focus
        this.#take(at);
      });
      return option;
    }));
    $('completions').hidden = false;
    this.#field.setAttribute('aria-expanded', 'true');
    this.#field.setAttribute('aria-activedescendant', `completion-${this.#chosen}`);
    $('completions').children[this.#chosen].scrollIntoView({ block: 'nearest' });
  }

  #take(at) {
    const { user } = this.#found[at];
    this.#field.setRangeText(`${user} `, this.#start, this.#field.selectionStart, 'end');
    this.close();
    this.#field.dispatchEvent(new Event('input'));
  }

  /** Takes a key of the field. Returns whether it was for the list. */
  key(event) {
    if (!this.isOpen) return false;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      this.#chosen = (this.#chosen + by + this.#found.length) % this.#found.length;
      this.#draw();
    } else if (event.key === 'Enter' || event.key === 'Tab') {
      this.#take(this.#chosen);
    } else if (event.key === 'Escape') {
      this.close();
    } else {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
}
