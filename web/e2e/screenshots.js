// Takes the screenshots of the documents: `npm run screenshots`, with IM_BINARY and CHROMIUM as for the tests. It needs
// fonts for Chinese and emoji: on Debian fonts-noto-cjk and fonts-noto-color-emoji. IM_PNG names a folder for them as PNG.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, Person } from './people.js';
import { prepare, secret, states } from './scenes.js';
import { Server } from './server.js';

const folder = new URL('../../docs/screenshots/', import.meta.url).pathname;
for (const one of [folder, process.env.IM_PNG]) if (one) mkdirSync(one, { recursive: true });
const kept = ['sign-in', 'chat', 'group', 'panel', 'person', 'settings', 'muted', 'invitation', 'new-group', 'offline'];

const server = new Server({ IM_JWT_SECRET: secret });
await server.start();
const browser = await launch();
const press = await (await browser.newContext()).newPage(); // it makes WebP of PNG, which is a quarter as large

async function keep(name, png) {
  if (process.env.IM_PNG) writeFileSync(join(process.env.IM_PNG, `${name}.png`), png);
  const webp = await press.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', .82).split(',')[1];
  }, png.toString('base64'));
  writeFileSync(join(folder, `${name}.webp`), Buffer.from(webp, 'base64'));
}

async function shoot(suffix, options, scene) {
  const alice = await Person.at(browser, server.url, 'alice', options);
  for (const [name, show] of Object.entries(states)) {
    await show(alice, scene);
    if (!kept.includes(name) && !process.env.IM_PNG) continue;
    await alice.page.waitForTimeout(500); // for motion to end
    const png = await alice.page.screenshot();
    if (kept.includes(name)) await keep(`${name}-${suffix}`, png);
    else writeFileSync(join(process.env.IM_PNG, `${name}-${suffix}.png`), png);
  }
  await alice.context.close();
}

try {
  const scene = { garden: await prepare(server) };
  const bob = await Person.at(browser, server.url, 'bob'); // online, and reads
  await bob.signIn();
  await bob.open('Alice Weber');
  await bob.message('太好了').waitFor();
  const wide = { width: 1180, height: 760 };
  const ways = [['light', { colorScheme: 'light', viewport: wide }], ['dark', { colorScheme: 'dark', viewport: wide }], ['phone', { colorScheme: 'light', viewport: { width: 390, height: 780 } }]];
  for (const [suffix, options] of ways) if (!process.env.IM_ONLY || process.env.IM_ONLY === suffix) await shoot(suffix, options, scene);
} finally {
  await browser.close();
  await server.close();
}
