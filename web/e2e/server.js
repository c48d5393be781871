// A real `im dev` of the tree, on a free port, that can be killed and started
// again with its data.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = new URL('../../', import.meta.url).pathname;

/** Builds the binary once; returns its path. IM_BINARY names one built already. */
export function build(folder) {
  if (process.env.IM_BINARY) return process.env.IM_BINARY;
  const binary = join(folder, 'im');
  execFileSync('go', ['build', '-o', binary, './cmd/im'], { cwd: root, stdio: 'inherit' });
  return binary;
}

export class Server {
  folder = mkdtempSync(join(tmpdir(), 'im-web-'));
  #process = null;
  url = null;

  async start() {
    this.binary ??= build(this.folder);
    const addr = this.url ? new URL(this.url).host : '127.0.0.1:0';
    const child = spawn(this.binary, ['dev', '--addr', addr, '--data', join(this.folder, 'data')], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, IM_JWT_SECRET: '' },
    });
    this.#process = child;
    let said = '';
    const found = new Promise((resolve, reject) => {
      const read = (chunk) => {
        said += chunk;
        const match = /web chat\s+(http:\/\/\S+)/.exec(said);
        if (match) resolve(match[1]);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code) => reject(new Error(`im dev ended with ${code}:\n${said}`)));
      sleep(60_000, null, { ref: false }).then(() => reject(new Error(`im dev did not say where it is:\n${said}`)));
    });
    this.url = (await found).replace(/\/$/, '');
  }

  /** Kills it as a power cut would. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  async close() {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGTERM');
        sleep(20_000, null, { ref: false }).then(() => child.kill('SIGKILL'));
      });
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
