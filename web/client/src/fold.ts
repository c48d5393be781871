import type { Event, Message, MessagePosted } from './generated/frames.js';

/** Returns the message that an event posts, as it stands right after it. */
export function messageOf(event: MessagePosted): Message {
  const { conversation_id, seq, sender, client_msg_id, at, body } = event;
  const { content, reply_to, mentions, metadata } = body;
  return {
    conversation_id, seq, sender, client_msg_id, at, content, recalled: content === null, reactions: [], pinned: false,
    ...(reply_to !== undefined && { reply_to }),
    ...(mentions !== undefined && { mentions }),
    ...(metadata !== undefined && { metadata }),
  };
}

/** Returns the seq of the message that an event is about; undefined for other events. */
export function targetOf(event: Event): number | undefined {
  return (event.body as { target_seq?: number } | null)?.target_seq;
}

/** Whether mentions name the user, or everyone. */
export function mentionsUser(mentions: readonly string[] | undefined, user: string): boolean {
  return mentions?.some((one) => one === user || one === '*') ?? false;
}

function erased(message: Message): Message {
  const { mentions: _mentions, metadata: _metadata, ...rest } = message;
  return { ...rest, content: null, recalled: true };
}

function react(message: Message, emoji: string, by: 1 | -1, mine: boolean): Message {
  const reactions = message.reactions.map((reaction) => reaction.emoji !== emoji ? reaction
    : { emoji, count: reaction.count + by, mine: mine ? by > 0 : reaction.mine }).filter(({ count }) => count > 0);
  if (by > 0 && !reactions.some((reaction) => reaction.emoji === emoji)) reactions.push({ emoji, count: 1, mine });
  return { ...message, reactions };
}

/**
 * Returns the message as it stands after an event; the same object if the event is not about it. Pass the events that
 * are newer than the message, in order. A recalled message stays recalled.
 */
export function messageAfter(message: Message, event: Event, self: string): Message {
  if (event.conversation_id !== message.conversation_id || targetOf(event) !== message.seq) return message;
  switch (event.type) {
    case 'message.edited': {
      const { content, mentions } = event.body;
      if (message.recalled || content === undefined) return message;
      if (content === null) return erased(message);
      const { mentions: _former, ...rest } = message;
      return { ...rest, content, edited_at: event.at, ...(mentions && { mentions }) };
    }
    case 'message.recalled':
      return erased(message);
    case 'reaction.added':
    case 'reaction.removed':
      return react(message, event.body.emoji, event.type === 'reaction.added' ? 1 : -1, event.sender === self);
    case 'message.pinned':
      return { ...message, pinned: true };
    case 'message.unpinned':
      return { ...message, pinned: false };
    default:
      return message;
  }
}

/** Returns the messages that a run of events posts, as they stand at its end. */
export function fold(events: readonly Event[], self: string): Message[] {
  const messages = new Map<number, Message>();
  for (const event of events) {
    if (event.type === 'message.posted') {
      messages.set(event.seq, messageOf(event));
      continue;
    }
    const message = messages.get(targetOf(event) ?? 0);
    if (message) messages.set(message.seq, messageAfter(message, event, self));
  }
  return [...messages.values()];
}

/** Returns an event without what a recall erases. */
export function erasedEvent(event: Event): Event {
  if (event.type === 'message.posted') {
    const { mentions: _mentions, metadata: _metadata, ...body } = event.body;
    return { ...event, body: { ...body, content: null } };
  }
  if (event.type === 'message.edited') return { ...event, body: { target_seq: event.body.target_seq, content: null } };
  return event;
}
