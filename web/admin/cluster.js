// The cluster: what it counts, how that has changed since the page was opened, its nodes, and what this node depends on.

import { el } from '../page/dom.js';
import { explain, readiness } from './api.js';
import { chart } from './chart.js';
import { facts, failureBox, section, table, tag } from './part.js';
import { ago, count, rate, stamp } from './times.js';

const everyMs = 5_000;
const samplesKept = 180; // 15 minutes of them
const restFactor = 10; // the calls take at most this part of the time: a large cluster counts for long

/**
 * @typedef {object} Sample
 * @property {number} at
 * @property {number} online users
 * @property {number} sessions
 * @property {number} messages ever posted
 */

/** The rate of messages between each two samples, per second; none across a restore, after which there are fewer. */
export function ratesOf(samples) {
  const rates = [];
  for (let n = 1; n < samples.length; n++) {
    const [from, to] = [samples[n - 1], samples[n]];
    if (to.at > from.at && to.messages >= from.messages) rates.push({ at: to.at, value: (to.messages - from.messages) * 1_000 / (to.at - from.at) });
  }
  return rates;
}

const samples = []; // of this page, whichever view is open

/** @type {import('./main.js').View} */
export function clusterView({ api, signal }) {
  const state = el('div', { class: 'part-state' }, el('p', { class: 'quiet' }, 'Loading …'));
  const asOf = el('span', { class: 'quiet' });
  const tiles = el('div', { class: 'tiles' });
  const charts = el('div', { class: 'charts' });
  const nodes = el('div', {});
  const services = el('div', {});
  const again = el('button', { type: 'button', class: 'small', click: () => turn() }, 'Refresh');
  let timer = null;
  let running = null;

  /** Asks once, and again after a while. */
  function turn() {
    clearTimeout(timer);
    running ??= ask().then((tookMs) => {
      running = null;
      if (!signal.aborted) timer = setTimeout(whenSeen, Math.max(everyMs, tookMs * restFactor));
    });
    return running;
  }

  /** A page that nobody looks at asks nothing. */
  function whenSeen() {
    if (!document.hidden) turn();
  }

  async function ask() {
    const began = Date.now();
    const slow = setTimeout(() => { asOf.textContent = 'The node takes long to count …'; }, 3_000);
    const [stats, ready] = await Promise.allSettled([api.get('/stats', { signal }), readiness(signal)]);
    clearTimeout(slow);
    if (signal.aborted) return 0;
    const failed = stats.reason ?? ready.reason;
    state.replaceChildren(...(failed ? [failureBox(failed, turn)] : []));
    if (stats.value) draw(stats.value);
    if (ready.value) services.replaceChildren(readinessTable(ready.value));
    else services.replaceChildren(el('p', { class: 'error' }, explain(ready.reason)));
    asOf.textContent = stats.value ? `As of ${stamp(Date.now())}` : `Failed at ${stamp(Date.now())}; what is shown is older`;
    return Date.now() - began;
  }

  function draw(stats) {
    samples.push({ at: Date.now(), online: stats.online_users, sessions: stats.sessions, messages: stats.messages });
    if (samples.length > samplesKept) samples.shift();
    const rates = ratesOf(samples);
    const latest = rates.at(-1);
    tiles.replaceChildren(...[
      ['Users online', count(stats.online_users)], ['Sessions', count(stats.sessions)], ['Nodes', count(stats.nodes.length)],
      ['Messages ever', count(stats.messages)], ['Messages a second', latest ? rate(latest.value) : '…'],
    ].map(([name, value]) => el('div', { class: 'tile' }, el('span', { class: 'quiet' }, name), el('strong', {}, value))));
    const line = (key) => samples.map((sample) => ({ at: sample.at, value: sample[key] }));
    charts.replaceChildren(...[['Sessions', line('sessions'), count], ['Users online', line('online'), count], ['Messages a second', rates, rate]]
      .map(([name, points, write]) => chart(name, points, write)));
    nodes.replaceChildren(stats.nodes.length
      ? table('Nodes', ['Node', 'Sessions', 'Users', 'Share', 'Started'], stats.nodes.map((node) => [
        el('code', {}, node.node_id), count(node.sessions), count(node.users), share(node.sessions, stats.sessions),
        el('time', { datetime: node.started_at, title: node.started_at }, ago(node.started_at)),
      ]))
      : el('p', { class: 'quiet nothing' }, 'No node is registered: Redis has been emptied, or no lease is written yet.'));
  }

  const onSeen = () => whenSeen();
  document.addEventListener('visibilitychange', onSeen);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onSeen);
  });
  void turn();
  return {
    title: 'Cluster',
    nodes: [
      el('div', { class: 'title' }, el('h1', { tabindex: -1 }, 'Cluster'), asOf, again),
      state, tiles,
      section('Since this page was opened', [charts]),
      section('Nodes', [nodes]),
      section('This node', [services]),
    ],
  };
}

/** How much of the sessions a node has. */
function share(sessions, all) {
  const percent = all ? Math.round(sessions * 100 / all) : 0;
  return el('span', { class: 'share' }, el('meter', { min: 0, max: 100, value: percent, 'aria-hidden': 'true' }), `${percent} %`);
}

const tones = { ready: 'good', degraded: 'warm', ok: 'good', failed: 'alarm', draining: 'warm', unready: 'alarm' };

function readinessTable({ status, checks, reasons = {} }) {
  const names = { postgresql: 'PostgreSQL', redis: 'Redis', rabbitmq: 'RabbitMQ' };
  return facts([
    ['State', tag(status, tones[status])],
    ...Object.entries(checks ?? {}).map(([name, result]) => [names[name] ?? name, [tag(result, tones[result]), reasons[name] ? ` ${reasons[name]}` : '']]),
  ]);
}
