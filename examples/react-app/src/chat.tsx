import type { Conversation } from 'im-client';
import { useClient, useConnection, useConversations } from 'im-client/react';
import { useEffect, useState, type FormEvent } from 'react';
import { Thread } from './thread';

/** The list of conversations, and the open one. */
export function Chat({ name, onSignOut }: { name: string; onSignOut: () => void }) {
  const { state, reason } = useConnection();
  const conversations = useConversations();
  const [open, setOpen] = useState('');
  const titleOf = useTitles();
  const current = conversations.find(({ conversation_id }) => conversation_id === open);
  return (
    <div className="chat">
      <aside>
        <header>
          <strong>{name}</strong>
          <button type="button" onClick={onSignOut}>Sign out</button>
        </header>
        <p role="status" className={state} title={reason}>{state}</p>
        <NewConversation onOpen={setOpen} />
        <ul aria-label="Conversations">
          {conversations.map((conversation) => (
            <li key={conversation.conversation_id}>
              <button
                type="button" aria-current={conversation.conversation_id === open}
                onClick={() => setOpen(conversation.conversation_id)}
              >
                <span>{titleOf(conversation)}</span>
                {conversation.unread_count > 0 && <b aria-label={`${conversation.unread_count} unread`}>{conversation.unread_count}</b>}
              </button>
            </li>
          ))}
        </ul>
      </aside>
      {current
        ? <Thread key={open} conversation={current} title={titleOf(current)} />
        : <main><p className="hint">Open a conversation, or start one: try bob, alice or carol.</p></main>}
      <Notices />
    </div>
  );
}

/** Returns what to call a conversation: its title, or the name of the other user. */
function useTitles(): (conversation: Conversation) => string {
  const client = useClient();
  return ({ title, peer }) => title ?? (peer === undefined ? 'Group' : client.profile(peer)?.name ?? peer);
}

/** Opens the direct conversation with a user; the server makes it if it does not exist. */
function NewConversation({ onOpen }: { onOpen: (id: string) => void }) {
  const client = useClient();
  const [error, setError] = useState('');
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    client.direct(String(new FormData(form).get('user')).trim()).then(
      ({ conversation_id }) => {
        form.reset();
        setError('');
        onOpen(conversation_id);
      },
      (reason: Error) => setError(reason.message),
    );
  };
  return (
    <form onSubmit={submit}>
      <input name="user" aria-label="Chat with" placeholder="Chat with…" required />
      <p role="alert">{error}</p>
    </form>
  );
}

interface Shown {
  id: string;
  text: string;
}

/** Shows the notices that a backend pushes; see examples/notices. They are never stored: who is away misses them. */
function Notices() {
  const client = useClient();
  const [shown, setShown] = useState<readonly Shown[]>([]);
  useEffect(() => client.on('notice', ({ notice_id, biz_type, data }) => {
    if (biz_type !== 'order.shipped') return; // ignore what you do not know
    const { order_id } = data as { order_id: number };
    setShown((before) => [...before, { id: notice_id, text: `Your order ${order_id} is on its way.` }]);
  }), [client]);
  return (
    <div className="notices" role="log" aria-label="Notices">
      {shown.map(({ id, text }) => (
        <p key={id}>
          {text} <button type="button" aria-label="Close" onClick={() => setShown((before) => before.filter((one) => one.id !== id))}>×</button>
        </p>
      ))}
    </div>
  );
}
