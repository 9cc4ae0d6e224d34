// What happens on the one socket for all who share it: groups with their positions, answers, acknowledgements.
//
// It speaks with its users, the tabs, by plain messages, so that it does not matter whether they are in the same page.
// Invariant: what it hands on of a group has no holes; who was where is for each tab to know.

import { Connection } from './waybill-connection.js';
import { Outbox } from './waybill-outbox.js';
import { PASSING, Seen, Timers, judge } from './waybill-parts.js';

const ASK_AGAIN = 1_000;
const ANSWER_PATIENCE = 15_000;
const ACK_TOGETHER = 200;
const ACKS_AT_ONCE = 100;
const MOST_ACKS = 1_000;

/**
 * Messages from tabs: `connect`, `disconnect`, `want {handle, group, since}`, `drop {handle, group}`, `send {frame}`,
 * `request {id, frame, timeout}`, `queue {key, frame}`, `ack {ids}`, `wake`, `due {retryAt}`.
 *
 * Messages to all tabs: `state`, `subscribed`, `resync`, `ended`, `frame {frame, peek}`, `answer {id, frame | error}`,
 * `settled {key, answer | error}`, `given_up`, `fault`.
 */
export class Engine {
  #options;
  #post;
  #connection;
  #outbox;
  #ready;
  #timers = new Timers();
  #groups = new Map();
  #requests = new Map();
  #fences = new Map();
  #acks = new Set();
  #acked = new Seen();
  #refs = 0;
  #isClosed = false;

