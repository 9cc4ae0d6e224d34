// One order that the partner carries out, live.

import { useEffect, useMemo } from '../app/view.js';
import { Store, useStore } from '../app/store.js';
import { heard, withEta, withUpdate } from '../app/order.js';

export class Watched {
  order;
  error = new Store(null);

  constructor({ client, queue }, orderId) {
    this.order = new Store(queue.state.value.orders.find(({ id }) => id === orderId) ?? null);
    this.group = client.subscribe(`order_${orderId}`);
    this.group.ready.catch((error) => this.error.set(error));
    this.group.on('order_status', ({ order }) => {
      this.put(order);
      queue.put(order);
    });
    this.group.on('order_update', ({ update }) => this.order.set((order) => withUpdate(order, update)));
    this.group.on('eta', (frame) => this.order.set((order) => withEta(order, frame)));
    this.group.on('ended', (error) => { if (error) this.error.set(error); });
  }

  /** The order as it was told just now, by a frame or by the answer to a step, unless a later picture of it is known. */
  put(order) {
    this.order.set((known) => (known && known.version > order.version ? known : heard(order)));
  }
}

/** `{watched, order, error}` for as long as a component is shown. */
export function useWatched(face, orderId) {
  const watched = useMemo(() => new Watched(face, orderId), [face, orderId]);
  useEffect(() => () => watched.group.close(), [watched]);
  return { watched, order: useStore(watched.order), error: useStore(watched.error) };
}
