// A real server, real users, and a wire that can be cut: what the tests of the client stand on.

import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WaybillClient } from '../../static/js/waybill.js';

export const BINARY = process.env.WAYBILL_TEST_BINARY
  ?? new URL('../../target/debug/waybill', import.meta.url).pathname;
const SERVICE_KEY = 'a-key-for-tests-of-the-client';
const PATIENCE = 15_000;
export const PASSWORD = 'correct horse battery';

/** A promise that is not waited for without end. */
export function soon(promise, what, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The next value of `type` that `fits`. */
export function heard(emitter, type, fits = () => true, patience) {
  const next = new Promise((resolve) => {
    const off = emitter.on(type, (value) => {
      if (!fits(value)) return;
      off();
      resolve(value);
    });
  });
  return soon(next, `${type} ${fits}`, patience);
}

/** When the client is in this state, which it may be already. */
export async function inState(client, name, patience) {
  if (client.state.name === name) return client.state;
  return heard(client, 'state', (state) => state.name === name, patience);
}

/** All that a subscription tells, and a promise of the first that fits among it, past or future. */
export function record(emitter, type = 'frame') {
  const frames = [];
  const waiting = new Set();
  emitter.on(type, (frame) => {
    frames.push(frame);
    waiting.forEach((look) => look());
  });
  const until = (fits, patience) => soon(new Promise((resolve) => {
    const look = () => {
      const found = frames.find(fits);
      if (found === undefined) return;
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    look();
  }), `a ${type} with ${fits}`, patience);
  return { frames, until };
}

/** A port that was free a moment ago, below those that the system gives to any connection, which could take it meanwhile. */
async function freePort() {
  const port = randomInt(10_000, 32_000);
  const probe = net.createServer().listen(port, '127.0.0.1');
  const isFree = await once(probe, 'listening').then(() => true, () => false);
  if (!isFree) return freePort();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A server of its own for a test, gone when that ends. */
export async function startServer(t, settings = {}, options = []) {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-js-'));
  const server = new Server(folder, await freePort(), settings, options);
  t.after(async () => {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  });
  await server.start();
  return server;
}

/** A Redis of its own for a test, as `{port}`. */
export async function startRedis(t) {
  const port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit').catch(() => {});
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.includes('Ready to accept connections') && resolve());
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Redis ended with ${code}`)));
  });
  await soon(ready, 'Redis');
  return { port };
}

class Server {
  #child = null;
  #folder;
  #settings;
  #options;
  #count = 0;

  constructor(folder, port, settings, options) {
    this.#folder = folder;
    this.port = port;
    this.#settings = settings;
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
  }

  get #env() {
    return {
      PATH: process.env.PATH,
      DATABASE_URL: `sqlite://${this.#folder}/waybill.db`,
      WAYBILL_LISTEN: `127.0.0.1:${this.port}`,
      WAYBILL_RATE_LIMITS: 'off',
      WAYBILL_DISPATCH: 'off',
      WAYBILL_SERVICE_KEYS: `tests:${SERVICE_KEY}`,
      RUST_LOG: 'warn',
      // For a binary that was built elsewhere.
      ...(process.env.WAYBILL_STATIC && { WAYBILL_STATIC: process.env.WAYBILL_STATIC }),
      ...this.#settings,
    };
  }

  async start() {
    const child = spawn(BINARY, ['serve', ...this.#options], { env: this.#env, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const ready = new Promise((resolve, reject) => {
      lines.on('line', (line) => line.startsWith('waybill listening') && resolve());
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
      child.once('error', reject);
    });
    await soon(ready, 'the server to listen', 60_000);
  }

  /** Ends it at once, as a power cut would. */
  kill() {
    return this.#end('SIGKILL');
  }

  /** Tells it to stop. */
  stop() {
    return this.#end('SIGTERM');
  }

  async #end(signal) {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async call(method, path, { access, body, key } = {}) {
    const headers = { 'Content-Type': 'application/json' };
    if (access ?? key) headers.Authorization = `Bearer ${access ?? key}`;
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    const parsed = await answer.json().catch(() => null);
    if (!answer.ok) {
      const error = new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(parsed)}`);
      throw Object.assign(error, { status: answer.status, code: parsed?.code });
    }
    return parsed;
  }

  async user(role, name = role === 'admin' ? 'Root' : undefined) {
    this.#count += 1;
    const email = `${role}${this.#count}@example.test`;
    if (role === 'admin') {
      const command = ['user', 'add', '--email', email, '--name', name, '--role', 'admin', '--password-stdin'];
      const made = spawnSync(BINARY, command, { env: this.#env, input: `${PASSWORD}\n` });
      if (made.status !== 0) throw new Error(String(made.stderr));
      return new User(this, await this.call('POST', '/auth/login', { body: { email, password: PASSWORD } }));
    }
    const body = { email, password: PASSWORD, name: name ?? `${role} ${this.#count}`, role };
    return new User(this, await this.call('POST', '/auth/register', { body }));
  }

  /** An event as another back end publishes it. */
  publish(group, type, data) {
    return this.call('POST', '/events', { key: SERVICE_KEY, body: { group, type, data } });
  }

  /** A figure of `/metrics`; 0 where there is none. */
  async metric(line) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(text.split('\n').find((one) => one.startsWith(`${line} `))?.slice(line.length + 1) ?? 0);
  }
}

class User {
  #server;
  renewals = 0;
  onRenewal = () => {};

  constructor(server, { user, access, refresh }) {
    this.#server = server;
    this.id = user.id;
    this.email = user.email;
    this.partnerId = user.partner_id;
    this.access = access;
    this.refresh = refresh;
  }

  call(method, path, body) {
    return this.#server.call(method, path, { access: this.access, body });
  }

  /** What an application gives the client as `token`. */
  token = async ({ fresh } = {}) => {
    if (fresh) {
      this.renewals += 1;
      const tokens = await this.#server.call('POST', '/auth/refresh', { body: { refresh: this.refresh } });
      Object.assign(this, tokens);
      this.onRenewal();
    }
    return this.access;
  };

  logOut() {
    return this.#server.call('POST', '/auth/logout', { body: { refresh: this.refresh } });
  }
}

/** A client that is closed when the test ends. Its waits are short. */
export function connect(t, url, user, options = {}) {
  const client = new WaybillClient({ url, token: user.token, backoff: { first: 50, longest: 400 }, ...options });
  t.after(() => client.close());
  client.connect();
  return client;
}

const place = (latitude, longitude, address) => ({ latitude, longitude, address });

export function placeOrder(customer) {
  return customer.call('POST', '/orders', {
    pickup: place(52.52, 13.405, 'Karl-Liebknecht-Straße 1'),
    dropoff: place(52.5163, 13.3777, 'Pariser Platz 1'),
    items: [{ name: 'Soup', quantity: 2, unit_price: 650 }],
  });
}

/** An order that a partner has in hand. */
export async function assignedOrder(server) {
  const [customer, partner, admin] = [
    await server.user('customer'), await server.user('partner'), await server.user('admin'),
  ];
  const { partner_id: partnerId } = await partner.call('GET', '/me');
  partner.partnerId = partnerId;
  const order = await placeOrder(customer);
  await admin.call('POST', `/orders/${order.id}/assign`, { partner_id: partnerId });
  const step = (to, more = {}) => partner.call('POST', `/orders/${order.id}/transitions`, { to, ...more });
  return { customer, partner, admin, order, group: `order_${order.id}`, step };
}

/** A wire to the server that can be cut, can lose a frame, and counts what goes over it. */
export async function startWire(t, server) {
  const wire = new Wire(server.port);
  await wire.listen();
  t.after(() => wire.close());
  return wire;
}

class Wire {
  #port;
  #pairs = new Set();
  /** Clients whose connection is a WebSocket by now. */
  #talking = new Set();
  #server;
  #lose = null;
  /** WebSocket handshakes that were sent. */
  handshakes = 0;
  isDown = false;

  constructor(port) {
    this.#port = port;
  }

  async listen() {
    this.#server = net.createServer((client) => this.#join(client)).listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Breaks all connections; while it is down none are made. */
  cut({ down = false } = {}) {
    this.isDown = down;
    for (const pair of this.#pairs) pair.forEach((socket) => socket.destroy());
  }

  mend() {
    this.isDown = false;
  }

  /** Says something to the client in the server's stead. */
  say(frame) {
    const text = Buffer.from(JSON.stringify(frame));
    const head = headOf(text.length);
    for (const client of this.#talking) client.write(Buffer.concat([head, text]));
  }

  /** Loses the next frame to the client that `fits`; the promise tells when that has happened. */
  lose(fits) {
    return soon(new Promise((resolve) => { this.#lose = { fits, resolve }; }), `a frame to lose: ${fits}`);
  }

  close() {
    this.cut({ down: true });
    this.#server.close();
  }

  #join(client) {
    if (this.isDown) {
      client.destroy();
      return;
    }
    const server = net.connect(this.#port, '127.0.0.1');
    const pair = [client, server];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        this.#talking.delete(client);
        pair.forEach((one) => one.destroy());
      });
    }
    client.on('data', (bytes) => {
      if (bytes.includes('Sec-WebSocket-Key') || bytes.includes('sec-websocket-key')) this.handshakes += 1;
      server.write(bytes);
    });
    let kept = Buffer.alloc(0);
    let isUpgraded = false;
    server.on('data', (bytes) => {
      kept = Buffer.concat([kept, bytes]);
      if (!isUpgraded) {
        const end = kept.indexOf('\r\n\r\n');
        if (!kept.toString('latin1').startsWith('HTTP/1.1 101')) {
          client.write(kept);
          kept = Buffer.alloc(0);
          return;
        }
        if (end < 0) return;
        isUpgraded = true;
        client.write(kept.subarray(0, end + 4));
        kept = kept.subarray(end + 4);
        this.#talking.add(client);
      }
      for (let size = frameSize(kept); size !== null && kept.length >= size; size = frameSize(kept)) {
        const frame = kept.subarray(0, size);
        kept = kept.subarray(size);
        if (!this.#isLost(frame)) client.write(frame);
      }
    });
  }

  #isLost(frame) {
    if (this.#lose === null || frame[0] !== 0x81) return false;
    const text = frame.toString('utf8');
    if (!this.#lose.fits(JSON.parse(text.slice(text.indexOf('{"'))))) return false;
    const { resolve } = this.#lose;
    this.#lose = null;
    resolve();
    return true;
  }
}

/** What goes before so many bytes of text. */
function headOf(size) {
  if (size < 126) return Buffer.from([0x81, size]);
  if (size < 65_536) return Buffer.from([0x81, 126, size >> 8, size & 0xff]);
  const head = Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(size, 6);
  return head;
}

// How long an unmasked frame is, head and all; null while that cannot be told.
function frameSize(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes[1] & 0x7f;
  if (short < 126) return 2 + short;
  if (short === 126) return bytes.length < 4 ? null : 4 + bytes.readUInt16BE(2);
  return bytes.length < 10 ? null : 10 + Number(bytes.readBigUInt64BE(2));
}
