/**
 * The client of im: one device of one user.
 *
 * ```ts
 * const client = new Client({ url: 'https://chat.example.org', token: async () => fetchToken() });
 * client.on('event', (event) => console.log(event.type, event.seq));
 * await client.start();
 * await client.send({ to: 'bob', content: { type: 'text', text: 'Hello' } });
 * ```
 *
 * @module
 */
export { Client } from './client.js';
export type { ClientOptions } from './options.js';
export type {
  Block, EventPage, FoundMessage, GroupChange, LiveSession, MemberReceipt, MessagePage, MessageQuery, NewBan, NewGroup, NewMute,
  NewReport, OpenGroup, PinnedMessage, Sanction, SearchQuery, UserPresence, UserProfile, UserReaction,
} from './api.js';
export type { Socket, SocketClass } from './connection.js';
export type { ReadState } from './conversations.js';
export { Refusal, type Code } from './errors.js';
export { erasedEvent, fold, messageAfter, messageOf, targetOf } from './fold.js';
export type { Timing } from './limits.js';
export type { CallOptions } from './rest.js';
export type { Progress } from './signals.js';
export {
  newId, StoreLost, type Batch, type DeviceState, type Snapshot, type Store, type StoredConversation, type Tabs,
} from './store.js';
export { MessageWindow } from './window.js';
export * from './types.js';
export type { paths as RestPaths, components as RestComponents } from './generated/rest.js';
