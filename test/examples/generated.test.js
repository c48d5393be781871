// Clients that common generators make from openapi.yaml, against a real im dev: openapi-typescript with openapi-fetch,
// and oapi-codegen for Go.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Server } from '../../web/e2e/server.js';
import { folder, root, secret } from './programs.js';

const server = new Server({ IM_JWT_SECRET: secret });
const here = import.meta.dirname;
test.before(() => server.start(), { timeout: 180_000 });
test.after(() => server.close());

const token = (user) => execFileSync(server.binary, ['token', '--user', user], { env: { ...process.env, IM_JWT_SECRET: secret }, encoding: 'utf8' }).trim();
const env = () => ({ ...process.env, IM_URL: server.url, ALICE: token('alice'), GOWORK: 'off' });

test('a client in TypeScript, by openapi-typescript and openapi-fetch', (t) => {
  const cwd = folder(t);
  const run = (script, ...args) => execFileSync(process.execPath, [join(here, 'node_modules', script), ...args], { cwd, env: env(), stdio: ['ignore', 2, 'inherit'] });
  symlinkSync(join(here, 'node_modules'), join(cwd, 'node_modules'));
  writeFileSync(join(cwd, 'package.json'), '{"type": "module"}');
  cpSync(join(here, 'generated/use.ts'), join(cwd, 'use.ts'));
  run('openapi-typescript/bin/cli.js', `${server.url}/openapi.yaml`, '--output', 'im.ts');
  writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, target: 'es2022', lib: ['es2023', 'dom'], module: 'nodenext', types: [], preserveSymlinks: true }, files: ['use.ts'],
  }));
  run('typescript/bin/tsc');
  execFileSync(process.execPath, ['use.js'], { cwd, env: env(), stdio: ['ignore', 2, 'inherit'] });
});

test('a client in Go, by oapi-codegen', (t) => {
  const cwd = folder(t);
  const go = (...args) => execFileSync('go', args, { cwd, env: env(), stdio: ['ignore', 2, 'inherit'] });
  cpSync(join(here, 'generated/use.go.txt'), join(cwd, 'main.go'));
  cpSync(join(root, 'openapi.yaml'), join(cwd, 'openapi.yaml'));
  mkdirSync(join(cwd, 'im'));
  const [, version] = /oapi-codegen@(v[\d.]+)/.exec(readFileSync(join(here, 'generated/use.go.txt'), 'utf8'));
  go('mod', 'init', 'example.org/generated');
  go('run', `github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@${version}`, '-generate', 'types,client', '-package', 'im', '-o', 'im/im.go', 'openapi.yaml');
  go('mod', 'tidy');
  go('run', '.');
});
