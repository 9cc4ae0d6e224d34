// What stores of a face expect of a page, for tests that open none; import this before them. And a connection and a server that say
// what a test tells them to.

import { EventEmitter } from 'node:events';

const listening = new EventTarget();
const listen = { addEventListener: listening.addEventListener.bind(listening), removeEventListener: listening.removeEventListener.bind(listening) };
const page = Object.assign(new EventTarget(), { documentElement: {}, hidden: false, visibilityState: 'visible' });
const kept = new Map();
Object.assign(globalThis, listen, {
  document: page,
  localStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) },
  cancelAnimationFrame: () => {},
  matchMedia: () => Object.assign(new EventTarget(), { matches: false }),
});
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en'] }, configurable: true });

/** Whether somebody looks at the page. */
export function look(isVisible) {
  Object.assign(page, { hidden: !isVisible, visibilityState: isVisible ? 'visible' : 'hidden' });
  page.dispatchEvent(new Event('visibilitychange'));
}

/** The page is closed. */
export const leavePage = () => listening.dispatchEvent(new Event('pagehide'));

/** A subscription, or a client, which says what it is told to. */
export function speaker() {
  const emitter = new EventEmitter();
  return {
    on(type, listener) {
      emitter.on(type, listener);
      return () => emitter.off(type, listener);
    },
    say: (type, frame) => emitter.emit(type, frame),
    ready: Promise.resolve(),
    close() {},
  };
}

/** Readings that are answered when one says so, in turn: `asked` are their paths. */
export function reader() {
  const waiting = [];
  const asked = [];
  const read = (path) => new Promise((resolve, reject) => {
    asked.push(path);
    waiting.push({ resolve, reject });
  });
  const settled = () => new Promise((resolve) => { setImmediate(resolve); });
  return {
    read,
    asked,
    /** Gives what is to be known by then. */
    give(value) {
      waiting.shift().resolve(value);
      return settled();
    },
    page(items, next = null) {
      return this.give({ items, next_cursor: next });
    },
  };
}
