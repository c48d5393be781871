import { closed, Refusal } from './errors.js';
import { maxOutgoing } from './limits.js';
import { newId } from './store.js';
import type { Outgoing, Post, Sent } from './types.js';

interface Waiter {
  resolve: (sent: Sent) => void;
  reject: (refusal: Refusal) => void;
}

/** The messages of this device that are not in the log yet. See Outgoing for their states. */
export class Outbox {
  readonly #changed: () => void;
  #messages = new Map<string, Outgoing>();
  #waiters = new Map<string, Waiter[]>();
  #list: readonly Outgoing[] | null = [];
  #lastOrder = 0;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Returns the messages in the order of sending; the same array until something changes. */
  list(): readonly Outgoing[] {
    this.#list ??= [...this.#messages.values()].sort((a, b) => a.order - b.order);
    return this.#list;
  }

  get(id: string): Outgoing | undefined {
    return this.#messages.get(id);
  }

  /** Makes a pending message of a post. It throws a Refusal if there is no place, or the post is wrong. */
  add(post: Post): Outgoing {
    if (Boolean(post.conversation_id) === Boolean(post.to)) {
      throw new Refusal({ code: 'invalid', message: 'set one of conversation_id and to' });
    }
    const id = post.client_msg_id ?? newId();
    const present = this.#messages.get(id);
    if (present) return present;
    if (this.#messages.size >= maxOutgoing) {
      throw new Refusal({ code: 'limit_exceeded', message: `${maxOutgoing} messages wait to be sent already`, retry: 'again' });
    }
    const message: Outgoing = {
      ...structuredClone(post), client_msg_id: id, state: 'pending', created_at: new Date().toISOString(),
      order: Math.max(Date.now(), this.#lastOrder + 1),
    };
    this.put(message);
    return message;
  }

  /** Puts a message, new or changed. */
  put(message: Outgoing): void {
    this.#lastOrder = Math.max(this.#lastOrder, message.order);
    this.#messages.set(message.client_msg_id, message);
    this.#touch();
  }

  /** Resolves when the message is committed, and rejects with a Refusal when it fails. */
  wait(id: string): Promise<Sent> {
    const promise = new Promise<Sent>((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? [];
      waiters.push({ resolve, reject });
      this.#waiters.set(id, waiters);
    });
    promise.catch(() => {}); // the outbox shows it: whoever does not look at the promise is not punished
    return promise;
  }

  /** The message is committed. It stays, as `sent`, until its event is applied. */
  sent(sent: Sent): Outgoing | undefined {
    const message = this.#messages.get(sent.client_msg_id);
    if (message) this.put({ ...message, state: 'sent', seq: sent.seq, conversation_id: sent.conversation_id, error: undefined });
    this.#settle(sent.client_msg_id, ({ resolve }) => resolve(sent));
    return message;
  }

  /** The message was refused for good. */
  failed(id: string, refusal: Refusal): Outgoing | undefined {
    const message = this.#messages.get(id);
    if (!message) return undefined;
    const { code, message: text, fields } = refusal;
    const failed: Outgoing = { ...message, state: 'failed', error: { code, message: text, fields } };
    this.put(failed);
    this.#settle(id, ({ reject }) => reject(refusal));
    return failed;
  }

  /** Another tab saw the message fail. */
  reject({ client_msg_id: id, error }: Outgoing): void {
    if (error) this.#settle(id, ({ reject }) => reject(new Refusal({ ...error, fields: { ...error.fields } })));
  }

  remove(id: string): void {
    if (this.#messages.delete(id)) this.#touch();
  }

  /** Rejects everyone who waits; the messages stay. */
  stop(): void {
    for (const id of [...this.#waiters.keys()]) this.#settle(id, ({ reject }) => reject(closed()));
  }

  /** Rejects everyone who waits, and forgets the messages. */
  clear(): void {
    this.stop();
    this.#messages.clear();
    this.#touch();
  }

  #settle(id: string, how: (waiter: Waiter) => void): void {
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    waiters.forEach(how);
  }

  #touch(): void {
    this.#list = null;
    this.#changed();
  }
}
