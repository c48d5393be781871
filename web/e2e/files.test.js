// Files: sent by the button, from the clipboard and by dropping; shown, saved, and gone with the message.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { deflateSync, crc32 } from 'node:zlib';
import { launch, Person } from './people.js';
import { Server } from './server.js';

const server = new Server({ IM_LIMIT_ATTACHMENT_BYTES: '200000' });
let browser;

before(async () => {
  await server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server.close();
});

/** A picture of one colour. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(8 + body.length);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), 4 + body.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + 3 * width), 120);
  for (let y = 0; y < height; y++) rows[y * (1 + 3 * width)] = 0;
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

/** Gives the page a clipboard or a drag with files, as a browser would. */
function give(page, type, selector, files) {
  return page.evaluate(([type, selector, files]) => {
    const data = new DataTransfer();
    for (const { name, mime, text } of files) data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type: mime }));
    const target = document.querySelector(selector);
    const event = type === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
      : new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
    target.dispatchEvent(event);
  }, [type, selector, files.map(({ name, mime, bytes }) => ({ name, mime, text: Buffer.from(bytes).toString('base64') }))]);
}

test('pictures and files by the button, from the clipboard, and dropped', async () => {
  const [ann, ben] = [await Person.at(browser, server.url, 'ann'), await Person.at(browser, server.url, 'ben')];
  await ann.signIn();
  await ben.signIn();
  await ann.startWith('ben');
  await ann.start();
  await ann.say('here they come');
  await ann.sees(['here they come']);

  const [choosing] = await Promise.all([ann.page.waitForEvent('filechooser'), ann.page.getByRole('button', { name: 'Attach files' }).click()]);
  await choosing.setFiles([
    { name: 'blue.png', mimeType: 'image/png', buffer: png(60, 40) },
    { name: '<b>plan<b>.html', mimeType: 'text/html', buffer: Buffer.from('<script>document.title = 1</script>') },
  ]);
  await give(ann.page, 'paste', '#draft', [{ name: 'pasted.png', mime: 'image/png', bytes: png(80, 20) }]);
  await give(ann.page, 'dragover', '#thread', [{ name: 'x', mime: 'text/plain', bytes: Buffer.from('x') }]);
  await give(ann.page, 'drop', '#thread', [{ name: 'dropped.txt', mime: 'text/plain', bytes: Buffer.from('dropped') }]);

  await ben.open('ann');
  for (const person of [ann, ben]) {
    await person.page.waitForFunction(() => [...document.querySelectorAll('.message img')].filter((image) => image.naturalWidth > 0).length === 2
      && document.querySelectorAll('.message .file-name').length === 2);
    const shown = await person.page.locator('.message img').evaluateAll((all) => all.map((image) => [image.alt, image.naturalWidth, image.getAttribute('width'), new URL(image.src).pathname.split('/')[1]]));
    assert.deepEqual(shown, [['blue.png', 60, '60', 'attachments'], ['pasted.png', 80, '80', 'attachments']]);
    assert.deepEqual(await person.page.locator('.message .file-name').allTextContents(), ['<b>plan<b>.html', 'dropped.txt']);
  }
  assert.equal(await ann.page.locator('#uploads').isVisible(), false);
  await ann.picture('files');

  // A file of an unsafe type is saved, and no page of the server.
  const [saved] = await Promise.all([ben.page.waitForEvent('download'), ben.page.getByRole('button', { name: /plan/ }).click()]);
  assert.match(saved.suggestedFilename(), /plan/);
  assert.equal(readFileSync(await saved.path(), 'utf8'), '<script>document.title = 1</script>');

  // A recall takes the picture with it.
  const address = await ben.page.locator('.message img').first().getAttribute('src');
  assert.equal(await ben.page.evaluate(async (src) => (await fetch(src, { cache: 'no-store' })).status, address), 200);
  await ann.page.evaluate(async () => {
    const json = { 'Content-Type': 'application/json' };
    const { token } = await (await fetch('/dev/token', { method: 'POST', headers: json, body: '{"user":"ann"}' })).json();
    const id = location.hash.split('/').find((part) => /^[0-9a-f-]{36}$/.test(part)) ?? location.hash.match(/[0-9a-f-]{36}/)[0];
    const seq = document.querySelector('.message img').closest('.message').dataset.seq;
    await fetch(`/v1/conversations/${id}/messages/${seq}`, { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } });
  });
  for (const person of [ann, ben]) await person.page.waitForFunction(() => document.querySelectorAll('.message img').length === 1);
  assert.equal(await ben.page.evaluate(async (src) => (await fetch(src, { cache: 'no-store' })).status, address), 404);
  await ann.leave();
  await ben.leave();
});

test('files that are refused, cancelled, or sent when the server is back', async () => {
  const cat = await Person.at(browser, server.url, 'cat');
  await cat.signIn();
  await cat.startWith('dan');
  await cat.start();
  const choose = async (...files) => {
    const [choosing] = await Promise.all([cat.page.waitForEvent('filechooser'), cat.page.getByRole('button', { name: 'Attach files' }).click()]);
    await choosing.setFiles(files);
  };
  await choose({ name: 'huge.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(200_001) });
  await cat.page.locator('#thread-note').filter({ hasText: 'huge.bin is larger than 200 kB.' }).waitFor();
  await choose({ name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) });
  await cat.page.locator('#thread-note').filter({ hasText: 'empty.txt is empty.' }).waitFor();
  // Its bytes are no picture: the node refuses them.
  await choose({ name: 'fake.png', mimeType: 'image/png', buffer: Buffer.from('<script>') });
  const row = cat.page.locator('#uploads li').filter({ hasText: 'fake.png' });
  await row.locator('.why').filter({ hasText: 'The file was not accepted.' }).waitFor();
  assert.equal(await row.getByRole('button', { name: 'Try again' }).count(), 0);
  await row.getByRole('button', { name: 'Discard' }).click();
  await row.waitFor({ state: 'hidden' });

  // An upload without an answer can be tried again.
  await cat.page.route('**/attachments/*-*', (route) => route.abort(), { times: 1 });
  await choose({ name: 'again.txt', mimeType: 'text/plain', buffer: Buffer.from('again') });
  const again = cat.page.locator('#uploads li').filter({ hasText: 'again.txt' });
  await again.locator('.why').waitFor();
  await cat.page.unroute('**/attachments/*-*');
  await again.getByRole('button', { name: 'Try again' }).click();
  await cat.page.locator('.message .file-name').filter({ hasText: 'again.txt' }).waitFor();
  await again.waitFor({ state: 'hidden' });

  // Cancelled while it is under way: nothing is sent.
  await cat.page.route('**/attachments/*-*', () => {}); // never answered
  await choose({ name: 'stopped.txt', mimeType: 'text/plain', buffer: Buffer.from('stopped') });
  const stopped = cat.page.locator('#uploads li').filter({ hasText: 'stopped.txt' });
  await stopped.locator('progress').waitFor();
  await stopped.getByRole('button', { name: 'Cancel' }).click();
  await stopped.waitFor({ state: 'hidden' });
  await cat.page.unroute('**/attachments/*-*');
  await cat.say('done');
  await cat.sees(['done']);
  assert.deepEqual(await cat.page.locator('.message .file-name').allTextContents(), ['again.txt']);
  await cat.leave();
});
