// All orders that have not ended: the pins of the map.

import { isOver, withUpdate } from '../app/order.js';
import { Steps } from '../app/steps.js';
import { Store } from '../app/store.js';

/** Of more than these the newest are shown; pages of 200. */
const PAGES = 5;

export class ActiveOrders {
  /** `orders` by id; `isCut` where there are more than are read. */
  state = new Store({ orders: new Map(), isLoading: false, error: null, isCut: false });
  #session;
  #steps = new Steps();
  /** What was placed since the latest reading began. */
  #placed = new Set();
  #turn = 0;
  #isUsed = false;

  constructor({ session, group }) {
    this.#session = session;
    group.on('dashboard', () => { if (this.#isUsed) this.load(); });
    group.on('order_created', ({ order }) => {
      this.#placed.add(order.id);
      this.#put(order);
    });
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
    this.#steps.take(update);
    if (isOver({ status })) {
      this.#placed.delete(id);
      if (this.state.value.orders.has(id)) this.#change((orders) => orders.delete(id));
    } else if (this.state.value.orders.has(id)) {
      this.#change((orders) => orders.set(id, withUpdate(orders.get(id), update)));
    }
  }

  async load() {
    const own = ++this.#turn;
    this.#placed.clear();
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
    this.state.set(({ orders: known }) => {
      const orders = new Map();
      for (const order of read.values()) {
        const before = known.get(order.id);
        const now = this.#steps.on(before?.version > order.version ? before : order);
        if (!isOver(now)) orders.set(now.id, now);
      }
      // What else is known has ended unheard, but for what was placed meanwhile.
      for (const id of this.#placed) if (known.has(id) && !orders.has(id)) orders.set(id, known.get(id));
      return { orders, isLoading: false, error: null, isCut: cursor !== null };
    });
  }
}
