// The bot welcomes each new member of its groups, and answers /members. It is a user of its own: see README.md.

import { createHmac } from 'node:crypto';
import { Client, FileStore } from 'im-client/node';

const { IM_URL = 'http://127.0.0.1:8080', IM_JWT_SECRET } = process.env;
if (!IM_JWT_SECRET) {
  console.error('Set IM_JWT_SECRET to the same value as for im.');
  process.exit(2);
}
const user = 'greeter';

/** A token of the bot for an hour. The client asks for a new one in time. */
function token() {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const claims = { sub: user, name: 'Greeter bot', exp: Math.floor(Date.now() / 1000) + 3600 };
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', IM_JWT_SECRET).update(body).digest('base64url')}`;
}

const client = new Client({
  url: IM_URL,
  token,
  store: new FileStore('bot.json'), // a bot that was stopped answers what came while it was away
  history: 0, // a new bot does not answer what was written before it came
  onEvent: handle,
});

/** Receives each event of the bot's conversations, in order. It is stored as received after the promise resolves. */
async function handle(event) {
  const { conversation_id: id, type, sender, body } = event;
  if (sender === user) return; // one's own answers
  if (type === 'member.added' && body.user_id !== user) {
    await say(event, `Welcome, ${await nameOf(body.user_id)}!`);
  } else if (type === 'message.posted' && body.content?.type === 'text' && body.content.text.trim() === '/members') {
    const names = [];
    for await (const member of client.members(id)) names.push(await nameOf(member.user_id));
    await say(event, names.join(', '), event.seq);
  }
}

async function nameOf(someone) {
  const { [someone]: profile } = await client.fetchProfiles([someone]);
  return profile?.name ?? someone;
}

/**
 * Answers an event. After a crash, the same event may come again: the same client_msg_id makes the same message of both
 * answers. send resolves when the message is committed, over as many connections as it takes.
 */
async function say(event, text, replyTo) {
  const id = `answer-${event.conversation_id}-${event.seq}`;
  try {
    await client.send({
      conversation_id: event.conversation_id,
      content: { type: 'text', text },
      client_msg_id: id,
      ...(replyTo && { reply_to: replyTo }),
    });
  } catch (error) {
    // A refusal is about this message alone: the bot may have been removed. Without discard it stays in the outbox.
    console.error(`no answer in ${event.conversation_id}: ${error.message}`);
    if (error.code !== 'closed') client.discard(id);
  }
}

// What handle throws arrives here, too, and the bot goes on.
client.on('error', (error) => console.error(error.message));
client.on('status', ({ state, reason }) => {
  console.log(state, reason ?? '');
  if (state === 'stopped' && !stopping) process.exitCode = 1; // the close code said so: a wrong secret, for example
});

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopping = true;
    void client.stop();
  });
}
await client.start();
