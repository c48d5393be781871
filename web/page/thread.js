// The conversation that is open: which of its messages are drawn, where it is scrolled to, and what was read.

import { $, reconcile } from './dom.js';
import { itemsOf } from './items.js';
import { Notes } from './notes.js';
import { Receipts } from './receipts.js';
import { format } from './route.js';
import { Scroller } from './scroller.js';
import { name, t } from './words.js';

const step = 60; // messages that are drawn, or loaded, at a time
const nearEdge = 700; // pixels from an edge, where more is drawn
const mostUnread = 500; // to which one scrolls through what was read; beyond, the thread opens at the first unread one
const againMs = 3_000;

export class Thread {
  #client;
  #page;
  #window = null; // null: there is no conversation yet
  #notes = null;
  #unsubscribe = null;
  #whole = new Set(); // the long messages that are shown whole, by seq or client_msg_id
  #from = Infinity; // the seq of the first message that is drawn
  #landed = false; // at the first new message, or the end
  #placed = false; // the reader sees it there
  #busy = false; // more is being loaded
  #retry = null;
  #revealing = null; // the seq that is looked for
  #newAfter = null; // what others wrote beyond it is new
  #marked = 0;
  #closed = false;
  #title = ''; // as it was last
  receipts = null;
  /** Why the user is in it no more, once that is known. */
  farewell = null;
  scroller = new Scroller($('scroller'), $('messages'));

  /**
   * A thread of a conversation, or of none yet with a user (to).
   * @param {import('../im.js').Client} client
   * @param {object} page
   *   names; files: where they are; act: what can be done with messages; edit(message): puts an unsent message back into the editor; about(user):
   *   what is known of a user without a conversation; note(text): says something about the conversation
   * @param {import('./route.js').Place} place
   */
  constructor(client, page, { id = null, to = null }) {
    this.#client = client;
    this.#page = page;
    this.id = id;
    this.to = to;
    if (id) this.#begin();
  }

