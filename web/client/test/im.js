// A real `im dev` with two nodes, and a proxy in front of each, which a test can cut.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = new URL('../../../', import.meta.url).pathname;

/** A TCP proxy that can be cut: its connections end, and new ones are refused. */
export class Proxy {
  #server;
  #sockets = new Set();
  #isCut = false;

  async start(target) {
    const { hostname, port } = new URL(target);
    this.#server = createServer((socket) => {
      if (this.#isCut) {
        socket.destroy();
        return;
      }
      const other = connect(Number(port), hostname);
      for (const one of [socket, other]) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sockets.delete(one);
          socket.destroy();
          other.destroy();
        });
      }
      socket.pipe(other).pipe(socket);
    });
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() { this.#isCut = false; }

  close() {
    this.cut();
    this.#server.close();
  }
}

export class Cluster {
  folder = mkdtempSync(join(tmpdir(), 'im-client-'));
  proxies = [new Proxy(), new Proxy()];
  #process;

  /** IM_BINARY names a binary that is built already. */
  async start() {
    this.binary = process.env.IM_BINARY;
    if (!this.binary) {
      this.binary = join(this.folder, 'im');
      execFileSync('go', ['build', '-o', this.binary, './cmd/im'], { cwd: root, stdio: 'inherit' });
    }
    const data = join(this.folder, 'data');
    this.#process = spawn(this.binary, ['dev', '--nodes', '2', '--addr', '127.0.0.1:0', '--data', data], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, IM_JWT_SECRET: '' },
    });
    let said = '';
    for (const stream of [this.#process.stdout, this.#process.stderr]) stream.on('data', (chunk) => { said = (said + chunk).slice(-20_000); });
    for (let i = 0; !/web chat/.test(said); i++) {
      if (this.#process.exitCode !== null || i > 1_200) throw new Error(`im dev did not start:\n${said}`);
      await sleep(50);
    }
    this.info = JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8'));
    this.nodes = this.info.urls;
    await Promise.all(this.proxies.map((proxy, i) => proxy.start(this.nodes[i])));
  }

  get urls() { return this.proxies.map(({ url }) => url); }

  async token(user) {
    const response = await fetch(`${this.nodes[0]}/dev/token`, {
      method: 'POST', headers: { 'content-type': 'application/json', origin: this.nodes[0] }, body: JSON.stringify({ user }),
    });
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    return (await response.json()).token;
  }

  /** Begins a new epoch, as after a restore. */
  newEpoch() {
    execFileSync(this.binary, ['epoch', 'new', '--database-url', this.info.database_url], { stdio: 'pipe' });
  }

  async close() {
    const child = this.#process;
    if (child && child.exitCode === null) {
      await new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGTERM');
        sleep(20_000, null, { ref: false }).then(() => child.kill('SIGKILL'));
      });
    }
    for (const proxy of this.proxies) if (proxy.url) proxy.close();
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }
}
