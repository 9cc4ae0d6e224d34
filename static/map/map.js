// The map of all three apps: a drawn demo city (or tiles of a tile server), and on it places, a trail, a planned route
// and moving dots.
//
//   import { createMap } from '/static/map/map.js';
//   const map = createMap(element, { label: 'Your courier', onDot: (id) => select(id) });
//   map.setPlaces([{ id: 'a', kind: 'pickup', latitude, longitude, label: 'Forn Aurora' }]);
//   map.setTrail(trail, 'courier');
//   map.setDot('courier', { latitude, longitude, timestamp, heading, freshness: 'live', kind: 'mine' });
//   map.fit(undefined, { padding: { bottom: 320 } });
//
// The page links static/vendor/leaflet.css and static/map/map.css, and gives the element a height; the map fills it. It works under
// `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:`; a tile server has to be added to
// `img-src`.
//
// What the canvas shows a screen reader cannot tell: the page says in words what matters of it.

import '../vendor/leaflet.js';
import { cityLayer } from './city-layer.js';
import { Dots } from './dots.js';
import { Overlay } from './overlay.js';
import { PALETTES } from './palette.js';
import { watchPicks } from './picking.js';
import { Places } from './places.js';
import { position } from './plane.js';
import { Theme, themeNow } from './theme.js';
import { Route, Trail } from './trail.js';

const { L } = globalThis;
const CLOSEST = 19;
/** Milliseconds in which a dot that is followed gets back to the middle. */
const CENTRING = 600;
const START = { ...position(399, 332), zoom: 16 };

/** What it says by itself, where a page has no words of its own for that. */
const WORDS = { map: 'map', city: 'Demo city, drawn by hand', zoomIn: 'Zoom in', zoomOut: 'Zoom out' };

function toEarth(x, y) {
  const { lat, lng } = L.CRS.EPSG3857.pointToLatLng(L.point(x, y), 0);
  return { latitude: lat, longitude: lng };
}

/**
 * @typedef {{ latitude: number, longitude: number }} Point
 * @typedef {Point & { timestamp?: string | number | Date }} TrailPoint
 *   With timestamps the trail keeps behind its dot for certain; without, a point has to come in the same task as its sample.
 * @typedef {Point & { id: string, kind: 'pickup' | 'dropoff' | 'pin', label?: string }} Place
 * @typedef {object} Dot
 * @property {number} latitude
 * @property {number} longitude
 * @property {number | null} [heading] degrees clockwise from north; without it, the way that it went
 * @property {string | number | Date} [timestamp] of the sample; without it, now. What is older than what is known is left out;
 *   with the same one only the look changes.
 * @property {'live' | 'stale' | 'lost'} freshness
 * @property {'partner' | 'mine' | 'other' | 'pickup' | 'dropoff'} kind the last two are where an order is to be fetched or brought
 * @property {boolean} [busy]
 * @property {boolean} [alarm] somebody should look at it
 * @property {boolean} [small] one of so many that they would hide each other; not while it is selected
 * @property {string} [label] shown beside it while it is selected
 * @property {boolean} [selected]
 *
 * @typedef {number | { top?: number, right?: number, bottom?: number, left?: number }} Padding in pixels
 *
 * @typedef {object} MapOptions
 * @property {string} label what the map is of, for screen readers
 * @property {{ map?: string, city?: string, zoomIn?: string, zoomOut?: string }} [words] what it says by itself, in the reader's language
 * @property {null | { url: string, attribution: string, maxZoom?: number }} [tiles] a tile server instead of the demo city; `url` as Leaflet
 *   has it, and `attribution` is HTML
 * @property {(place: Point) => void} [onPick] a click or tap beside the dots, or Enter, which picks the middle
 * @property {(id: string) => void} [onDot] a click or tap on a dot
 * @property {(id: string | null) => void} [onFollow] following began or ended, also because somebody dragged the map
 * @property {(isMoved: boolean) => void} [onMoved] it shows no longer what it was to show, since somebody has moved it; or it does again
 * @property {boolean} [reducedMotion] dots jump; without it, as the system has it
 * @property {'topright' | 'topleft' | 'bottomright' | 'bottomleft' | false} [zoomButtons] where they are; 'topright' without it
 *
 * @typedef {object} DrawnDot where a dot was last drawn: its sample's position exactly, once it has got there
 * @property {string} id
 * @property {number} latitude
 * @property {number} longitude
 * @property {boolean} isMoving
 */

