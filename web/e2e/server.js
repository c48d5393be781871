// A real `im dev` of the tree, on a free port, that can be killed and started
// again with its data.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

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
  #env;
  url = null;
  adminUrl = undefined; // of the first node, without the path of the admin page

  #nodes;

  /**
   * @param {object} env additional settings
   * @param {number} nodes how many, in one process
   */
  constructor(env = {}, nodes = 1) {
    this.#env = env;
    this.#nodes = nodes;
  }

  /** The URL of another node, or of this one if there is one only. */
  get otherUrl() { return this.urls.at(-1); }

  async start() {
    this.binary ??= build(this.folder);
    const addr = this.url ? new URL(this.url).host : '127.0.0.1:0';
    const child = spawn(this.binary, ['dev', '--nodes', String(this.#nodes), '--addr', addr, '--data', join(this.folder, 'data')], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, IM_JWT_SECRET: '', ...this.#env },
    });
    this.#process = child;
    let said = '';
    const found = new Promise((resolve, reject) => {
      const read = (chunk) => {
        said += chunk;
        const urls = [...said.matchAll(/^ +(?:web chat|node \d+) +(http:\/\/\S+)$/gm)].map(([, url]) => url.replace(/\/$/, ''));
        this.adminUrl = /^ +admin +(http:\/\/\S+)\/admin$/m.exec(said)?.[1];
        if (urls.length >= this.#nodes && /^ +database /m.test(said)) resolve(urls); // printed after them
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code) => reject(new Error(`im dev ended with ${code}:\n${said}`)));
      sleep(180_000, null, { ref: false }).then(() => reject(new Error(`im dev did not say where it is:\n${said}`)));
    });
    this.urls = await found;
    [this.url] = this.urls;
  }

  /** A token signed with IM_JWT_SECRET, which has to be among the settings. */
  token(user, ...flags) {
    return execFileSync(this.binary, ['token', '--user', user, ...flags], { env: { ...process.env, ...this.#env } }).toString().trim();
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

const services = {
  database: process.env.IM_TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres',
  redis: process.env.IM_TEST_REDIS_URL ?? 'redis://127.0.0.1:6379',
  amqp: process.env.IM_TEST_AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672/',
};

/** Two processes `im serve` on real services, with a database of their own, each behind an address that leads to the other when it is away. */
export class Cluster {
  folder = mkdtempSync(join(tmpdir(), 'im-web-'));
  secret = 'a secret of the tests, of 32 bytes or more';
  #name = `im_web_${process.pid}_${Date.now()}`;
  #nodes = []; // { process, port }
  #doors = [];

  async start() {
    this.binary = build(this.folder);
    await this.#sql(`CREATE DATABASE ${this.#name}`);
    const database = new URL(services.database);
    database.pathname = `/${this.#name}`;
    this.#env = {
      PATH: process.env.PATH, HOME: process.env.HOME, IM_DATABASE_URL: database.href, IM_REDIS_URL: services.redis, IM_AMQP_URL: services.amqp, IM_PREFIX: this.#name, IM_JWT_SECRET: this.secret, IM_ADMIN_ADDR: '127.0.0.1:0',
    };
    for (const n of [0, 1]) this.#nodes.push(await this.#node(n));
    for (const n of [0, 1]) this.#doors.push(await this.#door(n));
    this.urls = this.#doors.map((door) => `http://127.0.0.1:${door.address().port}`);
  }

  #env;

  async #node(n) {
    const port = await freePort();
    const child = spawn(this.binary, ['serve', '--addr', `127.0.0.1:${port}`, '--node-name', `web-${n}`], { stdio: ['ignore', 'pipe', 'pipe'], env: this.#env });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { said = (said + chunk).slice(-4_000); });
    for (const until = Date.now() + 120_000; ;) {
      if (child.exitCode !== null || Date.now() > until) throw new Error(`im serve is not ready:\n${said}`);
      if ((await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok) return { child, port };
      await sleep(200);
    }
  }

  /** An address: to node n, or to the other one if that cannot be reached. */
  async #door(n) {
    const door = createServer((client) => {
      const connect = ([node, ...others]) => {
        let isUp = false;
        const server = createConnection(node.port, '127.0.0.1', () => {
          isUp = true;
          client.pipe(server).pipe(client);
        });
        server.on('error', () => { if (!isUp && others.length) connect(others); });
        server.on('close', () => { if (isUp || !others.length) client.destroy(); });
        client.on('close', () => server.destroy());
      };
      client.on('error', () => {});
      connect([this.#nodes[n], this.#nodes[1 - n]]);
    });
    await new Promise((resolve) => { door.listen(0, '127.0.0.1', resolve); });
    return door;
  }

  /** A token of a user. */
  token(user) {
    return execFileSync(this.binary, ['token', '--user', user], { env: this.#env }).toString().trim();
  }

  /** Kills a node as a power cut would. */
  async kill(n) {
    const { child } = this.#nodes[n];
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  async #sql(text) {
    const client = new pg.Client(services.database);
    await client.connect();
    await client.query(text);
    await client.end();
  }

  async close() {
    for (const n of this.#nodes.keys()) await this.kill(n);
    for (const door of this.#doors) door.close();
    await this.#sql(`DROP DATABASE IF EXISTS ${this.#name} WITH (FORCE)`);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}
