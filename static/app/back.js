// What is to be done once the connection is back.

const listeners = new Set();

/** Calls `listener` whenever it is; gives what ends that. */
export function whenBack(listener) {
  listeners.add(listener);
  return () => { listeners.delete(listener); };
}

export const isBack = () => listeners.forEach((listener) => listener());
