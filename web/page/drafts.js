// What was written and not sent, for each conversation of a user: a text, and the message that it replies to. It is kept
// in the browser, and outlives a reload.

export class Drafts {
  #key = null;
  #drafts = {}; // place → { text, reply }

  /** Takes over what was kept for this account. */
  begin(account) {
    const key = `im.drafts ${account}`;
    if (this.#key === key) return;
    this.#key = key;
    this.#drafts = read(key) ?? {};
  }

  /** The draft of a conversation (or of a user without one). */
  get(place) { return this.#drafts[place] ?? { text: '', reply: null }; }

  set(place, { text, reply = null }) {
    const before = this.get(place);
    if (before.text === text && before.reply === reply) return false;
    if (text || reply) this.#drafts[place] = { text, reply };
    else delete this.#drafts[place];
    this.#write();
    return Boolean(before.text) !== Boolean(text);
  }

  /** The conversation with a user exists now. */
  move(from, to) {
    this.set(to, this.get(from));
    this.set(from, { text: '' });
  }

  /** The user has signed out. */
  forget() {
    if (this.#key) localStorage.removeItem(this.#key);
    this.end();
  }

  /** The session has ended; the drafts stay. */
  end() {
    this.#key = null;
    this.#drafts = {};
  }

  #write() {
    if (!this.#key) return;
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#drafts));
    } catch {
      // There is no room: the drafts last as long as the page.
    }
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}
