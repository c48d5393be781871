// Files that are sent: by the button, from the clipboard, or dropped. Each is uploaded, and then sent as a message of its
// own. A file that is on its way is shown above the field.

import { AttachmentLinks, upload } from '../im.js';
import { $, el, reconcile } from './dom.js';
import { sizeOf, t, whyRefused } from './words.js';

// What browsers show in a page. Other types are sent as files.
const pictures = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);
const final = new Set(['too_large', 'invalid', 'forbidden', 'not_found']);

/**
 * | state | what is shown | changes |
 * |---|---|---|
 * | waiting | its name | a file before it is done: to uploading |
 * | uploading | how far it is | uploaded: it is sent, and gone from here; refused: to failed; cancelled: gone |
 * | failed | why | tried again: to waiting; discarded: gone |
 */
export class Files {
  #page;
  #uploads = []; // { key, file, place, state, part, error, end }
  #last = 0;
  #isBusy = false;
  #links = null;

  /** @param {object} page client(); thread(); note(text); standing; sent() */
  constructor(page) {
    this.#page = page;
    $('attach').onclick = () => $('attach-files').click();
    $('attach-files').onchange = () => {
      this.add([...$('attach-files').files]);
      $('attach-files').value = ''; // the same file may be chosen again
    };
    $('draft').addEventListener('paste', (event) => {
      const files = [...event.clipboardData?.files ?? []];
      if (!files.length || event.clipboardData.types.includes('text/plain')) return; // programs put a picture beside their text
      event.preventDefault();
      this.add(files);
    });
    this.#listenToDrops($('thread'));
  }

  #listenToDrops(area) {
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
    const show = (on) => area.classList.toggle('dropping', on);
    area.addEventListener('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = this.#mayAdd() ? 'copy' : 'none';
      show(this.#mayAdd());
    });
    area.addEventListener('dragleave', (event) => { if (!area.contains(event.relatedTarget)) show(false); });
    area.addEventListener('drop', (event) => {
      show(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
    });
    // Elsewhere a dropped file would open in the place of the page.
    for (const type of ['dragover', 'drop']) window.addEventListener(type, (event) => { if (hasFiles(event)) event.preventDefault(); });
  }

  #mayAdd() { return Boolean(this.#page.thread()) && !$('composer').hidden; }

  /** A session begins. */
  begin(client) {
    this.#links = new AttachmentLinks(client);
  }

  /** The session has ended: what was not uploaded is gone. */
  end() {
    for (const one of this.#uploads) one.end.abort();
    this.#uploads = [];
    this.#links = null;
    this.draw();
  }

  /** Where a file is. */
  link(id) { return this.#links ? this.#links.get(id) : Promise.reject(new Error('signed out')); }

  /** Uploads files, and sends them to the open conversation. */
  add(files) {
    if (!this.#mayAdd()) return;
    const thread = this.#page.thread();
    const most = this.#page.client().limits?.attachment_bytes ?? Infinity;
    for (const file of files) {
      if (!file.size || file.size > most) {
        this.#page.note(file.size ? t('fileTooLarge', file.name, sizeOf(most)) : t('fileEmpty', file.name));
        continue;
      }
      this.#uploads.push({ key: String(++this.#last), file, thread, state: 'waiting', part: 0, error: null, end: new AbortController() });
    }
    this.draw();
    this.#run();
  }

  /** One after the other, so that they arrive in their order. */
  async #run() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let one; (one = this.#uploads.find(({ state }) => state === 'waiting'));) await this.#upload(one);
    this.#isBusy = false;
  }

  async #upload(one) {
    one.state = 'uploading';
    this.draw();
    const { file, thread } = one;
    const client = this.#page.client();
    try {
      const size = await sizeOfPicture(file);
      const uploaded = await upload(client, file, {
        name: nameOf(file), signal: one.end.signal, onProgress: (part) => { one.part = part; this.draw(); },
      });
      const content = { type: size ? 'image' : 'file', ...uploaded, ...size };
      if (client !== this.#page.client()) return;
      client.send({ ...(thread.id ? { conversation_id: thread.id } : { to: thread.to }), content }).catch((error) => this.#page.standing.refused(thread.id, error)); // the outbox has it
      this.#remove(one);
      if (this.#page.thread() === thread) this.#page.sent();
    } catch (error) {
      if (one.end.signal.aborted) {
        this.#remove(one);
        return;
      }
      one.state = 'failed';
      one.error = error;
      this.draw();
    }
  }

  #remove(one) {
    this.#uploads = this.#uploads.filter((other) => other !== one);
    this.draw();
  }

  #again(one) {
    one.state = 'waiting';
    one.part = 0;
    this.draw();
    this.#run();
  }

  /** Draws the files that are on their way to the open conversation. */
  draw() {
    const thread = this.#page.thread();
    const shown = this.#uploads.filter((one) => one.thread === thread || (thread?.id && one.thread.id === thread.id));
    $('uploads').hidden = !shown.length;
    reconcile($('uploads'), shown.map((one) => ({ key: one.key, sign: one.state, make: () => this.#row(one) })));
    for (const one of shown) {
      const bar = $('uploads').querySelector(`[data-key="${one.key}"] progress`);
      if (bar) bar.value = one.part;
    }
  }

  #row(one) {
    const { file, state, error } = one;
    const name = nameOf(file);
    const action = (word, click) => el('button', { type: 'button', click }, t(word));
    return el('li', { class: state },
      el('span', { class: 'file-name', dir: 'auto' }, name),
      state === 'failed' ? el('span', { class: 'why', role: 'alert' }, whyNot(error))
        : el('progress', { max: '1', value: '0', 'aria-label': t('uploading', name) }),
      state === 'failed' && !isFinal(error) ? action('tryAgain', () => this.#again(one)) : null,
      action(state === 'failed' ? 'discard' : 'cancel', () => {
        one.end.abort();
        if (state !== 'uploading') this.#remove(one);
      }));
  }
}

const isFinal = (error) => final.has(error?.code) || error?.retry === 'never';

function whyNot(error) {
  if (error?.code === 'unavailable' && error.retry === 'never') return t('noFiles');
  return whyRefused(error?.code ? error : { code: 'network' }, { invalid: 'fileRefused', too_large: 'fileRefused' });
}

const nameOf = (file) => [...(file.name || t('file'))].slice(-255).join('');

/** The width and height of a picture that can be shown; null for anything else. */
async function sizeOfPicture(file) {
  if (!pictures.has(file.type)) return null;
  try {
    const picture = await createImageBitmap(file);
    const { width, height } = picture;
    picture.close();
    return { width, height };
  } catch {
    return null; // it is no picture, whatever its name says
  }
}
