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
  /** The reading of the newest page that counts, and that of the page after the last; null where none is under way. */
  #newest = null;
  #further = null;
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

  /**
   * Reads the newest page; of several such readings that are under way the latest counts. Or, with `more`, the page after the last:
   * once what is being read is there, and again where the list has been read anew meanwhile, since it may end elsewhere by then.
   */
  load({ more = false } = {}) {
    const { next, isLoading } = this.state.value;
    if (more && (next || isLoading)) return this.#further ??= this.#goOn().finally(() => this.#endFurther());
    this.#newest = this.#begin();
    return this.#newest;
  }

  async #begin() {
    const own = ++this.#turn;
    const { items } = this.state.value;
    this.#put.clear();
    this.state.set((list) => ({ ...list, isLoading: true, error: null }));
    const end = (change) => {
      if (own !== this.#turn) return;
      this.state.set((list) => ({ ...list, error: null, ...change(list), isLoading: this.#further !== null }));
      this.#put.clear();
    };
    try {
      const last = this.#isDeep ? items.at(-1)?.id : undefined;
      const page = await this.#readDown((oldest, count) => last === undefined || oldest <= last || count >= this.#most);
      end((list) => this.#anew(list, page));
    } catch (error) {
      end(() => ({ error }));
    }
  }

  async #goOn() {
    this.state.set((list) => ({ ...list, isLoading: true, error: null }));
    for (;;) {
      for (let newest = null; newest !== this.#newest;) {
        newest = this.#newest;
        await newest;
      }
      const own = this.#turn;
      const { next, items } = this.state.value;
      if (!next) return;
      const last = items.at(-1)?.id;
      const reading = next === CUT ? this.#readDown((oldest) => !(oldest >= last)) : this.#read(cursor(next));
      const { page, error } = await reading.then((answer) => ({ page: answer }), (problem) => ({ error: problem }));
      // It would not follow on what is known by now.
      if (own !== this.#turn || this.state.value.next !== next) continue;
      // What is known of the newest page is no better for it: that it could not be read is still to be told.
      this.state.set((list) => (error
        ? { ...list, error }
        : { ...list, items: merged(list.items, this.#asOfNow(page), this.#isNewer), next: page.next_cursor ?? null }));
      return;
    }
  }

  #endFurther() {
    this.#further = null;
    this.state.set((list) => ({ ...list, isLoading: false }));
    this.#put.clear();
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