class WaybillMap {
  #frame;
  #element = document.createElement('div');
  #leaflet;
  #ground;
  #overlay;
  #theme;
  #places = new Places();
  #route = new Route();
  #trail = new Trail();
  #dots = new Dots();
  #followed = null;
  #centringUntil = 0;
  #onFollow;
  #onMoved;
  #isMoved = false;
  #isReduced;
  #attribution;
  #zoom = null;
  #cityName = null;
  #off = new AbortController();
  #size = new ResizeObserver(() => this.#resized());
  /** Shows once more what was to be shown last, when the element has got a size or another one; null once somebody has moved the map. */
  #fitAgain = null;
  #isFitting = false;
  #unwatch;

  constructor(frame, options) {
    const { label, words = {}, tiles = null, onPick, onDot, onFollow, onMoved, reducedMotion, zoomButtons = 'topright' } = options;
    const element = this.#element;
    this.#frame = frame;
    this.#onFollow = onFollow;
    this.#onMoved = onMoved;
    const query = matchMedia('(prefers-reduced-motion: reduce)');
    this.#isReduced = reducedMotion ?? query.matches;
    element.className = 'waybill-map';
    element.setAttribute('role', 'application');
    element.setAttribute('aria-label', label);
    frame.classList.add('waybill-map-frame');
    frame.append(element);
    const isLively = !this.#isReduced;
    this.#leaflet = L.map(element, {
      attributionControl: false, zoomControl: false, minZoom: 2, maxZoom: tiles?.maxZoom ?? CLOSEST, center: [START.latitude, START.longitude],
      zoom: START.zoom, zoomAnimation: isLively, fadeAnimation: isLively && tiles !== null, inertia: isLively, worldCopyJump: true,
    });
    this.#calm();
    this.#ground = tiles
      ? L.tileLayer(tiles.url, {
        attribution: tiles.attribution,
        maxZoom: tiles.maxZoom ?? CLOSEST,
        // Some serve no page that does not say where it is, which is all that they are told.
        referrerPolicy: 'strict-origin-when-cross-origin',
      })
      : cityLayer(PALETTES[themeNow()]);
    this.#ground.addTo(this.#leaflet);
    element.classList.toggle('waybill-map-has-tiles', tiles !== null);
    L.control.scale({ imperial: false, maxWidth: 90, position: 'bottomleft' }).addTo(this.#leaflet);
    this.#attribution = L.control.attribution({ prefix: false }).addTo(this.#leaflet);
    if (zoomButtons) this.#zoom = L.control.zoom({ position: zoomButtons, zoomInText: '+', zoomOutText: '−' }).addTo(this.#leaflet);
    this.setWords(words);
    this.#overlay = new Overlay(this.#leaflet, (context, view, now) => this.#paint(context, view, now));
    this.#unwatch = watchPicks(this.#leaflet, { dotAt: (x, y) => this.#dots.at(x, y, this.#overlay.view()), onDot, onPick });
    this.#leaflet.on('dragstart', () => this.follow(null));
    this.#leaflet.on('movestart zoomstart', () => {
      if (this.#isFitting) return;
      if (this.#fitAgain) this.#setMoved(true);
      this.#fitAgain = null;
    });
    // Last: what listens to the page outlives a map that could not be made.
    this.#theme = new Theme(() => this.#paintTheme());
    this.#size.observe(element);
    if (reducedMotion === undefined) {
      query.addEventListener('change', () => this.#reduce(query.matches), { signal: this.#off.signal });
    }
    this.#paintTheme();
  }

  /** All places that are shown from now on. @param {Place[]} places */
  setPlaces(places) {
    this.#places.set(places);
    this.#overlay.draw();
  }

  /**
   * The way that was come, up to the drawn position of a dot. @param {TrailPoint[]} points
   * @param {string} [dotId] without it, the dot that is the only one, if there is one
   */
  setTrail(points, dotId) {
    this.#trail.set(points, dotId);
    this.#overlay.draw();
  }

  /** @param {TrailPoint} point */
  extendTrail(point) {
    this.#trail.add(point);
    this.#overlay.draw();
  }

  /** The way that is planned. @param {Point[]} points */
  setRoute(points) {
    this.#route.set(points);
    this.#overlay.draw();
  }

  /** A dot, new or with a new sample. @param {string} id @param {Dot} dot */
  setDot(id, dot) {
    this.#dots.set(id, dot, performance.now(), this.#isReduced || document.hidden);
    this.#overlay.draw();
  }

  /** Many at once; those that are not among them stay. @param {Iterable<[string, Dot]>} dots */
  setDots(dots) {
    for (const [id, dot] of dots) this.setDot(id, dot);
  }

  /** @param {string} id */
  removeDot(id) {
    this.#dots.remove(id);
    if (id === this.#followed) this.follow(null);
    this.#overlay.draw();
  }

  clearDots() {
    this.#dots.clear();
    this.follow(null);
    this.#overlay.draw();
  }

  /**
   * Shows these points, or without any, all that is drawn; again when the element gets another size, until somebody moves the map.
   * @param {Point[]} [points] @param {{ padding?: Padding, maxZoom?: number }} [options]
   */
  fit(points, { padding = 48, maxZoom = 17 } = {}) {
    const shown = points ?? [...this.#places.points, ...this.#route.points, ...this.#trail.points, ...this.#dots.samples];
    if (shown.length === 0) return;
    this.#fitAgain = () => this.fit(points, { padding, maxZoom });
    this.#setMoved(false);
    const { x: width, y: height } = this.#leaflet.getSize();
    if (width === 0 || height === 0) return;
    this.#isFitting = true;
    this.#leaflet.once('moveend', () => { this.#isFitting = false; });
    const sides = typeof padding === 'number' ? { top: padding, right: padding, bottom: padding, left: padding } : padding;
    const { top = 48, right = 48, bottom = 48, left = 48 } = sides;
    this.#leaflet.fitBounds(L.latLngBounds(shown.map(({ latitude, longitude }) => [latitude, longitude])), {
      paddingTopLeft: [left, top], paddingBottomRight: [right, bottom], maxZoom, animate: !this.#isReduced,
    });
  }

  /**
   * Whether all of these are in sight, `padding` away from each edge at least; null where there is nothing to be seen at all.
   * @param {Point[]} points @param {{ padding?: Padding }} [options] @returns {boolean | null}
   */
  shows(points, { padding = 0 } = {}) {
    const { x: width, y: height } = this.#leaflet.getSize();
    if (width === 0 || height === 0) return null;
    const sides = typeof padding === 'number' ? { top: padding, right: padding, bottom: padding, left: padding } : padding;
    const { top = 0, right = 0, bottom = 0, left = 0 } = sides;
    return points.every(({ latitude, longitude }) => {
      const { x, y } = this.#leaflet.latLngToContainerPoint([latitude, longitude]);
      return x >= left && x <= width - right && y >= top && y <= height - bottom;
    });
  }

  /** Whether somebody has moved it since it was to show something. */
  get isMoved() {
    return this.#isMoved;
  }

  /** What the map is of, for screen readers. @param {string} label */
  setLabel(label) {
    this.#element.setAttribute('aria-label', label);
  }

  /** What it says by itself, in the reader's language. @param {{ map?: string, city?: string, zoomIn?: string, zoomOut?: string }} words */
  setWords(words) {
    const { map, city, zoomIn, zoomOut } = { ...WORDS, ...words };
    this.#element.setAttribute('aria-roledescription', map);
    if (!this.#element.classList.contains('waybill-map-has-tiles')) {
      if (this.#cityName) this.#attribution.removeAttribution(this.#cityName);
      this.#attribution.addAttribution(city);
      this.#cityName = city;
    }
    const buttons = this.#zoom?.getContainer().querySelectorAll('a') ?? [];
    buttons.forEach((button, index) => {
      const name = index === 0 ? zoomIn : zoomOut;
      Object.assign(button, { title: name, ariaLabel: name });
    });
  }

  /** Keeps a dot near the middle, until somebody drags the map; null lets it go. @param {string | null} id */
  follow(id) {
    if (id === this.#followed) return;
    this.#followed = id;
    this.#onFollow?.(id);
    this.#overlay.draw();
  }

  /** null follows the page and the system again. @param {'light' | 'dark' | null} name */
  setTheme(name) {
    this.#theme.set(name);
  }

  /** Where the dots were last drawn. @returns {DrawnDot[]} */
  dots() {
    return this.#dots.list(toEarth);
  }

  /** What is drawn of the trail, the dot at its end included. @returns {Point[]} */
  trail() {
    return this.#trail.drawn(this.#trailDot()).map(({ x, y }) => toEarth(x, y));
  }

  /** How often the overlay was drawn. */
  get frames() {
    return this.#overlay.frames;
  }

  /** Leaflet's own map, for what is not provided for here. */
  get leaflet() {
    return this.#leaflet;
  }

  destroy() {
    this.#off.abort();
    this.#size.disconnect();
    this.#theme.destroy();
    this.#unwatch();
    this.#overlay.destroy();
    // Or Leaflet would end a zoom of a map that is gone, and fail.
    this.#leaflet._animatingZoom = false;
    this.#leaflet.remove();
    this.#element.remove();
    this.#frame.classList.remove('waybill-map-frame');
  }

  #trailDot() {
    return this.#dots.glideOf(this.#trail.dotId ?? this.#dots.only);
  }

  #paint(context, view, now) {
    const palette = PALETTES[this.#theme.name];
    const isMoving = this.#dots.step(now);
    this.#route.draw(context, view, palette);
    this.#trail.draw(context, view, palette, this.#trailDot());
    this.#places.draw(context, view, palette);
    this.#dots.draw(context, view, palette);
    if (this.#followed !== null) this.#centre(view, now);
    return isMoving;
  }

  /** Brings the followed dot back to the middle when it is about to leave it. */
  #centre(view, now) {
    const glide = this.#dots.glideOf(this.#followed);
    // By the time, since a pan ends when another one begins, and draws at once: this would begin anew in its own midst.
    if (!glide || now < this.#centringUntil) return;
    const [x, y] = [glide.x * view.scale + view.x - view.width / 2, glide.y * view.scale + view.y - view.height / 2];
    if (Math.abs(x) > view.width / 4 || Math.abs(y) > view.height / 4) {
      this.#centringUntil = now + CENTRING;
      this.#leaflet.panBy([x, y], { duration: CENTRING / 1000 });
    }
  }

  #setMoved(isMoved) {
    if (isMoved === this.#isMoved) return;
    this.#isMoved = isMoved;
    this.#onMoved?.(isMoved);
  }

  /** Pans of the keyboard, too, are at once with reduced motion. */
  #calm() {
    const { panBy } = this.#leaflet;
    this.#leaflet.panBy = (offset, options) => (
      panBy.call(this.#leaflet, offset, this.#isReduced ? { ...options, animate: false } : options)
    );
  }

  #resized() {
    this.#leaflet.invalidateSize({ pan: false, debounceMoveend: true });
    const { x: width, y: height } = this.#leaflet.getSize();
    if (width > 0 && height > 0) this.#fitAgain?.();
  }

  #reduce(isReduced) {
    this.#isReduced = isReduced;
    if (isReduced) this.#dots.finish();
    this.#overlay.draw();
  }

  #paintTheme() {
    this.#element.dataset.mapTheme = this.#theme.name;
    this.#ground.setPalette?.(PALETTES[this.#theme.name]);
    this.#overlay.draw();
  }
}

/** @param {HTMLElement} element @param {MapOptions} options */
export function createMap(element, options) {
  return new WaybillMap(element, options);
}
