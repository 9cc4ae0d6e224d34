// How the instances are, and were in the last ten minutes: figures in rings of numbers, which take the same room however long a page
// is left open.

import { Store } from '../app/store.js';

/** A frame every two seconds, for ten minutes. */
const KEPT = 300;
/** So many instances that are gone are remembered. */
const MOST = 24;
const GONE_FOR = 10 * 60_000;

/** What is drawn of an instance, or of all of them. */
export const FIGURES = ['connections', 'deliveries', 'p50', 'p99', 'queue', 'cpu', 'memory'];

/** Rows of figures, of which the oldest makes room for the newest. */
export class Ring {
  #times;
  #columns;
  #begin = 0;
  #length = 0;

  constructor(names = FIGURES, size = KEPT) {
    this.#times = new Float64Array(size);
    this.#columns = new Map(names.map((name) => [name, new Float64Array(size)]));
  }

  get length() {
    return this.#length;
  }

  /** `time` in seconds since 1970; what is null or missing is a hole. */
  add(time, values) {
    const size = this.#times.length;
    const at = (this.#begin + this.#length) % size;
    this.#times[at] = time;
    for (const [name, column] of this.#columns) column[at] = values[name] ?? NaN;
    if (this.#length < size) this.#length += 1;
    else this.#begin = (this.#begin + 1) % size;
  }

  #inOrder(column) {
    const ordered = new Float64Array(this.#length);
    for (let index = 0; index < this.#length; index += 1) ordered[index] = column[(this.#begin + index) % column.length];
    return ordered;
  }

  get times() {
    return this.#inOrder(this.#times);
  }

  /** Oldest first. */
  of(name) {
    return this.#inOrder(this.#columns.get(name));
  }
}

const worst = (instances, of) => instances.reduce((most, one) => Math.max(most, of(one) ?? -Infinity), -Infinity);
const orNull = (value) => (Number.isFinite(value) ? value : null);

export const figuresOf = ({ connections, deliveries_per_second: deliveries, latency, database, outbox_waiting: outbox, cpu, memory }) => ({
  connections, deliveries, p50: latency?.p50, p99: latency?.p99, queue: outbox + (database?.queue ?? 0), cpu, memory,
});

/** All together; a latency is that of the slowest. */
export const figuresOfAll = ({ total, instances }) => ({
  connections: total.connections,
  deliveries: total.deliveries_per_second,
  p50: orNull(worst(instances, ({ latency }) => latency?.p50)),
  p99: orNull(worst(instances, ({ latency }) => latency?.p99)),
  queue: total.outbox_waiting + instances.reduce((sum, { database }) => sum + (database?.queue ?? 0), 0),
  cpu: total.cpu,
  memory: total.memory,
});

export class Health {
  /** `{at, total, instances}`; instances that were there are in it, with `goneSince`. Null before anything is known. */
  state = new Store(null);
  /** By instance, and `all`. */
  rings = new Map([['all', new Ring()]]);
  #seen = new Map();

  /** What is told while the past is being read; null once that is there, or cannot be had. */
  #early = [];

  constructor({ group, session }) {
    const take = (health) => {
      if (this.#early) this.#early.push(health);
      else this.#take(health);
    };
    group.on('dashboard', ({ dashboard }) => take(dashboard.health));
    group.on('health', ({ health }) => take(health));
    session.get('/admin/health').catch(() => ({ items: [] })).then(({ items }) => {
      const known = [...items, ...this.#early];
      this.#early = null;
      known.forEach((health) => this.#take(health));
    });
  }

  #take(health) {
    const now = Date.parse(health.at);
    const last = this.state.value && Date.parse(this.state.value.at);
    if (last !== null && now <= last) return;
    const there = new Set(health.instances.map(({ id }) => id));
    for (const one of health.instances) {
      this.#seen.set(one.id, { ...one, goneSince: null });
      if (!this.rings.has(one.id)) this.rings.set(one.id, new Ring());
      this.rings.get(one.id).add(now / 1000, figuresOf(one));
    }
    for (const [id, one] of this.#seen) {
      if (there.has(id)) continue;
      if (one.goneSince === null) this.#seen.set(id, { ...one, goneSince: now });
      else if (now - one.goneSince > GONE_FOR) this.#forget(id);
    }
    const gone = [...this.#seen.values()].filter(({ goneSince }) => goneSince !== null).sort((one, other) => one.goneSince - other.goneSince);
    while (this.#seen.size > MOST && gone.length > 0) this.#forget(gone.shift().id);
    this.rings.get('all').add(now / 1000, figuresOfAll(health));
    this.state.set({ ...health, instances: [...this.#seen.values()] });
  }

  #forget(id) {
    this.#seen.delete(id);
    this.rings.delete(id);
  }
}
