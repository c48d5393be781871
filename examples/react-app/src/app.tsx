import { Client } from 'im-client';
import { ClientProvider } from 'im-client/react';
import { IndexedDBStore } from 'im-client/store/indexeddb';
import { useEffect, useState, type FormEvent } from 'react';
import { chatToken, login, logout, me, type Me } from './backend';
import { Chat } from './chat';

/** The sign-in form, or the chat of the user who is signed in. */
export function App() {
  const [user, setUser] = useState<Me | null>();
  useEffect(() => {
    me().then(setUser, () => setUser(null));
  }, []);
  if (user === undefined) return null; // not known yet
  if (user === null) return <SignIn onSignIn={setUser} />;
  return <SignedIn key={user.user} me={user} onSignOut={() => void logout().finally(() => setUser(null))} />;
}

function SignIn({ onSignIn }: { onSignIn: (user: Me) => void }) {
  const [error, setError] = useState('');
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    login(String(form.get('user')), String(form.get('password'))).then(onSignIn, (reason: Error) => setError(reason.message));
  };
  return (
    <form className="sign-in" onSubmit={submit}>
      <h1>Sign in</h1>
      <label>Name <input name="user" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
      <button>Sign in</button>
      <p role="alert">{error}</p>
    </form>
  );
}

/** Makes one client for the user, and connects it while it is mounted. */
function SignedIn({ me: { user, name, im }, onSignOut }: { me: Me; onSignOut: () => void }) {
  // Each user has a database: the messages of another user of this browser stay apart.
  const [client] = useState(() => new Client({ url: im, token: chatToken, store: new IndexedDBStore({ name: `im-${user}` }) }));
  useEffect(() => {
    void client.start();
    return () => void client.stop();
  }, [client]);
  return (
    <ClientProvider client={client}>
      <Chat name={name} onSignOut={onSignOut} />
    </ClientProvider>
  );
}
