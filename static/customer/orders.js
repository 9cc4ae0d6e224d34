// The customer's orders: the newest of them, kept up to date by the user's own group.

import { withUpdate } from '../app/order.js';
import { Paged } from '../app/paged.js';

const isNewer = (one, other) => one.version > other.version;

export class Orders extends Paged {
  #session;

  constructor({ session, group }) {
    super((query) => session.get(`/orders?limit=20${query}`), isNewer);
    this.#session = session;
    group.on('order_update', ({ update }) => this.#take(update));
    // On joining, too: what happened between the reading and that is in neither.
    group.on('snapshot', () => this.load());
    this.load();
  }

  async #take(update) {
    if (this.state.value.items.some(({ id }) => id === update.order_id)) {
      this.change((order) => withUpdate(order, update));
      return;
    }
    // Placed elsewhere, say, or long ago.
    await this.#session.get(`/orders/${update.order_id}`).then((order) => this.put(order), () => {});
  }
}
