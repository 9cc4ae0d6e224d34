// Where the partners are. There may be hundreds that move every second, so this is no store: whoever draws them is told which have
// moved.

import { serverClock } from '../app/clock.js';

/** Who was not seen for longer is not on the map, milliseconds. */
const GONE = 10 * 60_000;
/** Pages of partners that are read for their names, of 200 each. */
const PAGES = 5;
/** Who is online is not read more often than this, milliseconds. */
const READ_EVERY = 15_000;

export class Fleet {
  /** `{partner_id, latitude, longitude, timestamp}` by partner. */
  positions = new Map();
  /** Rows as `GET /admin/partners` gives them, by partner. */
  partners = new Map();
  #session;
  #watchers = new Set();
  #every;
  #timer = 0;
  #readAt = 0;
  #isUsed = false;
  /** Whether all who are online are known. */
  #isWhole = false;
  /** Whether it was asked where all are, and answered or refused. */
  isRead = false;

  constructor({ session, group }) {
    this.#session = session;
    group.on('positions', ({ positions }) => this.#take(positions));
    group.on('dashboard', () => { if (this.#isUsed) this.load(); });
    group.on('activity', ({ activity: { action, user_id: userId } }) => {
      if (!['went_online', 'went_offline'].includes(action)) return;
      this.#went(userId, action === 'went_online');
      if (this.#isUsed) this.#readSoon();
    });
    this.#every = setInterval(() => this.#forget(), 30_000);
  }

  /** Calls `watcher(moved, gone)` with positions, and with ids of who is not to be seen any more. */
  watch(watcher) {
    this.#watchers.add(watcher);
    if (!this.#isUsed) {
      this.#isUsed = true;
      this.load();
    }
    return () => this.#watchers.delete(watcher);
  }

  load() {
    this.#session.get('/admin/positions').catch(() => ({ items: [] })).then(({ items }) => {
      this.isRead = true;
      this.#take(items);
    });
    this.#readSoon();
  }

  #take(positions) {
    const since = serverClock.now() - GONE;
    const moved = positions.filter((one) => {
      const known = this.positions.get(one.partner_id);
      return Date.parse(one.timestamp) > since && !(known && known.timestamp >= one.timestamp);
    });
    for (const one of moved) this.positions.set(one.partner_id, one);
    if (moved.length > 0) this.#watchers.forEach((watcher) => watcher(moved, []));
  }

  #forget() {
    const since = serverClock.now() - GONE;
    const gone = [...this.positions.values()].filter(({ timestamp }) => Date.parse(timestamp) < since).map(({ partner_id: id }) => id);
    gone.forEach((id) => this.positions.delete(id));
    if (gone.length > 0) this.#watchers.forEach((watcher) => watcher([], gone));
  }

  #readSoon() {
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#readAt = Date.now();
      this.#readPartners();
    }, Math.max(0, this.#readAt + READ_EVERY - Date.now()));
  }

  /** Whether somebody waits for orders, as far as that is known. */
  isOnline(id) {
    return this.partners.get(id)?.online ?? !this.#isWhole;
  }

  #went(userId, online) {
    const row = [...this.partners.values()].find((one) => one.user_id === userId);
    if (row) this.#know(new Map(this.partners).set(row.id, { ...row, online }));
  }

  #know(partners, isWhole = this.#isWhole) {
    const before = new Map([...this.positions.keys()].map((id) => [id, this.isOnline(id)]));
    this.partners = partners;
    this.#isWhole = isWhole;
    // They look otherwise from now on, and may not move for long.
    const other = [...this.positions.values()].filter(({ partner_id: id }) => this.isOnline(id) !== before.get(id));
    if (other.length > 0) this.#watchers.forEach((watcher) => watcher(other, []));
  }

  async #readPartners() {
    const partners = new Map();
    try {
      let cursor = '';
      for (let page = 0; page < PAGES && cursor !== null; page += 1) {
        const { items, next_cursor: next } = await this.#session.get(`/admin/partners?online=true&limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        items.forEach((row) => partners.set(row.id, row));
        cursor = next ?? null;
      }
      // Who has gone offline has a name still.
      for (const [id, row] of this.partners) if (!partners.has(id) && this.positions.has(id)) partners.set(id, { ...row, online: false });
      this.#know(partners, cursor === null);
    } catch {
      // Those that are known are better than none.
    }
  }

  end() {
    clearInterval(this.#every);
    clearTimeout(this.#timer);
  }
}
