// What was earned: what can be paid out, what went in and out, and what each day of the week brought.

import { useEffect } from '../app/view.js';
import { Store, useStore } from '../app/store.js';

const KEPT = 1000;
/** Other movements move what was earned before. */
const EARNED = ['capture', 'cash_order', 'cancellation_fee'];
/** Entries of the week are read in so many pages at most. */
const [PAGES, PAGE] = [5, 200];

/** The days of the week that `now` is in, by the reader's own clock: each midnight, and the one after the last. */
export function weekOf(now = new Date()) {
  const monday = now.getDate() - ((now.getDay() + 6) % 7);
  return Array.from({ length: 8 }, (_, day) => new Date(now.getFullYear(), now.getMonth(), monday + day));
}

/** What each day of this week brought, minor units. */
export function byDay(entries, days = weekOf()) {
  const earned = entries.filter(({ kind }) => EARNED.includes(kind));
  return days.slice(0, -1).map((begin, day) => earned
    .filter(({ created_at: at }) => new Date(at) >= begin && new Date(at) < days[day + 1])
    .reduce((sum, { amount }) => sum + amount, 0));
}

export class Earnings {
  state = new Store({ view: null, entries: [], next: null, isWhole: false, isLoading: false, error: null });
  /** The pay-out that was made last, as the provider has it, or null. */
  payout = new Store(null);
  #session;
  /** Counts the readings. */
  #turn = 0;
  /** What has come since the one that is under way began; null where none is. */
  #came = null;

  constructor({ session, group }) {
    this.#session = session;
    group.on('earnings_update', ({ earnings, entry }) => this.#take(earnings, entry));
    group.on('snapshot', () => { if (this.state.value.view) this.load(); });
  }

  #take(balance, entry) {
    this.#came?.push(entry);
    this.state.set((state) => (state.view?.currency === balance.currency
      ? { ...state, view: { ...state.view, ...balance }, entries: [entry, ...state.entries.filter(({ id }) => id !== entry.id)].slice(0, KEPT) }
      : state));
    // What is owed changes with it.
    this.#session.get('/partner/earnings').then((view) => this.state.set((state) => ({ ...state, view })), () => {});
    if (entry.transfer_id) this.#look(entry.transfer_id);
  }

  #page(cursor, limit = PAGE) {
    return this.#session.get(`/partner/earnings/entries?limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
  }

  /** All of this week at least. */
  async load() {
    const turn = ++this.#turn;
    this.#came = [];
    this.state.set((state) => ({ ...state, isLoading: true, error: null }));
    try {
      const [monday] = weekOf();
      const view = await this.#session.get('/partner/earnings');
      let [entries, next, isWhole] = [[], null, false];
      for (let count = 0; count < PAGES && !isWhole; count += 1) {
        const page = await this.#page(next);
        entries = [...entries, ...page.items];
        next = page.next_cursor ?? null;
        isWhole = next === null || new Date(entries.at(-1).created_at) < monday;
      }
      if (turn !== this.#turn) return;
      // What came meanwhile need not be in what was read.
      const fresh = this.#came.filter(({ id }) => !entries.some((entry) => entry.id === id)).reverse();
      const isOld = this.#came.length > 0;
      this.#came = null;
      this.state.set((state) => ({ view: (isOld && state.view) || view, entries: [...fresh, ...entries], next, isWhole, isLoading: false, error: null }));
      const last = entries.find(({ kind }) => kind === 'pay_out');
      if (last?.transfer_id) await this.#look(last.transfer_id);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#came = null;
      this.state.set((state) => ({ ...state, isLoading: false, error }));
    }
  }

  /** The next page; of a list that was read anew meanwhile it is not the next one any more. */
  async more() {
    const turn = this.#turn;
    this.state.set((state) => ({ ...state, isLoading: true }));
    try {
      const page = await this.#page(this.state.value.next, 50);
      if (turn !== this.#turn) return;
      this.state.set((state) => ({ ...state, entries: [...state.entries, ...page.items], next: page.next_cursor ?? null, isLoading: false }));
    } catch (error) {
      if (turn === this.#turn) this.state.set((state) => ({ ...state, isLoading: false, error }));
    }
  }

  async #look(id) {
    this.payout.set(await this.#session.get(`/partner/payouts/${id}`).catch(() => null));
  }

  /** Sends money to the partner's bank. */
  async payOut(amount, currency, key) {
    const payout = await this.#session.post('/partner/payouts', { amount, currency }, { key });
    this.payout.set(payout);
    await this.load();
    return payout;
  }
}

/** `{earned: {days, today, week, currency}, …}`; `earned` is null while it is not known. */
export function useEarned(earnings) {
  const state = useStore(earnings.state);
  useEffect(() => { if (!earnings.state.value.view) earnings.load(); }, [earnings]);
  const { view, entries, isWhole } = state;
  if (!view) return { ...state, earned: null };
  const days = byDay(entries);
  // By the reader's days, as far as all of the week is known; the server's are those of UTC.
  const today = days[(new Date().getDay() + 6) % 7];
  const week = days.reduce((sum, amount) => sum + amount, 0);
  const { currency } = view;
  return { ...state, earned: isWhole ? { days, today, week, currency } : { days, today: view.today, week: view.week, currency } };
}
