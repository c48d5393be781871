// What things are called on the page.

export function nameOf(view) {
  return view.title || view.peer || 'Group';
}

export function subtitleOf(view) {
  return view.kind === 'direct' ? 'Direct conversation' : `${view.member_count} members`;
}

/** One line about a message, for the list. */
export function preview(view, self) {
  const message = view.last_message;
  if (!message) return 'No messages yet';
  const who = message.sender === self ? 'You: ' : view.kind === 'group' ? `${message.sender}: ` : '';
  return who + textOf(message);
}

const kinds = { image: 'Picture', file: 'File', audio: 'Audio', video: 'Video' };

export function textOf({ content, recalled }) {
  if (recalled || !content) return 'This message was deleted';
  if (content.type === 'text') return content.text;
  const kind = kinds[content.type];
  if (!kind) return 'A message that this page cannot show';
  return [kind, content.name, content.text].filter(Boolean).join(' · ');
}

/** What an event other than a message did, or null for nothing to tell. */
export function noteOf({ type, sender, body }) {
  switch (type) {
    case 'conversation.created': return `${sender} started the conversation`;
    case 'conversation.updated':
      return 'title' in body ? (body.title ? `${sender} named it “${body.title}”` : `${sender} removed the name`) : `${sender} changed the conversation`;
    case 'member.added': return body.user_id === sender ? `${sender} joined` : `${sender} added ${body.user_id}`;
    case 'member.removed': return body.user_id === sender ? `${sender} left` : `${sender} removed ${body.user_id}`;
    case 'member.role_changed': return `${sender} made ${body.user_id} ${body.role}`;
    default: return null;
  }
}

export const states = {
  connecting: 'Connecting …',
  syncing: 'Catching up …',
  online: 'Online',
  offline: 'Offline, trying again …',
  stopped: 'Disconnected',
};

export function whyStopped({ code, reason }) {
  switch (code) {
    case 4200: return 'Your session has expired. Please sign in again.';
    case 4400: return 'This token is not accepted.';
    case 4401: return 'You were signed out.';
    case 4402: return 'You are signed in somewhere newer.';
    case 4403: return 'You have too many sessions open.';
    default: return reason || 'The server ended the session.';
  }
}
