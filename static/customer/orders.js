// The customer's orders: the newest of them, kept up to date by the user's own group.

import { merged } from '../app/merge.js';
import { withUpdate } from '../app/order.js';
import { Store } from '../app/store.js';

const isNewer = (one, other) => one.version > other.version;

export class Orders {
  list = new Store({ items: [], next: null, isLoading: true, error: null });
  #session;
  #turn = 0;

  constructor({ session, group }) {
    this.#session = session;
    group.on('order_update', ({ update }) => this.#take(update));
    // On joining, too: what happened between the reading and that is in neither.
    group.on('snapshot', () => this.load());
    this.load();
  }

  async #take(update) {
    if (this.list.value.items.some(({ id }) => id === update.order_id)) {
      this.list.set((list) => ({ ...list, items: list.items.map((order) => withUpdate(order, update)) }));
      return;
    }
    // Placed elsewhere, say, or long ago.
    await this.#session.get(`/orders/${update.order_id}`).then((order) => this.put(order), () => {});
  }

  /** An order that is known whole. */
  put(order) {
    this.list.set((list) => ({ ...list, items: merged(list.items, [order], isNewer) }));
  }

  async load({ more = false } = {}) {
    const own = ++this.#turn;
    const { next } = this.list.value;
    this.list.set((list) => ({ ...list, isLoading: true, error: null }));
    try {
      const page = await this.#session.get(`/orders?limit=20${more && next ? `&cursor=${encodeURIComponent(next)}` : ''}`);
      if (own !== this.#turn) return;
      this.list.set((list) => ({
        items: merged(list.items, page.items, isNewer),
        // The first page tells of the next only where no later one was read.
        next: more || !list.next ? page.next_cursor ?? null : list.next,
        isLoading: false,
        error: null,
      }));
    } catch (error) {
      if (own === this.#turn) this.list.set((list) => ({ ...list, isLoading: false, error }));
    }
  }
}
