// The forms that ask for an id.

import { el } from '../page/dom.js';

/**
 * A form with one field, which leads to a place.
 * @param {{title: string, label: string, text: string, wrong: string, is: RegExp, go: (id: string) => void}} what
 */
export function lookupView({ title, label, text, wrong, is, go }) {
  const field = el('input', { id: 'lookup', type: 'search', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': 'lookup-problem' });
  const problem = el('p', { class: 'error', id: 'lookup-problem', role: 'alert' });
  const submit = (event) => {
    event.preventDefault();
    const id = field.value.trim();
    const isRight = is.test(id);
    problem.textContent = isRight ? '' : wrong;
    field.toggleAttribute('aria-invalid', !isRight);
    if (isRight) go(id);
    else field.focus();
  };
  return {
    title, focus: field,
    nodes: [
      el('div', { class: 'title' }, el('h1', { tabindex: -1 }, title)),
      el('p', { class: 'quiet' }, text),
      el('form', { class: 'lookup', novalidate: true, submit }, el('label', { for: 'lookup' }, el('span', {}, label)), el('div', { class: 'lookup-field' }, field, el('button', { class: 'primary' }, 'Open')), problem),
    ],
  };
}

export const userID = /^(?!\.{1,2}$)[A-Za-z0-9._:@+=|-]{1,128}$/;
export const conversationID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
