// The page: it makes the parts, and brings to each what it needs of the others.

import './language.js'; // first: it chooses the words
import { Actions } from './actions.js';
import { ask } from './ask.js';
import { Composer } from './composer.js';
import { details } from './details.js';
import { $, avatar, el, later } from './dom.js';
import { Drafts } from './drafts.js';
import { Files } from './files.js';
import { drawBeginning, drawHead } from './head.js';
import { keepTabStop, listen } from './keys.js';
import { List, withArrows } from './list.js';
import { Names } from './names.js';
import { Notifier } from './notify.js';
import * as panel from './panel.js';
import { People } from './people.js';
import { Pins } from './pins.js';
import { Placeholder } from './placeholder.js';
import { Presence } from './presence.js';
import { Push } from './push.js';
import * as route from './route.js';
import { Search } from './search.js';
import { Session } from './session.js';
import { Standing } from './standing.js';
import { Start } from './start.js';
import { Status } from './status.js';
import * as themes from './theme.js';
import { Thread } from './thread.js';
import { openUserMenu } from './usermenu.js';
import { name, t, writeWords } from './words.js';

const noteMs = 8_000;

let names = null;
let presence = null;
let thread = null; // the conversation that is open
let isArrived = false; // the conversations are known
let wanted = null; // the place to open then
let lost = null; // { id, title }: of the last conversation that was open when the user was no longer in it

const drafts = new Drafts();
const client = () => session.client;
const parts = { client, names: () => names, drafts, current: () => thread?.id, thread: () => thread, go, open, note };
const session = new Session({ begin, end });
const status = new Status(() => client()?.wake());
const list = new List({ ...parts, isOnline: () => status.state === 'online' });
const search = new Search({ ...parts, pick: ({ conversation_id: id, seq }) => go({ id, seq }) });
const start = new Start({ ...parts, people: () => names.people(), direct: openDirect, group: openGroup, started: focusDraft });
const people = new People({ ...parts, direct: openDirect, left: (id) => removed({ conversation_id: id, sender: client().user }) });
const placeholder = new Placeholder({ ...parts, decline: () => open(null), redraw: () => draw() });
const standing = new Standing({ ...parts, redraw: () => draw() });
const composer = new Composer({ ...parts, standing, drafted: () => draw(), sent: () => thread.sent() });
const files = new Files({ ...parts, standing, sent: () => thread.sent() });
const actions = new Actions({ ...parts, composer, details: (message) => panel.show(`details ${message.seq}`, t('details'), details(client(), names, thread, message)) });
const pins = new Pins(parts);
const notifier = new Notifier(parts);
const push = new Push({ ...parts, account: () => session.account });

// The session.

function begin() {
  const mine = client();
  names = new Names(mine, () => draw());
  presence = new Presence(mine, names);
  wanted = route.parse(location.hash);
  isArrived = false;
  drafts.begin(session.account);
  files.begin(mine);
  standing.begin(session.account);
  people.begin();
  push.begin();
  mine.on('status', (value) => { if (client() === mine) show(value); });
  mine.on('event', (event) => { if (client() === mine) take(event); });
  mine.on('reset', () => {
    if (client() !== mine) return;
    if (thread) wanted = { id: thread.id, to: thread.to }; // it is opened again when it is known again
    isArrived = false;
    open(null, { keepAddress: true }); // a reload in between has to open it, too
    standing.reset();
    push.begin();
  });
  mine.on('receipt', ({ conversation_id: id }) => { if (thread?.id === id) thread.render(); });
  mine.subscribe(() => { if (client() === mine) draw(); });
}

function end({ forget = false } = {}) {
  if (forget) {
    drafts.forget();
    standing.forget();
  }
  open(null);
  drafts.end();
  push.end();
  files.end();
  search.clear();
  list.reset();
  status.reset();
  names = null;
}

