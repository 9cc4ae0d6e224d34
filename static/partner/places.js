// Places on the map, the way between them, and the way there in a navigation app.

import { t } from '../app/i18n.js';
import { freshnessOf } from '../app/order.js';

const EARTH = 6_371_000;
const radians = (degrees) => (degrees * Math.PI) / 180;

/** As the crow flies, metres. */
export function metresBetween(one, other) {
  const [a, b] = [radians(one.latitude), radians(other.latitude)];
  const part = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.sqrt(part));
}

export const placesOf = ({ pickup, dropoff }) => [
  { id: 'pickup', kind: 'pickup', ...pickup, label: t('order.pickup') },
  { id: 'dropoff', kind: 'dropoff', ...dropoff, label: t('order.dropoff') },
];

/** The dots of a map with nobody but oneself on it. */
export function ownDot(here, now = Date.now()) {
  if (!here) return [];
  const freshness = freshnessOf({ age: (now - Date.parse(here.timestamp)) / 1000 }, now);
  return [['mine', { ...here, freshness, kind: 'mine', label: t('map.you'), selected: false }]];
}

/** A link that opens the device's own app for finding the way, where it has one. */
export function wayTo({ latitude, longitude, address }) {
  const point = `${latitude},${longitude}`;
  if (/Android/i.test(navigator.userAgent)) return `geo:${point}?q=${point}(${encodeURIComponent(address)})`;
  if (/iPhone|iPad|Macintosh/i.test(navigator.userAgent)) return `https://maps.apple.com/?daddr=${point}`;
  return `https://www.openstreetmap.org/directions?to=${point}`;
}
