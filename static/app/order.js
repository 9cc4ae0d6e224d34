// An order as a face knows it, and what each frame changes about it. Plain functions, from one order to the next.

import { t } from './i18n.js';

/** The way of an order that goes well. */
export const STEPS = ['pending', 'confirmed', 'assigned', 'en_route', 'arrived', 'picked_up', 'in_transit', 'delivered', 'completed'];
const ENDS = ['completed', 'cancelled', 'failed'];
const SHOWN = ['en_route', 'arrived', 'picked_up', 'in_transit'];
/** What a partner is on the way to; nowhere while it is there. */
const LEG = { en_route: 'pickup', picked_up: 'dropoff', in_transit: 'dropoff' };
const CHATTED = ['assigned', ...SHOWN, 'delivered', 'completed', 'cancelled', 'failed'];
/** Older than this is stale, and lost, seconds; as the server says it. */
const [STALE, LOST] = [20, 120];

export const isOver = ({ status }) => ENDS.includes(status);
/** Whether its partner may be seen. */
export const isShown = ({ status }) => SHOWN.includes(status);
export const isChatted = (order) => Boolean(order.partner) && CHATTED.includes(order.status);
export const statusText = (order) => t(`status.${order.status}`, { name: order.partner?.name ?? t('a_partner') });

/** What a step changes. An older one, or one that is in the order already, changes nothing. */
export function withUpdate(order, update) {
  if (!order || order.id !== update.order_id || update.version <= order.version) return order;
  const { status, version, updated_at: updatedAt } = update;
  const next = { ...order, status, version, updated_at: updatedAt };
  if (update.partner !== undefined) next.partner = update.partner;
  if (status === 'confirmed') next.partner = null;
  // Nobody is to be seen any more, or somebody else.
  if (!isShown(next)) Object.assign(next, { location: null, eta: null });
  // It is of another way.
  if (next.eta && next.eta.to !== LEG[status]) next.eta = null;
  return next;
}

/** A position, unless a later one is known. */
export function withLocation(order, { type, group, id, at, ...location }) {
  if (!order || !isShown(order) || (order.location && order.location.timestamp > location.timestamp)) return order;
  return { ...order, location: { ...location, heardAt: Date.now() } };
}

export const withEta = (order, { eta }) => (order && eta.to === LEG[order.status] ? { ...order, eta: { ...eta, heardAt: Date.now() } } : order);

/**
 * An order as it was told just now. Ages, and what is left, are counted from when they were heard; what was heard before keeps its
 * time.
 */
export function heard({ ...order }) {
  const heardAt = Date.now();
  for (const name of ['location', 'eta']) if (order[name]) order[name] = { heardAt, ...order[name] };
  return order;
}

/** Seconds until the partner is expected: by how long the server said that it takes, since a reader's clock may be wrong. */
export const leftOf = (eta, now = Date.now()) => eta.seconds - (now - (eta.heardAt ?? now)) / 1000;

/** How old a position is now, seconds: as the server said, and the time since. */
export function ageOf(location, now = Date.now()) {
  return location.age + (now - (location.heardAt ?? now)) / 1000;
}

export function freshnessOf(location, now = Date.now()) {
  const age = ageOf(location, now);
  return age > LOST ? 'lost' : age > STALE ? 'stale' : 'live';
}

/** Amounts of an order's items together, minor units. */
export const itemsTotal = (items) => items.reduce((sum, { quantity, unit_price: price }) => sum + quantity * price, 0);
