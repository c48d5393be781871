// The calls of the app's own backend, server.js.

/** Who is signed in, and where the chat server is. */
export interface Me {
  user: string;
  name: string;
  im: string;
}

async function call<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
  const response = await fetch(`/api/${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
  if (response.status === 204) return undefined as T;
  const answer = await response.json() as T & { error?: string };
  if (!response.ok) throw new Error(answer.error ?? `the backend answered ${response.status}`);
  return answer;
}

export const me = () => call<Me>('GET', 'me');
export const login = (user: string, password: string) => call<Me>('POST', 'login', { user, password });
export const logout = () => call<void>('POST', 'logout');

/** The client calls this for each connection, and before a token expires. */
export const chatToken = async () => (await call<{ token: string }>('POST', 'chat-token')).token;
