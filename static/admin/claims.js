// Who looks after which order, so that no two admins do the same.

import { serverClock } from '../app/clock.js';
import { Store } from '../app/store.js';
import { t } from '../app/i18n.js';
import { toast } from '../app/ui.js';

/** A claim ends by itself; who still looks after the order says so again in time, milliseconds. */
const RENEW_EVERY = 15 * 60_000;

export class Claims {
  /** By order. */
  state = new Store(new Map());
  #session;
  #every;

  constructor({ session, group, href }) {
    this.#session = session;
    const tell = (before, { order_id: orderId, user_id: userId, name }) => {
      if (before?.user_id === this.#me && userId !== this.#me) toast({ title: t('claim.taken_over', { name }), href: href(orderId) });
    };
    group.on('dashboard', ({ dashboard: { claims } }) => {
      const known = this.state.value;
      this.state.set(new Map(claims.map((claim) => [claim.order_id, claim])));
      // It may have happened during a break.
      claims.forEach((claim) => tell(known.get(claim.order_id), claim));
    });
    group.on('claim', ({ order_id: orderId, claim, by }) => {
      const before = this.state.value.get(orderId);
      this.#put(orderId, claim);
      if (claim && by !== this.#me) tell(before, claim);
    });
    // It ends with the order, and nothing else tells that.
    group.on('order_update', ({ update: { order_id: orderId, status } }) => {
      if (['completed', 'cancelled'].includes(status) && this.state.value.has(orderId)) this.#put(orderId, null);
    });
    this.#every = setInterval(() => this.#forget(), 60_000);
  }

  get #me() {
    return this.#session.user.value?.id;
  }

  #put(orderId, claim) {
    this.state.set((claims) => {
      const next = new Map(claims);
      if (claim) next.set(orderId, claim);
      else next.delete(orderId);
      return next;
    });
  }

  /** What has ended by itself. */
  #forget() {
    const now = new Date(serverClock.now()).toISOString();
    const held = [...this.state.value].filter(([, { until }]) => until > now);
    if (held.length < this.state.value.size) this.state.set(new Map(held));
  }

  isMine(claim) {
    return claim?.user_id === this.#me;
  }

  /** With `from`, from that admin, on purpose. Whose it is by then is seen in any case. */
  async claim(orderId, from) {
    try {
      this.#put(orderId, await this.#session.post(`/orders/${orderId}/claim`, from ? { from } : {}));
    } catch (problem) {
      if (problem.code === 'already_claimed' && problem.body.claim) this.#put(orderId, problem.body.claim);
      throw problem;
    }
  }

  async release(orderId) {
    await this.#session.delete(`/orders/${orderId}/claim`);
    this.#put(orderId, null);
  }

  /** Keeps a claim for as long as somebody looks at its order. Gives what ends that. */
  keep(orderId) {
    const timer = setInterval(() => {
      if (this.isMine(this.state.value.get(orderId))) this.claim(orderId).catch(() => {});
    }, RENEW_EVERY);
    return () => clearInterval(timer);
  }

  end() {
    clearInterval(this.#every);
  }
}
