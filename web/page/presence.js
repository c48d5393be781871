// Whose presence the page watches: the other users of direct conversations, and the members of the open one.

const most = 200;

export class Presence {
  #client;
  #names;
  #end = null;
  #watched = '';

  constructor(client, names) {
    this.#client = client;
    this.#names = names;
  }

  /** The conversations, or the open one, have changed. */
  async refresh(open) {
    const members = open?.kind === 'group' && open.member_count <= most ? await this.#names.members(open.conversation_id).catch(() => []) : [];
    const peers = this.#client.conversations.map(({ peer }) => peer).filter(Boolean);
    const users = [...new Set([...members.map(({ user_id: user }) => user), ...peers])].filter((user) => user !== this.#client.user).slice(0, most).sort();
    const sign = users.join(' ');
    if (sign === this.#watched) return;
    this.#watched = sign;
    this.#end?.();
    try {
      this.#end = this.#client.watch(users);
    } catch {
      this.#end = null; // more than the server allows
    }
  }
}
