// The page: signing in, the list of conversations, and the one that is open.

import { $, avatar, el, reconcile, when } from './dom.js';
import { Client, newId } from './im.js';
import { Search } from './search.js';
import { Thread } from './thread.js';
import { nameOf, preview, states, whyStopped } from './words.js';

let client = null;
let thread = null;
let drawing = false;
const drafts = new Map(); // conversation id or user → text
const search = new Search(() => client, async ({ conversation_id: id, seq }) => {
  if (!client.conversation(id)) return false; // not ours any more, or not yet
  if (thread?.id !== id) open({ id });
  return thread.reveal(seq);
});

// Signing in. In `im dev` a name will do; elsewhere the app's backend makes the
// token. Either is kept for this tab only.

async function devToken(user) {
  const response = await fetch('/dev/token', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ user }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.detail ?? response.statusText), { status: response.status });
  return answer.token;
}

function askWhoItIs(problem = '') {
  $('app').hidden = true;
  $('sign-in').hidden = false;
  $('sign-in-error').textContent = problem;
  document.title = 'im';
  const byName = (yes) => {
    $('name-field').hidden = !yes;
    $('token-field').hidden = yes;
    $('use-token').hidden = !yes;
    $('sign-in-hint').textContent = yes ? 'This is a development server: any name will do.' : 'Paste a token that your backend has signed.';
    (yes ? $('name') : $('token')).focus();
  };
  $('use-token').onclick = () => byName(false);
  devToken('nobody').then(() => byName(true), () => byName(false));
}

$('sign-in-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  $('sign-in-error').textContent = '';
  const name = $('name-field').hidden ? '' : $('name').value.trim();
  const token = $('token').value.trim();
  if (!name && !token) return;
  try {
    if (name) await devToken(name);
    signIn(name ? { name } : { token });
  } catch (error) {
    $('sign-in-error').textContent = error.message;
  }
});

function signIn(who) {
  sessionStorage.setItem('im.who', JSON.stringify(who));
  $('sign-in').hidden = true;
  $('app').hidden = false;
  start(who);
}

function signOut(problem) {
  client?.stop();
  client = null;
  search.clear();
  open(null);
  sessionStorage.removeItem('im.who');
  askWhoItIs(problem);
}

/**
 * The device id of this tab: kept over reloads, and never that of another tab. A
 * duplicated tab starts with a copy of the storage, which the lock tells.
 */
