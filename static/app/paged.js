// A list that the server gives page by page, newest first, kept up to date meanwhile by what comes by the connection.

import { merged } from './merge.js';
import { Store } from './store.js';

/** In place of a cursor: what follows was cut off, and is found from the beginning. */
const CUT = Symbol('cut');

const cursor = (next) => `&cursor=${encodeURIComponent(next)}`;

export class Paged {
  /** What is known, where to go on (null: nowhere), and how the last reading went. */
  state = new Store({ items: [], next: null, isLoading: false, error: null });
  #read;
  #isNewer;
  #most;
  #isDeep;
  #turn = 0;
  #isRead = false;
  /** What was put while a reading is under way: its answer may be older than that. */
  #put = new Set();

  /**
   * `read(query)` gives a page; of two versions of an item `isNewer(one, other)` tells which counts. Of what comes by itself no
   * more than `most` are kept. Where items come and go further down, too, the list is `isDeep`: read again it is as far down as
   * it is known.
   */
  constructor(read, isNewer, { most = Infinity, isDeep = false } = {}) {
    this.#read = read;
    this.#isNewer = isNewer;
    this.#most = most;
    this.#isDeep = isDeep;
  }

  /** Whether it was ever read, or is being read. */
  get isAsked() {
    return this.#turn > 0;
  }

  /** What an item that was read is by now, since what came meanwhile need not be in it; null where it is none of the list any more. */
  now(item) {
    return item;
  }

  /** Whether an item is shown for a moment more at most. */
  isLeaving() {
    return false;
  }

  /** Takes in an item that is known whole. */
  put(item) {
    if (this.state.value.isLoading) this.#put.add(item.id);
    this.state.set((list) => this.#cut({ ...list, items: merged(list.items, [item], this.#isNewer) }));
  }

  #cut(list) {
    if (list.items.length <= this.#most) return list;
    // What is about to go makes no room for itself by what stays.
    const items = list.items.filter((item) => !this.isLeaving(item));
    return items.length <= this.#most ? { ...list, items } : { ...list, items: items.slice(0, Math.ceil(this.#most / 2)), next: CUT };
  }

  /** Forgets an item. */
  drop(id) {
    this.state.set((list) => ({ ...list, items: list.items.filter((one) => one.id !== id) }));
  }

  /** Changes each item by a function from the old one to the new one. */
  change(change) {
    this.state.set((list) => ({ ...list, items: list.items.map(change) }));
  }

  /** Reads the newest page, or the one after the last. Of several that are under way the latest counts. */
  async load({ more = false } = {}) {
    const own = ++this.#turn;
    const { next, items } = this.state.value;
    this.#put.clear();
    this.state.set((list) => ({ ...list, isLoading: true, error: null }));
    const end = (change) => {
      if (own !== this.#turn) return;
      this.state.set((list) => ({ ...list, error: null, ...change(list), isLoading: false }));
      this.#put.clear();
    };
    try {
      if (!more || !next) {
        const last = this.#isDeep ? items.at(-1)?.id : undefined;
        const page = await this.#readDown((oldest, count) => last === undefined || oldest <= last || count >= this.#most);
        end((list) => this.#anew(list, page));
      } else {
        const last = items.at(-1)?.id;
        const page = next === CUT ? await this.#readDown((oldest) => !(oldest >= last)) : await this.#read(cursor(next));
        end((list) => ({ items: merged(list.items, this.#asOfNow(page), this.#isNewer), next: page.next_cursor ?? null }));
      }
    } catch (error) {
      end(() => ({ error }));
    }
  }

  /** Pages from the newest on, until it is enough by the oldest item's id and how many there are. */
  async #readDown(isEnough) {
    const items = [];
    let next = null;
    do {
      const page = await this.#read(next ? cursor(next) : '');
      items.push(...page.items);
      next = page.next_cursor ?? null;
    } while (next && !isEnough(items.at(-1)?.id, items.length));
    return { items, next_cursor: next };
  }

  #asOfNow(page) {
    return page.items.map((item) => this.now(item)).filter((item) => item !== null);
  }

  /** The newest page, what has come while it was read, and what is known after it. */
  #anew(list, page) {
    const [last, next] = [page.items.at(-1), page.next_cursor ?? null];
    const items = this.#asOfNow(page);
    const there = new Set(items.map(({ id }) => id));
    // As far as it reaches it tells all that there is: what is known and not in it has gone. What is older follows on it only where
    // it reaches down to that.
    const isJoined = list.items.some(({ id }) => id === last?.id);
    const isAfter = ({ id }) => isJoined && next !== null && id < last.id;
    const kept = list.items.filter((one) => there.has(one.id) || this.#put.has(one.id) || isAfter(one));
    const isKnown = this.#isRead && kept.some(isAfter);
    this.#isRead = true;
    return this.#cut({ items: merged(kept, items, this.#isNewer), next: isKnown ? list.next : next });
  }
}