async function signOut() {
  const unsent = client().outbox.filter(({ state }) => state !== 'sent').length;
  if (unsent && !await ask({ title: t('signOutTitle'), text: t('signOutText', unsent), yes: t('signOut') })) return;
  await push.signOut();
  await session.signOut();
}

function take(event) {
  names.event(event);
  search.event(event);
  notifier.event(event);
  composer.event(event);
  people.event(event);
  standing.event(event);
  if (event.type === 'member.removed' && event.body.user_id === client().user) removed(event);
  made();
  if (thread?.id === event.conversation_id) {
    pins.event(event);
    thread.event(event);
  }
}

/** The user is no longer in a conversation. The event may come before or after the conversation goes, or twice. */
function removed({ conversation_id: id, sender }) {
  const why = (title) => (sender === client().user ? t('youLeft', title) : t('removedYou', name(names.user(sender)), title));
  if (thread?.id === id) thread.farewell = why(thread.isolatedTitle);
  else if (!thread && lost?.id === id) part(why(lost.title));
}

/** Says why the conversation that was open is gone. */
function part(text) {
  placeholder.show(text, '');
  if (!isWide()) note(text); // the list is shown, and no placeholder
}

/** Where there is room, one can write at once. */
function focusDraft() { if (thread && isWide()) $('draft').focus({ preventScroll: true }); }

const isWide = () => matchMedia('(min-width: 46rem)').matches;

/** The conversation of a thread that had none may exist by now. */
function made() {
  if (!thread || thread.id) return;
  const view = client().conversations.find(({ peer }) => peer === thread.to);
  if (!view) return;
  drafts.move(`to ${thread.to}`, view.conversation_id);
  thread.exists(view.conversation_id);
  composer.exists();
  pins.open(thread);
  route.show({ id: thread.id }, { replace: true });
}

function show(value) {
  if (value.state === 'stopped') return; // the session says so
  const before = status.state;
  const state = status.take(value);
  if (state === 'offline' && before !== 'offline') thread?.interrupted();
  if (state === 'online' && before !== 'unsure') {
    arrive();
    thread?.online();
    void push.online();
  }
  draw();
}

/** Opens what the address asks for, once it is known whether it exists. */
function arrive() {
  if (isArrived) return;
  isArrived = true;
  if (wanted) go(wanted);
}

// Drawing: once a frame, however much has changed.

const draw = later(() => {
  const mine = client();
  if (!mine?.user) return;
  avatar($('my-avatar'), names.face(mine.user));
  $('my-name').textContent = names.user(mine.user);
  // What the store has can be shown before the server has answered.
  if (!isArrived && wanted?.id && mine.conversation(wanted.id)) arrive();
  list.draw();
  search.refresh();
  made();
  if (placeholder.invited && mine.conversation(placeholder.invited)) open({ id: placeholder.invited });
  if (thread?.id && !thread.view) {
    lost = { id: thread.id, title: thread.isolatedTitle };
    const text = thread.farewell ?? t('noLongerIn', lost.title);
    open(null);
    part(text);
  }
  if (thread) {
    drawHead(thread, mine, names, standing);
    composer.drawContext();
    thread.render();
  }
  panel.refresh();
  push.refresh();
  presence.refresh(thread?.view);
});

$('lists').addEventListener('scroll', draw, { passive: true }); // other names are needed

// The open conversation.

/**
 * @param {?route.Place} place null: nothing is open
 * @param {{keepAddress?: boolean}} [how] keepAddress: the address stays as it is
 */
function open(place, { keepAddress = false } = {}) {
  if (client() && !keepAddress) route.show(place);
  if (place && thread && (place.id ? thread.id === place.id : thread.to === place.to && !thread.id)) return;
  thread?.close();
  panel.close();
  $('messages').replaceChildren();
  thread = place && new Thread(client(), {
    names, files, act: actions, note, edit: (message) => composer.restore(message), drawBeginning: (one, isComplete) => drawBeginning(one, isComplete, names, start),
  }, place);
  $('app').classList.toggle('open', thread !== null);
  $('thread').hidden = thread === null;
  if (thread) placeholder.hide();
  else placeholder.show();
  note('');
  composer.open(thread);
  files.draw();
  pins.open(thread);
  if (thread) {
    drawHead(thread, client(), names, standing);
    thread.render();
    focusDraft();
  }
  draw();
}

