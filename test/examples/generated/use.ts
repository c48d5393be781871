// Uses the client that openapi-typescript and openapi-fetch make.

import createClient from 'openapi-fetch';
import type { paths } from './im.js';

declare const process: { env: Record<string, string> };

function assert(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const im = createClient<paths>({ baseUrl: process.env['IM_URL'] ?? '', headers: { Authorization: `Bearer ${process.env['ALICE']}` } });

const sent = await im.POST('/v1/messages', { body: { to: 'bob', client_msg_id: 'ts-1', content: { type: 'text', text: 'Hello from TypeScript' } } });
assert(sent.data && sent.response.status === 201, 'send');
const again = await im.POST('/v1/messages', { body: { to: 'bob', client_msg_id: 'ts-1', content: { type: 'text', text: 'Hello from TypeScript' } } });
assert(again.response.status === 200 && again.data?.seq === sent.data.seq, 'the same message, once');

const list = await im.GET('/v1/conversations', { params: { query: { limit: 10 } } });
const conversation = list.data?.items.find(({ peer }) => peer === 'bob');
assert(conversation && conversation.conversation_id === sent.data.conversation_id && conversation.kind === 'direct', 'list');

const history = await im.GET('/v1/conversations/{conversation_id}/messages', {
  params: { path: { conversation_id: conversation.conversation_id }, query: { limit: 50 } },
});
const last = history.data?.messages.at(-1);
assert(last && last.sender === 'alice' && last.content?.type === 'text', 'history');
const { text } = last.content;
assert(text === 'Hello from TypeScript', 'the text');

const refused = await im.GET('/v1/conversations/{conversation_id}/messages', {
  params: { path: { conversation_id: '01980000-0000-7000-8000-000000000000' } },
});
assert(refused.error?.code === 'not_found' && refused.error.retry === 'never' && refused.response.status === 404, 'an error with its code');
