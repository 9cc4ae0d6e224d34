// All orders that have not ended: the pins of the map.

import { isOver, withUpdate } from '../app/order.js';
import { Store } from '../app/store.js';

/** Of more than these the newest are shown; pages of 200. */
const PAGES = 5;
/** Of those that have ended while a page was read, the last are remembered. */
const ENDED = 500;

export class ActiveOrders {
  /** `orders` by id; `isCut` where there are more than are read. */
  state = new Store({ orders: new Map(), isLoading: false, error: null, isCut: false });
  #session;
  #ended = new Set();
  #turn = 0;
  #isUsed = false;

  constructor({ session, group }) {
    this.#session = session;
    group.on('dashboard', () => { if (this.#isUsed) this.load(); });
    group.on('order_created', ({ order }) => this.#put(order));
    group.on('order_update', ({ update }) => this.#step(update));
  }

  /** What nobody looks at is not read. */
  use() {
    if (this.#isUsed) return;
    this.#isUsed = true;
    this.load();
  }

  #change(change) {
    this.state.set((state) => {
      const orders = new Map(state.orders);
      change(orders);
      return { ...state, orders };
    });
  }

  #put(order) {
    this.#change((orders) => orders.set(order.id, order));
  }

  #step(update) {
    const { order_id: id, status } = update;
    if (isOver({ status })) {
      this.#ended.add(id);
      if (this.#ended.size > ENDED) this.#ended.delete(this.#ended.values().next().value);
      if (this.state.value.orders.has(id)) this.#change((orders) => orders.delete(id));
    } else if (this.state.value.orders.has(id)) {
      this.#change((orders) => orders.set(id, withUpdate(orders.get(id), update)));
    }
  }

  async load() {
    const own = ++this.#turn;
    this.state.set((state) => ({ ...state, isLoading: true, error: null }));
    const read = new Map();
    let cursor = '';
    try {
      for (let page = 0; page < PAGES && cursor !== null; page += 1) {
        const { items, next_cursor: next } = await this.#session.get(`/orders?active=true&limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        if (own !== this.#turn) return;
        items.forEach((order) => read.set(order.id, order));
        cursor = next ?? null;
      }
    } catch (error) {
      if (own === this.#turn) this.state.set((state) => ({ ...state, isLoading: false, error }));
      return;
    }
    const newest = [...read.keys()].sort().at(-1) ?? '';
    this.state.set(({ orders: known }) => {
      const orders = new Map();
      for (const [id, order] of read) if (!this.#ended.has(id)) orders.set(id, known.get(id)?.version > order.version ? known.get(id) : order);
      // What was placed while this was read.
      for (const [id, order] of known) if (id > newest) orders.set(id, order);
      return { orders, isLoading: false, error: null, isCut: cursor !== null };
    });
  }
}
