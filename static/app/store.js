// A value that is watched: what a face knows lives in a few of these, outside of what draws it.

import { useEffect, useState } from './view.js';

export class Store {
  #value;
  #watchers = new Set();

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  /** Takes a new value, or a function from the old one to it. */
  set(next) {
    const value = typeof next === 'function' ? next(this.#value) : next;
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const watcher of [...this.#watchers]) watcher(value);
  }

  /** Calls `watcher` with each new value, until the function that this gives is called. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** The value of a store, in a component that is drawn again with each new one. */
export function useStore(store) {
  const [value, setValue] = useState(store.value);
  useEffect(() => {
    // It may have changed between the drawing and now.
    setValue(() => store.value);
    return store.watch((next) => setValue(() => next));
  }, [store]);
  return value;
}
