// The map in a face: loaded after the rest, since most of what is asked of a page needs none.

import { html, useEffect, useRef, useState } from './view.js';
import { whenBack } from './back.js';
import { config } from './config.js';
import { language, t } from './i18n.js';
import { Icon } from './ui.js';

/** What lies on top of it: buttons, and on a phone the edge of the pane below, pixels. */
const PADDING = { top: 64, right: 72, bottom: 56, left: 48 };
/** A dot that comes this near to an edge is about to be lost from sight, pixels. */
const EDGE = { top: 24, right: 24, bottom: 36, left: 24 };

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

/** What follows in `after` on all of `before` that is still in it; null where something has come in between. */
function added(before, after) {
  if (before.length === 0 || after.length === 0) return null;
  const last = after.lastIndexOf(before.at(-1));
  const dropped = before.indexOf(after[0]);
  return last >= 0 && dropped >= 0 && last + 1 + dropped === before.length ? after.slice(last + 1) : null;
}

/** Leaflet takes an attribution for markup; this server's is text. */
function asText(text) {
  const element = document.createElement('span');
  element.textContent = text;
  return element.innerHTML;
}

const words = () => ({ map: t('map.map'), city: t('map.city'), zoomIn: t('map.zoom_in'), zoomOut: t('map.zoom_out') });

const none = [];

/**
 * `dots` are pairs of an id and a dot; `places` and `trail` as `createMap` takes them; `trailOf` is the dot that draws the trail.
 * Who draws dots without this one's help, since there are many and they move all the time, does so by `onMap(map)`, which is
 * called once there is one, and gives what ends that.
 *
 * Dots stay in sight while nobody has moved the map; whoever has is offered a way back to them.
 */
export function MapView({ label, places = none, dots = none, trail = none, trailOf = null, onPick = null, onDot = null, onMap = null, fitTo = null }) {
  const element = useRef(null);
  const map = useRef(null);
  const [state, setState] = useState('loading');
  const [tries, setTries] = useState(0);
  const [isMoved, setMoved] = useState(false);
  const handlers = useRef({});
  handlers.current = { onPick, onDot };

  useEffect(() => {
    let isThere = true;
    let end = null;
    const load = async () => {
      const [{ createMap }, { tiles }] = await Promise.all([import('../map/map.js'), config()]);
      if (!isThere) return;
      map.current = createMap(element.current, {
        label,
        words: words(),
        tiles: tiles && { ...tiles, attribution: asText(tiles.attribution) },
        reducedMotion: reducedMotion.matches,
        onPick: onPick ? (point) => handlers.current.onPick?.(point) : undefined,
        onDot: onDot ? (id) => handlers.current.onDot?.(id) : undefined,
        onMoved: setMoved,
      });
      end = onMap?.(map.current);
      setState('ready');
    };
    setState('loading');
    load().catch(() => { if (isThere) setState('failed'); });
    return () => {
      isThere = false;
      end?.();
      map.current?.destroy();
      map.current = null;
    };
  }, [tries]);
  const again = () => setTries((before) => before + 1);
  useEffect(() => (state === 'failed' ? whenBack(again) : undefined), [state]);
  const spoken = language();
  useEffect(() => {
    map.current?.setLabel(label);
    map.current?.setWords(words());
  }, [state, label, spoken]);

  const placesKey = JSON.stringify(places);
  // By where they are: what they are called moves nothing.
  const where = (points) => JSON.stringify(points?.map(({ latitude, longitude }) => [latitude, longitude]));
  const fitKey = where(fitTo ?? places);
  useEffect(() => {
    if (state !== 'ready') return;
    map.current.setPlaces(places);
  }, [state, placesKey]);
  const all = [...places, ...dots.map(([, dot]) => dot)];
  const fit = (points) => { if (points.length > 0) map.current.fit(points, { padding: PADDING }); };
  useEffect(() => { if (state === 'ready') fit(fitTo ?? all); }, [state, fitKey, dots.length]);
  const drawn = useRef(null);
  useEffect(() => {
    if (state !== 'ready') return;
    const more = drawn.current && added(drawn.current, trail);
    if (more) more.forEach((point) => map.current.extendTrail(point));
    else map.current.setTrail(trail, trailOf ?? undefined);
    drawn.current = trail;
  }, [state, trail]);
  const [count, setCount] = useState(0);
  const named = useRef([]);
  useEffect(() => {
    if (state !== 'ready') return;
    const ids = dots.map(([id]) => id);
    // Whoever is not to be seen any more leaves no dot behind.
    named.current.filter((id) => !ids.includes(id)).forEach((id) => map.current.removeDot(id));
    map.current.setDots(dots);
    named.current = ids;
    setCount(map.current.dots().length);
    if (!map.current.isMoved && map.current.shows(dots.map(([, dot]) => dot), { padding: EDGE }) === false) fit(all);
  }, [state, dots]);

  return html`<div class="map-box" data-state=${state} data-dots=${count} data-moved=${isMoved}><div class="map" ref=${element}></div>
    ${state === 'ready' && isMoved && dots.length > 0 && html`<button type="button" class="button quiet map-show" onClick=${() => fit(all)}><${Icon} name="locate" size=${20} />${t('map.show')}</button>`}
    ${state === 'failed' && html`<div class="map-failed" role="alert"><p>${t('map.failed')}</p><button type="button" class="button quiet" onClick=${again}>${t('try_again')}</button></div>`}</div>`;
}
