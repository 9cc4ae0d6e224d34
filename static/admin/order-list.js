// The orders of the table: a filter's pages, kept up to date by what comes.

import { withUpdate } from '../app/order.js';
import { Paged } from '../app/paged.js';
import { Steps } from '../app/steps.js';

const MOST = 500;
/** An order that has left the filter is shown for a moment more, milliseconds. */
const LEAVING = 4000;
const isNewer = (one, other) => one.version > other.version;

/** `filter` is `{status, customerId, partnerId}`; `status` may be `active`. */
export class OrderList extends Paged {
  #session;
  #filter;
  #offs;
  #asked = new Set();
  #steps = new Steps();
  #leaving = new Map();

  constructor({ session, group }, filter) {
    const { status, customerId, partnerId } = filter;
    const query = [
      status === 'active' ? 'active=true' : status && `status=${status}`, customerId && `customer_id=${customerId}`, partnerId && `partner_id=${partnerId}`,
    ].filter(Boolean).map((part) => `&${part}`).join('');
    super((more) => session.get(`/orders?limit=50${query}${more}`), isNewer, { most: MOST, isDeep: true });
    this.#session = session;
    this.#filter = filter;
    this.#offs = [
      group.on('order_created', ({ order }) => { if (this.fits(order)) this.put({ ...order, isLive: true }); }),
      group.on('order_update', ({ update }) => this.#step(update)),
      // On joining, too: what happened between the reading and that is in neither.
      group.on('snapshot', () => this.load()),
    ];
    this.load();
  }

  fits({ status, customer, partner }) {
    const wanted = this.#filter;
    const isActive = !['completed', 'cancelled', 'failed'].includes(status);
    return (!wanted.status || wanted.status === status || (wanted.status === 'active' && isActive))
      && (!wanted.customerId || customer?.id === wanted.customerId) && (!wanted.partnerId || partner?.id === wanted.partnerId);
  }

  isLeaving(order) {
    return !this.fits(order);
  }

  /** Forgets an order in a moment, unless it fits again by then. */
  #leave(id) {
    clearTimeout(this.#leaving.get(id));
    this.#leaving.set(id, setTimeout(() => {
      this.#leaving.delete(id);
      if (this.state.value.items.some((order) => order.id === id && !this.fits(order))) this.drop(id);
    }, LEAVING));
  }

  now(order) {
    const by = this.#steps.on(order);
    return this.fits(by) ? by : null;
  }

  #step(update) {
    const { order_id: id } = update;
    this.#steps.take(update);
    const { items, next } = this.state.value;
    if (items.some((order) => order.id === id)) {
      this.change((order) => withUpdate(order, update));
      if (this.state.value.items.some((order) => order.id === id && !this.fits(order))) this.#leave(id);
    } else if (this.fits({ ...update, customer: { id: this.#filter.customerId } }) && !(next && id < items.at(-1)?.id)) {
      // It fits since now. What is older than all that was read comes when that is read.
      this.ask(id);
    }
  }

  /** Reads one order by itself. */
  async ask(id) {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    await this.#session.get(`/orders/${id}`).then((order) => {
      const by = this.now(order);
      if (by) this.put({ ...by, isLive: true });
    }, () => {});
    this.#asked.delete(id);
  }

  end() {
    this.#offs.forEach((off) => off());
    this.#leaving.forEach((timer) => clearTimeout(timer));
  }
}

/** The orders of a list of ids, which are read one by one: those that have trouble of a kind. */
export class OrdersById extends Paged {
  /** More than these nobody looks after at once. */
  static MOST = 100;
  #session;
  #offs;
  #wanted = [];
  #steps = new Steps();

  constructor({ session, group }) {
    super(async () => ({ items: [], next_cursor: null }), isNewer);
    this.#session = session;
    this.#offs = [
      group.on('order_update', ({ update }) => {
        this.#steps.take(update);
        this.change((order) => withUpdate(order, update));
      }),
      group.on('snapshot', () => {
        const wanted = this.#wanted;
        this.show([]);
        this.show(wanted);
      }),
    ];
  }

  async show(ids) {
    const wanted = ids.slice(0, OrdersById.MOST);
    this.#wanted = wanted;
    this.state.set((list) => ({ ...list, error: null, items: list.items.filter(({ id }) => wanted.includes(id)) }));
    for (const id of wanted) {
      if (this.state.value.items.some((order) => order.id === id)) continue;
      try {
        const order = await this.#session.get(`/orders/${id}`);
        if (this.#wanted !== wanted) return;
        this.put(this.#steps.on(order));
      } catch (error) {
        if (this.#wanted === wanted) this.state.set((list) => ({ ...list, error }));
        return;
      }
    }
  }

  /** Once more, after something did not work. */
  load() {
    return this.show(this.#wanted);
  }

  end() {
    this.#offs.forEach((off) => off());
    this.#wanted = [];
  }
}
