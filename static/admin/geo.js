// How far it is from one point to another, near enough for a town, and where somebody was on a way.

const EARTH = 6_371_000;
const radians = (degrees) => (degrees * Math.PI) / 180;

/** Metres, on a sphere. */
export function metresBetween(one, other) {
  const [north, east] = [radians(other.latitude - one.latitude), radians(other.longitude - one.longitude)];
  const half = Math.sin(north / 2) ** 2 + Math.cos(radians(one.latitude)) * Math.cos(radians(other.latitude)) * Math.sin(east / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.sqrt(half));
}

/** Between two points that are further apart nobody knows where somebody was, milliseconds. */
const GAP = 120_000;

/** Where somebody was at a time, by points with `time`; null before the first, and `isLost` where nobody knew. */
export function positionAt(points, time) {
  if (points.length === 0 || time < points[0].time) return null;
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (points[middle].time <= time) low = middle;
    else high = middle - 1;
  }
  const [before, after] = [points[low], points[low + 1]];
  const isLost = (after ? after.time - before.time : time - before.time) > GAP && time > before.time;
  if (!after || isLost) return { ...before, isLost };
  const share = (time - before.time) / (after.time - before.time || 1);
  return {
    latitude: before.latitude + (after.latitude - before.latitude) * share,
    longitude: before.longitude + (after.longitude - before.longitude) * share,
    time,
    isLost,
  };
}
