// What the parts of the client share. They know neither sockets nor tabs.

/** Why something was refused or given up: `code` is stable, `message` for people. */
export class WaybillError extends Error {
  constructor(code, message = code) {
    super(message);
    this.name = 'WaybillError';
    this.code = code;
  }
}

/** Refusals that say nothing of the frame itself: it may be sent again later. */
export const PASSING = new Set([
  'already_subscribing', 'cut_off', 'draining', 'internal', 'not_ready', 'overloaded', 'rate_limited', 'unavailable',
]);

const ITERATED = 10_000;

/** Listeners by type. */
export class Emitter {
  #listeners = new Map();

  /** Calls `listener` with what is told under `type`. Gives a function that ends it. */
  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    // Of its own, so that the same function can listen twice.
    const entry = { listener };
    this.#listeners.get(type).add(entry);
    return () => this.#listeners.get(type)?.delete(entry);
  }

  /** The same for the next one only. */
  once(type, listener) {
    const off = this.on(type, (value) => {
      off();
      return listener(value);
    });
    return off;
  }

  off(type, listener) {
    for (const entry of this.#listeners.get(type) ?? []) {
      if (entry.listener === listener) this.#listeners.get(type).delete(entry);
    }
  }

  /** For `for await`. At 10,000 that nobody has taken it ends with `too_slow`. */
  async *iterate(type = 'frame') {
    const waiting = [];
    let wake = () => {};
    let overrun = false;
    const off = this.on(type, (value) => {
      if (waiting.length >= ITERATED) overrun = true;
      else waiting.push(value);
      wake();
    });
    const offEnd = this.on('ended', () => wake());
    try {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift();
        if (overrun) throw new WaybillError('too_slow', 'the loop did not take what came');
        if (this.isEnded) return;
        await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      off();
      offEnd();
    }
  }

  /** Tells all listeners; what they return. One that throws keeps nothing from the others. */
  emit(type, value) {
    return [...(this.#listeners.get(type) ?? [])].map(({ listener }) => {
      try {
        return listener(value);
      } catch (error) {
        report(error);
        return Promise.reject(error);
      }
    }).map((result) => {
      // Whoever looks at the result sees the fault all the same.
      if (typeof result?.catch === 'function') result.catch(() => {});
      return result;
    });
  }
}

function report(error) {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(error);
  else console.error(error);
}

/** What was seen, the latest so many. */
export class Seen {
  #ids = new Set();
  #size;

  constructor(size = 5_000) {
    this.#size = size;
  }

  /** Whether this one is new. */
  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#size) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/**
 * What a frame is to somebody who stands at `position`: `free` (without a number), `next`, `old`, or behind a `hole`.
 */
export function judge(position, frame) {
  if (frame.seq === undefined) return 'free';
  if (position?.epoch !== frame.epoch) return 'hole';
  if (frame.seq <= position.seq) return 'old';
  return frame.seq === position.seq + 1 ? 'next' : 'hole';
}

/** Timers by name: setting one anew ends the one before. */
export class Timers {
  #timers = new Map();

  set(name, wait, what) {
    this.clear(name);
    // Longer waits would come at once.
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      what();
    }, Math.min(wait, 2 ** 31 - 1));
    this.#timers.set(name, timer);
  }

  has(name) {
    return this.#timers.has(name);
  }

  clear(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  clearAll() {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#timers.clear();
  }
}

/** The claims of a JWT, unchecked; none where it cannot be read. */
export function claims(token) {
  try {
    const text = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  } catch {
    return {};
  }
}

/** A random UUID, also on pages that are no secure context, where browsers have no `randomUUID`. */
export function uuid() {
  if (globalThis.crypto?.randomUUID) return globalThis.crypto.randomUUID();
  const bytes = Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
  globalThis.crypto?.getRandomValues && bytes.splice(0, 16, ...globalThis.crypto.getRandomValues(new Uint8Array(16)));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
