// The map of the whole operation: each partner is a dot, and each order that is under way a square where its goods are to be fetched
// or brought. It is drawn straight from what comes, without a component for each dot; the canvas draws once a frame at most.

import { html, useEffect, useMemo, useRef } from '../app/view.js';
import { serverClock } from '../app/clock.js';
import { t } from '../app/i18n.js';
import { MapView } from '../app/map-view.js';

/** As for an order's partner, milliseconds. */
const [STALE, LOST] = [20_000, 120_000];
const LOOK_AGAIN = 5_000;
/** More than these are drawn small. */
const CROWD = 150;
const FETCHED = ['picked_up', 'in_transit', 'delivered'];
/** What dots are called: whose they are, and an id. */
const PARTNER = 'partner ';
const ORDER = 'order ';

const freshnessAt = (timestamp, now) => {
  const age = now - Date.parse(timestamp);
  return age > LOST ? 'lost' : age > STALE ? 'stale' : 'live';
};

const keyOf = ({ freshness, kind, busy, small, selected, label }) => `${freshness} ${kind} ${busy} ${small} ${selected} ${label}`;

/** Keeps the dots of a map as the fleet and the orders are. */
class Drawing {
  #map;
  #face;
  #selected = null;
  /** How each dot was last drawn, by its id. */
  #looks = new Map();
  #busy = new Map();
  #offs;
  #request = 0;
  #timer;
  #isFitted = false;
  onCount = () => {};

  constructor(map, face) {
    this.#map = map;
    this.#face = face;
    const { fleet, activeOrders, operation } = face;
    this.#offs = [
      fleet.watch((moved, gone) => {
        gone.forEach((id) => this.#remove(PARTNER + id));
        moved.forEach((position) => this.#drawPartner(position));
        this.#fitOnce();
        this.#told();
      }),
      activeOrders.state.watch(() => this.#later()),
      operation.exceptions.watch(() => this.#later()),
    ];
    this.#timer = setInterval(() => this.#all(), LOOK_AGAIN);
    this.#drawOrders();
    this.#all();
  }

  select(selected) {
    this.#selected = selected;
    this.#drawOrders();
    this.#all();
  }

  #later() {
    if (this.#request) return;
    this.#request = requestAnimationFrame(() => {
      this.#request = 0;
      this.#drawOrders();
      this.#all();
    });
  }

  #remove(id) {
    if (this.#looks.delete(id)) this.#map.removeDot(id);
  }

  /** How a partner's dot is to look, without where it is. */
  #lookOf({ partner_id: id, timestamp }) {
    const order = this.#busy.get(id);
    const selected = this.#selected === PARTNER + id || (order !== undefined && this.#selected === ORDER + order.id);
    return {
      freshness: freshnessAt(timestamp, serverClock.now()), kind: order || this.#face.fleet.isOnline(id) ? 'partner' : 'other', busy: order !== undefined, small: this.#face.fleet.positions.size > CROWD, selected,
      label: selected ? order?.partner.name ?? this.#face.fleet.partners.get(id)?.name : undefined,
    };
  }

  #drawPartner(position, look = this.#lookOf(position)) {
    const { partner_id: id, latitude, longitude, timestamp } = position;
    this.#looks.set(PARTNER + id, keyOf(look));
    this.#map.setDot(PARTNER + id, { latitude, longitude, timestamp, ...look });
  }

  /** Those that look otherwise although they have not moved. */
  #all() {
    for (const position of this.#face.fleet.positions.values()) {
      const look = this.#lookOf(position);
      if (this.#looks.get(PARTNER + position.partner_id) !== keyOf(look)) this.#drawPartner(position, look);
    }
    this.#told();
  }

  #drawOrders() {
    const { orders } = this.#face.activeOrders.state.value;
    const troubled = new Set((this.#face.operation.exceptions.value ?? []).map(({ order_id: id }) => id));
    this.#busy = new Map();
    const seen = new Set();
    for (const order of orders.values()) {
      if (order.partner && order.status !== 'delivered') this.#busy.set(order.partner.id, order);
      const kind = FETCHED.includes(order.status) ? 'dropoff' : 'pickup';
      const id = ORDER + order.id;
      seen.add(id);
      const look = `${kind} ${troubled.has(order.id)} ${this.#selected === id}`;
      const before = this.#looks.get(id);
      if (before === look) continue;
      // It is somewhere else, and does not slide there.
      if (before && !before.startsWith(kind)) this.#map.removeDot(id);
      this.#looks.set(id, look);
      const { latitude, longitude } = order[kind];
      this.#map.setDot(id, { latitude, longitude, timestamp: 0, freshness: 'live', kind, alarm: troubled.has(order.id), selected: this.#selected === id });
    }
    for (const id of [...this.#looks.keys()]) if (id.startsWith(ORDER) && !seen.has(id)) this.#remove(id);
    const chosen = this.#selected?.startsWith(ORDER) && orders.get(this.#selected.slice(ORDER.length));
    this.#map.setPlaces(chosen ? [
      { id: 'pickup', kind: 'pickup', ...chosen.pickup, label: t('story.pickup') }, { id: 'dropoff', kind: 'dropoff', ...chosen.dropoff, label: t('story.dropoff') },
    ] : []);
    this.#fitOnce();
  }

  /** To what is there at first: orders and partners, whichever are read sooner. */
  #fitOnce() {
    if (this.#isFitted || this.#looks.size === 0) return;
    this.#isFitted = this.#face.fleet.isRead && !this.#face.activeOrders.state.value.isLoading;
    this.fit();
  }

  #told() {
    this.onCount(this.#face.fleet.positions.size, this.#looks.size - this.#face.fleet.positions.size);
  }

  fit() {
    this.#map.fit(undefined, { padding: 56, maxZoom: 16 });
  }

  end() {
    this.#offs.forEach((off) => off());
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#request);
  }
}

/** `selected` is what a dot is called; `onSelect(id)` is called with null where there is none. */
export function FleetMap({ face, selected, onSelect, drawn }) {
  const drawing = useRef(null);
  const box = useRef(null);
  useEffect(() => { face.activeOrders.use(); }, [face]);
  useEffect(() => { drawing.current?.select(selected); }, [selected]);
  const onMap = useMemo(() => (map) => {
    const own = new Drawing(map, face);
    drawing.current = own;
    if (drawn) drawn.current = own;
    // For whoever looks from outside; a canvas tells nothing.
    own.onCount = (partners, orders) => {
      const { dataset } = box.current ?? {};
      if (dataset && (dataset.partners !== String(partners) || dataset.orders !== String(orders))) Object.assign(dataset, { partners, orders });
    };
    own.select(selected);
    return () => {
      own.end();
      drawing.current = null;
      if (drawn) drawn.current = null;
    };
  }, [face]);
  return html`<div class="fleet-map" ref=${box}><${MapView} label=${t('operation.map')} onMap=${onMap} onDot=${onSelect} onPick=${() => onSelect(null)} /></div>`;
}

export const partnerDot = (id) => PARTNER + id;
export const orderDot = (id) => ORDER + id;
export const parseDot = (dot) => (dot?.startsWith(ORDER) ? { orderId: dot.slice(ORDER.length) } : dot ? { partnerId: dot.slice(PARTNER.length) } : {});
