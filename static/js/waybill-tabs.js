// One socket for all tabs: the tab that holds a lock has it, the others hear it over a channel.
//
// When the tab with the lock goes, the browser gives the lock to the next one. That one asks every tab where it is, and
// goes on from there.

import { Engine } from './waybill-engine.js';
import { Timers, uuid } from './waybill-parts.js';

// A tab that has the lock and does not answer within this has stopped, as the system lets tabs that nobody looks at.
const SILENT = 10_000;

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
  const known = new Set();
  let engine = null;

  const tell = (message) => {
    deliver(message);
    if (!leaving.signal.aborted) channel.postMessage({ to: 'tabs', message });
  };

  // A tab's own lock is free once it is gone, however it went.
  const watch = (tab) => {
    if (known.has(tab)) return;
    known.add(tab);
    locks.request(lockOf(tab), { signal: leaving.signal }, () => {
      known.delete(tab);
      engine?.gone(tab);
    }).catch(() => {});
  };

  channel.onmessage = ({ data }) => {
    if (leaving.signal.aborted) return;
    if (data.to === 'tabs') {
      timers.clear('silent');
      const { op, state } = data.message;
      // A tab that nobody looks at may have slow timers.
      if (op === 'state' && state.name === 'waiting') {
        timers.set('due', state.retryAt - Date.now(), () => post({ op: 'due', retryAt: state.retryAt }));
      }
      deliver(data.message);
    } else if (engine) {
      watch(data.from);
      if (data.message.op === 'hello') channel.postMessage({ to: 'tabs', message: hello() });
      else engine.hear(data.from, data.message);
    }
  };

  const post = (message) => {
    if (engine) engine.hear(me, message);
    else channel.postMessage({ to: 'leader', from: me, message });
  };

  const { host: { document } } = options;
  document?.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && !engine) post({ op: 'wake' });
  }, { signal: leaving.signal });

  const hello = () => ({ op: 'leader', id: me, state: engine.state });

  let release = () => {};
  const lead = () => {
    if (leaving.signal.aborted) return undefined;
    engine = new Engine(options, tell);
    tell(hello());
    return Promise.race([left, new Promise((resolve) => { release = resolve; })]);
  };
  // Another tab has taken the lock away, since nothing was heard of this one.
  const follow = () => {
    if (leaving.signal.aborted || !engine) return false;
    engine.close();
    engine = null;
    greet();
    return true;
  };
  const queue = () => locks.request(name, { signal: leaving.signal }, lead).catch(() => { if (follow()) queue(); });
  // Only by a tab that is looked at: others may be too slow themselves to hear an answer.
  const pass = () => {
    if (engine || leaving.signal.aborted) return;
    if (document && document.visibilityState !== 'visible') timers.set('silent', SILENT, greet);
    else locks.request(name, { steal: true }, lead).catch(follow);
  };
  const greet = () => {
    if (engine || leaving.signal.aborted) return;
    channel.postMessage({ to: 'leader', from: me, message: { op: 'hello' } });
    timers.set('silent', SILENT, pass);
  };

  // What the browser stops for a while hears nothing of its socket: another tab takes it over.
  let hasGivenWay = false;
  document?.addEventListener('freeze', () => {
    if (!engine) return;
    engine.close();
    engine = null;
    hasGivenWay = true;
    release();
  }, { signal: leaving.signal });
  document?.addEventListener('resume', () => {
    if (hasGivenWay) queue();
    hasGivenWay = false;
    greet();
  }, { signal: leaving.signal });

  // The first is held before anybody hears of this tab.
  locks.request(lockOf(me), () => {
    greet();
    return left;
  }).catch(() => {});
  queue();

  return {
    get isLeader() {
      return engine !== null;
    },
    post,
    close() {
      engine?.close();
      engine = null;
      timers.clearAll();
      leaving.abort();
      channel.close();
    },
  };
}
