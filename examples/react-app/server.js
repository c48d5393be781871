// The app's backend: it signs users in, signs chat tokens for them, and serves the built page.
// In a real app, accounts and sessions are those that you have already.

import { createHmac, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, relative } from 'node:path';

const { PORT = '3000', IM_URL = 'http://127.0.0.1:8080', IM_JWT_SECRET } = process.env;
if (!IM_JWT_SECRET) {
  console.error('Set IM_JWT_SECRET to the same value as for im.');
  process.exit(2);
}

const accounts = new Map([
  ['alice', { name: 'Alice', password: 'wonderland' }],
  ['bob', { name: 'Bob', password: 'builder' }],
  ['carol', { name: 'Carol', password: 'christmas' }],
]);
const sessions = new Map(); // the value of the cookie → the user

/** A JWT that makes its bearer this user in im, for ten minutes. The page asks for a new one in time. */
function chatToken(user) {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const claims = { sub: user, name: accounts.get(user).name, exp: Math.floor(Date.now() / 1000) + 600 };
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', IM_JWT_SECRET).update(body).digest('base64url')}`;
}

const cookieOf = (request) => /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
const profile = (user) => ({ user, name: accounts.get(user).name, im: IM_URL });

async function read(request) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > 10_000) throw new Error('the request is too large');
  }
  return JSON.parse(text);
}

/** Answers a call of the page: [status, JSON, cookie?]. */
async function api(request) {
  const user = sessions.get(cookieOf(request));
  switch (`${request.method} ${request.url}`) {
    case 'POST /api/login': {
      const login = await read(request);
      if (!login.password || accounts.get(login.user)?.password !== login.password) return [401, { error: 'Wrong name or password.' }];
      const id = randomBytes(32).toString('base64url');
      sessions.set(id, login.user);
      return [200, profile(login.user), `session=${id}; Path=/; HttpOnly; SameSite=Strict`];
    }
    case 'POST /api/logout':
      sessions.delete(cookieOf(request));
      return [204, null, 'session=; Path=/; Max-Age=0'];
    case 'GET /api/me':
      return user ? [200, profile(user)] : [401, { error: 'Nobody is signed in.' }];
    case 'POST /api/chat-token':
      return user ? [200, { token: chatToken(user) }] : [401, { error: 'Nobody is signed in.' }];
    default:
      return [404, { error: 'There is no such call.' }];
  }
}

// The page may load its own files only, and connect to this server and to im.
const policy = `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ${IM_URL} ${IM_URL.replace(/^http/, 'ws')}`;
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' };
const dist = join(import.meta.dirname, 'dist');
const files = new Map();
for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  files.set(`/${relative(dist, path)}`, { type: types[extname(path)] ?? 'application/octet-stream', body: await readFile(path) });
}
files.set('/', files.get('/index.html'));

createServer(async (request, response) => {
  try {
    const file = files.get(request.url);
    if (file) {
      response.writeHead(200, { 'Content-Type': file.type, 'Content-Security-Policy': policy }).end(file.body);
      return;
    }
    const [status, json, cookie] = await api(request);
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...(cookie && { 'Set-Cookie': cookie }) });
    response.end(json && JSON.stringify(json));
  } catch (error) {
    response.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: error.message }));
  }
}).listen(Number(PORT), 'localhost', function listening() {
  console.log(`Open http://localhost:${this.address().port} and sign in: ${[...accounts].map(([user, { password }]) => `${user} / ${password}`).join(', ')}.`);
});
