// A list that the server gives page by page, newest first, kept up to date meanwhile by what comes by the connection.

import { merged } from './merge.js';
import { Store } from './store.js';

export class Paged {
  /** What is known, where to go on (null: nowhere), and how the last reading went. */
  state = new Store({ items: [], next: null, isLoading: false, error: null });
  #read;
  #isNewer;
  #turn = 0;

  /** `read(query)` gives a page; of two versions of an item `isNewer(one, other)` tells which counts. */
  constructor(read, isNewer) {
    this.#read = read;
    this.#isNewer = isNewer;
  }

  /** Whether it was ever read, or is being read. */
  get isAsked() {
    return this.#turn > 0;
  }

  /** Takes in an item that is known whole. */
  put(item) {
    this.state.set((list) => ({ ...list, items: merged(list.items, [item], this.#isNewer) }));
  }

  /** Changes each item by a function from the old one to the new one. */
  change(change) {
    this.state.set((list) => ({ ...list, items: list.items.map(change) }));
  }

  /** Reads the newest page, or the one after the last. Of several that are under way the latest counts. */
  async load({ more = false } = {}) {
    const own = ++this.#turn;
    const { next } = this.state.value;
    this.state.set((list) => ({ ...list, isLoading: true, error: null }));
    try {
      const page = await this.#read(more && next ? `&cursor=${encodeURIComponent(next)}` : '');
      if (own !== this.#turn) return;
      this.state.set((list) => ({
        items: merged(list.items, page.items, this.#isNewer),
        // The first page tells of the next only where no later one was read.
        next: more || !list.next ? page.next_cursor ?? null : list.next,
        isLoading: false,
        error: null,
      }));
    } catch (error) {
      if (own === this.#turn) this.state.set((list) => ({ ...list, isLoading: false, error }));
    }
  }
}
