// The admins who are there now, and which order each of them has on the screen.

import { Store } from '../app/store.js';

/** An admin whose screen shows an order says so again every so often, and is taken to have left it after a while, milliseconds. */
const AGAIN = 20_000;
const FORGOTTEN = 45_000;
/** Who goes to another tab is given so long until that one has said what it shows, milliseconds. */
const LEAVING = 1_000;

export class Team {
  /** Ids of admins who are there. */
  present = new Store(new Set());
  /** Which order each has on the screen, by the admin's id: `{name, orderId, heardAt}`. */
  viewing = new Store(new Map());
  /** Names by id, as far as they are known. */
  names = new Store(new Map());
  #session;
  #client;
  #shown = null;
  /** To the server an admin's tabs are one: what counts is the tab that spoke last, and only that one may take it back. */
  #tabs;
  /** When this one spoke, while it is the last. */
  #saidAt = null;
  #leaving = 0;
  #every;
  #off;
  #asked = new Set();

  constructor({ session, client, group }) {
    this.#session = session;
    this.#client = client;
    const { id, name } = session.user.value;
    this.#name([[id, name]]);
    this.#tabs = new BroadcastChannel(`waybill view ${id}`);
    this.#tabs.onmessage = ({ data: saidAt }) => { if (saidAt > this.#saidAt) this.#saidAt = null; };
    group.on('dashboard', ({ dashboard }) => {
      const heardAt = Date.now();
      this.#name(dashboard.viewing.map((view) => [view.user_id, view.name]));
      this.viewing.set(new Map(dashboard.viewing.map((view) => [view.user_id, { name: view.name, orderId: view.order_id, heardAt }])));
    });
    // Whoever took a step of an order may not be there any more.
    this.#askNames([]);
    group.on('viewing', (view) => this.#view(view));
    group.on('presence', ({ members, joined, left }) => this.#meet(members, joined, left));
    group.on('claim', ({ claim }) => { if (claim) this.#name([[claim.user_id, claim.name]]); });
    group.on('activity', ({ activity }) => {
      if (activity.role === 'admin' && activity.name) this.#name([[activity.user_id, activity.name]]);
    });
    this.#every = setInterval(() => {
      this.#say();
      this.#forget();
    }, AGAIN);
    const offState = client.on('state', ({ name: state }) => { if (state === 'open') this.#say(); });
    addEventListener('pagehide', this.#takeBack);
    document.addEventListener('visibilitychange', this.#look);
    this.#off = () => {
      offState();
      removeEventListener('pagehide', this.#takeBack);
      document.removeEventListener('visibilitychange', this.#look);
    };
  }

  #takeBack = () => {
    if (this.#saidAt === null) return;
    this.#saidAt = null;
    this.#client.send({ type: 'view', order_id: null });
  };

  /** What nobody looks at is on no screen. */
  #look = () => {
    clearTimeout(this.#leaving);
    if (document.visibilityState === 'visible') this.#say();
    else this.#leaving = setTimeout(this.#takeBack, LEAVING);
  };

  #meet(members, joined, left) {
    this.present.set((before) => {
      const next = members ? new Set(members.filter(({ role }) => role === 'admin').map(({ user_id: userId }) => userId)) : new Set(before);
      if (joined?.role === 'admin') next.add(joined.user_id);
      if (left) next.delete(left.user_id);
      return next;
    });
    const unknown = [...this.present.value].filter((userId) => !this.names.value.has(userId) && !this.#asked.has(userId));
    if (unknown.length > 0) this.#askNames(unknown);
  }

  async #askNames(ids) {
    ids.forEach((id) => this.#asked.add(id));
    try {
      const { items } = await this.#session.get('/admin/users?role=admin&limit=200');
      this.#name(items.map(({ id, name }) => [id, name]));
    } catch {
      ids.forEach((id) => this.#asked.delete(id));
    }
  }

  #name(pairs) {
    if (pairs.some(([id, name]) => this.names.value.get(id) !== name)) this.names.set((names) => new Map([...names, ...pairs]));
  }

  #view({ user_id: userId, name, order_id: orderId }) {
    this.#name([[userId, name]]);
    this.viewing.set((viewing) => {
      const next = new Map(viewing);
      if (orderId) next.set(userId, { name, orderId, heardAt: Date.now() });
      else next.delete(userId);
      return next;
    });
  }

  #forget() {
    const since = Date.now() - FORGOTTEN;
    const held = [...this.viewing.value].filter(([, { heardAt }]) => heardAt > since);
    if (held.length < this.viewing.value.size) this.viewing.set(new Map(held));
  }

  #say() {
    if (!this.#shown || document.visibilityState !== 'visible') return;
    this.#saidAt = performance.timeOrigin + performance.now();
    this.#tabs.postMessage(this.#saidAt);
    this.#client.send({ type: 'view', order_id: this.#shown });
  }

  /** This screen shows an order, until what this gives is called. */
  view(orderId) {
    this.#shown = orderId;
    this.#say();
    return () => {
      if (this.#shown !== orderId) return;
      this.#shown = null;
      this.#takeBack();
    };
  }

  end() {
    clearInterval(this.#every);
    clearTimeout(this.#leaving);
    this.#tabs.close();
    this.#off();
  }
}

/** The other admins who have this order on their screens: `[{userId, name}]`. */
export function viewersOf(viewing, orderId, me) {
  return [...viewing].filter(([userId, view]) => view.orderId === orderId && userId !== me).map(([userId, { name }]) => ({ userId, name }));
}
