// The client of a waybill server: https and WebSockets in, typed events out. See README.md beside this file.

import { Emitter, Seen, WaybillError, claims, judge, uuid } from './waybill-parts.js';
import { alone, canShare, together } from './waybill-tabs.js';

export { WaybillError };

const DAY = 24 * 60 * 60 * 1_000;
// What the client itself tells. A back end may publish frames of any type: under these it is told by `frame` alone.
const OWN = new Set(['ended', 'fault', 'frame', 'given_up', 'resync', 'snapshot', 'state']);
// Frames that are kept until they are answered, and so are sent by methods of their own.
const KEPT = { chat: 'chat', mark_read: 'markRead', chat_read: 'chatRead', ack: 'ack' };
const CONTROLLED = new Set(['subscribe', 'unsubscribe', 'auth']);
const ANSWERED = new Set(['accept', 'decline', 'ping']);

/** What one caller of `subscribe` hears of a group, each event once and in order. */
export class Subscription extends Emitter {
  #client;
  #isAwaiting;
  #isFilling = false;
  #seen = new Seen(1_000);
  #resolve;
  #reject;

  /** Whether nothing follows. */
  isEnded = false;

  constructor(client, id, group, since) {
    super();
    this.#client = client;
    this.id = id;
    this.group = group;
    /** Where this one is: to be given as `since` another time. */
    this.position = since ?? null;
    this.#isAwaiting = !since;
    /** Resolves once the server has let this one in, and rejects where it does not. */
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.ready.catch(() => {});
  }

  close() {
    if (this.isEnded) return;
    this.#client.leave(this);
    this.end();
  }

  [Symbol.asyncIterator]() {
    return this.iterate('frame');
  }

  /** For the client. The message that says why, or none when the application has ended it. */
  end(error) {
    this.isEnded = true;
    const told = new WaybillError(error?.code ?? 'closed', error?.message ?? 'the subscription was closed');
    this.#reject(told);
    if (error) this.emit('ended', told);
    else this.emit('ended', null);
  }

