// One WebSocket for as many groups as are wanted. It comes back by itself and asks for what it missed.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 20_000;
// Refusals that say nothing of the right to listen.
const PASSING = new Set(['unavailable', 'overloaded', 'internal', 'rate_limited']);
const ASK_AGAIN = 1_000;
const PING_EVERY = 25_000;
// Longer than a ping and its answer take; then the connection is dead, whatever the browser thinks of it.
const SILENCE = 60_000;
const REMEMBERED = 1000;

/** Ids that were seen, the latest so many. */
class Seen {
  #ids = new Set();

  /** Whether this one is new. */
  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > REMEMBERED) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/**
 * Fires `state` ({state, text}), `raw` ({sent, frame}) for all that goes over the wire, and `frame` (the frame) for
 * all that came and is no repetition.
 *
 * `api.ticket()` gives a ticket for a handshake, `api.renew()` a fresh access token.
 */
export class Feed extends EventTarget {
  #api;
  #socket = null;
  #groups = new Map(); // group → {epoch, seq} of the last event seen, or null
  #seen = new Seen();
  #wait = FIRST_WAIT;
  #timers = new Set();
  #heard = 0;
  #stopped = false;

  constructor(api) {
    super();
    this.#api = api;
  }

  start() {
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    this.#timers.forEach(clearTimeout);
    this.#socket?.close(1000);
    this.#tell('closed', 'not connected');
  }

  subscribe(group) {
    if (this.#groups.has(group)) return;
    this.#groups.set(group, null);
    this.#ask(group);
  }

  unsubscribe(group) {
    if (this.#groups.delete(group)) this.send({ type: 'unsubscribe', group });
  }

  /** Sends a frame if there is a connection; whether there was. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    this.#fire('raw', { sent: true, frame });
    return true;
  }

  #ask(group) {
    const since = this.#groups.get(group);
    this.send({ type: 'subscribe', group, ref: `subscribe ${group}`, ...(since && { since }) });
  }

  async #connect() {
    if (this.#stopped) return;
    this.#tell('connecting', 'connecting');
    let ticket;
    try {
      ticket = await this.#api.ticket();
    } catch (problem) {
      if (problem.status === 401) {
        this.stop();
        this.#tell('closed', 'logged out');
        this.#fire('ended', {});
      } else {
        this.#retry(problem.message);
      }
      return;
    }
    if (this.#stopped) return;
    const url = new URL(`/ws/?token=${encodeURIComponent(ticket)}`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#heard = Date.now();
    socket.addEventListener('message', (event) => this.#take(JSON.parse(event.data)));
    socket.addEventListener('close', (event) => {
      if (socket === this.#socket) this.#retry(why(event), retryIn(event));
    });
    this.#watch(socket);
  }

  // Pings often enough to notice a dead connection, which by itself says nothing.
  #watch(socket) {
    this.#later(PING_EVERY, () => {
      if (socket !== this.#socket) return;
      if (Date.now() - this.#heard > SILENCE) {
        socket.close();
        this.#retry('silence');
        return;
      }
      this.send({ type: 'ping' });
      this.#watch(socket);
    });
  }

  #retry(reason, asked = 0) {
    if (this.#stopped) return;
    this.#socket = null;
    const wait = asked + this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#tell('waiting', `${reason}; again in ${(wait / 1000).toFixed(1)} s`);
    this.#later(wait, () => this.#connect());
  }

  async #take(frame) {
    if (this.#stopped) return;
    this.#heard = Date.now();
    this.#fire('raw', { sent: false, frame });
    switch (frame.type) {
      case 'welcome':
        this.#wait = FIRST_WAIT;
        this.#tell('open', 'connected');
        for (const group of this.#groups.keys()) this.#ask(group);
        break;
      case 'subscribed':
        // What was missed follows with numbers of its own; only where it cannot, the position is taken from here.
        if (this.#groups.has(frame.group) && !frame.recovered) {
          this.#groups.set(frame.group, { epoch: frame.epoch, seq: frame.seq });
        }
        break;
      case 'unsubscribed':
        if (frame.code) this.#groups.delete(frame.group);
        break;
      case 'error':
        if (frame.ref?.startsWith('subscribe ')) this.#refused(frame.ref.slice('subscribe '.length), frame.code);
        break;
      case 'resync':
        if (this.#groups.has(frame.group)) {
          // The snapshot follows by itself.
          this.#groups.set(frame.group, { epoch: frame.epoch, seq: frame.seq });
        }
        break;
      case 'token_expiring':
        try {
          this.send({ type: 'auth', token: await this.#api.renew() });
        } catch {
          // The server closes the session at the token's end, and coming back tells what is wrong.
        }
        break;
      default:
        if (frame.seq !== undefined && this.#groups.has(frame.group)) {
          this.#groups.set(frame.group, { epoch: frame.epoch, seq: frame.seq });
        }
    }
    // The same event may come by two groups, and after a fault twice by one.
    if (frame.id === undefined || this.#seen.add(frame.id)) this.#fire('frame', frame);
  }

  // A group that may not be listened to is not asked for again; one that cannot be told of at the moment is.
  #refused(group, code) {
    if (!PASSING.has(code)) {
      this.#groups.delete(group);
      return;
    }
    const socket = this.#socket;
    this.#later(ASK_AGAIN * (0.5 + Math.random()), () => {
      if (socket === this.#socket && this.#groups.has(group)) this.#ask(group);
    });
  }

  #later(wait, what) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      what();
    }, wait);
    this.#timers.add(timer);
  }

  #tell(state, text) {
    this.#fire('state', { state, text });
  }

  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function why(event) {
  if (event.code === 1006) return 'connection lost';
  if (event.code === 1012) return 'the server restarts';
  return event.reason && !event.reason.startsWith('{') ? event.reason : `closed with ${event.code}`;
}

// A server that restarts tells each session when to come back, so that not all come at once.
function retryIn(event) {
  try {
    return JSON.parse(event.reason).retry_in ?? 0;
  } catch {
    return 0;
  }
}
