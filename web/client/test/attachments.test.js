// Uploads and links, against a server of the test.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { AttachmentLinks, sha256Plain, upload } from '../dist/attachments.js';
import { Refusal } from '../dist/index.js';

const id = '0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f';

/** A client whose calls are recorded. */
function caller(answer) {
  const calls = [];
  return { calls, call: async (method, path, options) => { calls.push([method, path, options]); return answer(calls.length); } };
}

test('an upload declares the file, and goes as the server says', async () => {
  const client = caller(() => ({ attachment_id: id, upload_url: 'https://files.example/1', method: 'PUT', headers: { 'X-Sum': 'y' } }));
  const seen = [];
  const parts = [];
  const done = await upload(client, new File(['hello'], 'a.txt', { type: 'text/plain;charset=utf-8' }), {
    onProgress: (part) => parts.push(part),
    fetch: async (url, init) => { seen.push([url, init.method, init.headers, await init.body.text()]); return new Response(null, { status: 204 }); },
  });
  assert.deepEqual(done, { attachment_id: id, name: 'a.txt', mime: 'text/plain', size: 5 });
  assert.deepEqual(client.calls, [['POST', '/attachments', {
    body: { name: 'a.txt', mime: 'text/plain', size: 5, sha256: createHash('sha256').update('hello').digest('hex') },
  }]]);
  assert.deepEqual(seen, [['https://files.example/1', 'PUT', { 'X-Sum': 'y' }, 'hello']]);
  assert.deepEqual(parts, [1]);
});

test('what the storage refuses is a refusal', async () => {
  const client = caller(() => ({ attachment_id: id, upload_url: 'https://files.example/1', method: 'PUT', headers: {} }));
  const file = new Blob(['x']);
  for (const [status, code, retry] of [[403, 'invalid', 'never'], [503, 'unavailable', 'again']]) {
    await assert.rejects(upload(client, file, { fetch: async () => new Response(null, { status }) }),
      (error) => error instanceof Refusal && error.code === code && error.retry === retry);
  }
  await assert.rejects(upload(client, file, { fetch: async () => { throw new TypeError('failed'); } }),
    (error) => error instanceof Refusal && error.code === 'network');
  assert.equal(client.calls[0][2].body.mime, 'application/octet-stream');
  assert.equal(client.calls[0][2].body.name, 'file');
});

test('links are remembered until shortly before they expire', async () => {
  let left = 300_000;
  const client = caller((n) => ({ attachment_id: id, url: `https://files.example/${n}`, expires_at: new Date(Date.now() + left).toISOString() }));
  const links = new AttachmentLinks(client);
  const [one, two] = await Promise.all([links.get(id), links.get(id)]);
  assert.equal(one.url, 'https://files.example/1');
  assert.ok(two.url);
  assert.equal((await links.get(id)).url, (await links.get(id)).url);
  const before = client.calls.length;
  links.forget(id);
  left = 10_000;
  await links.get(id);
  await links.get(id);
  assert.equal(client.calls.length, before + 2, 'one that is about to expire is asked for again');
  const failing = new AttachmentLinks({ call: async () => { throw new Refusal({ code: 'not_found', message: 'x', retry: 'never' }); } });
  await assert.rejects(failing.get(id));
  await assert.rejects(failing.get(id));
});

test('the checksum without crypto.subtle is the same', () => {
  for (const size of [0, 1, 3, 55, 56, 63, 64, 65, 119, 1000, 70_001]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7 % 256);
    assert.equal(Buffer.from(sha256Plain(bytes)).toString('hex'), createHash('sha256').update(bytes).digest('hex'), `${size} bytes`);
  }
});
