// Positions that could not be sent yet. They outlive the page, and all tabs of a partner share them.

/** Of about six hours at the usual pace. Beyond that the oldest go. */
export const MOST = 5000;
/** Older ones are taken by nobody, milliseconds. */
const OLDEST = 24 * 60 * 60 * 1000;
const [BASE, ROOM] = ['waybill.partner', 'positions'];

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function open() {
  const request = indexedDB.open(BASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(ROOM, { keyPath: ['user', 'timestamp'] });
  return done(request);
}

/** In IndexedDB, or where that cannot be had, for as long as the page is open. */
export class Positions {
  #user;
  #memory = new Map();
  #base;

  constructor(user) {
    this.#user = user;
    this.#base = open().then(async (base) => {
      await this.#prune(base);
      return base;
    }).catch(() => null);
  }

  get #own() {
    return IDBKeyRange.bound([this.#user], [this.#user, []]);
  }

  async #prune(base) {
    const room = base.transaction(ROOM, 'readwrite').objectStore(ROOM);
    const end = new Date(Date.now() - OLDEST).toISOString();
    for (const key of await done(room.getAllKeys())) {
      if (key[1] < end) room.delete(key);
    }
  }

  async #room(mode) {
    const base = await this.#base;
    return base?.transaction(ROOM, mode).objectStore(ROOM) ?? null;
  }

  async add(samples) {
    const room = await this.#room('readwrite');
    if (!room) {
      for (const sample of samples) this.#memory.set(sample.timestamp, sample);
      while (this.#memory.size > MOST) this.#memory.delete(this.#memory.keys().next().value);
      return;
    }
    for (const sample of samples) room.put({ user: this.#user, timestamp: sample.timestamp, sample });
    const over = await done(room.count(this.#own)) - MOST;
    if (over > 0) (await done(room.getAllKeys(this.#own, over))).forEach((key) => room.delete(key));
  }

  async count() {
    const room = await this.#room('readonly');
    return room ? done(room.count(this.#own)) : this.#memory.size;
  }

  /** The newest, at most `count`; oldest of them first. */
  async newest(count) {
    const room = await this.#room('readonly');
    if (!room) return [...this.#memory.values()].slice(-count);
    const keys = (await done(room.getAllKeys(this.#own))).slice(-count);
    if (keys.length === 0) return [];
    const kept = await done(room.getAll(IDBKeyRange.bound(keys[0], keys.at(-1))));
    return kept.map(({ sample }) => sample);
  }

  async remove(samples) {
    const room = await this.#room('readwrite');
    for (const { timestamp } of samples) {
      if (room) room.delete([this.#user, timestamp]);
      else this.#memory.delete(timestamp);
    }
  }
}
