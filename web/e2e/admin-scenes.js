// What there is to see on the admin page, for its screenshots and for the test of accessibility.

import { createServer } from 'node:http';
import { caller, post } from './people.js';

/** A call of the REST API with the server token. */
export function backend(server) {
  const token = server.token('backend', '--server');
  return async (method, path, body, as) => {
    const response = await fetch(`${server.url}/v1${path}`, {
      method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }), ...(as && { 'X-IM-User': as }) },
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.status === 204 || response.status === 202 ? null : response.json();
  };
}

/** An endpoint of webhooks, which takes nothing until it is mended. */
export async function brokenEndpoint() {
  const endpoint = { status: 503, calls: 0 };
  const server = createServer((request, response) => {
    request.resume();
    endpoint.calls++;
    response.writeHead(endpoint.status).end();
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return Object.assign(endpoint, { url: `http://127.0.0.1:${server.address().port}/im`, close: () => server.close() });
}

/** A group with a history, a report, and a webhook that owes. Resolves to the ids. */
export async function prepareAdmin(server, endpoint) {
  const call = backend(server);
  const [alice, bob] = [await caller(server.url, 'alice'), await caller(server.url, 'bob')];
  await call('PUT', '/users/alice', { name: 'Alice Weber', metadata: { team: 'Growth', seat: 7 } });
  await call('PUT', '/users/bob', { name: 'Bob Okafor' });
  const { webhook_id: webhook } = await call('POST', '/webhooks', { url: endpoint.url, description: 'Billing' });
  const { conversation_id: id } = await alice('POST', '/conversations', { kind: 'group', title: 'Release train', members: ['bob', 'carol'], settings: { joining: 'open' } });
  const plan = await post(alice, { id }, 'We ship on Thursday.');
  await post(bob, { id }, 'Fine with me. Who writes the notes?');
  await bob('PUT', `/conversations/${id}/messages/${plan.seq}/reactions/${encodeURIComponent('👍')}`);
  await alice('PATCH', `/conversations/${id}/messages/${plan.seq}`, { content: { type: 'text', text: 'We ship on Friday.' } });
  const spam = await post(bob, { id }, 'Cheap watches, only today!');
  await alice('POST', `/conversations/${id}/messages/${spam.seq}/reports`, { category: 'spam', text: 'Not the first time.' });
  const gone = await post(bob, { id }, 'Never mind.');
  await bob('DELETE', `/conversations/${id}/messages/${gone.seq}`);
  await alice('PUT', `/conversations/${id}/messages/${plan.seq}/pin`);
  await post(alice, { id }, { type: 'custom', biz_type: 'order', data: { order_id: 7, state: 'paid' } }, { reply_to: plan.seq, mentions: ['bob'] });
  return { id, plan: plan.seq, spam: spam.seq, webhook };
}

/** The states of the page, as the operator gets from one to the next. */
export const adminStates = {
  'sign-in': async ({ page }) => { await page.getByLabel('Server token').waitFor(); },
  cluster: async (operator) => {
    await operator.signIn();
    await operator.part('Nodes').getByRole('table').waitFor();
    await operator.part('This node').getByText('PostgreSQL').waitFor();
    await operator.page.locator('.chart svg').first().waitFor();
  },
  lookup: async (operator) => {
    await operator.page.getByRole('link', { name: 'Users' }).click();
    await operator.page.getByLabel('Id of the user').fill('Bob Okafor');
    await operator.page.keyboard.press('Enter');
    await operator.page.getByText('This is no id of a user').waitFor();
  },
  user: async (operator) => {
    await operator.go('#/users/alice');
    await operator.part('Profile').getByText('Alice Weber').waitFor();
    await operator.part('Conversations').getByText('Release train').waitFor();
    await operator.part('Live sessions').getByRole('table').waitFor();
  },
  ban: async (operator) => {
    await operator.page.getByRole('button', { name: 'Ban …' }).click();
    await operator.page.getByLabel('Reason').waitFor();
  },
  conversation: async (operator, { id, plan }) => {
    await operator.page.keyboard.press('Escape');
    await operator.go(`#/conversations/${id}?as_of=${plan + 2}`);
    await operator.page.getByText('We ship on Thursday.').waitFor();
  },
  trace: async (operator, { id, plan }) => {
    await operator.go(`#/conversations/${id}?at=${plan}`);
    await operator.part(`Trace of message ${plan}`).getByRole('table').waitFor();
  },
  events: async (operator, { id }) => {
    await operator.go(`#/conversations/${id}/events`);
    await operator.page.getByText('As stored').first().click();
  },
  about: async (operator, { id }) => {
    await operator.go(`#/conversations/${id}/about`);
    await operator.part('Members').getByRole('table').waitFor();
    await operator.part('About').getByText('joining: open').waitFor();
  },
  reports: async (operator) => {
    await operator.go('#/reports');
    await operator.page.getByText('Not the first time.').waitFor();
  },
  webhooks: async (operator) => {
    await operator.go('#/webhooks');
    await operator.part('All webhooks').getByText('Billing').waitFor();
  },
  webhook: async (operator, { webhook }) => {
    await operator.go(`#/webhooks/${webhook}`);
    await operator.part('Deliveries that are not taken').getByText(/\b503\b/).first().waitFor();
  },
  failed: async (operator) => {
    await operator.page.route('**/v1/webhooks*', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ code: 'unavailable', detail: 'PostgreSQL does not answer', retry: 'again', request_id: 'REQ1' }) }));
    await operator.go('#/webhooks');
    await operator.part('All webhooks').getByRole('alert').waitFor();
    await operator.page.unroute('**/v1/webhooks*');
  },
};
