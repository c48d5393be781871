// The hooks, in a renderer without a page.

import assert from 'node:assert/strict';
import test from 'node:test';
import { createElement as h, act } from 'react';
import { renderToString } from 'react-dom/server';
import TestRenderer from 'react-test-renderer';
import { Client } from '../dist/index.js';
import { ClientProvider, useClient, useConnection, useConversations, useMessages, usePresence, useTyping } from '../dist/react.js';
import { complete } from './conformance.js';
import { FakeServer, timing, until } from './fake.js';

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const id = '0198c5de-0000-7000-8000-000000000001';
const take = (server, type) => server.take(type, (frame) => frame.type === type);

test('hooks show what the client knows, and render when it changes', async (t) => {
  const server = new FakeServer();
  server.rest = () => [200, { messages: [], head_seq: 3, floor_seq: 1, has_more_before: false, has_more_after: false, users: {} }];
  const client = new Client({ url: 'http://server', WebSocket: server.WebSocket, fetch: server.fetch, token: () => 'token', timing });
  let seen;
  let renders = 0;
  function Chat() {
    renders++;
    seen = {
      client: useClient(), conversations: useConversations(), connection: useConnection(), messages: useMessages(id), typing: useTyping(id),
      presence: usePresence(['bob']),
    };
    return h('p', null, seen.messages.messages.map(({ content }) => content.text).join());
  }
  let root;
  await act(async () => { root = TestRenderer.create(h(ClientProvider, { client }, h(Chat))); });
  t.after(async () => {
    await act(async () => root.unmount());
    await client.stop();
  });
  assert.equal(seen.client, client);
  assert.equal(seen.connection.state, 'stopped');
  await act(async () => {
    await client.start();
    await take(server, 'hello');
    server.send(complete({ type: 'welcome' }));
    const sync = await take(server, 'sync');
    server.send(complete({ type: 'sync_page', id: sync.id, conversations: [{ conversation_id: id, head_seq: 3, acked_seq: 3 }] }));
    await until('online', () => client.status.state === 'online');
  });
  assert.equal(seen.connection.state, 'online');
  assert.equal(seen.conversations.length, 1);
  assert.deepEqual((await take(server, 'watch')).user_ids, ['bob']);
  await act(async () => {
    server.send(complete({ type: 'event', event: { conversation_id: id, seq: 4 } }));
    server.send({ type: 'typing', conversation_id: id, user_id: 'bob', on: true });
    server.send({ type: 'presence', user_id: 'bob', online: true });
    await until('the message', () => client.messages(id).snapshot().messages.length === 1);
  });
  assert.equal(root.toJSON().children.join(), 'hello');
  assert.deepEqual(seen.typing, ['bob']);
  assert.equal(seen.presence.get('bob').online, true);
  await act(async () => { void client.send({ conversation_id: id, content: { type: 'text', text: 'mine' } }); });
  assert.deepEqual(seen.messages.outgoing.map(({ state }) => state), ['pending']);
  const before = renders;
  await act(async () => server.send({ type: 'pong', server_time: '2026-01-02T03:04:05.000000Z' }));
  assert.equal(renders, before, 'nothing changed, nothing renders');
  await act(async () => root.unmount());
  await until('nobody is watched', () => server.frames.some(({ frame }) => frame.type === 'watch' && frame.user_ids.length === 0));
  await act(async () => { root = TestRenderer.create(null); });
});

test('hooks render on a server, and say when there is no provider', (t) => {
  const client = new Client({ url: 'http://server', WebSocket: class {}, fetch: async () => { throw new Error('no network'); }, token: () => 'token' });
  const Count = () => h('p', null, useConversations().length);
  assert.equal(renderToString(h(ClientProvider, { client }, h(Count))), '<p>0</p>');
  t.mock.method(console, 'error', () => {});
  assert.throws(() => renderToString(h(Count)), /ClientProvider/);
});