  constructor(options, post) {
    this.#options = options;
    this.#post = post;
    this.#outbox = new Outbox(options, {
      send: (frame) => this.#connection.send(frame),
      fence: (then) => this.#fence(then),
      settled: (key, error, answer) => post({ op: 'settled', key, answer, ...(error && { error: plain(error) }) }),
      givenUp: (frame, code, message) => post({ op: 'given_up', frame, code, message }),
      fault: (error) => post({ op: 'fault', error: { code: 'storage', message: String(error?.message ?? error) } }),
    });
    this.#connection = new Connection(options, {
      state: (state) => this.#state(state),
      user: (user) => this.#outbox.belong(user),
      open: (welcome) => this.#open(welcome),
      lost: () => this.#lost(),
      frame: (frame) => this.#take(frame),
    });
    this.#ready = this.#outbox.load();
  }

  get state() {
    return this.#connection.state;
  }

  /** Does what a tab asks for. */
  async hear(tab, message) {
    await this.#ready;
    if (this.#isClosed) return;
    switch (message.op) {
      case 'connect': this.#connection.start(); break;
      case 'disconnect': this.#connection.stop(); break;
      case 'want': this.#want(tab, message); break;
      case 'drop': this.#leave(message.group, (key) => key === `${tab} ${message.handle}`); break;
      case 'send': this.#send(message.frame); break;
      case 'request': this.#request(message); break;
      case 'queue': this.#outbox.add(message.key, message.frame); break;
      case 'ack': this.#ack(message.ids); break;
      case 'wake': this.#connection.wake(); break;
      case 'due': this.#connection.due(message.retryAt); break;
      default:
    }
  }

  /** A tab is gone, and with it what only it wanted. */
  gone(tab) {
    for (const group of [...this.#groups.keys()]) this.#leave(group, (key) => key.startsWith(`${tab} `));
  }

  /** Ends without a word to the others: another one takes over. */
  close() {
    this.#isClosed = true;
    this.#timers.clearAll();
    this.#outbox.close();
    this.#connection.stop();
  }

  #state(state) {
    if (this.#isClosed) return;
    this.#post({ op: 'state', state });
    if (state.name !== 'closed') return;
    const error = { code: 'closed', message: `the connection is closed: ${state.reason}` };
    for (const request of [...this.#requests.values()]) this.#answer(request, { error });
  }

  #open(welcome) {
    // Who says nothing of the kind is taken for one that never tells what was shown.
    this.#connection.send({ type: 'ack', ids: [] });
    for (const group of this.#groups.values()) this.#ask(group);
    for (const request of this.#requests.values()) this.#sendRequest(request);
    this.#outbox.open(welcome.user_id);
    this.#sendAcks();
    this.#post({ op: 'frame', frame: welcome });
  }

  #lost() {
    for (const group of this.#groups.values()) {
      if (group.phase === 'peeking') group.peek = true;
      // A snapshot that did not come any more is not to be passed over.
      if (group.isBare) group.position = null;
      group.phase = 'idle';
    }
    for (const request of [...this.#requests.values()]) {
      if (request.isSent) this.#answer(request, { error: { code: 'disconnected', message: 'the connection broke' } });
    }
    this.#fences.clear();
    this.#timers.clear('acks');
    this.#outbox.lost();
  }

  #take(frame) {
    this.#outbox.look(frame);
    const request = frame.ref === undefined ? undefined : this.#requests.get(frame.ref);
    if (request) {
      const { code, message } = frame;
      this.#answer(request, frame.type === 'error' ? { error: { code, message } } : { frame });
    }
    switch (frame.type) {
      case 'subscribed':
        this.#subscribed(frame);
        break;
      case 'unsubscribed':
        if (frame.code) this.#end(frame.group, { code: frame.code, message: 'the right to listen is gone' });
        break;
      case 'resync':
        this.#resync(frame);
        break;
      case 'pong':
        this.#fences.get(frame.ref)?.();
        this.#fences.delete(frame.ref);
        break;
      case 'error':
        if (!request) this.#error(frame);
        break;
      default:
        this.#event(frame);
    }
  }

  // Subscriptions. A group is `idle`, `asking`, `live`, or `peeking`: asking for a snapshot for somebody who came
  // later, while for the others the stream goes on from where it is.

  #want(tab, { handle, group: name, since }) {
    const key = `${tab} ${handle}`;
    let group = this.#groups.get(name);
    if (!group) {
      group = {
        name,
        users: new Set(),
        position: since ?? null,
        phase: 'idle',
        ref: null,
        // Somebody wants a snapshot; somebody wants what came from there on; a snapshot for all is due.
        peek: false,
        from: null,
        isBare: false,
      };
      this.#groups.set(name, group);
    }
    group.users.add(key);
    if (!group.position && since && group.phase === 'idle') {
      // Who was there before is not to miss anything because of those who were not.
      group.position = since;
      group.peek = true;
    } else if (!group.position) {
      // The first answer is for all.
    } else if (!since || since.epoch !== group.position.epoch) {
      group.peek = true;
    } else if (since.seq < (group.from ?? group.position).seq) {
      group.from = since;
    } else if (group.phase === 'live') {
      const { epoch, seq } = group.position;
      this.#post({ op: 'subscribed', group: name, epoch, seq, recovered: true });
    }
    if (group.phase === 'idle' || group.peek || group.from) this.#ask(group);
  }

  #leave(name, isGone) {
    const group = this.#groups.get(name);
    if (!group) return;
    for (const key of group.users) if (isGone(key)) group.users.delete(key);
    if (group.users.size > 0) return;
    this.#groups.delete(name);
    this.#timers.clear(name);
    this.#connection.send({ type: 'unsubscribe', group: name, ref: 'leave' });
  }

  #ask(group) {
    if (!this.#connection.isOpen || group.phase === 'asking' || group.phase === 'peeking') return;
    let since = group.from ?? group.position;
    if (group.position && group.peek) {
      group.peek = false;
      group.phase = 'peeking';
      since = null;
    } else {
      group.phase = 'asking';
      group.from = null;
    }
    group.ref = `subscribe ${++this.#refs}`;
    this.#connection.send({ type: 'subscribe', group: group.name, ref: group.ref, ...(since && { since }) });
    this.#timers.set(group.name, ANSWER_PATIENCE, () => this.#askAnew(group));
  }

  #askAnew(group) {
    if (group.phase === 'peeking') group.peek = true;
    group.phase = 'idle';
    if (this.#groups.get(group.name) === group) this.#ask(group);
  }

  #subscribed({ group: name, ref, epoch, seq, recovered }) {
    const group = this.#groups.get(name);
    if (!group || group.ref !== ref) return;
    if (group.phase === 'peeking') return; // Its snapshot follows.
    this.#timers.clear(name);
    group.phase = 'live';
    group.position = { epoch, seq };
    // The snapshot that follows is for all.
    group.isBare = !recovered;
    if (!recovered) group.peek = false;
    this.#post({ op: 'subscribed', group: name, epoch, seq, recovered });
    if (group.peek || group.from) this.#ask(group);
  }

  #resync(frame) {
    const group = this.#groups.get(frame.group);
    if (!group || group.phase !== 'live') return;
    group.isBare = true;
    group.position = { epoch: frame.epoch, seq: frame.seq };
    this.#post({ op: 'resync', group: group.name, position: group.position });
  }

  #event(frame) {
    const group = this.#groups.get(frame.group);
    if (!group) {
      // Answers to this session alone, and what came before the server heard that it is not wanted any more.
      if (frame.seq === undefined && !frame.position) this.#post({ op: 'frame', frame });
    } else if (frame.position) {
      this.#snapshot(group, frame);
    } else if (frame.seq === undefined) {
      this.#post({ op: 'frame', frame });
    } else if (group.phase === 'live') {
      this.#numbered(group, frame);
    }
    // Else it belongs to a subscription that was given up for another one, which tells it again.
  }

  #snapshot(group, frame) {
    if (group.phase === 'peeking') {
      this.#post({ op: 'frame', frame, peek: true });
      group.phase = 'idle';
      this.#ask(group);
    } else if (group.phase === 'live') {
      group.isBare = false;
      group.position = frame.position;
      this.#post({ op: 'frame', frame });
    }
  }

  #numbered(group, frame) {
    switch (judge(group.position, frame)) {
      case 'next':
        group.position = { epoch: frame.epoch, seq: frame.seq };
        this.#post({ op: 'frame', frame });
        break;
      case 'hole':
        this.#ask(group);
        break;
      default:
    }
  }

  #error(frame) {
    if (this.#outbox.failed(frame)) return;
    const group = [...this.#groups.values()].find(({ ref }) => ref === frame.ref);
    if (!group) {
      if (frame.ref !== 'leave') this.#post({ op: 'frame', frame });
    } else if (PASSING.has(frame.code)) {
      const wait = frame.retry_in ?? ASK_AGAIN * (0.5 + Math.random());
      this.#timers.set(group.name, wait, () => this.#askAnew(group));
    } else {
      this.#end(group.name, { code: frame.code, message: frame.message });
    }
  }

  #end(name, error) {
    this.#timers.clear(name);
    if (this.#groups.delete(name)) this.#post({ op: 'ended', group: name, error });
  }

  // Answers.

  #send(frame) {
    try {
      this.#connection.send(frame);
    } catch (error) {
      this.#post({ op: 'fault', error: plain(error) });
    }
  }

  #request({ id, frame, timeout }) {
    const request = { id, frame, ref: `request ${++this.#refs}`, isSent: false };
    this.#requests.set(request.ref, request);
    this.#timers.set(request.ref, timeout, () => {
      this.#answer(request, { error: { code: 'timeout', message: 'no answer came in time' } });
    });
    this.#sendRequest(request);
  }

  #sendRequest(request) {
    if (request.isSent) return;
    try {
      request.isSent = this.#connection.send({ ...request.frame, ref: request.ref });
    } catch (error) {
      this.#answer(request, { error: plain(error) });
    }
  }

  #answer(request, answer) {
    this.#timers.clear(request.ref);
    if (this.#requests.delete(request.ref)) this.#post({ op: 'answer', id: request.id, ...answer });
  }

  // What was sent before has been read by the server once this is answered.
  #fence(then) {
    const ref = `fence ${++this.#refs}`;
    this.#fences.set(ref, then);
    this.#connection.send({ type: 'ping', ref });
  }

  // Acknowledgements: nothing answers them, so they are kept until the server has read them.

  #ack(ids) {
    for (const id of ids) {
      if (!this.#acked.add(id)) continue;
      if (this.#acks.size >= MOST_ACKS) this.#acks.delete(this.#acks.values().next().value);
      this.#acks.add(id);
    }
    if (this.#acks.size > 0 && !this.#timers.has('acks')) {
      this.#timers.set('acks', ACK_TOGETHER, () => this.#sendAcks());
    }
  }

  #sendAcks() {
    if (!this.#connection.isOpen) return;
    const ids = [...this.#acks];
    if (ids.length === 0) return;
    for (let from = 0; from < ids.length; from += ACKS_AT_ONCE) {
      this.#connection.send({ type: 'ack', ids: ids.slice(from, from + ACKS_AT_ONCE) });
    }
    this.#fence(() => ids.forEach((id) => this.#acks.delete(id)));
  }
}

function plain(error) {
  return { code: error.code ?? 'internal', message: error.message };
}
