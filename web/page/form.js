// A dialog with fields, made when it is needed. What is wrong is said at the field that it is about, else above the
// buttons. The dialog stays open until its call has succeeded.

import { el } from './dom.js';
import { t, whyRefused } from './words.js';

let made = 0;

/**
 * @typedef {object} Field
 * @property {string} name of its value
 * @property {'text' | 'area' | 'select' | 'choice' | 'switch'} kind
 * @property {string} label
 * @property {string | boolean} [value] at first
 * @property {[string, string][]} [options] of a select or a choice: value and name
 * @property {string} [hint] stands below the label
 * @property {string} [placeholder]
 * @property {number} [max] characters
 * @property {boolean} [half] two of them stand beside each other, where there is room
 * @property {string} [pointer] where the value stands in the request, by which a refusal names it
 */

/** A problem that the page sees by itself, at a field. */
export const problemAt = (field, text) => Object.assign(new Error(text), { field });

/**
 * Opens a dialog.
 * @param {object} what
 * @param {string} what.title
 * @param {string} [what.text]
 * @param {Field[]} what.fields
 * @param {string} what.yes what the button says
 * @param {boolean} [what.danger]
 * @param {Record<string, string>} [what.refusals] code of a refusal → key of the word that explains it here
 * @param {(error: Error) => string} [what.explain] says a refusal that is about no field
 * @param {(values: object) => Promise<void>} what.run the dialog closes when it has resolved
 */
export function openForm({ title, text, fields, yes, danger = false, refusals, explain = (error) => whyRefused(error, refusals), run }) {
  const id = `form-${++made}`;
  const parts = fields.map((field) => makePart(field, `${id}-field-${field.name}`));
  const problem = el('p', { class: 'error', role: 'alert' });
  let isBusy = false;
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    dialog.setAttribute('aria-busy', 'true');
    problem.textContent = '';
    for (const part of parts) part.say('');
    try {
      await run(Object.fromEntries(parts.map((part) => [part.field.name, part.value()])));
      dialog.close();
    } catch (error) {
      tell(error, parts, problem, explain);
    }
    isBusy = false;
    dialog.removeAttribute('aria-busy');
  };
  const dialog = el('dialog', { class: 'form', 'aria-labelledby': `${id}-title` }, el('form', { method: 'dialog', novalidate: true, submit },
    el('h2', { id: `${id}-title` }, title),
    text ? el('p', { class: 'quiet' }, text) : null,
    el('div', { class: 'form-fields' }, ...parts.map(({ node }) => node)),
    problem,
    el('footer', {}, el('button', { type: 'button', click: () => dialog.close() }, t('cancel')), el('button', { class: danger ? 'primary danger' : 'primary' }, yes))));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Says what is wrong, at the first field that it is about. */
function tell(error, parts, problem, explain) {
  let first = null;
  for (const part of parts) {
    const { name, pointer } = part.field;
    const [, reason] = Object.entries(error.fields ?? {}).find(([key]) => pointer && (key === pointer || key.startsWith(`${pointer}/`))) ?? [];
    const text = error.field === name ? error.message : reason && t('notAccepted', reason);
    if (!text) continue;
    part.say(text);
    first ??= part;
  }
  if (first) first.focus();
  else problem.textContent = explain(error);
}

function makePart(field, id) {
  const { kind, label, hint } = field;
  const problem = el('p', { class: 'error', id: `${id}-problem`, role: 'alert' });
  const hintNode = hint ? el('small', { class: 'quiet', id: `${id}-hint` }, hint) : null;
  const describe = { 'aria-describedby': [hint && `${id}-hint`, `${id}-problem`].filter(Boolean).join(' ') };
  const { node, value, target } = { text, area: text, select, choice, switch: toggle }[kind](field, id, describe, hintNode);
  const box = el('div', { class: `form-field ${kind}${field.half ? ' half' : ''}` }, 
    kind === 'choice' || kind === 'switch' ? null : el('label', { for: id }, el('span', {}, label)), node, hintNode, problem);
  return {
    field, node: box, value,
    focus: () => target.focus(),
    say(text) {
      problem.textContent = text;
      if (text) target.setAttribute('aria-invalid', 'true');
      else target.removeAttribute('aria-invalid');
    },
  };
}

function text({ kind, value = '', placeholder, max }, id, describe) {
  const target = el(kind === 'area' ? 'textarea' : 'input', { id, dir: 'auto', autocomplete: 'off', maxlength: max, placeholder, rows: kind === 'area' ? 3 : null, ...describe });
  target.value = value;
  return { node: target, target, value: () => target.value.trim() };
}

function select({ options, value }, id, describe) {
  const target = el('select', { id, ...describe }, ...options.map(([one, name]) => el('option', { value: one }, name)));
  if (value !== undefined) target.value = value;
  return { node: el('span', { class: 'selecting' }, target), target, value: () => target.value };
}

function choice({ label, options, value }, id, describe) {
  const radios = options.map(([one]) => el('input', { type: 'radio', name: id, value: one, checked: one === value }));
  const node = el('fieldset', describe, el('legend', {}, label), ...options.map(([, name], at) => el('label', { class: 'radio' }, radios[at], el('b', {}, name))));
  return { node, target: radios.find((radio) => radio.checked) ?? radios[0], value: () => radios.find((radio) => radio.checked)?.value ?? '' };
}

function toggle({ label, value }, id, describe) {
  const target = el('input', { type: 'checkbox', role: 'switch', id, checked: value, ...describe });
  return { node: el('label', { class: 'switch' }, el('b', {}, label), target), target, value: () => target.checked };
}