/** Shows a conversation, and a message in it. Resolves to whether it could. */
async function go(place) {
  if (place.id && !client().conversation(place.id)) {
    open(null, { keepAddress: true });
    route.show(place);
    placeholder.show(t('loading'), '');
    const isInvited = await placeholder.invite(place.id);
    const isElsewhere = thread || route.parse(location.hash)?.id !== place.id; // by now
    if (isInvited) $('app').classList.add('open');
    else if (!isElsewhere && placeholder.invited !== place.id) route.show(null, { replace: true });
    return false;
  }
  if (place.to) openDirect(place.to);
  else open(place);
  if (!place.seq) return true;
  const mine = thread;
  const isShown = await mine.reveal(place.seq);
  if (!isShown && mine === thread) note(t('cannotShowMessage'));
  return isShown;
}

let noteTimer = null;

/** Says something about the open conversation, or about what happened to it, for a while. */
function note(text) {
  clearTimeout(noteTimer);
  $('thread-note').textContent = thread ? text : '';
  $('toast').textContent = thread ? '' : text;
  if (text) noteTimer = setTimeout(() => note(''), noteMs);
}

function openDirect(user) {
  const known = client().conversations.find((view) => view.peer === user);
  open(known ? { id: known.conversation_id } : { to: user });
}

async function openGroup(group) {
  const made = await client().createGroup(group);
  for (let tries = 0; tries < 50 && !client()?.conversation(made.conversation_id); tries++) {
    await new Promise((resolve) => { setTimeout(resolve, 100); }); // it is pushed to this device, too
  }
  open({ id: made.conversation_id });
}

/** Closes what is open, the smallest first. */
function escape() {
  if (composer.cancel() || panel.back()) return true;
  if (!thread) return false;
  open(null);
  return true;
}

// What the user does.

window.addEventListener('hashchange', () => {
  const place = route.parse(location.hash);
  if (!client() || !isArrived) wanted = place;
  else if (place) go(place);
  else open(null);
});

$('back').onclick = () => open(null);
for (const id of ['thread-info', 'thread-about']) $(id).onclick = () => people.about();
$('thread-menu').onclick = () => { if (thread?.id) list.openMenu(thread.id, $('thread-menu')); };
$('my-menu').onclick = () => openUserMenu($('my-menu'), { notifier, push, note, signOut });
$('messages').addEventListener('click', (event) => {
  const item = event.target.closest('.avatar, .bubble > .sender')?.closest('.message');
  const sender = thread?.message(Number(item?.dataset.seq))?.sender;
  if (sender) people.person(sender);
});
$('newer').onclick = () => thread?.toEnd();
$('scroller').addEventListener('scroll', () => thread?.scrolled(), { passive: true });
const sizes = new ResizeObserver(() => thread?.resized());
for (const id of ['scroller', 'messages']) sizes.observe($(id));
new MutationObserver(later(keepTabStop)).observe($('messages'), { childList: true });
for (const id of ['conversations', 'found-conversations', 'found']) withArrows($(id));
window.addEventListener('focus', () => {
  client()?.wake();
  thread?.markRead();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) thread?.markRead(); });

listen({
  isSignedIn: () => !$('app').hidden,
  search: () => $('search').focus(),
  start: () => start.open(),
  step: (by, unread) => {
    const id = list.next(by, { unread });
    if (id) open({ id });
  },
  info: () => people.about(), escape,
  messageKey: (event, item) => actions.key(event, item),
});

themes.apply();
writeWords(document);
$('no-conversations').append(el('strong', {}, t('noConversations')), el('p', {}, t('noConversationsMore')), el('button', { type: 'button', class: 'primary', click: () => start.open() }, t('startOne')));
session.resume();
