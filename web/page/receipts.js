// How far the other members of a conversation have received and read it.

const most = 50; // members, up to which the server reports progress

export class Receipts {
  #client;
  #id;
  #members = new Map(); // user → { delivered_seq, read_seq }
  #isLoaded = false;

  constructor(client, id) {
    this.#client = client;
    this.#id = id;
  }

  /** Whether the conversation has read marks that this page can keep current. */
  get isOn() {
    const view = this.#client.conversation(this.#id);
    return Boolean(view?.settings?.receipts && view.member_count <= most);
  }

  /** Loads where everyone is. Resolves to whether it could. */
  async load() {
    if (!this.isOn) return false;
    try {
      const members = new Map();
      for await (const one of this.#client.receipts(this.#id)) members.set(one.user_id, one);
      this.#members = members;
      this.#isLoaded = true;
    } catch {
      return false; // the marks say less
    }
    return true;
  }

  /** The members, each with the furthest position that is known. */
  all() {
    const self = this.#client.user;
    return [...this.#members.values()].filter(({ user_id: user }) => user !== self).map((one) => {
      const live = this.#client.progress(this.#id, one.user_id);
      const read = Math.max(one.read_seq ?? 0, live?.read_seq ?? 0);
      return { user: one.user_id, read, delivered: Math.max(one.delivered_seq ?? 0, live?.delivered_seq ?? 0, read) };
    });
  }

  /** A function that returns how far a message has come: read, delivered or sent. */
  marks() {
    const all = this.isOn && this.#isLoaded ? this.all() : [];
    const read = all.length ? Math.min(...all.map((one) => one.read)) : 0;
    const delivered = all.length ? Math.min(...all.map((one) => one.delivered)) : 0;
    return (seq) => (seq <= read ? 'read' : seq <= delivered ? 'delivered' : 'sent');
  }
}
