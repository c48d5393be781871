// What there is to see for the screenshots and for the test of accessibility: people with names, conversations, and the
// states of the page, one after the other.

import { caller, post } from './people.js';

/** The secret of the server, so that a backend can give people names. */
export const secret = 'a secret of the tests, of 32 bytes or more';

const names = { alice: 'Alice Weber', bob: 'Bob Okafor', carol: 'Carol Lindqvist', dave: 'Dave Moreau', mei: '陈美', omar: 'عمر حداد', 'li.wei': '李伟' };

async function nameEveryone(server) {
  const token = server.token('backend', '--server');
  for (const [user, name] of Object.entries(names)) {
    const answer = await fetch(`${server.url}/v1/users/${user}`, {
      method: 'PUT', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ name }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }
}

const react = (call, message, emoji) => call('PUT', `/conversations/${message.conversation_id}/messages/${message.seq}/reactions/${encodeURIComponent(emoji)}`);

/** Makes what there is to see. Resolves to the id of the open group that nobody of them is in. */
export async function prepare(server) {
  const calls = {};
  for (const user of [...Object.keys(names), 'host']) calls[user] = await caller(server.url, user);
  await nameEveryone(server);
  const { alice, bob, carol, dave, mei, omar, host } = calls;
  const garden = await host('POST', '/conversations', { kind: 'group', title: 'Community garden', members: ['x1', 'x2', 'x3', 'x4'], settings: { joining: 'open' } });
  const room = await carol('POST', '/conversations', { kind: 'group', title: 'Reading room', members: ['alice', 'dave'] });
  await post(dave, { id: room.conversation_id }, 'Chapter four by Thursday, then?');
  await carol('PUT', `/conversations/${room.conversation_id}/mutes/alice`, { until: new Date(Date.now() + 42 * 60_000).toISOString() });
  await alice('PATCH', `/conversations/${room.conversation_id}/preferences`, { notify: 'none' });
  await post(omar, { to: 'alice' }, 'صباح الخير! هل وصل الملف؟');
  await post(mei, { to: 'alice' }, '周六一起去爬山吗？⛰️');
  await post(dave, { to: 'alice' }, 'The figures of last week are in the shared folder.');
  const trip = await carol('POST', '/conversations', { kind: 'group', title: 'Weekend trip', members: ['alice', 'bob', 'mei', 'dave', 'li.wei'], settings: { joining: 'open' } });
  const group = { id: trip.conversation_id };
  await carol('PUT', `/conversations/${group.id}/members/alice`, { role: 'admin' });
  await carol('PUT', `/conversations/${group.id}/bans/spammer`, { until: new Date(Date.now() + 6 * 86_400_000).toISOString(), reason: 'Advertising, three times' });
  await carol('PUT', `/conversations/${group.id}/mutes/dave`, { until: new Date(Date.now() + 3 * 3_600_000).toISOString() });
  const plan = await post(carol, group, 'Plan: early train on Saturday, back on Sunday night. Who is in?');
  await post(bob, group, 'I am! I can bring the tent: the green one, it is lighter than it looks.');
  await post(alice, group, 'Me too. I take the stove and something to read 📚');
  await post(mei, group, '我也去！需要我带什么吗？');
  const last = await post(bob, group, 'Tea, please 🍵 and your good humour', { reply_to: (await post(mei, group, 'Or anything else?')).seq });
  for (const [who, emoji] of [[alice, '👍'], [bob, '👍'], [mei, '🎉']]) await react(who, plan, emoji);
  await carol('PUT', `/conversations/${group.id}/messages/${plan.seq}/pin`);
  await alice('PUT', `/conversations/${group.id}/read`, { seq: last.seq });
  await post(carol, group, '@alice can you book the seats? Platform 4, half past seven.', { mentions: ['alice'] });
  await post(carol, group, 'Bring rain gear, just in case.');
  const lines = [[bob, 'Did the release go out?'], [alice, 'Yes, ten minutes ago. All nodes are on the new version.'], [bob, 'And the sockets?'],
    [alice, 'They drained and reconnected. No message was lost: im verify counted them, see https://im.example/reports/42.'], [bob, '太好了 🎉 I will tell the others.'], [bob, '🚀']];
  const posted = [];
  for (const [n, [who, text]] of lines.entries()) posted.push(await post(who, { to: who === bob ? 'alice' : 'bob' }, text, n === 2 ? { reply_to: posted[1].seq } : {}));
  await react(bob, posted[3], '👍');
  await react(bob, posted[3], '❤️');
  await alice('PATCH', `/conversations/${posted[1].conversation_id}/preferences`, { pinned: true });
  await alice('PUT', `/conversations/${posted[1].conversation_id}/read`, { seq: posted[5].seq });
  return garden.conversation_id;
}

const isNarrow = ({ page }) => page.viewportSize().width < 500;
const dialog = ({ page }) => page.locator('dialog[open]');

async function toList(alice) {
  if (await alice.page.locator('#back').isVisible()) await alice.page.locator('#back').click();
}

/** The states of the page, as alice gets from one to the next. Those with a picture are kept in docs/screenshots. */
export const states = {
  'sign-in': async (alice) => { await alice.page.getByLabel('Your name').fill('alice'); },
  chat: async (alice) => {
    await alice.signIn();
    await alice.open('Bob Okafor');
    await alice.message('太好了').waitFor();
  },
  group: async (alice) => {
    await toList(alice);
    await alice.open('Weekend trip');
    await alice.message('rain gear').waitFor();
  },
  panel: async (alice) => {
    await alice.page.getByRole('button', { name: 'About', exact: true }).click();
    await alice.page.locator('#panel .people li').nth(5).waitFor();
    await alice.page.locator('#panel .rows .count').first().waitFor();
  },
  person: async (alice) => {
    await alice.page.locator('#panel [data-user="bob"]').click();
    await alice.page.getByRole('button', { name: 'Ban …' }).waitFor();
  },
  ban: async (alice) => {
    await alice.page.getByRole('button', { name: 'Ban …' }).click();
    await dialog(alice).getByLabel('How long').selectOption('For 7 days');
    await dialog(alice).getByLabel('Reason').fill('Advertising, three times');
  },
  settings: async (alice) => {
    await alice.page.keyboard.press('Escape');
    await alice.page.getByRole('button', { name: 'Back to the group' }).click();
    await alice.page.getByRole('button', { name: 'Settings' }).click();
    await dialog(alice).getByLabel('Slow mode').waitFor();
  },
  banned: async (alice) => {
    await alice.page.keyboard.press('Escape');
    await alice.page.getByRole('button', { name: /^Banned people/ }).click();
    await alice.page.locator('#panel').getByText('Advertising, three times').waitFor();
  },
  report: async (alice) => {
    await alice.page.getByRole('button', { name: 'Close', exact: true }).click();
    await alice.message('lighter than').click({ button: 'right' });
    await alice.page.getByRole('menuitem', { name: 'Report …' }).click();
    await dialog(alice).getByRole('radio').first().waitFor();
  },
  menu: async (alice) => {
    await alice.page.keyboard.press('Escape');
    await alice.message('lighter than').click({ button: 'right' });
    await alice.page.getByRole('menu').waitFor();
  },
  mention: async (alice) => {
    await alice.page.keyboard.press('Escape');
    await alice.page.getByLabel('Message', { exact: true }).pressSequentially('Done! Window seats for @');
    await alice.page.locator('.completions li').first().waitFor();
  },
  muted: async (alice) => {
    await alice.page.getByLabel('Message', { exact: true }).fill('');
    await toList(alice);
    await alice.open('Reading room');
    await alice.page.locator('#read-only').getByText(/You are muted here until/).waitFor();
  },
  invitation: async (alice, { garden }) => {
    await alice.page.evaluate((id) => { location.hash = `#/c/${id}`; }, garden);
    await alice.page.getByRole('button', { name: 'Join the group' }).waitFor();
  },
  'new-group': async (alice) => {
    await alice.page.getByRole('button', { name: 'Not now' }).click();
    await alice.startWith('bob', 'carol', 'zoe');
    await alice.page.getByLabel('Name of the group').fill('Garden party');
    await dialog(alice).getByText('Check the spelling').waitFor();
  },
  search: async (alice) => {
    await alice.page.getByRole('button', { name: 'Cancel' }).click();
    await alice.search('爬山', () => alice.page.locator('#found button').count(), 1);
  },
  offline: async (alice) => {
    await alice.page.getByLabel('Search people and messages').fill('');
    await alice.open('Bob Okafor');
    await alice.context.setOffline(true);
    await alice.page.locator('#state.offline').waitFor({ state: isNarrow(alice) ? 'attached' : 'visible' });
    await alice.say('This one waits for the network.');
    await alice.page.locator('#banner').waitFor();
  },
  keys: async (alice) => {
    await alice.context.setOffline(false);
    await alice.page.locator('#state.online').waitFor({ state: 'attached' });
    await alice.page.locator('.message.pending').waitFor({ state: 'detached' });
    await alice.page.keyboard.press('Control+/');
    await alice.page.locator('#keys-dialog').waitFor();
  },
};
