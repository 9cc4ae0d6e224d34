// One socket for all tabs: the tab that holds a lock has it, the others hear it over a channel.
//
// When the tab with the lock goes, the browser gives the lock to the next one. That one asks every tab where it is, and
// goes on from there.

import { Engine } from './waybill-engine.js';
import { Timers, uuid } from './waybill-parts.js';

// A tab that has the lock and does not answer within this has stopped, as the system lets tabs that nobody looks at.
const SILENT = 10_000;
// For so long nothing need be heard of it until a tab that is looked at asks whether it is there. Not every browser tells a tab
// that it is being stopped.
const QUIET = 20_000;

/** A line to an engine of one's own. Both kinds of line have `post`, `close` and `isLeader`. */
export function alone(options, deliver) {
  const engine = new Engine(options, deliver);
  queueMicrotask(() => deliver({ op: 'leader', id: 'own', state: engine.state }));
  return {
    isLeader: true,
    post: (message) => engine.hear('own', message),
    close: () => engine.close(),
  };
}

/** Whether a line can be shared here. */
export function canShare({ locks, BroadcastChannel }) {
  return Boolean(locks?.request && BroadcastChannel);
}

/** A line to the engine that all tabs with this `share` have in common. */
export function together(options, deliver) {
  const { locks, share } = options;
  const me = uuid();
  // The number is that of the messages: tabs with another version of the client keep to themselves.
  const name = `waybill 1 ${share}`;
  const lockOf = (tab) => `${name} tab ${tab}`;
  const channel = new options.BroadcastChannel(name);
  const timers = new Timers();
  const leaving = new AbortController();
  const left = new Promise((resolve) => leaving.signal.addEventListener('abort', resolve));
  const { host: { document } } = options;
  const isLookedAt = () => !document || document.visibilityState === 'visible';
  // While this tab has the socket: an `id` that no other time has, the `engine`, what `ends` it, and the tabs it watches.
  let lead = null;
  // The one request for the lock, as long as it is not given up; whether it was granted or not.
  let asking = null;
  let isStopped = false;
  let askedAt = 0;

  const tell = (message) => {
    deliver(message);
    if (!leaving.signal.aborted) channel.postMessage({ to: 'tabs', message });
  };

  // A tab's own lock is free once it is gone, however it went.
  const watch = (tab) => {
    const { engine, known, over } = lead;
    if (known.has(tab)) return;
    known.add(tab);
    locks.request(lockOf(tab), { signal: over.signal }, () => {
      known.delete(tab);
      engine.gone(tab);
    }).catch(() => {});
  };

  channel.onmessage = ({ data }) => {
    if (leaving.signal.aborted) return;
    if (data.to === 'tabs') {
      // Of one that was passed over and does not know yet.
      if (lead) return;
      timers.set('silent', QUIET, () => isLookedAt() && greet());
      const { op, state } = data.message;
      // A tab that nobody looks at may have slow timers.
      if (op === 'state' && state.name === 'waiting') {
        timers.set('due', state.retryAt - Date.now(), () => post({ op: 'due', retryAt: state.retryAt }));
      }
      deliver(data.message);
    } else if (lead) {
      watch(data.from);
      if (data.message.op === 'hello') channel.postMessage({ to: 'tabs', message: hello() });
      else lead.engine.hear(data.from, data.message);
    }
  };

  const post = (message) => {
    if (lead) lead.engine.hear(me, message);
    else channel.postMessage({ to: 'leader', from: me, message });
  };

  const hello = () => ({ op: 'leader', id: lead.id, state: lead.engine.state });

  // Each time anew, also for a tab that has had the socket before: whoever hears another id says again what is wanted.
  const begin = () => {
    timers.clearAll();
    const over = new AbortController();
    const held = new Promise((resolve) => over.signal.addEventListener('abort', resolve));
    lead = { id: uuid(), engine: new Engine(options, tell), over, known: new Set() };
    tell(hello());
    return held;
  };
  const end = () => {
    lead?.engine.close();
    lead?.over.abort();
    lead = null;
  };

  // There is never another request of this tab in line, which would be granted one day while the tab is stopped, or has the lock.
  const ask = (how = {}) => {
    asking?.abort();
    const own = new AbortController();
    asking = own;
    let isGranted = false;
    // The two cannot go together.
    const way = how.steal ? how : { signal: own.signal };
    locks.request(name, way, () => {
      if (own.signal.aborted) return undefined;
      isGranted = true;
      return begin();
    }).catch(() => {
      if (own.signal.aborted || !(isGranted || how.steal)) return;
      // Another tab has taken the lock away, since nothing was heard of this one.
      end();
      ask();
      greet();
    });
  };
  const giveUp = () => {
    asking?.abort();
    end();
  };

  const greet = () => {
    if (lead || isStopped || leaving.signal.aborted) return;
    askedAt = Date.now();
    channel.postMessage({ to: 'leader', from: me, message: { op: 'hello' } });
    timers.set('silent', SILENT, pass);
  };
  // Only by a tab that is looked at: others may be too slow themselves to hear an answer. They ask once somebody looks.
  const pass = () => {
    if (lead || isStopped || leaving.signal.aborted || !isLookedAt()) return;
    // So late, it was this tab that has slept.
    if (Date.now() - askedAt > 2 * SILENT) greet();
    else ask({ steal: true });
  };

  const listen = (type, listener) => document?.addEventListener(type, listener, { signal: leaving.signal });
  listen('visibilitychange', () => {
    if (!isLookedAt() || lead) return;
    post({ op: 'wake' });
    greet();
  });
  // What the browser stops for a while hears nothing of its socket: another tab takes it over. Nor is it in line for it meanwhile.
  listen('freeze', () => {
    isStopped = true;
    const state = lead?.engine.state;
    giveUp();
    // Until it is known who has the socket then.
    if (state && state.name !== 'closed') deliver({ op: 'state', state: { name: 'connecting' } });
  });
  listen('resume', () => {
    if (isStopped) {
      isStopped = false;
      ask();
    }
    greet();
  });

  // The first is held before anybody hears of this tab.
  locks.request(lockOf(me), () => {
    greet();
    return left;
  }).catch(() => {});
  ask();

  return {
    get isLeader() {
      return lead !== null;
    },
    post,
    close() {
      giveUp();
      timers.clearAll();
      leaving.abort();
      channel.close();
    },
  };
}
