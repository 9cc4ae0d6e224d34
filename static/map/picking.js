// What a click, a tap or a key picks: a dot where one is near, or else a place.

// Centimetres are more than a finger tells.
const rounded = (degrees) => Math.round(degrees * 1e6) / 1e6;

/** Calls `onDot(id)` and `onPick({ latitude, longitude })`; either may be missing. Gives what ends it. */
export function watchPicks(map, { dotAt, onDot, onPick }) {
  const element = map.getContainer();
  const off = new AbortController();
  const place = ({ lat, lng }) => ({ latitude: rounded(lat), longitude: rounded(map.wrapLatLng([lat, lng]).lng) });

  const clicked = ({ containerPoint, latlng }) => {
    const id = onDot && dotAt(containerPoint.x, containerPoint.y);
    if (id !== undefined && onDot) onDot(id);
    else onPick?.(place(latlng));
  };
  const hovered = ({ containerPoint }) => {
    element.classList.toggle('waybill-map-on-dot', dotAt(containerPoint.x, containerPoint.y) !== undefined);
  };

  map.on('click', clicked);
  if (onDot) map.on('mousemove', hovered);
  let crosshair = null;
  if (onPick) {
    // Where Enter picks; the style sheet shows it while the map has the keyboard's focus.
    crosshair = document.createElement('div');
    crosshair.className = 'waybill-map-crosshair';
    crosshair.setAttribute('aria-hidden', 'true');
    element.append(crosshair);
    element.classList.add('waybill-map-picks');
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.target !== element) return;
      event.preventDefault();
      onPick(place(map.getCenter()));
    }, { signal: off.signal });
  }
  return () => {
    off.abort();
    map.off('click', clicked).off('mousemove', hovered);
    crosshair?.remove();
    element.classList.remove('waybill-map-picks', 'waybill-map-on-dot');
  };
}
