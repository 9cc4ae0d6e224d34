// One order, live: the order itself, the way that its partner came, who else looks at it, and whether one may still write about it.

import { heard, isShown, withEta, withLocation, withUpdate } from './order.js';
import { Store } from './store.js';

/** Points of a trail that are kept. */
const TRAIL_KEPT = 2000;

/** The points of a track as the server gives it. */
export function pointsOf({ geometry, properties }) {
  const times = properties?.times ?? [];
  return (geometry?.coordinates ?? []).map(([longitude, latitude], index) => ({ latitude, longitude, timestamp: times[index] ?? '' }));
}

/** What is known, behind what was read of it. */
export const following = (points, known) => [...points, ...known.filter(({ timestamp }) => timestamp > (points.at(-1)?.timestamp ?? ''))];

function withPresence(present, { members, joined, left }) {
  const next = members ? new Map(members.map((one) => [one.user_id, one.role])) : new Map(present);
  if (joined) next.set(joined.user_id, joined.role);
  if (left) next.delete(left.user_id);
  return next;
}

/** What is known of one order, and its subscription. */
export class Watched {
  order = new Store(null);
  error = new Store(null);
  trail = new Store([]);
  isChatClosed = new Store(false);
  /** Roles by user: who listens to the order now, its people and admins. */
  present = new Store(new Map());
  #session;
  #orderId;
  #off;

  constructor({ session, client }, orderId) {
    this.#session = session;
    this.#orderId = orderId;
    this.group = client.subscribe(`order_${orderId}`);
    this.group.ready.catch((error) => this.error.set(error));
    this.group.on('order_status', ({ order }) => {
      this.#take(order);
      this.#loadTrail();
    });
    this.group.on('order_update', ({ update }) => {
      const before = this.order.value;
      this.order.set((order) => withUpdate(order, update));
      if (before && !isShown(before) && isShown(this.order.value)) this.trail.set([]);
    });
    this.group.on('location', (frame) => {
      this.order.set((order) => withLocation(order, frame));
      const { latitude, longitude, timestamp } = frame;
      if (this.order.value?.location?.timestamp === timestamp) this.#extend([{ latitude, longitude, timestamp }]);
    });
    this.group.on('trail', ({ points }) => this.#extend(points));
    this.group.on('eta', (frame) => this.order.set((order) => withEta(order, frame)));
    this.group.on('ended', (error) => { if (error) this.error.set(error); });
    // Who is there is told once, right behind the order: whoever begins to listen when that is drawn comes too late.
    this.group.on('presence', (frame) => this.present.set((present) => withPresence(present, frame)));
    this.group.on('chat_closed', () => this.isChatClosed.set(true));
    // Positions and ETAs are not repeated after a break, so they are read.
    let wasOpen = client.state.name === 'open';
    this.#off = client.on('state', ({ name }) => {
      if (name === 'open' && !wasOpen && this.order.value) this.#read();
      wasOpen = name === 'open';
    });
  }

  #take(order) {
    this.order.set(heard(order));
  }

  async #read() {
    try {
      const order = await this.#session.get(`/orders/${this.#orderId}`);
      if (order.version >= (this.order.value?.version ?? 0)) this.#take(order);
      this.#loadTrail();
    } catch {
      // It is heard of by the connection.
    }
  }

  #extend(points) {
    this.trail.set((trail) => [...trail, ...points].sort((one, other) => (one.timestamp < other.timestamp ? -1 : 1)).slice(-TRAIL_KEPT));
  }

  async #loadTrail() {
    try {
      const points = pointsOf(await this.#session.get(`/orders/${this.#orderId}/track`));
      this.trail.set((known) => following(points, known).slice(-TRAIL_KEPT));
    } catch {
      // The map does without.
    }
  }

  close() {
    this.#off();
    this.group.close();
  }
}
