// What is read by REST and what comes by the connection, put together: neither undoes what the other has told later.

/**
 * Lists by id, newest first. `isNewer(one, other)` tells which of two with the same id counts; without it the latter does.
 */
export function merged(known, fresh, isNewer = () => false) {
  const all = new Map(known.map((one) => [one.id, one]));
  for (const one of fresh) {
    const before = all.get(one.id);
    if (!before || !isNewer(before, one)) all.set(one.id, one);
  }
  return [...all.values()].sort((one, other) => (one.id < other.id ? 1 : -1));
}
