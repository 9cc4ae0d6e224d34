// The map in a face: loaded after the rest, since most of what is asked of a page needs none.

import { html, useEffect, useRef, useState } from './view.js';
import { config } from './config.js';
import { t } from './i18n.js';

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

/** `dots` are pairs of an id and a dot; `places` and `trail` as `createMap` takes them. */
export function MapView({ label, places = [], dots = [], trail = [], onPick = null, onDot = null, fitTo = null }) {
  const element = useRef(null);
  const map = useRef(null);
  const [state, setState] = useState('loading');
  const handlers = useRef({});
  handlers.current = { onPick, onDot };

  useEffect(() => {
    let isThere = true;
    const load = async () => {
      const [{ createMap }, { tiles }] = await Promise.all([import('../map/map.js'), config()]);
      if (!isThere) return;
      map.current = createMap(element.current, {
        label,
        tiles,
        reducedMotion: reducedMotion.matches,
        onPick: onPick ? (point) => handlers.current.onPick?.(point) : undefined,
        onDot: onDot ? (id) => handlers.current.onDot?.(id) : undefined,
      });
      setState('ready');
    };
    load().catch(() => { if (isThere) setState('failed'); });
    return () => {
      isThere = false;
      map.current?.destroy();
      map.current = null;
    };
  }, []);

  const placesKey = JSON.stringify(places);
  const fitKey = JSON.stringify(fitTo);
  useEffect(() => {
    if (state !== 'ready') return;
    map.current.setPlaces(places);
  }, [state, placesKey]);
  useEffect(() => {
    if (state !== 'ready') return;
    const points = fitTo ?? [...places, ...dots.map(([, dot]) => dot)];
    if (points.length > 0) map.current.fit(points);
  }, [state, placesKey, fitKey, dots.length]);
  useEffect(() => { if (state === 'ready') map.current.setTrail(trail); }, [state, trail]);
  useEffect(() => { if (state === 'ready') map.current.setDots(dots); }, [state, dots]);

  return html`<div class="map-box" data-state=${state}><div class="map" ref=${element}></div>
    ${state === 'failed' && html`<p class="map-failed" role="alert">${t('map.failed')}</p>`}</div>`;
}
