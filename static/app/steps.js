// The last steps of orders as they were heard of, for what is read meanwhile: an answer that was written before a step says nothing
// of it, and no frame says it again.

import { withUpdate } from './order.js';

/** More orders than these do not move while something is read. */
const MOST = 500;

export class Steps {
  #byOrder = new Map();

  take(update) {
    const { order_id: id } = update;
    const known = this.#byOrder.get(id) ?? [];
    // Those that have moved last stay longest.
    this.#byOrder.delete(id);
    this.#byOrder.set(id, [...known, update]);
    if (this.#byOrder.size > MOST) this.#byOrder.delete(this.#byOrder.keys().next().value);
  }

  /** An order that was read, as it is by now. */
  on(order) {
    return (this.#byOrder.get(order.id) ?? []).reduce(withUpdate, order);
  }
}
