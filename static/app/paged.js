// A list that the server gives page by page, newest first, kept up to date meanwhile by what comes by the connection.

import { merged } from './merge.js';
import { Store } from './store.js';

/** In place of a cursor: what follows is read from the beginning. */
const CUT = 'cut';

export class Paged {
  /** What is known, where to go on (null: nowhere), and how the last reading went. */
  state = new Store({ items: [], next: null, isLoading: false, error: null });
  #read;
  #isNewer;
  #most;
  #turn = 0;

  /**
   * `read(query)` gives a page; of two versions of an item `isNewer(one, other)` tells which counts. Of what comes by itself no
   * more than `most` are kept.
   */
  constructor(read, isNewer, { most = Infinity } = {}) {
    this.#read = read;
    this.#isNewer = isNewer;
    this.#most = most;
  }

  /** Whether it was ever read, or is being read. */
  get isAsked() {
    return this.#turn > 0;
  }

  /** Takes in an item that is known whole. */
  put(item) {
    this.state.set((list) => {
      const items = merged(list.items, [item], this.#isNewer);
      if (items.length <= this.#most) return { ...list, items };
      // The cursor was for what followed on the last one; without it, what was cut off is read from the beginning.
      return { ...list, items: items.slice(0, Math.ceil(this.#most / 2)), next: list.next ?? CUT };
    });
  }

  /** Forgets an item. */
  drop(id) {
    this.state.set((list) => ({ ...list, items: list.items.filter((one) => one.id !== id) }));
  }

  /** Changes each item by a function from the old one to the new one. */
  change(change) {
    this.state.set((list) => ({ ...list, items: list.items.map(change) }));
  }

  /** Reads the newest page, or the one after the last. Of several that are under way the latest counts. */
  async load({ more = false } = {}) {
    const own = ++this.#turn;
    const { next } = this.state.value;
    const isOn = more && next && next !== CUT;
    this.state.set((list) => ({ ...list, isLoading: true, error: null }));
    try {
      const page = await this.#read(isOn ? `&cursor=${encodeURIComponent(next)}` : '');
      if (own !== this.#turn) return;
      this.state.set((list) => ({ ...(isOn ? this.#after(list, page) : this.#anew(list, page)), isLoading: false, error: null }));
    } catch (error) {
      if (own === this.#turn) this.state.set((list) => ({ ...list, isLoading: false, error }));
    }
  }

  #after(list, page) {
    return { items: merged(list.items, page.items, this.#isNewer), next: page.next_cursor ?? null };
  }

  /** The newest page, and what is known before and after it. */
  #anew(list, page) {
    const [last, next] = [page.items.at(-1), page.next_cursor ?? null];
    // What has come since is newer than it; what is older follows on it only where it reaches down to that.
    const isJoined = !last || !next || list.items.some(({ id }) => id === last.id);
    const kept = isJoined ? list.items : list.items.filter(({ id }) => id > last.id);
    return { items: merged(kept, page.items, this.#isNewer), next: isJoined && list.next && list.next !== CUT ? list.next : next };
  }
}
