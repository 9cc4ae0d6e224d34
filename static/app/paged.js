// A list that the server gives page by page, newest first, kept up to date meanwhile by what comes by the connection.

import { merged } from './merge.js';
import { Store } from './store.js';

/** In place of a cursor: what follows was cut off, and is found from the beginning. */
const CUT = Symbol('cut');

const cursor = (next) => `&cursor=${encodeURIComponent(next)}`;

export class Paged {
  /** What is known, where to go on (null: nowhere), and how the last reading went. */
  state = new Store({ items: [], next: null, isLoading: false, error: null });
  #read;
  #isNewer;
  #most;
  #turn = 0;
  #isRead = false;

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
    this.state.set((list) => this.#cut({ ...list, items: merged(list.items, [item], this.#isNewer) }));
  }

  #cut(list) {
    if (list.items.length <= this.#most) return list;
    return { ...list, items: list.items.slice(0, Math.ceil(this.#most / 2)), next: CUT };
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
    const { next, items } = this.state.value;
    this.state.set((list) => ({ ...list, isLoading: true, error: null }));
    const take = (change) => {
      if (own === this.#turn) this.state.set((list) => ({ ...list, ...change(list), isLoading: false, error: null }));
    };
    try {
      if (!more || !next) {
        const page = await this.#read('');
        take((list) => this.#anew(list, page));
      } else {
        const page = next === CUT ? await this.#readBeyond(items.at(-1)?.id) : await this.#read(cursor(next));
        take((list) => ({ items: merged(list.items, page.items, this.#isNewer), next: page.next_cursor ?? null }));
      }
    } catch (error) {
      if (own === this.#turn) this.state.set((list) => ({ ...list, isLoading: false, error }));
    }
  }

  /** All pages down to the one that goes beyond an item. */
  async #readBeyond(id) {
    const items = [];
    let page = { items: [], next_cursor: '' };
    do {
      page = await this.#read(page.next_cursor ? cursor(page.next_cursor) : '');
      items.push(...page.items);
    } while (page.next_cursor && page.items.at(-1)?.id >= id);
    return { items, next_cursor: page.next_cursor };
  }

  /** The newest page, and what is known before and after it. */
  #anew(list, page) {
    const [last, next] = [page.items.at(-1), page.next_cursor ?? null];
    // What has come since is newer than it; what is older follows on it only where it reaches down to that.
    const isJoined = !last || !next || list.items.some(({ id }) => id === last.id);
    const kept = isJoined ? list.items : list.items.filter(({ id }) => id > last.id);
    const isKnown = isJoined && this.#isRead;
    this.#isRead = true;
    return this.#cut({ items: merged(kept, page.items, this.#isNewer), next: isKnown ? list.next : next });
  }
}
