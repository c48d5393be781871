// Starts the programs of the examples, and browsers, and ends them after the test.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { chromium } from 'playwright-core';

export const root = new URL('../../', import.meta.url).pathname;
export const secret = 'a-secret-of-32-bytes-or-more-please';

/** A folder that is deleted after the test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'im-examples-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const services = process.env.IM_TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

/** Makes an empty database that is dropped after the test; resolves to its URL. */
export async function newDatabase(t) {
  const name = `im_examples_${process.pid}_${Date.now()}`;
  const sql = async (text) => {
    const client = new pg.Client(services);
    await client.connect();
    await client.query(text);
    await client.end();
  };
  await sql(`CREATE DATABASE ${name}`);
  t.after(() => sql(`DROP DATABASE ${name} WITH (FORCE)`));
  return Object.assign(new URL(services), { pathname: `/${name}` }).href;
}

/** Waits until check resolves to something true, and returns it. */
export async function until(what, check, timeout = 60_000) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not seen: ${what}`);
    await sleep(50);
  }
}

/** Starts a program, and waits until it has printed what matches; resolves to the program, with the match. */
export async function start(t, command, args, { cwd, env = {} }, pattern) {
  const child = spawn(command, args, { cwd, env: { ...process.env, IM_JWT_SECRET: secret, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => { said += chunk; });
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  const stop = async (signal = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      sleep(20_000, null, { ref: false }).then(() => child.kill('SIGKILL'));
    }
    return exited;
  };
  t.after(() => stop());
  const match = await until(`${pattern} of ${command} ${args.join(' ')}`, () => {
    if (child.exitCode !== null) throw new Error(`${command} ${args.join(' ')} ended with ${child.exitCode}:\n${said}`);
    return pattern.exec(said);
  });
  return { match, stop, get said() { return said; } };
}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
}
