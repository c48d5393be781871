// An operator at the admin page.

import assert from 'node:assert/strict';
import { openPage } from './people.js';

export class Operator {
  errors = [];

  static async at(browser, server, options = {}) {
    const operator = new Operator();
    Object.assign(operator, { server }, await openPage(browser, server.adminUrl, operator.errors, { path: '/admin', ...options }));
    return operator;
  }

  /** Enters a token. */
  async enter(token) {
    await this.page.getByLabel('Server token').fill(token);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  /** Signs in, with a server token unless another one is given. */
  async signIn(token = this.server.token('operator', '--server')) {
    await this.enter(token);
    await this.page.getByRole('heading', { name: 'Cluster' }).waitFor();
    await this.page.locator('.tile').first().waitFor();
  }

  /** Opens a place by its fragment. */
  async go(hash) {
    await this.page.evaluate((to) => { location.hash = to; }, hash);
  }

  /** The part with this heading. */
  part(name) { return this.page.getByRole('region', { name, exact: true }); }

  /** Agrees to, or declines, what is asked. */
  async answer(button) {
    await this.page.locator('#ask-dialog[open]').getByRole('button', { name: button, exact: true }).click();
    await this.page.locator('#ask-dialog').waitFor({ state: 'hidden' });
  }

  async leave() {
    await this.context.close();
    assert.deepEqual(this.errors, [], 'errors on the admin page');
  }
}
