// One socket that comes back by itself: tokens, waits, and knowing whether it is alive. It knows no groups.

import { Timers, WaybillError, claims } from './waybill-parts.js';

const TOKEN_PATIENCE = 30_000;
const HANDSHAKE_PATIENCE = 15_000;
const PROBE_PATIENCE = 5_000;
// How long a ping may go without an answer.
const PONG_PATIENCE = 10_000;
// After a sleep it is likely that nothing answers.
const WAKE_PATIENCE = 5_000;
// How long the close may take that follows an error.
const CLOSE_PATIENCE = 1_000;
// A connection that has lasted so long is taken to be a good one: the next wait begins anew.
const STABLE = 10_000;
// A token that ends sooner is renewed before it is used.
const NEAR_END = 30_000;
const TICK = 5_000;
// The clock went on by so much more than it should: the device was asleep.
const SLEPT = 10_000;
const AUTH_AGAIN = 3_000;
const MAX_FRAME = 65_536;
const MOST_WAITING = 5_000;

/**
 * Tells `on.state(state)`, `on.open(welcome)`, `on.lost()` and `on.frame(frame)`.
 *
 * Invariant: `#turn` counts the attempts, and what was begun in an earlier one does nothing any more.
 */
export class Connection {
  #options;
  #on;
  #timers = new Timers();
  #socket = null;
  #isOpen = false;
  #turn = 0;
  #attempt = 0;
  #refusals = 0;
  #fetching = null;
  #endsAt = Infinity;
  #mustRenew = false;
  // By how much the device's clock is before the server's, milliseconds; a fresh token tells.
  #ahead = 0;
  #heardAt = 0;
  #pingEvery = 25_000;
  #renewing = null;
  #waiting = [];
  #allowance;
  #allowedAt = 0;
  #refs = 0;
  #lastTick = 0;
  #off = [];

  state = { name: 'closed', reason: 'new' };

  constructor(options, on) {
    this.#options = options;
    this.#on = on;
    this.#allowance = options.framesPerSecond * 2;
  }

  get isOpen() {
    return this.#isOpen;
  }

  start() {
    if (this.state.name !== 'closed') return;
    this.#attempt = 0;
    this.#refusals = 0;
    this.#listen();
    this.#connect();
  }

  stop(reason = 'done', error) {
    this.#drop();
    this.#off.splice(0).forEach((off) => off());
    this.#tell({ name: 'closed', reason, ...(error && { error }) });
  }

