// What there is to do: offers, and orders in hand, as the partner's group tells it.

import { Store } from '../app/store.js';
import { heard, withUpdate } from '../app/order.js';

/** The farther an order is, the sooner it is to be ended. */
const FARTHEST_FIRST = ['in_transit', 'picked_up', 'arrived', 'en_route', 'assigned'];
/** Nobody heard whether it was done, or what became of it. */
const UNANSWERED = ['timeout', 'disconnected', 'not_connected', 'closed'];
/** What is worth a word when an offer ends by itself. */
const TOLD = ['taken', 'expired', 'withdrawn', 'over'];

/** An order that is this is nobody's to carry out. */
const LOST = ['cancelled', 'failed'];

const rank = ({ status }) => FARTHEST_FIRST.indexOf(status);
const byTurn = (one, other) => rank(one) - rank(other) || (one.id < other.id ? -1 : 1);

/** Whether it is being carried out: its customer sees where the partner is. */
export const isUnderWay = ({ status }) => rank({ status }) >= 0 && status !== 'assigned';

export class Queue {
  /** `orders` come in the order in which they are to be ended: the first is the present one. */
  state = new Store({ isLoaded: false, offers: [], orders: [] });
  /** Offers that ended while they were shown: `{offer, reason}`. */
  ended = new Store([]);
  #session;
  #client;
  #earnings = new Map();
  #onOffer = new Set();
  #onLoss = new Set();

  constructor({ session, client }) {
    this.#session = session;
    this.#client = client;
    const group = client.subscribe(`partner_${session.user.value.partner_id}`);
    this.group = group;
    group.on('queue', ({ offers, orders }) => {
      const known = new Set(this.state.value.offers.map(({ id }) => id));
      this.state.set({ isLoaded: true, offers, orders: orders.map(heard).toSorted(byTurn) });
      offers.filter(({ id }) => !known.has(id)).forEach((offer) => this.#announce(offer));
    });
    group.on('assignment', ({ offer }) => {
      if (this.state.value.offers.some(({ id }) => id === offer.id)) return;
      this.state.set((state) => ({ ...state, offers: [...state.offers, offer] }));
      this.#announce(offer);
    });
    group.on('assignment_closed', ({ offer_id: id, reason }) => this.#end(id, reason));
    group.on('queue_update', ({ action, order_id: id, order }) => {
      if (action === 'removed') this.#lose(id, order?.status);
      else if (order) this.put(order);
    });
    group.on('order_update', ({ update }) => {
      const known = this.#order(update.order_id);
      if (!known || update.version <= known.version) return;
      if (LOST.includes(update.status)) this.#lose(known.id, update.status);
      else this.put(withUpdate(known, update));
    });
  }

  #order(id) {
    return this.state.value.orders.find((order) => order.id === id);
  }

  /** What is in hand no longer, without the partner's doing: what the partner does is known by then. */
  #lose(id, status) {
    const order = this.#order(id);
    if (!order) return;
    this.state.set((state) => ({ ...state, orders: state.orders.filter((one) => one !== order) }));
    this.#onLoss.forEach((listener) => listener(order, LOST.includes(status) ? status : 'confirmed'));
  }

  /** Calls `listener` with each order that is taken away, and what it has become, until the function that this gives is called. */
  onLoss(listener) {
    this.#onLoss.add(listener);
    return () => this.#onLoss.delete(listener);
  }

  /** Calls `listener` with each new offer, until the function that this gives is called. */
  onOffer(listener) {
    this.#onOffer.add(listener);
    return () => this.#onOffer.delete(listener);
  }

  #announce(offer) {
    this.#earnings.set(offer.order.id, offer.earnings);
    this.#onOffer.forEach((listener) => listener(offer));
  }

  #end(id, reason) {
    const offer = this.state.value.offers.find((one) => one.id === id);
    if (!offer) return;
    this.state.set((state) => ({ ...state, offers: state.offers.filter((one) => one.id !== id) }));
    if (TOLD.includes(reason)) this.ended.set((ended) => [...ended, { offer, reason }]);
  }

  /** What was told is known. */
  dismiss(id) {
    this.ended.set((ended) => ended.filter(({ offer }) => offer.id !== id));
  }

  /** An order that is known whole; an older picture of it is passed over. */
  put(order) {
    this.state.set((state) => {
      if (this.#order(order.id)?.version > order.version) return state;
      const others = state.orders.filter(({ id }) => id !== order.id);
      return { ...state, orders: rank(order) < 0 ? others : [...others, heard(order)].toSorted(byTurn) };
    });
  }

  /** What an order that was offered to this page brings, or null. */
  earningsOf(orderId) {
    return this.#earnings.get(orderId) ?? null;
  }

  accept(offer) {
    return this.#answer(offer, 'accept', {});
  }

  decline(offer, reason) {
    return this.#answer(offer, 'decline', reason ? { reason } : {});
  }

  /** By the connection, or where it gives no answer in time, by a call. Either one does it once. */
  async #answer(offer, type, more) {
    const { id } = offer;
    try {
      await this.#client.request({ type, offer_id: id, ...more }, { timeout: 5000 }).catch((error) => {
        if (!UNANSWERED.includes(error.code)) throw error;
        return this.#session.post(`/partner/offers/${id}/${type}`, more, { key: `${type} ${id}` });
      });
      this.#end(id, type === 'accept' ? 'accepted' : 'declined');
    } catch (error) {
      if (error.code !== 'offer_closed' && error.code !== 'not_found') throw error;
      // Where the connection tells why, it has done so by now.
      this.#end(id, error.body?.reason ?? 'over');
    }
  }
}
