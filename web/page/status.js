// The state of the connection: a word beside the user's name, and a banner while it is away.

import { $ } from './dom.js';
import { t } from './words.js';

const bannerAfterMs = 1_500; // a short interruption is not worth one
const backMs = 2_000;

export class Status {
  /** As it is shown: that of the client, or `unsure`. */
  state = null;
  #timer = null;

  /** @param {() => void} wake tries to connect now */
  constructor(wake) { $('banner-try').onclick = wake; }

  /** Takes the client's status. Returns the state, as it is shown. */
  take({ state, doubtful }) {
    // A further try to connect is not news.
    if (state === 'connecting' && this.state === 'offline') return this.state;
    this.state = doubtful ? 'unsure' : state;
    $('state').textContent = t(`state_${this.state}`);
    $('state').className = `state ${this.state}`;
    this.#banner();
    return this.state;
  }

  reset() {
    this.state = null;
    clearTimeout(this.#timer);
    this.#timer = null;
    $('banner').hidden = true;
  }

  #banner() {
    const isAway = this.state === 'offline' || this.state === 'unsure';
    if (isAway) {
      if ($('banner').hidden) this.#timer ??= setTimeout(() => this.#show(), bannerAfterMs);
      else this.#show();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.state !== 'online' || $('banner').hidden || $('banner').className === 'banner back') return;
    $('banner').className = 'banner back';
    $('banner-text').textContent = t('bannerBack');
    $('banner-try').hidden = true;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      $('banner').hidden = true;
    }, backMs);
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = null;
    $('banner').className = 'banner';
    $('banner').hidden = false;
    $('banner-text').textContent = t(this.state === 'unsure' ? 'bannerUnsure' : 'bannerOffline');
    $('banner-try').hidden = this.state === 'unsure';
  }
}