  /**
   * Sends a frame, as fast as the server takes them; whether there was a connection. `first` goes before what waits.
   *
   * Throws `too_big` for a frame that the server would not read.
   */
  send(frame, first = false) {
    const text = JSON.stringify(frame);
    if (text.length * 3 > MAX_FRAME && new TextEncoder().encode(text).length > MAX_FRAME) {
      throw new WaybillError('too_big', `a frame has at most ${MAX_FRAME} bytes`);
    }
    if (!this.#isOpen || this.#waiting.length >= MOST_WAITING) return false;
    if (first) this.#waiting.unshift(text);
    else this.#waiting.push(text);
    this.#drain();
    return true;
  }

  /** The device woke up, or the page is looked at again: makes sure of the token, then of the connection. */
  wake() {
    if (this.state.name === 'waiting' || this.state.name === 'offline') {
      this.#connect();
    } else if (this.#isOpen && Date.now() >= this.#endsAt) {
      // The server has ended that session.
      this.#drop();
      this.#connect();
    } else if (this.#isOpen) {
      if (Date.now() >= this.#endsAt - NEAR_END) this.#renew();
      this.#ping(WAKE_PATIENCE);
    }
  }

  /** It is `retryAt`: for where this page's own timers are held back. */
  due(retryAt) {
    if (this.state.name === 'waiting' && this.state.retryAt === retryAt) this.#connect();
  }

  // A browser's events; elsewhere there are none.
  #listen() {
    const { host } = this.#options;
    const { document } = host;
    const add = (target, type, listener) => {
      if (typeof target?.addEventListener !== 'function') return;
      target.addEventListener(type, listener);
      this.#off.push(() => target.removeEventListener(type, listener));
    };
    add(host, 'online', () => this.wake());
    add(host, 'offline', () => this.#offline());
    add(host, 'pageshow', () => this.wake());
    add(document, 'visibilitychange', () => document.visibilityState === 'visible' && this.wake());
    this.#lastTick = Date.now();
    const tick = setInterval(() => {
      const late = Date.now() - this.#lastTick - TICK;
      this.#lastTick = Date.now();
      if (late > SLEPT) this.wake();
    }, TICK);
    this.#off.push(() => clearInterval(tick));
  }

  #offline() {
    if (this.#isOpen) this.#ping();
    else if (this.state.name === 'waiting') {
      this.#drop();
      this.#tell({ name: 'offline' });
    }
  }

  async #connect() {
    this.#drop();
    const turn = this.#turn;
    this.#tell({ name: 'connecting' });
    let token;
    try {
      token = await this.#fetchToken();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (isRefusal(error)) this.stop('unauthorized', told(error));
      else this.#retry(told(error));
      return;
    }
    if (turn !== this.#turn) return;
    let socket;
    try {
      socket = new this.#options.WebSocket(this.#options.url, ['bearer', token]);
    } catch (error) {
      this.stop('unauthorized', { code: 'bad_token', message: error.message });
      return;
    }
    this.#socket = socket;
    const isCurrent = () => socket === this.#socket;
    socket.onmessage = ({ data }) => isCurrent() && this.#take(data);
    // The close that follows says more, but Node 20 has none for a handshake that was refused.
    socket.onerror = () => {
      if (!isCurrent()) return;
      if (this.#isOpen) this.#timers.set('broken', CLOSE_PATIENCE, () => this.#dead('broken'));
      else this.#closed({ code: 1006, reason: '' }, token);
    };
    socket.onclose = (event) => isCurrent() && this.#closed(event, token);
    this.#timers.set('handshake', HANDSHAKE_PATIENCE, () => this.#dead('no_answer'));
  }

  // One at a time: a refresh token that is used twice ends the log-in.
  async #fetchToken() {
    const fresh = this.#mustRenew || Date.now() >= this.#endsAt - NEAR_END;
    while (this.#fetching && fresh && !this.#fetching.fresh) await this.#fetching.done.catch(() => {});
    if (!this.#fetching) {
      const fetching = { fresh, done: within(TOKEN_PATIENCE, this.#options.token, { fresh }) };
      const forget = () => {
        if (this.#fetching === fetching) this.#fetching = null;
      };
      fetching.done.then(forget, forget);
      this.#fetching = fetching;
    }
    const token = await this.#fetching.done;
    if (typeof token !== 'string' || token === '') throw new WaybillError('unauthorized', 'there is no token');
    this.#mustRenew = false;
    const { exp, iat, user_id: user } = claims(token);
    if (user) this.#on.user(user);
    // It was made just now, whatever the device's clock says.
    if (fresh && typeof iat === 'number') this.#ahead = Date.now() - iat * 1_000;
    this.#endsAt = typeof exp === 'number' ? exp * 1_000 + this.#ahead : Infinity;
    // One that was kept, and is about to end.
    if (!fresh && Date.now() >= this.#endsAt - NEAR_END) return this.#fetchToken();
    return token;
  }

  #take(data) {
    this.#heardAt = Date.now();
    this.#timers.clear('dead');
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof frame?.type !== 'string') return;
    if (frame.type === 'welcome') this.#welcome(frame);
    else if (frame.type === 'token_expiring') this.#expiring(frame);
    else if (frame.type === 'authenticated') this.#ends(frame);
    const answered = this.#renewing?.ref;
    if (answered !== undefined && frame.ref === answered) this.#renewed(frame);
    else this.#on.frame(frame);
  }

  #welcome(frame) {
    this.#timers.clear('handshake');
    this.#isOpen = true;
    this.#ends(frame);
    if (frame.ping_interval > 0) this.#pingEvery = frame.ping_interval * 1_000;
    this.#timers.set('stable', STABLE, () => {
      this.#attempt = 0;
      this.#refusals = 0;
    });
    this.#watch();
    this.#tell({ name: 'open', user: frame.user_id });
    this.#on.open(frame);
  }

  #ends({ expires_at: at }) {
    const end = Date.parse(at);
    if (!Number.isNaN(end)) this.#endsAt = end + this.#ahead;
  }

  // Not at once: others hear it in the same moment, and a token that lasts less than a minute is always about to end.
  #expiring(frame) {
    this.#ends(frame);
    const left = Math.min(Math.max(this.#endsAt - Date.now(), 0), 40_000);
    this.#timers.set('renew', (left / 4) * (1 + Math.random()), () => this.#renew());
  }

  async #renew() {
    if (this.#renewing) return;
    const turn = this.#turn;
    const renewing = { ref: `auth ${++this.#refs}` };
    this.#renewing = renewing;
    this.#timers.set('renewed', TOKEN_PATIENCE + PONG_PATIENCE, () => this.#renewAgain());
    try {
      this.#mustRenew = true;
      const token = await this.#fetchToken();
      if (turn === this.#turn) this.send({ type: 'auth', token, ref: renewing.ref }, true);
    } catch (error) {
      if (turn !== this.#turn) return;
      if (isRefusal(error)) this.stop('unauthorized', told(error));
      else this.#renewAgain();
    }
  }

  #renewAgain() {
    this.#renewing = null;
    // The session goes on until the token's end. When that comes, connecting anew tells what is wrong.
    this.#timers.set('renew', AUTH_AGAIN * (0.5 + Math.random()), () => this.#renew());
  }

  #renewed(frame) {
    this.#timers.clear('renewed');
    if (frame.type !== 'error') {
      this.#renewing = null;
      return;
    }
    if (frame.code === 'token_of_another' || frame.code === 'token_outdated') {
      this.#renewing = null;
      this.#drop();
      this.#connect();
    } else {
      this.#renewAgain();
    }
  }

  // Browsers do not tell when a connection is dead. A frame a while does.
  #watch() {
    this.#timers.set('watch', this.#pingEvery, () => {
      if (Date.now() - this.#heardAt >= this.#pingEvery / 2) this.#ping();
      this.#watch();
    });
  }

