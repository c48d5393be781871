// Hooks for React 18 and later.

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useSyncExternalStore, type ReactElement, type ReactNode } from 'react';
import type { Client } from './client.js';
import type { Conversation, PresenceFrame } from './generated/frames.js';
import type { MessageWindow } from './window.js';
import type { MessagesSnapshot, Status } from './types.js';

const ClientContext = createContext<Client | null>(null);

/** Properties of ClientProvider. */
export interface ClientProviderProps {
  /** A client that the app has made; the app starts and stops it. */
  client: Client;
  children?: ReactNode;
}

/** Gives a client to the hooks below it. */
export function ClientProvider({ client, children }: ClientProviderProps): ReactElement {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Returns the client of the nearest ClientProvider. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('im-client/react: there is no ClientProvider above this component');
  return client;
}

/** Renders again when what get returns is another object. */
function useSnapshot<T>(get: (client: Client) => T): T {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.subscribe(changed), [client]);
  const snapshot = (): T => get(client);
  return useSyncExternalStore(subscribe, snapshot, snapshot);
}

/** Returns the user's conversations, newest activity first. */
export function useConversations(): readonly Conversation[] {
  return useSnapshot((client) => client.conversations);
}

/** Returns the state of the connection. */
export function useConnection(): Status {
  return useSnapshot((client) => client.status);
}

/** Returns who types in a conversation. */
export function useTyping(conversationId: string): readonly string[] {
  return useSnapshot((client) => client.typing(conversationId));
}

/** What useMessages returns: the messages, and what moves the window. */
export interface Messages extends MessagesSnapshot {
  loadOlder: MessageWindow['loadOlder'];
  loadNewer: MessageWindow['loadNewer'];
  jumpTo: MessageWindow['jumpTo'];
  latest: MessageWindow['latest'];
}

/** Returns the messages of a conversation, and loads the newest ones. */
export function useMessages(conversationId: string): Messages {
  const client = useClient();
  const window = useMemo(() => client.messages(conversationId), [client, conversationId]);
  const subscribe = useCallback((changed: () => void) => window.subscribe(changed), [window]);
  const snapshot = useSyncExternalStore(subscribe, () => window.snapshot(), () => window.snapshot());
  return useMemo(() => ({
    ...snapshot,
    loadOlder: (limit?: number) => window.loadOlder(limit),
    loadNewer: (limit?: number) => window.loadNewer(limit),
    jumpTo: (seq: number, limit?: number) => window.jumpTo(seq, limit),
    latest: () => window.latest(),
  }), [snapshot, window]);
}

/** Follows the presence of users while the component is mounted, and returns it; undefined where nothing is known yet. */
export function usePresence(users: readonly string[]): ReadonlyMap<string, PresenceFrame | undefined> {
  const client = useClient();
  const key = users.join(' '); // no user id has a space
  useEffect(() => client.watch(key ? key.split(' ') : []), [client, key]);
  const last = useRef<ReadonlyMap<string, PresenceFrame | undefined>>(new Map());
  return useSnapshot(() => {
    const next = new Map((key ? key.split(' ') : []).map((user) => [user, client.presence(user)]));
    const same = next.size === last.current.size && [...next].every(([user, presence]) => last.current.has(user) && last.current.get(user) === presence);
    if (!same) last.current = next;
    return last.current;
  });
}
