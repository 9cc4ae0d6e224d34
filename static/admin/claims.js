// Who looks after which order, so that no two admins do the same.

import { serverClock } from '../app/clock.js';
import { Store } from '../app/store.js';
import { t } from '../app/i18n.js';
import { toast } from '../app/ui.js';

/** A claim holds for an hour; who has its order on the screen says so again when less than this is left, milliseconds. */
const RENEW_BELOW = 45 * 60_000;
const LOOK_EVERY = 60_000;
/** A list of what is wrong may have been read a moment before a claim was made: so long it does not count against what was told of that. */
const SETTLED = 3_000;
/** No answer takes longer than this, milliseconds. */
const LONGEST = 120_000;

const isSame = (one, other) => one?.user_id === other?.user_id && one?.until === other?.until;

export class Claims {
  /** By order. */
  state = new Store(new Map());
  #session;
  #every;
  /** When something was last known of an order, and the frame that told it, in their order: answers and lists may be older than that. */
  #told = new Map();
  #frames = 0;
  /** The last frame that told of all orders. */
  #whole = 0;

  constructor({ session, group, href }) {
    this.#session = session;
    const tell = (before, { order_id: orderId, user_id: userId, name }) => {
      if (before?.user_id === this.#me && userId !== this.#me) toast({ title: t('claim.taken_over', { name }), href: href(orderId) });
    };
    group.on('dashboard', ({ dashboard: { claims } }) => {
      const known = this.state.value;
      this.#frames += 1;
      this.#whole = this.#frames;
      this.state.set(new Map(claims.map((claim) => [claim.order_id, claim])));
      // It may have happened during a break.
      claims.forEach((claim) => tell(known.get(claim.order_id), claim));
    });
    group.on('claim', ({ order_id: orderId, claim, by }) => {
      const before = this.state.value.get(orderId);
      this.#tell(orderId, claim);
      if (claim && by !== this.#me) tell(before, claim);
    });
    // Told again and again, so that nothing stays wrong for long.
    group.on('exceptions', ({ exceptions }) => exceptions.forEach(({ order_id: orderId, claim }) => {
      const before = this.state.value.get(orderId);
      if (isSame(claim, before) || Date.now() - (this.#told.get(orderId)?.at ?? -Infinity) < SETTLED) return;
      this.#put(orderId, claim);
      if (claim) tell(before, claim);
    }));
    // It ends with the order, and nothing else tells that.
    group.on('order_update', ({ update: { order_id: orderId, status } }) => {
      if (['completed', 'cancelled'].includes(status) && this.state.value.has(orderId)) this.#tell(orderId, null);
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

  /** By a frame. */
  #tell(orderId, claim) {
    this.#frames += 1;
    this.#told.set(orderId, { at: Date.now(), frame: this.#frames });
    this.#put(orderId, claim);
  }

  /** Takes what a call answers, unless a frame has told of the order since it began: frames come in order, and answers need not. */
  async #ask(orderId, call) {
    const begun = this.#frames;
    const take = (claim) => {
      const frame = Math.max(this.#whole, this.#told.get(orderId)?.frame ?? 0);
      if (frame > begun) return;
      this.#told.set(orderId, { at: Date.now(), frame });
      this.#put(orderId, claim);
    };
    try {
      take(await call());
    } catch (problem) {
      if (problem.code === 'already_claimed' && problem.body.claim) take(problem.body.claim);
      throw problem;
    }
  }

  /** What has ended by itself. */
  #forget() {
    const now = new Date(serverClock.now()).toISOString();
    const held = [...this.state.value].filter(([, { until }]) => until > now);
    if (held.length < this.state.value.size) this.state.set(new Map(held));
    for (const [orderId, { at }] of this.#told) if (Date.now() - at > LONGEST) this.#told.delete(orderId);
  }

  isMine(claim) {
    return claim?.user_id === this.#me;
  }

  /** With `from`, from that admin, on purpose. Whose it is by then is seen in any case. */
  claim(orderId, from) {
    return this.#ask(orderId, () => this.#session.post(`/orders/${orderId}/claim`, from ? { from } : {}));
  }

  release(orderId) {
    return this.#ask(orderId, async () => {
      await this.#session.delete(`/orders/${orderId}/claim`);
      return null;
    });
  }

  /** Keeps a claim for as long as somebody looks at its order. Gives what ends that. */
  keep(orderId) {
    let triedAt = -Infinity;
    const look = () => {
      const claim = this.state.value.get(orderId);
      if (document.hidden || !this.isMine(claim) || Date.parse(claim.until) - serverClock.now() >= RENEW_BELOW || Date.now() - triedAt < LOOK_EVERY) return;
      triedAt = Date.now();
      this.claim(orderId).catch(() => {});
    };
    const timer = setInterval(look, LOOK_EVERY);
    document.addEventListener('visibilitychange', look);
    const unwatch = this.state.watch(look);
    look();
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
      unwatch();
    };
  }

  end() {
    clearInterval(this.#every);
  }
}