  get view() { return this.id ? this.#client.conversation(this.id) : null; }

  /** The messages that are loaded. */
  get messages() { return this.#window?.snapshot().messages ?? []; }

  message(seq) { return this.messages.find((one) => one.seq === seq); }

  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#unsubscribe?.();
  }

  /** The conversation of a thread that had none exists now. */
  exists(id) {
    this.id = id;
    this.#begin();
  }

  async #begin() {
    const { view } = this;
    this.#notes = new Notes(this.#client, this.id, (user) => this.#page.names.user(user));
    this.receipts = new Receipts(this.#client, this.id);
    if (view?.unread_count) this.#newAfter = view.read_seq;
    this.#marked = view?.read_seq ?? 0;
    this.#window = this.#client.messages(this.id);
    this.#unsubscribe = this.#window.subscribe(() => this.render());
    this.receipts.load().then((isOn) => { if (isOn) this.render(); });
    await this.#open();
  }

  /** Opens the window at the first unread message, or at the end. Tries again until it can. */
  async #open() {
    clearTimeout(this.#retry);
    try {
      await this.#window.open();
      if (this.#closed) return;
      if (this.#window.snapshot().hasNewer && !this.#revealing) await this.#window.latest();
      await this.#loadUnread();
    } catch {
      if (!this.#closed) this.#retry = setTimeout(() => this.#open(), againMs);
      return;
    }
    if (this.#closed) return;
    this.#land();
    this.markRead();
    this.#more();
  }

  /** Loads until the first unread message is there. */
  async #loadUnread() {
    const first = this.#newAfter;
    const unread = this.view?.unread_count ?? 0;
    const { messages, hasOlder } = this.#window.snapshot();
    if (first === null || this.#revealing || !hasOlder || !messages.length || messages[0].seq <= first + 1) return;
    if (unread > mostUnread) await this.#window.jumpTo(first + 1);
    else await this.#window.loadOlder(Math.min(unread + 20, mostUnread));
  }

  /** Scrolls, once, to the first new message, or the end if that shows it. */
  #land() {
    if (this.#landed || this.#revealing) return;
    this.#landed = true;
    const { messages } = this.#window.snapshot();
    const firstNew = this.#newAfter === null ? -1 : messages.findIndex(({ seq, sender }) => seq > this.#newAfter && sender !== this.#client.user);
    const from = Math.max(0, Math.min(messages.length - step, firstNew < 0 ? Infinity : firstNew - 10));
    this.#from = messages[from]?.seq ?? 0;
    this.scroller.atEnd = true;
    this.render();
    this.scroller.toEnd();
    this.#placed = true;
    const line = $('messages').querySelector('.new');
    if (line && line.getBoundingClientRect().top < $('scroller').getBoundingClientRect().top) this.scroller.show(line, 'start');
    this.#renderNewer();
  }

  /** Takes an event as it happens. */
  event(event) {
    const isOther = event.type === 'message.posted' && event.sender !== this.#client.user;
    if (isOther && (!document.hasFocus() || document.hidden)) this.#newAfter ??= event.seq - 1;
    if (this.#notes?.event(event)) this.render();
  }

  /** The connection was lost: what others write from here on is new. */
  interrupted() {
    this.#newAfter ??= this.messages.at(-1)?.seq ?? null;
  }

  /** The connection is back. */
  online() {
    if (!this.#window) return;
    if (this.#landed) this.#more();
    else this.#open();
    this.receipts.load().then((isOn) => { if (isOn) this.render(); });
  }

  /** A message of the user is on its way: the end is in view. */
  async sent() {
    this.#newAfter = null;
    this.render();
    await this.toEnd();
  }

  // Reading.

  /** The user has seen everything shown, if somebody looks. */
  markRead() {
    const last = this.messages.at(-1)?.seq ?? 0;
    if (this.#closed || !this.#placed || last <= this.#marked || !document.hasFocus() || document.hidden) return;
    if (!this.scroller.atEnd || this.#window.snapshot().hasNewer) return;
    const before = this.#marked;
    this.#marked = last;
    this.#client.markRead(this.id, last).catch(() => { this.#marked = before; });
  }

  /** Scrolls to the newest message. */
  async toEnd() {
    if (this.#window?.snapshot().hasNewer) {
      await this.#window.latest().catch(() => {});
      this.#from = this.messages.at(-step)?.seq ?? 0;
      this.render();
    }
    if (this.#closed) return;
    this.scroller.toEnd();
    this.#renderNewer();
    this.markRead();
  }

  /** The page, or what is on it, has another size: a picture has come, say. */
  resized() {
    this.scroller.settle();
    this.#more();
  }

  scrolled() {
    this.scroller.scrolled();
    if (this.#window?.snapshot().hasNewer) this.scroller.atEnd = false; // what is loaded below does not move the reader
    this.markRead();
    this.#more();
    this.#renderNewer();
  }

  /** Draws or loads more where the reader is near an edge. */
  async #more() {
    if (this.#busy || this.#closed || !this.#landed || this.#revealing) return;
    const { messages, hasOlder, hasNewer, error } = this.#window.snapshot();
    const first = messages.findIndex(({ seq }) => seq >= this.#from);
    if (this.scroller.above < nearEdge && first > 0) {
      this.#lower(first);
    } else if (this.scroller.above < nearEdge && hasOlder && !(error && this.#retry)) {
      await this.#load(() => this.#window.loadOlder(step));
    } else if (this.scroller.below < nearEdge && hasNewer) {
      await this.#load(() => this.#window.loadNewer(step));
    } else {
      return;
    }
    if (!this.#retry) setTimeout(() => this.#more()); // there may be room for more
  }

  #lower(first) {
    this.#from = this.messages[Math.max(0, first - step)].seq;
    this.render();
  }

  async #load(run) {
    this.#busy = true;
    const first = this.messages[0]?.seq;
    try {
      await run();
    } catch {
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#more();
      }, againMs);
    }
    this.#busy = false;
    if (this.messages[0]?.seq < first) this.#from = Math.min(this.#from, this.messages[0].seq);
    this.render();
  }

  /** Shows a message that may lie anywhere. Resolves to whether it could. */
  async reveal(seq) {
    if (!this.#window) return false;
    this.#revealing = seq;
    const isWanted = () => !this.#closed && this.#revealing === seq;
    try {
      await this.#window.open();
      if (isWanted() && !this.message(seq)) await this.#window.jumpTo(seq);
      if (isWanted()) await this.#loadNotes();
    } catch {
      // What is here may have it.
    }
    if (!isWanted()) return true; // another one is
    this.#revealing = null;
    this.#landed = this.#placed = true;
    this.#from = Math.min(this.#from, seq, this.messages[0]?.seq ?? Infinity);
    this.scroller.atEnd = false;
    this.render();
    const item = $('messages').querySelector(`[data-seq="${seq}"]`);
    if (item) this.#point(item);
    else this.toEnd();
    return item !== null;
  }

  #point(item) {
    this.scroller.show(item, 'center');
    item.classList.add('found');
    item.addEventListener('animationend', () => item.classList.remove('found'), { once: true });
    if (!$('draft').matches(':focus')) item.focus({ preventScroll: true });
    this.#renderNewer();
    this.#more();
  }

  // Drawing.

  async #loadNotes() {
    const { messages, hasOlder, hasNewer } = this.#window.snapshot();
    const { view } = this;
    if (!view) return false;
    const shown = messages.filter(({ seq }) => seq >= this.#from);
    const isComplete = !hasOlder && shown.length === messages.length;
    const first = isComplete ? Math.max(view.floor_seq, 1) : shown[0]?.seq;
    const last = hasNewer ? messages.at(-1)?.seq : view.head_seq;
    return this.#notes.load(first ?? 1, last ?? 0, shown.map(({ seq }) => seq));
  }

  render() {
    if (this.#closed) return;
    const snapshot = this.#window?.snapshot();
    const isWaiting = this.#window && !this.#landed;
    const shown = isWaiting ? [] : (snapshot?.messages ?? []).filter(({ seq }) => seq >= this.#from);
    const isComplete = !this.#window || (this.#landed && !snapshot.hasOlder && shown.length === snapshot.messages.length);
    const settle = this.scroller.hold();
    $('loading').hidden = !isWaiting && !(snapshot?.loading && snapshot.hasOlder);
    this.#page.drawBeginning(this, isComplete);
    reconcile($('messages'), this.#items(snapshot, shown, isComplete));
    settle();
    this.#renderNewer();
    this.markRead();
    if (!this.#window || isWaiting) return;
    this.#loadNotes().then((isNew) => { if (isNew) this.render(); });
  }

  #renderNewer() {
    const unread = this.view?.unread_count ?? 0;
    $('newer').hidden = this.scroller.atEnd && !this.#window?.snapshot().hasNewer;
    $('newer-text').textContent = unread ? t('countNew', unread) : t('newest');
    $('newer').classList.toggle('has-new', unread > 0);
  }

  #items(snapshot, shown, isComplete) {
    const self = this.#client.user;
    const outgoing = snapshot ? snapshot.outgoing : this.#client.outbox.filter(({ to }) => to === this.to);
    const first = isComplete ? 0 : shown[0]?.seq ?? Infinity;
    const last = snapshot?.hasNewer ? shown.at(-1)?.seq ?? 0 : Infinity;
    const marks = this.receipts?.marks();
    return itemsOf({
      messages: shown, notes: this.#notes?.between(first, last) ?? [], outgoing: snapshot?.hasNewer ? [] : outgoing, self, newAfter: this.#newAfter,
      frame: (message) => this.#frame(message, snapshot, marks),
      sendingFrame: (message) => this.#sendingFrame(message, snapshot),
    });
  }

  #quoted(seq, snapshot) {
    if (!seq) return undefined;
    return this.message(seq) ?? snapshot?.quotes.get(seq) ?? (snapshot?.loading ? undefined : null);
  }

  #frame(message, snapshot, marks) {
    const { seq, reply_to: reply } = message;
    const mine = message.sender === this.#client.user;
    return {
      mine, group: !mine && this.view?.kind === 'group', fileLink: (id) => this.#page.files.link(id), note: this.#page.note, self: this.#client.user, href: format({ id: this.id, seq }),
      whole: this.#whole.has(seq), showWhole: () => this.#showWhole(seq), mark: mine ? marks(seq) : undefined,
      face: (user) => this.#page.names.face(user),
      quoted: this.#quoted(reply, snapshot), showQuoted: () => this.#jump(reply), react: (emoji, isMine) => this.#page.act.react(message, emoji, isMine),
    };
  }

  async #jump(seq) {
    if (!await this.reveal(seq)) this.#page.note(t('cannotShowMessage'));
  }

  #sendingFrame(message, snapshot) {
    const { client_msg_id: id, reply_to: reply } = message;
    return {
      mine: true, group: false, fileLink: (id) => this.#page.files.link(id), note: this.#page.note, self: this.#client.user, whole: this.#whole.has(id), showWhole: () => this.#showWhole(id),
      face: (user) => this.#page.names.face(user), quoted: this.#quoted(reply, snapshot), showQuoted: () => this.#jump(reply),
      again: () => this.#client.retry(id),
      edit: () => {
        this.#client.discard(id);
        this.#page.edit(message);
      },
      discard: () => this.#client.discard(id),
    };
  }

  #showWhole(which) {
    this.#whole.add(which);
    this.render();
  }

  /** The name of the conversation, or of the user that it will be with. */
  get title() {
    if (this.view) this.#title = this.#page.names.of(this.view);
    return this.to && !this.view ? this.#page.names.user(this.to) : this.#title;
  }

  get isolatedTitle() { return name(this.title); }
}
