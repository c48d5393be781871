// What conversations and users are called, and whom the user knows from them. A group without a title is named by its
// members, whom a view does not list: they are asked for when the name is first needed, and again when they have changed.

import { name as isolated, t } from './words.js';

const shown = 3; // members in a name
const asked = 6;
const mostMembers = 1_000; // that are offered for a mention
const profilesAtOnce = 100;
const mostUnderWay = 2;
const againMs = 10_000; // after a request that failed

export class Names {
  #client;
  #changed;
  #some = new Map(); // conversation id → user ids, some of them
  #all = new Map(); // conversation id → promise of the members
  #profiles = new Map(); // user → profile, or null; of those that no page has shown
  #queue = new Set(); // conversation ids
  #underWay = 0;

  /**
   * @param {import('../im.js').Client} client
   * @param {() => void} changed a name is another one now
   */
  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
  }

  /** The name of a user, for the eye. */
  user(id) { return this.#profile(id)?.name || id; }

  #profile(id) { return this.#client.profile(id) ?? this.#profiles.get(id); }

  /** Asks for the profiles of users that are not known. It fails silently: their ids are shown. */
  async fetch(users) {
    const unknown = users.filter((user) => !this.#client.profile(user) && !this.#profiles.has(user)).slice(0, mostMembers);
    for (const user of unknown) this.#profiles.set(user, null);
    for (let at = 0; at < unknown.length; at += profilesAtOnce) {
      const some = unknown.slice(at, at + profilesAtOnce);
      try {
        const profiles = await this.#client.fetchProfiles(some);
        for (const user of some) this.#profiles.set(user, profiles[user] ?? null);
      } catch {
        for (const user of some) this.#profiles.delete(user); // the next time they are looked at
        return;
      }
      if (some.some((user) => this.#profiles.get(user))) this.#changed();
    }
  }

  /** What the avatar of a user shows. */
  face(id) {
    const profile = this.#profile(id);
    return { name: profile?.name || id, key: id, url: profile?.avatar_url ?? null };
  }

  /**
   * The name of a conversation.
   * @param {object} view
   * @param {boolean} needed whether to ask for what is not known: it is about to be shown
   */
  of(view, needed = true) {
    if (view.title || view.peer) return view.title || this.user(view.peer);
    const members = this.#some.get(view.conversation_id);
    if (!members) {
      if (needed) this.#ask(view.conversation_id);
      return t('groupOf', view.member_count);
    }
    const others = members.filter((user) => user !== this.#client.user).slice(0, shown).map((user) => isolated(this.user(user)));
    if (!others.length) return t('onlyYou');
    const more = view.member_count - 1 - others.length;
    return others.join(', ') + (more > 0 ? ` +${more}` : '');
  }

  /** What the avatar of a conversation shows. */
  faceOf(view, needed = true) {
    if (view.peer) return { ...this.face(view.peer), online: this.#client.presence(view.peer)?.online === true };
    return { name: this.of(view, needed), key: view.conversation_id, url: view.avatar_url, group: true };
  }

  /** The known members of a group without a title, for a search. */
  membersOf(view) { return view.title ? [] : this.#some.get(view.conversation_id) ?? []; }

  /** The members of a conversation, as far as they can be listed. Resolves to an array. */
  members(id) {
    if (!this.#all.has(id)) {
      const all = this.#list(id);
      this.#all.set(id, all);
      all.catch(() => this.#all.delete(id));
    }
    return this.#all.get(id);
  }

  async #list(id) {
    const members = [];
    for await (const member of this.#client.members(id)) if (members.push(member) >= mostMembers) break;
    return members;
  }

  /** Takes an event. */
  event({ type, conversation_id: id, body }) {
    if (type.startsWith('member.')) this.#all.delete(id);
    if (type === 'conversation.created') {
      this.#some.set(id, body.members.slice(0, asked).map(({ user_id: user }) => user));
    } else if (this.#some.has(id) && (type === 'member.added' || type === 'member.removed')) {
      this.#ask(id); // the former name stays until then
    }
  }

  /** Users with whom the user shares a conversation, as far as this page knows. */
  people() {
    const people = new Set([...this.#some.values()].flat());
    for (const { peer, last_message: last } of this.#client.conversations) {
      if (peer) people.add(peer);
      if (last) people.add(last.sender);
    }
    people.delete(this.#client.user);
    return people;
  }

  #ask(id) {
    this.#queue.add(id);
    this.#next();
  }

  #next() {
    while (this.#queue.size && this.#underWay < mostUnderWay) {
      const [id] = this.#queue;
      this.#queue.delete(id);
      this.#load(id);
    }
  }

  async #load(id) {
    this.#underWay++;
    try {
      const page = await this.#client.call('GET', `/conversations/${id}/members`, { query: { limit: asked } });
      this.#some.set(id, page.items.map(({ user_id: user }) => user));
      this.#changed();
    } catch (error) {
      if (error.retry !== 'never') setTimeout(() => this.#ask(id), againMs);
    } finally {
      this.#underWay--;
      this.#next();
    }
  }
}
