// Real tabs in a real browser, by the Chrome DevTools Protocol.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { soon } from './support.mjs';

const CHROMIUM = process.env.WAYBILL_TEST_CHROMIUM
  ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

/** An empty page, with the client beside it. */
export async function startSite(t) {
  const site = http.createServer(async (request, answer) => {
    const name = /^\/static\/js\/([\w-]+\.js)$/.exec(request.url)?.[1];
    if (name) {
      answer.setHeader('Content-Type', 'text/javascript; charset=utf-8');
      answer.end(await readFile(new URL(`../../static/js/${name}`, import.meta.url)));
    } else {
      answer.setHeader('Content-Type', 'text/html; charset=utf-8');
      answer.setHeader('Content-Security-Policy', "default-src 'self'; connect-src *");
      answer.end('<!doctype html><title>A page</title><link rel="icon" href="data:,">');
    }
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => {
    site.closeAllConnections();
    site.close();
  });
  return `http://127.0.0.1:${site.address().port}`;
}

export async function startChromium(t) {
  if (!CHROMIUM) throw new Error('there is no Chromium: install it, or set WAYBILL_TEST_CHROMIUM');
  const folder = await mkdtemp(join(tmpdir(), 'waybill-chromium-'));
  const child = spawn(CHROMIUM, [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
    // A name that is no secure context, as an address in a local network is.
    '--host-resolver-rules=MAP lan.test 127.0.0.1',
    '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'pipe'] });
  const address = soon(new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const [, url] = /^DevTools listening on (ws:\S+)$/.exec(line) ?? [];
      if (url) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`the browser ended with ${code}`)));
  }), 'the browser', 60_000);
  const socket = new WebSocket(await address);
  await once(socket, 'open');
  const browser = new Browser(socket);
  t.after(async () => {
    socket.close();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return browser;
}

class Browser {
  #socket;
  #count = 0;
  #calls = new Map();
  #listeners = new Set();
  /** What pages have complained of. */
  complaints = [];

  constructor(socket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const { id, result, error, method, params, sessionId } = JSON.parse(data);
      if (method === 'Runtime.exceptionThrown') this.complaints.push(params.exceptionDetails);
      if (method) this.#listeners.forEach((listener) => listener(method, params, sessionId));
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new Error(error.message));
      else call?.resolve(result);
    };
  }

  /** Calls `listener` with each event of any tab, from now on. */
  listen(listener) {
    this.#listeners.add(listener);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#count;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => { this.#calls.set(id, { resolve, reject }); });
  }

  async open(url) {
    const { targetId } = await this.send('Target.createTarget', { url });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, targetId, sessionId);
    await tab.send('Runtime.enable');
    await tab.send('Network.enable');
    await tab.send('Page.enable');
    // A new tab is an empty page at first.
    const there = async () => {
      while (!(await tab.run(() => location.protocol === 'http:').catch(() => false)));
    };
    await soon(there(), 'the page');
    await tab.settled();
    return tab;
  }
}

class Tab {
  #browser;
  #target;
  #session;

  constructor(browser, target, session) {
    this.#browser = browser;
    this.#target = target;
    this.#session = session;
  }

  send(method, params) {
    return this.#browser.send(method, params, this.#session);
  }

  /** Calls `listener` with each event of this tab, from now on. */
  listen(listener) {
    this.#browser.listen((method, params, session) => { if (session === this.#session) listener(method, params); });
  }

  /** Runs `what(argument)` in the page, and gives what it resolves to. */
  async run(what, argument, patience = 30_000) {
    const expression = `(${what})(${JSON.stringify(argument) ?? ''})`;
    const answer = await soon(
      this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }), `${what}`, patience,
    );
    if (answer.exceptionDetails) {
      throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
    }
    return answer.result.value;
  }

  settled() {
    return this.run(() => new Promise((resolve) => {
      if (document.readyState === 'complete') resolve();
      else addEventListener('load', () => resolve());
    }));
  }

  async reload() {
    await this.run(() => { globalThis.isOld = true; });
    await this.send('Page.reload');
    const fresh = async () => {
      while (await this.run(() => globalThis.isOld === true).catch(() => true));
    };
    await soon(fresh(), 'the page to be loaded anew');
    await this.settled();
  }

  setOffline(offline) {
    const limits = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    return this.send('Network.emulateNetworkConditions', { offline, ...limits });
  }

  /**
   * Bytes of the page's heap that are still in use after the garbage is gone. What the browser itself is just at is among them,
   * so the least of several readings is what the page keeps.
   */
  async heap() {
    const readings = [];
    while (readings.length < 5) {
      await this.send('HeapProfiler.collectGarbage');
      readings.push((await this.send('Runtime.getHeapUsage')).usedSize);
    }
    return Math.min(...readings);
  }

  async #intercept(path, requestStage, act, answer) {
    const paused = new Promise((resolve) => {
      this.#browser.listen((method, { requestId }) => { if (method === 'Fetch.requestPaused') resolve(requestId); });
    });
    await this.send('Fetch.enable', { patterns: [{ urlPattern: `*${path}`, requestStage }] });
    await act();
    await answer(await soon(paused, `a call to ${path}`));
    await this.send('Fetch.disable');
  }

  /** Does `act`; the answer to the call to `path` that it makes is lost on the way. */
  loseAnswer(path, act) {
    return this.#intercept(path, 'Response', act, (requestId) => this.send('Fetch.failRequest', { requestId, errorReason: 'ConnectionReset' }));
  }

  /** Does `act`; the call to `path` that it makes does not come to the server, and is answered with a status by something before it. */
  turnAway(path, status, act) {
    return this.#intercept(path, 'Request', act, (requestId) => this.send('Fetch.fulfillRequest', { requestId, responseCode: status, body: btoa('{}') }));
  }

  close() {
    return this.#browser.send('Target.closeTarget', { targetId: this.#target });
  }

  /** Stops the page without a word to it, as browsers do that know no `freeze`. What others tell it meanwhile may be lost. */
  async stop() {
    const stopped = new Promise((resolve) => {
      this.listen((method) => method === 'Debugger.paused' && resolve());
    });
    await this.send('Debugger.enable');
    // Answered once the page goes on.
    this.send('Runtime.evaluate', { expression: 'debugger' }).catch(() => {});
    await soon(stopped, 'the page to stop');
  }

  goOn() {
    return this.send('Debugger.disable');
  }

  /** Ends the page's process, as the system does when memory is short. */
  crash() {
    this.send('Page.crash').catch(() => {});
  }
}
