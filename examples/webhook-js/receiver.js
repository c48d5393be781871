// A backend that receives webhooks of im: it counts the messages of each person, and can prove that it has all of them.
// It needs no library, and keeps what it knows in one file.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';

const { PORT = '3002', IM_URL = 'http://127.0.0.1:8080', IM_JWT_SECRET, STATE = 'state.json' } = process.env;
if (!IM_JWT_SECRET) {
  console.error('Set IM_JWT_SECRET to the same value as for im.');
  process.exit(2);
}

// The positions and the counts are in one file, which is replaced as a whole: an event is counted if and only if its
// position says so, whenever the program is killed.
const state = existsSync(STATE) ? JSON.parse(readFileSync(STATE, 'utf8')) : { webhook: null, conversations: {}, messages: {} };
function save() {
  const file = openSync(`${STATE}.new`, 'w', 0o600); // it holds the secret
  writeSync(file, JSON.stringify(state));
  fsyncSync(file);
  closeSync(file);
  renameSync(`${STATE}.new`, STATE);
}

/** Reports whether a call comes from im: Standard Webhooks, https://www.standardwebhooks.com. */
function isSigned({ headers }, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < 300)) return false; // an old call that somebody repeats
  const key = Buffer.from(state.webhook.secret.slice('whsec_'.length), 'base64');
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`);
  return signatures.split(' ').some((one) => one.length === expected.length && timingSafeEqual(Buffer.from(one), expected));
}

/** Takes an event, once however often it comes. */
function take({ conversation_id: id, seq, type, sender }) {
  const known = state.conversations[id] ??= { last: 0, missing: [] };
  if (seq > known.last) {
    // Seqs are dense. What was left out has failed for days, and comes with a replay.
    for (let left = known.last + 1; left < seq; left++) known.missing.push(left);
    known.last = seq;
  } else if (known.missing.includes(seq)) {
    known.missing = known.missing.filter((one) => one !== seq);
  } else {
    return; // a repetition
  }
  if (type === 'message.posted') state.messages[sender] = (state.messages[sender] ?? 0) + 1;
  save(); // before the answer: im does not send again what was taken
}

const server = createServer(async (request, response) => {
  const answer = (status, json) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(json && `${JSON.stringify(json)}\n`);
  if (request.method === 'GET' && request.url === '/counts') return answer(200, { messages: state.messages, conversations: state.conversations });
  if (request.method !== 'POST' || request.url !== '/events') return answer(404);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isSigned(request, body)) return answer(401);
  const { type, data } = JSON.parse(body);
  if (type !== 'webhook.test') take(data);
  return answer(204);
});

/** A server token: its scope lets it do what only backends may. Never give one to an app or a page. */
function serverToken() {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'receiver', scope: 'server', exp: Math.floor(Date.now() / 1000) + 60 })}`;
  return `${body}.${createHmac('sha256', IM_JWT_SECRET).update(body).digest('base64url')}`;
}

server.listen(Number(PORT), '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  if (!state.webhook) {
    const response = await fetch(`${IM_URL}/v1/webhooks`, {
      method: 'POST', headers: { Authorization: `Bearer ${serverToken()}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ url: `${url}/events`, from: 'beginning', description: 'examples/webhook-js' }),
    });
    if (!response.ok) throw new Error(`the webhook was refused: ${response.status} ${await response.text()}`);
    state.webhook = await response.json(); // the only time that the secret is told
    save();
  }
  console.log(`What it has counted: curl ${url}/counts`);
});
