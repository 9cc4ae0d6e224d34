// The customer's orders: the newest of them, kept up to date by the user's own group.

import { Store } from '../app/store.js';
import { withUpdate } from '../app/order.js';

export class Orders {
  list = new Store({ items: [], next: null, isLoading: true, error: null });
  #session;

  constructor({ session, group }) {
    this.#session = session;
    group.on('order_update', ({ update }) => this.#take(update));
    group.on('resync', () => this.load());
    this.load();
  }

  #take(update) {
    const { items } = this.list.value;
    if (!items.some(({ id }) => id === update.order_id)) {
      // Placed elsewhere, say.
      this.load();
      return;
    }
    this.list.set((list) => ({ ...list, items: list.items.map((order) => withUpdate(order, update)) }));
  }

  /** An order that is known whole. */
  put(order) {
    this.list.set((list) => ({ ...list, items: [order, ...list.items.filter(({ id }) => id !== order.id)].sort((one, other) => (one.id < other.id ? 1 : -1)) }));
  }

  async load({ more = false } = {}) {
    const { next, items } = this.list.value;
    this.list.set((list) => ({ ...list, isLoading: true, error: null }));
    try {
      const page = await this.#session.get(`/orders?limit=20${more && next ? `&cursor=${encodeURIComponent(next)}` : ''}`);
      const known = new Map(this.list.value.items.map((order) => [order.id, order]));
      // What came by the connection meanwhile may be newer.
      const fresh = page.items.map((order) => (known.get(order.id)?.version > order.version ? known.get(order.id) : order));
      this.list.set({ items: more ? [...items, ...fresh] : fresh, next: page.next_cursor ?? null, isLoading: false, error: null });
    } catch (error) {
      this.list.set((list) => ({ ...list, isLoading: false, error }));
    }
  }
}
