// The field in which messages are written: the draft, what it replies to or edits, and the completion of mentions.

import { Completion } from './completion.js';
import { $ } from './dom.js';
import { insert, pickEmoji } from './picker.js';
import { mentionsIn } from './text.js';
import { lineOf, name, t, whyRefused } from './words.js';

const afterCompositionMs = 50; // WebKit reports the Enter that ends a composition after its end
const typingEndsMs = 4_000;
const membersWaitMs = 2_000; // without a network a message is sent without its mentions

export class Composer {
  #page;
  #thread = null;
  #reply = null; // the seq of the message that is replied to
  #editing = null; // the message that is edited
  #composedAt = -Infinity;
  #members = null; // who can be mentioned; null: not known yet
  #isWaiting = false; // for them, to send
  #typing = null;
  #completion;

  /**
   * @param {object} page
   *   client(); names(); drafts; drafted(): the list shows drafts; note(text); sent(); standing: whether the user may write
   */
  constructor(page) {
    this.#page = page;
    this.#completion = new Completion($('draft'), () => this.#candidates());
    const field = $('draft');
    field.addEventListener('input', () => this.#changed());
    field.addEventListener('compositionend', (event) => { this.#composedAt = event.timeStamp; });
    field.addEventListener('keydown', (event) => this.#key(event));
    field.addEventListener('blur', () => this.#stopTyping());
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    $('context-cancel').onclick = () => this.cancel();
    $('add-emoji').onclick = () => pickEmoji($('add-emoji'), (emoji) => insert(emoji));
  }

  /** Whether a reply or an edit is under way. */
  get isBusy() { return this.#reply !== null || this.#editing !== null; }

  #place() { return this.#thread.id ?? `to ${this.#thread.to}`; }

  /** Another conversation is open, or none. */
  open(thread) {
    this.#stopTyping();
    this.#thread = thread;
    this.#editing = null;
    this.#members = null;
    this.#completion.close();
    const { text, reply } = thread ? this.#page.drafts.get(this.#place()) : { text: '', reply: null };
    this.#reply = reply;
    $('draft').value = text;
    this.#fit();
    this.drawContext();
    if (thread?.id) this.#loadMembers(thread);
  }

  /** The conversation of the thread exists now. */
  exists() {
    if (this.#thread?.id) this.#loadMembers(this.#thread);
  }

  async #loadMembers(thread) {
    if (thread.view?.kind !== 'group') {
      this.#members = new Set([thread.view?.peer, this.#page.client().user]);
      return;
    }
    const members = await this.#page.names().members(thread.id).catch(() => null); // asked for again at the next @
    if (thread !== this.#thread || !members) return;
    this.#members = new Set(members.map(({ user_id: user }) => user));
    if (document.activeElement === $('draft')) this.#completion.update(); // an @ may stand there since before they came
  }

  /** Waits a moment for who can be mentioned. Resolves to whether the caller should go on: the thread is still open. */
  async #awaitMembers() {
    if (this.#isWaiting) return false;
    const thread = this.#thread;
    this.#isWaiting = true;
    await Promise.race([this.#loadMembers(thread), new Promise((resolve) => { setTimeout(resolve, membersWaitMs); })]);
    this.#isWaiting = false;
    return thread === this.#thread && $('draft').value.trim() !== '';
  }

  /** The members have changed. */
  event({ type, conversation_id: id }) {
    if (type.startsWith('member.') && this.#thread?.id === id) this.#loadMembers(this.#thread);
  }

  #candidates() {
    const view = this.#thread?.view;
    if (view?.kind !== 'group') return null;
    const names = this.#page.names();
    if (!this.#members) this.#loadMembers(this.#thread);
    const people = [...this.#members ?? []].filter((user) => user !== this.#page.client().user).map((user) => ({ user, face: names.face(user) }));
    return { people, mayAll: view.role === 'owner' || view.role === 'admin' };
  }

  /** The present writing replies to a message. */
  reply(message) {
    if (this.#editing) this.cancel();
    this.#reply = message.seq;
    this.#keep();
    this.drawContext();
    $('draft').focus();
  }

  /** A message of the user is edited. */
  edit(message) {
    this.#editing = message;
    this.#reply = null;
    $('draft').value = String(message.content.text ?? '');
    this.#fit();
    this.drawContext();
    $('draft').focus();
    $('draft').setSelectionRange($('draft').value.length, $('draft').value.length);
  }

  /** Puts a message that was not sent back, before what is there. */
  restore({ content, reply_to: reply }) {
    $('draft').value = [content.text, $('draft').value].filter(Boolean).join('\n');
    if (reply) this.#reply = reply;
    this.drawContext();
    this.#changed();
    $('draft').focus();
  }

  /** Ends the reply or the edit. Returns whether there was one. */
  cancel() {
    if (!this.isBusy) return false;
    const wasEdit = this.#editing !== null;
    this.#editing = null;
    this.#reply = null;
    if (wasEdit) $('draft').value = this.#thread ? this.#page.drafts.get(this.#place()).text : '';
    if (wasEdit && this.#thread) this.#reply = this.#page.drafts.get(this.#place()).reply;
    else this.#keep();
    this.#fit();
    this.drawContext();
    return true;
  }

  /** Shows what is replied to, or edited. */
  drawContext() {
    $('context').hidden = !this.isBusy;
    $('composer').classList.toggle('editing', this.#editing !== null);
    if (!this.isBusy) return;
    const quoted = this.#editing ?? this.#thread.message(this.#reply);
    const isOwn = quoted?.sender === this.#page.client().user;
    const who = quoted && (isOwn ? t('yourself') : name(this.#page.names().user(quoted.sender)));
    $('context-title').textContent = this.#editing ? t('editMessage') : t('replyTo', who ?? '…');
    $('context-line').textContent = quoted ? lineOf(quoted) : '';
  }

  #fit() {
    const field = $('draft');
    field.style.height = 'auto';
    if (field.value) field.style.height = `${field.scrollHeight + 2}px`;
    else field.style.height = '';
    $('composer').classList.toggle('has-text', field.value.trim() !== '');
  }

  #keep() {
    if (!this.#thread || this.#editing) return;
    if (this.#page.drafts.set(this.#place(), { text: $('draft').value, reply: this.#reply })) this.#page.drafted();
  }

  #changed() {
    this.#fit();
    this.#keep();
    this.#completion.update();
    if (!this.#thread?.id || this.#editing) return;
    if (!$('draft').value) {
      this.#stopTyping();
      return;
    }
    this.#page.client().setTyping(this.#thread.id);
    clearTimeout(this.#typing);
    const { id } = this.#thread;
    this.#typing = setTimeout(() => this.#stopTyping(id), typingEndsMs);
  }

  #stopTyping(id = this.#thread?.id) {
    if (this.#typing === null) return;
    clearTimeout(this.#typing);
    this.#typing = null;
    if (id) this.#page.client()?.setTyping(id, false);
  }

  /** Whether a key belongs to an input method: it chooses among candidates, say. */
  #isComposing(event) {
    return event.isComposing || event.keyCode === 229 || event.timeStamp - this.#composedAt < afterCompositionMs;
  }

  #key(event) {
    if (this.#isComposing(event)) return;
    if (this.#completion.key(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      $('composer').requestSubmit();
    } else if (event.key === 'ArrowUp' && !$('draft').value && !event.altKey) {
      const last = this.#thread?.messages.findLast((one) => one.sender === this.#page.client().user && one.content?.type === 'text');
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    }
  }

  async #submit() {
    let text = $('draft').value.trim();
    if (!this.#thread || !text) return;
    this.#completion.close();
    if (!this.#members && text.includes('@')) {
      if (!await this.#awaitMembers()) return;
      text = $('draft').value.trim(); // with what was written meanwhile
    }
    if (this.#editing) {
      await this.#save(text);
      return;
    }
    if (this.#page.standing.mustWait(this.#thread)) return; // the text stays
    const { id, to } = this.#thread;
    const post = { ...(id ? { conversation_id: id } : { to }), content: { type: 'text', text }, ...this.#mentions(text), ...(this.#reply && { reply_to: this.#reply }) };
    $('draft').value = '';
    this.#reply = null;
    this.#keep();
    this.#fit();
    this.#stopTyping();
    this.drawContext();
    this.#page.client().send(post).catch((error) => this.#page.standing.refused(id, error)); // the outbox has it, and why it failed
    this.#page.sent();
    $('draft').focus();
  }

  #mentions(text) {
    const { role, kind } = this.#thread.view ?? {};
    const mentions = mentionsIn(text, this.#members ?? new Set(), kind === 'group' && role !== 'member');
    return mentions.length ? { mentions } : {};
  }

  async #save(text) {
    const { conversation_id: id, seq, content } = this.#editing;
    const editing = this.#editing;
    if (text !== content.text) {
      try {
        await this.#page.client().edit(id, seq, { ...content, text }, this.#mentions(text).mentions);
      } catch (error) {
        this.#page.note(whyRefused(error));
        return; // the text stays
      }
    }
    if (this.#editing === editing) this.cancel();
  }
}
