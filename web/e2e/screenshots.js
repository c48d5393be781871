// Takes the screenshots of the documents: `npm run screenshots`, with IM_BINARY and
// CHROMIUM as for the tests. It needs fonts for Chinese and emoji: on Debian
// fonts-noto-cjk and fonts-noto-color-emoji.

import { mkdirSync } from 'node:fs';
import { launch, Person } from './people.js';
import { Server } from './server.js';

const folder = new URL('../../docs/screenshots/', import.meta.url).pathname;
mkdirSync(folder, { recursive: true });

const conversation = [
  ['bob', 'Did the release go out?'],
  ['alice', 'Yes, ten minutes ago. All nodes are on the new version.'],
  ['bob', 'And the sockets?'],
  ['alice', 'They drained and reconnected. No message was lost: im verify counted them.'],
  ['bob', '太好了 🎉 I will tell the others.'],
];

const server = new Server();
await server.start();
const browser = await launch();
try {
  const alice = await Person.at(browser, server.url, 'alice');
  await alice.signIn();
  await alice.postsOf('carol', 'alice', ['Lunch at one?', 'The usual place.']);
  await alice.postsOf('dave', 'alice', ['The figures of last week are in the shared folder.']);
  for (const [from, text] of conversation) {
    await alice.postsOf(from, from === 'alice' ? 'bob' : 'alice', [text]);
  }
  await alice.open('bob');
  await alice.sees(conversation.map(([, text]) => text));
  await alice.page.waitForTimeout(500);
  await alice.page.screenshot({ path: `${folder}web-chat.png` });
} finally {
  await browser.close();
  await server.close();
}