  #ping(patience = PONG_PATIENCE) {
    if (this.#timers.has('dead')) return;
    this.send({ type: 'ping', ref: 'alive' }, true);
    this.#timers.set('dead', patience, () => this.#dead('silence'));
  }

  #dead(code) {
    this.#drop();
    this.#retry({ code, message: 'the server does not answer' });
  }

  async #closed({ code, reason }, token) {
    const wasOpen = this.#isOpen;
    this.#drop();
    const turn = this.#turn;
    const error = { code: `closed_${code}`, message: reason || 'the connection broke' };
    switch (code) {
      case 4401:
        this.#refused(error);
        return;
      case 4403:
        this.stop('forbidden', error);
        return;
      case 4409:
        this.stop('replaced', error);
        return;
      case 4408:
        // Nothing is wrong with the server.
        this.#attempt = 0;
        break;
      case 1008:
      case 1009:
      case 1013:
        this.#attempt = Math.max(this.#attempt, 3);
        break;
      default:
    }
    // Browsers do not tell why a handshake was refused. A call with the same token does.
    if (!wasOpen && code < 4000 && (await this.#isRefused(token)) && turn === this.#turn) {
      this.#refused({ code: 'token_refused', message: 'the server does not take the token' });
    } else if (turn === this.#turn) {
      this.#retry(error, retryIn(reason));
    }
  }

  async #isRefused(token) {
    const { fetch, api } = this.#options;
    if (!fetch) return false;
    try {
      const headers = { Authorization: `Bearer ${token}` };
      const signal = globalThis.AbortSignal?.timeout?.(PROBE_PATIENCE);
      return (await fetch(`${api}/api/v1/me`, { headers, signal, cache: 'no-store' })).status === 401;
    } catch {
      return false;
    }
  }

  // The first time a fresh token may help; if that one is refused, too, nothing does.
  #refused(error) {
    this.#refusals += 1;
    if (this.#refusals > 1) {
      this.stop('unauthorized', error);
      return;
    }
    this.#mustRenew = true;
    this.#connect();
  }

  #retry(error, asked) {
    this.#drop();
    const { first, longest } = this.#options.backoff;
    const most = Math.min(longest, first * 2 ** this.#attempt);
    this.#attempt += 1;
    if (this.#options.host.navigator?.onLine === false) {
      this.#tell({ name: 'offline', error });
      // Browsers may be wrong about it.
      this.#timers.set('retry', longest, () => this.#connect());
      return;
    }
    const wait = asked === undefined ? Math.random() * most : asked + Math.random() * 250;
    this.#tell({ name: 'waiting', retryAt: Date.now() + wait, attempt: this.#attempt, error });
    this.#timers.set('retry', wait, () => this.#connect());
  }

  // Lets go of the socket, if there is one.
  #drop() {
    this.#turn += 1;
    this.#timers.clearAll();
    this.#renewing = null;
    this.#waiting = [];
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.onerror = () => {};
      try {
        socket.close(1000);
      } catch {
        // It is closed.
      }
    }
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#on.lost();
    }
  }

  #drain() {
    const rate = this.#options.framesPerSecond;
    const now = Date.now();
    const gained = Math.max(now - this.#allowedAt, 0) / 1_000 * rate;
    this.#allowance = Math.min(this.#allowance + gained, rate * 2);
    this.#allowedAt = now;
    while (this.#waiting.length > 0 && this.#allowance >= 1) {
      this.#allowance -= 1;
      this.#socket.send(this.#waiting.shift());
    }
    if (this.#waiting.length > 0 && !this.#timers.has('drain')) {
      this.#timers.set('drain', 1_000 / rate, () => this.#drain());
    }
  }

  #tell(state) {
    this.state = state;
    this.#on.state(state);
  }
}

async function within(wait, what, argument) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new WaybillError('no_token', 'no token came in time')), wait);
  });
  try {
    return await Promise.race([what(argument), late]);
  } finally {
    clearTimeout(timer);
  }
}

// Whether whoever gives tokens says that there is none for this user any more.
function isRefusal(error) {
  return error?.code === 'unauthorized' || error?.status === 401 || error?.status === 403;
}

function told(error) {
  return { code: error?.code || 'no_token', message: error?.message ?? String(error) };
}

// A server that restarts tells each session when to come back, so that not all come at once.
function retryIn(reason) {
  try {
    const { retry_in: wait } = JSON.parse(reason);
    return wait >= 0 ? wait : undefined;
  } catch {
    return undefined;
  }
}
