// Asks before something that cannot be undone.

import { $ } from './dom.js';

/**
 * @param {{title: string, text: string, yes: string}} what
 * @returns {Promise<boolean>} whether the user agrees
 */
export function ask({ title, text, yes }) {
  const dialog = $('ask-dialog');
  $('ask-title').textContent = title;
  $('ask-text').textContent = text;
  $('ask-yes').textContent = yes;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