  /** For the client: the server has let the group in, from `position` on. */
  stands({ epoch, seq, recovered }) {
    this.#isFilling = false;
    if (recovered) {
      if (!this.#isAwaiting) this.#resolve();
      return;
    }
    this.restart({ epoch, seq });
  }

  /** For the client: what was known means nothing any more, and a snapshot follows. */
  restart(position) {
    const isFirst = this.position === null;
    this.position = position;
    this.#isAwaiting = true;
    this.#resolve();
    if (isFirst) return;
    this.emit('resync', { group: this.group, position });
    this.#client.emit('resync', { group: this.group, position });
  }

  /** For the client: where to go on from; nowhere while a snapshot is due. */
  get since() {
    return this.#isAwaiting ? null : this.position;
  }

  /**
   * For the client: takes a frame; what the listeners have returned, or null where it is not for this subscription.
   * `ask` is called where something is missing.
   */
  take(frame, peek, ask) {
    if (frame.position) {
      if (peek && !this.#isAwaiting) return null;
      this.position = frame.position;
      this.#isAwaiting = false;
      this.#resolve();
      return [...this.#tell(frame), ...this.emit('snapshot', frame)];
    }
    switch (judge(this.position, frame)) {
      case 'free':
        break;
      case 'next':
        this.position = { epoch: frame.epoch, seq: frame.seq };
        this.#isFilling = false;
        break;
      case 'hole':
        if (this.position && !this.#isFilling) {
          this.#isFilling = true;
          ask();
        }
        return null;
      default:
        return null;
    }
    if (frame.id !== undefined && !this.#seen.add(frame.id)) return null;
    return this.#tell(frame);
  }

  #tell(frame) {
    return [...this.emit('frame', frame), ...(OWN.has(frame.type) ? [] : this.emit(frame.type, frame))];
  }
}

export class WaybillClient extends Emitter {
  #options;
  #line;
  #leader = null;
  #state = { name: 'closed', reason: 'new' };
  #handles = new Map();
  #handleCount = 0;
  #requests = new Map();
  #queue = new Map();
  #seen = new Seen();
  #isStarted = false;

  constructor(options) {
    super();
    this.#options = complete(options);
    const open = this.#options.share && canShare(this.#options) ? together : alone;
    this.#line = open(this.#options, (message) => this.#hear(message));
  }

  /** How the connection is: see `State`. */
  get state() {
    return this.#state;
  }

  /** The id of the user whom the server takes this to be, once it has said so. */
  userId = null;

  /** Whether this tab has the socket. */
  get isLeader() {
    return this.#line.isLeader;
  }

  /** Begins, or begins anew after `closed`. */
  connect() {
    this.#isStarted = true;
    if (this.#leader !== null) this.#line.post({ op: 'connect' });
    else this.#tellState({ name: 'connecting' });
  }

  /** Ends the connection for all tabs that share it, until one calls `connect`. */
  disconnect() {
    this.#isStarted = false;
    this.#line.post({ op: 'disconnect' });
  }

  /** Ends this client for good; other tabs go on. */
  close() {
    this.#isStarted = false;
    this.#line.close();
    for (const handle of this.#handles.values()) handle.end();
    this.#handles.clear();
    const error = new WaybillError('closed', 'the client was closed');
    for (const { reject } of this.#requests.values()) reject(error);
    for (const { waiters } of this.#queue.values()) waiters.forEach(({ reject }) => reject(error));
    this.#requests.clear();
    this.#queue.clear();
    this.#tellState({ name: 'closed', reason: 'done' });
  }

  /** Listens to a group, from `since` on or else beginning with its snapshot. */
  subscribe(group, { since } = {}) {
    const handle = new Subscription(this, ++this.#handleCount, group, since);
    this.#handles.set(handle.id, handle);
    if (this.#leader !== null) this.#want(handle);
    return handle;
  }

  /** For `Subscription.close`. */
  leave(handle) {
    this.#handles.delete(handle.id);
    if (this.#leader !== null) this.#line.post({ op: 'drop', handle: handle.id, group: handle.group });
  }

  /** Sends a frame that nobody waits for an answer to (`location`, `typing`), if there is a connection. */
  send(frame) {
    mustNotBeKept(frame);
    if (this.#state.name !== 'open') return false;
    this.#line.post({ op: 'send', frame });
    return true;
  }

  /** Sends a frame, and gives its answer; waits for a connection, but no longer than `timeout` in all. */
  request(frame, { timeout = 10_000 } = {}) {
    mustNotBeKept(frame);
    if (!ANSWERED.has(frame.type)) {
      throw new WaybillError('not_answered', `${frame.type} has no answer: use send`);
    }
    return new Promise((resolve, reject) => {
      const request = { op: 'request', id: uuid(), frame, timeout };
      this.#requests.set(request.id, { resolve, reject, request, isPosted: this.#leader !== null });
      if (this.#leader !== null) this.#line.post(request);
    });
  }

  /** Writes a message about an order, now or as soon as that can be done. Gives the message as the server has it. */
  chat(orderId, text, { clientId = uuid() } = {}) {
    return this.#keep(clientId, { type: 'chat', order_id: orderId, text, client_id: clientId });
  }

  /** Marks a notification as read. */
  markRead(id) {
    return this.#keep(`mark_read ${id}`, { type: 'mark_read', id });
  }

  /** Notes that the user has read what was written about an order up to a message. */
  chatRead(orderId, upTo) {
    if (!upTo) throw new WaybillError('invalid_fields', 'chatRead needs the id of the last message that was read');
    return this.#keep(`chat_read ${orderId}`, { type: 'chat_read', order_id: orderId, up_to: upTo });
  }

  /** Says that events have been shown. Done by itself for notifications, unless `ack` is `manual`. */
  ack(...ids) {
    this.#line.post({ op: 'ack', ids });
  }

  /** The device woke up. Browsers tell by themselves; for others that do, such as React Native's `AppState`. */
  wake() {
    this.#line.post({ op: 'wake' });
  }

  #want(handle) {
    const { id, group, since } = handle;
    this.#line.post({ op: 'want', handle: id, group, since });
  }

  #keep(key, frame) {
    const kept = new Promise((resolve, reject) => {
      const there = this.#queue.get(key) ?? { frame, waiters: [] };
      const further = frame.type !== 'chat_read' || frame.up_to > there.frame.up_to;
      this.#queue.set(key, {
        frame: further ? frame : there.frame,
        waiters: [...there.waiters, { resolve, reject }],
      });
      if (this.#leader !== null) this.#line.post({ op: 'queue', key, frame });
    });
    // Who does not wait for it hears of it by `given_up`.
    kept.catch(() => {});
    return kept;
  }

  #hear(message) {
    switch (message.op) {
      case 'leader': this.#follow(message); break;
      case 'state': this.#tellState(message.state); break;
      case 'subscribed': this.#of(message.group, (handle) => handle.stands(message)); break;
      case 'resync': this.#of(message.group, (handle) => handle.restart(message.position)); break;
      case 'ended': this.#ended(message); break;
      case 'frame': this.#take(message); break;
      case 'answer': this.#answer(message); break;
      case 'settled': this.#settled(message); break;
      case 'given_up': {
        const { frame, code, message: why } = message;
        this.emit('given_up', { frame, code, message: why });
        break;
      }
      case 'fault': this.emit('fault', new WaybillError(message.error.code, message.error.message)); break;
      default:
    }
  }

  // Somebody has the socket, perhaps since just now: says again what is wanted, and from where.
  #follow({ id, state }) {
    const isNews = state.reason !== 'new' && state.name !== this.#state.name;
    if (this.#leader === id) {
      // One that had been passed over, and did not know yet, may have said something else meanwhile.
      if (isNews) this.#tellState(state);
      return;
    }
    this.#leader = id;
    if (state.reason !== 'new') this.#tellState(state);
    if (this.#isStarted) this.#line.post({ op: 'connect' });
    for (const handle of this.#handles.values()) this.#want(handle);
    for (const [key, { frame }] of this.#queue) this.#line.post({ op: 'queue', key, frame });
    for (const [key, pending] of [...this.#requests]) {
      if (!pending.isPosted) {
        pending.isPosted = true;
        this.#line.post(pending.request);
      } else {
        // Whoever had the socket before may have sent it or not.
        this.#requests.delete(key);
        pending.reject(new WaybillError('disconnected', 'the connection broke'));
      }
    }
  }

  #of(group, what) {
    for (const handle of [...this.#handles.values()]) if (handle.group === group) what(handle);
  }

  #take({ frame, peek }) {
    if (frame.type === 'welcome') this.userId = frame.user_id;
    // An answer to this session alone belongs to no subscription.
    let isTaken = frame.seq === undefined && !frame.position;
    const results = [];
    this.#of(frame.group, (handle) => {
      const heard = handle.take(frame, peek, () => this.#want(handle));
      isTaken ||= heard !== null;
      results.push(...(heard ?? []));
    });
    // The same event may come by two groups, and after a fault twice by one.
    if (!isTaken || (frame.id !== undefined && !this.#seen.add(frame.id))) return;
    results.push(...this.emit('frame', frame));
    if (!OWN.has(frame.type)) results.push(...this.emit(frame.type, frame));
    if (frame.position) results.push(...this.emit('snapshot', frame));
    this.#shown(frame, results);
  }

  // Acknowledged once whoever listens has done with it; not where nobody does, or where that failed.
  #shown(frame, results) {
    if (this.#options.ack !== 'auto' || frame.type !== 'notification' || frame.seq === undefined) return;
    if (results.length > 0) Promise.all(results).then(() => this.ack(frame.id), () => {});
  }

  #ended({ group, error }) {
    this.#of(group, (handle) => {
      this.#handles.delete(handle.id);
      handle.end(error);
    });
    this.emit('ended', { group, code: error.code, message: error.message });
  }

  #answer({ id, frame, error }) {
    const pending = this.#requests.get(id);
    if (!pending) return;
    this.#requests.delete(id);
    if (error) pending.reject(new WaybillError(error.code, error.message));
    else pending.resolve(frame);
  }

  #settled({ key, answer, error }) {
    const { waiters } = this.#queue.get(key) ?? { waiters: [] };
    this.#queue.delete(key);
    for (const { resolve, reject } of waiters) {
      if (error) reject(new WaybillError(error.code, error.message));
      else resolve(answer);
    }
  }

  #tellState(state) {
    this.#state = state;
    // What has ended for a reason does not begin again because another tab takes the socket over.
    if (state.name === 'closed' && state.reason !== 'new') this.#isStarted = false;
    if (state.user) this.userId = state.user;
    this.emit('state', state);
  }
}

/** What a token says of itself, unchecked: for what is shown, not for what is allowed. */
export const tokenClaims = claims;

function mustNotBeKept({ type }) {
  if (KEPT[type]) throw new WaybillError('use_method', `${type} is sent by ${KEPT[type]}()`);
  if (CONTROLLED.has(type)) throw new WaybillError('use_method', `${type} is sent by the client itself`);
}

function complete(options) {
  const host = options.host ?? globalThis;
  const WebSocket = options.WebSocket ?? host.WebSocket;
  if (typeof WebSocket !== 'function') {
    throw new WaybillError('no_websocket', 'there is no WebSocket here: give one as an option');
  }
  if (typeof options.token !== 'function') throw new WaybillError('no_token', 'token has to be a function');
  const url = new URL(options.url ?? '/ws/', host.location?.href);
  if (url.pathname === '/') url.pathname = '/ws/';
  url.protocol = /^(https|wss):$/.test(url.protocol) ? 'wss:' : 'ws:';
  const api = `${url.protocol === 'wss:' ? 'https:' : 'http:'}//${url.host}`;
  return {
    ack: 'auto',
    api,
    backoff: { first: 1_000, longest: 30_000 },
    framesPerSecond: 40,
    outboxLimit: 200,
    outboxMaxAge: DAY,
    storageKey: 'waybill.outbox',
    BroadcastChannel: globalThis.BroadcastChannel,
    fetch: globalThis.fetch?.bind(globalThis),
    locks: host.navigator?.locks,
    ...options,
    host,
    url: url.href,
    WebSocket,
  };
}
