// The whole operation at a glance: how many orders stand where, what is wrong with which, and who is there. One subscription to
// `admin_dashboard` for all screens.

import { Store } from '../app/store.js';

/** What frames do not tell (who is idle, what is older than a day by now) is read again after something has happened, milliseconds. */
const SOON = 1_500;
/** However much happens, no more often than this. */
const EVERY = 10_000;
/** And otherwise no later than this. */
const LATEST = 30_000;
/** So many readings in a row that steps have crossed are passed over, since the next one may be without; on a busy day none is. */
const PASSED_OVER = 2;
const ENDED = { completed: 'completed', cancelled: 'cancelled', failed: 'failed' };

/** How many stand where after a step. Nobody counts below zero: what came before the counting is in it. */
export function withStep(orders, from, to) {
  const next = { ...orders };
  if (from) next[from] = Math.max(0, (next[from] ?? 0) - 1);
  next[to] = (next[to] ?? 0) + 1;
  return next;
}

export class Operation {
  /** `{pending: 3, …}`; null before anything is known, as the others. */
  orders = new Store(null);
  /** `{placed, completed, cancelled, failed}` */
  lastDay = new Store(null);
  /** `{online, idle, busy}` */
  partners = new Store(null);
  /** `{sessions, users}` */
  connected = new Store(null);
  exceptions = new Store(null);
  error = new Store(null);
  #session;
  #timer = 0;
  #readAt = 0;
  #turn = 0;
  /** How many steps were counted. */
  #steps = 0;
  #passedOver = 0;
  #every;

  constructor({ session, client }) {
    this.#session = session;
    const group = client.subscribe('admin_dashboard');
    this.group = group;
    group.on('dashboard', ({ dashboard }) => this.#begin(dashboard));
    group.on('order_created', ({ order }) => {
      this.#steps += 1;
      this.orders.set((orders) => orders && withStep(orders, null, order.status));
      this.#count('placed');
      this.#readSoon();
    });
    group.on('order_update', ({ update: { previous_status: from, status: to } }) => {
      this.#steps += 1;
      this.orders.set((orders) => orders && withStep(orders, from, to));
      if (ENDED[to]) this.#count(ENDED[to]);
      this.#readSoon();
    });
    group.on('activity', ({ activity: { action } }) => {
      if (['went_online', 'went_offline'].includes(action)) this.#readSoon();
    });
    group.on('exceptions', ({ exceptions }) => this.#trouble(exceptions));
    group.on('health', ({ health: { total } }) => this.connected.set({ sessions: total.connections, users: total.users }));
    group.on('ended', (error) => { if (error) this.error.set(error); });
    group.ready.catch((error) => this.error.set(error));
    this.#every = setInterval(() => this.#readSoon(), LATEST);
    document.addEventListener('visibilitychange', this.#look);
  }

  #look = () => this.#readSoon(0);

  #begin(dashboard) {
    this.#turn += 1;
    this.#passedOver = 0;
    this.orders.set(dashboard.orders);
    this.lastDay.set(dashboard.last_day);
    this.partners.set(dashboard.partners);
    this.connected.set({ sessions: dashboard.sessions, users: dashboard.users_online });
    this.#trouble(dashboard.exceptions);
    this.error.set(null);
  }

  #trouble(exceptions) {
    const heardAt = Date.now();
    this.exceptions.set(exceptions.map((one) => ({ ...one, heardAt })));
  }

  #count(what) {
    this.lastDay.set((day) => day && { ...day, [what]: day[what] + 1 });
  }

  /** Not for each of many steps, and for nobody who does not look. */
  #readSoon(soon = SOON) {
    if (this.#timer || document.hidden) return;
    const wait = Math.max(soon, this.#readAt + EVERY - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (document.hidden) return;
      this.#readAt = Date.now();
      this.#read();
    }, wait);
  }

  /** What was in the first picture may be told as a step, too, and then counts twice until this is read. */
  async #read() {
    const own = ++this.#turn;
    const steps = this.#steps;
    try {
      const { orders, last_day: lastDay, partners } = await this.#session.get('/admin/overview');
      if (own !== this.#turn) return;
      this.partners.set(partners);
      // Whether a step that came meanwhile is in it nobody knows; after that step it is read again. Then it is wrong by those steps at
      // most, and not by all that was ever counted twice.
      if (steps !== this.#steps && this.#passedOver < PASSED_OVER) {
        this.#passedOver += 1;
        return;
      }
      this.#passedOver = 0;
      this.orders.set(orders);
      this.lastDay.set(lastDay);
    } catch {
      // The connection tells how things are; what it does not tell is read the next time.
    }
  }

  end() {
    clearInterval(this.#every);
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#look);
    this.group.close();
  }
}