async function device() {
  const kept = sessionStorage.getItem('im.device');
  const mine = (id) => new Promise((resolve) => {
    if (!navigator.locks) {
      resolve(false); // cannot tell: take a new one
      return;
    }
    navigator.locks.request(`im.device.${id}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {}); // held as long as the page lives
    });
  });
  if (kept && await mine(kept)) return kept;
  const fresh = `web-${newId()}`;
  sessionStorage.setItem('im.device', fresh);
  await mine(fresh);
  return fresh;
}

async function start({ name, token }) {
  const mine = client = new Client({
    device: await device(),
    token: async () => token ?? devToken(name),
    onStatus: (status) => { if (client === mine) show(status); },
    onChange: () => { if (client === mine) draw(); },
    onReset: () => { if (client === mine) open(null); },
    onEvent: (event) => {
      if (client !== mine || !thread) return;
      if (!thread.id && client.conversation(event.conversation_id)?.peer === thread.to) thread.exists(event.conversation_id);
      if (thread.id === event.conversation_id) thread.event(event);
    },
  });
  client.start();
}

function show(status) {
  if (status.state === 'stopped') {
    signOut(whyStopped(status));
    return;
  }
  if (status.state === 'offline') thread?.interrupted();
  $('state').textContent = states[status.state];
  $('state').className = `state ${status.state}`;
}

// Drawing: once a frame, however much has changed.

function draw() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    if (!client?.user) return;
    avatar($('my-avatar'), client.user);
    $('my-name').textContent = client.user;
    drawList();
    if (thread?.id && !thread.view) open(null); // no longer ours
    thread?.render();
    thread?.markRead();
  }, 16);
}

function drawList() {
  const views = client.conversations;
  $('no-conversations').hidden = views.length > 0 || $('state').textContent !== states.online;
  reconcile($('conversations'), views.map((view) => {
    const { conversation_id: id, unread_count: unread } = view;
    const current = thread?.id === id;
    const said = preview(view, client.user);
    const at = view.last_message?.at ?? view.created_at;
    return {
      key: id,
      sign: JSON.stringify([nameOf(view), said, unread, current, when(at)]),
      make: () => el('li', {}, el('button', {
        type: 'button', class: unread ? 'unread' : '', 'aria-current': current && 'true',
        'aria-label': `${nameOf(view)}${unread ? `, ${unread} unread` : ''}`, click: () => open({ id }),
      },
      avatar(el('span'), nameOf(view), view.kind === 'group'),
      el('span', { class: 'name' }, nameOf(view)),
      el('time', { datetime: at }, when(at)),
      el('span', { class: 'last' }, said),
      unread ? el('span', { class: 'badge' }, unread > 99 ? '99+' : String(unread)) : null)),
    };
  }));
  const total = views.reduce((sum, view) => sum + view.unread_count, 0);
  document.title = total ? `(${total}) im` : 'im';
}

$('conversations').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...$('conversations').querySelectorAll('button')];
  buttons[buttons.indexOf(document.activeElement) + step]?.focus();
});

// The open conversation.

function open(which) {
  if (thread) {
    drafts.set(thread.id ?? thread.to, $('draft').value);
    thread.close();
  }
  thread = which && new Thread(client, which);
  $('app').classList.toggle('open', thread !== null);
  $('placeholder').hidden = thread !== null;
  $('thread').hidden = thread === null;
  $('messages').replaceChildren();
  if (thread) {
    $('draft').value = drafts.get(thread.id ?? thread.to) ?? '';
    fitDraft();
    thread.render();
    thread.toEnd();
    if (matchMedia('(min-width: 46rem)').matches) $('draft').focus();
  }
  draw();
}

$('back').onclick = () => open(null);
$('sign-out').onclick = () => signOut();
$('scroller').addEventListener('scroll', () => thread?.scrolled(), { passive: true });
$('newer').onclick = () => thread?.toEnd();

function fitDraft() {
  const draft = $('draft');
  draft.rows = Math.min(6, draft.value.split('\n').length);
}

$('draft').addEventListener('input', fitDraft);
$('draft').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('composer').requestSubmit();
  }
});
$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('draft').value.trim();
  if (!text || !thread) return;
  $('draft').value = '';
  fitDraft();
  thread.send(text);
  $('draft').focus();
});

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && thread && !$('new-dialog').open) open(null);
});
for (const type of ['focus', 'online']) {
  window.addEventListener(type, () => {
    client?.wake();
    thread?.markRead();
  });
}
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) client?.wake();
});

// Starting one.

const others = () => [...new Set($('new-users').value.split(/[\s,]+/).filter((user) => user && user !== client.user))];

$('new-chat').onclick = () => {
  $('new-form').reset();
  $('new-error').textContent = '';
  $('new-name-field').hidden = true;
  $('new-dialog').showModal();
};
$('new-cancel').onclick = () => $('new-dialog').close();
$('new-users').addEventListener('input', () => { $('new-name-field').hidden = others().length < 2; });
$('new-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const members = others();
  if (members.length === 0) {
    $('new-error').textContent = 'Name somebody other than yourself.';
    return;
  }
  try {
    if (members.length === 1) openDirect(members[0]);
    else await openGroup(members, $('new-name').value.trim());
    $('new-dialog').close();
  } catch (error) {
    $('new-error').textContent = error.message;
  }
});

function openDirect(user) {
  const known = client.conversations.find((view) => view.peer === user);
  open(known ? { id: known.conversation_id } : { to: user });
}

async function openGroup(members, title) {
  const made = await client.rest('POST', '/conversations', { kind: 'group', members, ...(title && { title }) });
  for (let tries = 0; tries < 50 && !client.conversation(made.conversation_id); tries++) {
    await new Promise((resolve) => { setTimeout(resolve, 100); }); // it is pushed to us, too
  }
  open({ id: made.conversation_id });
}

const asked = new URLSearchParams(location.search).get('user'); // for a link of `im dev`
const kept = sessionStorage.getItem('im.who');
if (asked && !kept) devToken(asked).then(() => signIn({ name: asked }), () => askWhoItIs());
else if (kept) signIn(JSON.parse(kept));
else askWhoItIs();
