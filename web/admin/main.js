// The admin page: who is signed in, and which view is open.
//
// The token is in sessionStorage: of this tab only, and gone with it. It is sent in a header, to this origin only.

import { $, el } from '../page/dom.js';
import { claimsOf } from '../page/claims.js';
import * as themes from '../page/theme.js';
import { Api, explain } from './api.js';
import { clusterView } from './cluster.js';
import { conversationView } from './conversation.js';
import { conversationID, lookupView, userID } from './lookup.js';
import { format, parse } from './place.js';
import { reportsView } from './reports.js';
import { stamp } from './times.js';
import { userView } from './users.js';
import { webhooksView, webhookView } from './webhooks.js';

/**
 * What a view may use of the page.
 * @typedef {object} Page
 * @property {Api} api
 * @property {AbortSignal} signal the view is left
 * @property {(text: string) => void} note says that something is done
 * @property {(error: Error) => void} fail says that something has failed
 * @property {(parts: string[], query?: object) => void} go opens a place
 * @property {(hash: string) => void} replace changes the address of the view that is open
 */

/**
 * Makes a view: its title, what it shows, and what has the focus at first (otherwise the heading).
 * @typedef {(page: Page, ...of: any) => {title: string, nodes: Node[], focus?: HTMLElement}} View
 */

const key = 'im.admin.token';
const noteMs = 6_000;

let api = null;
let leave = null; // aborts what the view that is open has under way

// Signing in and out.

$('sign-in-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const token = $('token').value.trim().replace(/^Bearer\s+/i, '');
  const button = $('sign-in-yes');
  if (!token || button.disabled) return;
  $('sign-in-error').textContent = '';
  button.disabled = true;
  try {
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('This is no token: it has spaces or other characters that a token never has.');
    await new Api(token).get('/stats'); // only a server token may
    sessionStorage.setItem(key, token);
    begin(token);
  } catch (error) {
    $('sign-in-error').textContent = error.code === 'forbidden' ? `This is not a server token. ${explain(error)}` : explain(error);
    $('token').focus();
  }
  button.disabled = false;
});

function askForToken(problem = '') {
  leave?.abort();
  api = null;
  sessionStorage.removeItem(key);
  $('token').value = '';
  $('view').replaceChildren();
  $('app').hidden = true;
  $('sign-in').hidden = false;
  $('sign-in-error').textContent = problem;
  document.title = 'im admin';
  $('token').focus();
}

function begin(token) {
  $('token').value = '';
  $('sign-in').hidden = true;
  $('app').hidden = false;
  api = new Api(token, (failure) => askForToken(`You are signed out. ${explain(failure)}`));
  const claims = claimsOf(token);
  $('me').replaceChildren(el('span', { dir: 'auto' }, String(claims?.sub ?? 'operator')), ...(claims?.exp ? [el('span', { class: 'until' }, ` until ${stamp(claims.exp * 1_000)}`)] : []));
  open();
}

$('sign-out').addEventListener('click', () => askForToken());

// Views.

/** The view of a place: which part of the navigation it belongs to, and what makes it. */
function viewOf({ parts: [kind = 'cluster', id, tab, ...rest], query }) {
  const go = (where) => (found) => { location.hash = format([where, found]); };
  if (rest.length) return null;
  switch (kind) {
    case 'cluster': return id === undefined ? [kind, clusterView] : null;
    case 'users':
      if (tab !== undefined) return null;
      return id === undefined
        ? [kind, () => lookupView({ title: 'Users', label: 'Id of the user', text: 'A user is known by the id that the app has given in the token.', wrong: 'This is no id of a user: 1 to 128 letters, digits and . _ : @ - + = |', is: userID, go: go(kind) })]
        : [kind, (page) => userView(page, id)];
    case 'conversations':
      if (id === undefined) return [kind, () => lookupView({ title: 'Conversations', label: 'Id of the conversation', text: 'A conversation is known by its UUID. A user’s page lists those that the user is in.', wrong: 'This is no id of a conversation: it looks like 0198c5de-0000-7000-8000-000000000001', is: conversationID, go: go(kind) })];
      return [undefined, 'events', 'about'].includes(tab) ? [kind, (page) => conversationView(page, id, tab ?? 'messages', query)] : null;
    case 'reports': return id === undefined ? [kind, (page) => reportsView(page, query)] : null;
    case 'webhooks':
      if (tab !== undefined) return null;
      return id === undefined ? [kind, webhooksView] : [kind, (page) => webhookView(page, id, query)];
    default: return null;
  }
}

function open() {
  leave?.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [kind, make] = viewOf(parse(location.hash)) ?? [null, () => ({ title: 'Nothing here', nodes: [el('h1', { tabindex: -1 }, 'Nothing here'), el('p', {}, 'This address leads to no view. ', el('a', { href: '#/' }, 'To the cluster'))] })];
  const { title, nodes, focus } = make({
    api, signal, note, fail: (error) => { if (!signal.aborted && !isAbort(error)) note(explain(error), true); },
    go: (parts, query) => { location.hash = format(parts, query); },
    replace: (hash) => history.replaceState(null, '', hash),
  });
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  $('view').replaceChildren(...nodes);
  document.title = `${title} – im admin`;
  for (const link of $('views').children) {
    if (link.dataset.view === kind) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  window.scrollTo(0, 0);
  (focus ?? $('view').querySelector('h1'))?.focus({ preventScroll: true });
}

const isAbort = (error) => error?.name === 'AbortError';

addEventListener('hashchange', () => { if (api) open(); });

// The link that skips the navigation is no place.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('view').focus();
});

let noteTimer = null;

/** Says something for a while; an alarm stays until the next. */
function note(text, isAlarm = false) {
  clearTimeout(noteTimer);
  $('toast').classList.toggle('alarm', isAlarm);
  $('toast').textContent = text;
  if (!isAlarm) noteTimer = setTimeout(() => { $('toast').textContent = ''; }, noteMs);
}

$('toast').addEventListener('click', () => { $('toast').textContent = ''; });

// Colours.

$('theme').value = themes.theme();
$('theme').addEventListener('change', () => themes.setTheme($('theme').value));
themes.apply();

const kept = sessionStorage.getItem(key);
if (kept) begin(kept);
else askForToken();
