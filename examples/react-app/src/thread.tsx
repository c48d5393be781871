import type { Content, Conversation, NewContent } from 'im-client';
import { useClient, useMessages, useTyping } from 'im-client/react';
import { useEffect, useLayoutEffect, useRef, type FormEvent } from 'react';

/** The messages of a conversation, with those on their way, and the field for a new one. */
export function Thread({ conversation, title }: { conversation: Conversation; title: string }) {
  const client = useClient();
  const id = conversation.conversation_id;
  const { messages, outgoing, hasOlder, loading, loadOlder } = useMessages(id);
  const typing = useTyping(id);
  const nameOf = (user: string) => (user === client.user ? 'You' : client.profile(user)?.name ?? user);

  // What is shown has been read.
  const last = messages.at(-1)?.seq ?? 0;
  useEffect(() => {
    if (last > conversation.read_seq) client.markRead(id, last).catch(() => {}); // it is repeated with the next message
  }, [client, id, last, conversation.read_seq]);

  const end = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    end.current?.scrollIntoView();
  }, [last, outgoing.length]);

  return (
    <main>
      <h1>{title}</h1>
      <div className="messages" role="log" aria-label="Messages">
        {hasOlder && <button type="button" disabled={loading} onClick={() => void loadOlder()}>Older messages</button>}
        {messages.map((message) => (
          <p key={message.client_msg_id} className={message.sender === client.user ? 'own' : ''}>
            <b>{nameOf(message.sender)}</b> <span>{message.recalled ? 'deleted' : textOf(message.content)}</span>
            {message.edited_at && ' (edited)'}
          </p>
        ))}
        {outgoing.map((message) => (
          <p key={message.client_msg_id} className={`own ${message.state}`}>
            <b>You</b> <span>{textOf(message.content)}</span>
            {message.state === 'failed' && (
              <>
                {' '}{message.error?.message}{' '}
                <button type="button" onClick={() => client.retry(message.client_msg_id)}>Try again</button>
                <button type="button" onClick={() => client.discard(message.client_msg_id)}>Delete</button>
              </>
            )}
          </p>
        ))}
        <div ref={end} />
      </div>
      <p className="typing" aria-live="polite">{typing.length > 0 && `${typing.map(nameOf).join(', ')} …`}</p>
      <Composer id={id} />
    </main>
  );
}

function Composer({ id }: { id: string }) {
  const client = useClient();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const text = String(new FormData(form).get('text')).trim();
    if (!text) return;
    // The message is shown at once, as outgoing. If it is refused, it is shown as failed.
    client.send({ conversation_id: id, content: { type: 'text', text } }).catch(() => {});
    client.setTyping(id, false);
    form.reset();
  };
  return (
    <form onSubmit={submit}>
      <input name="text" aria-label="Message" placeholder="Write a message" autoComplete="off" autoFocus onInput={() => client.setTyping(id)} />
      <button>Send</button>
    </form>
  );
}

/** A line for any content. Types that this app does not know must not break it. */
function textOf(content: Content | NewContent | null): string {
  if (!content) return '';
  if ('text' in content && typeof content.text === 'string') return content.text;
  return 'name' in content && typeof content.name === 'string' ? content.name : `(${content.type})`;
}
