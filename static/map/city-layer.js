// The demo city as a layer of tiles that are painted in the page. Where there is no city, a plain ground with a graticule.

import '../vendor/leaflet.js';
import { EDGE } from './city.js';
import { paintLabels } from './city-labels.js';
import { paintCity } from './city-paint.js';
import { METRE, ORIGIN } from './plane.js';

const { L } = globalThis;
const SIZE = 256;
// Nearer to the ground than this, the city is there; farther away it would be a spot.
const FROM = 10;
const STEPS = [90, 45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];
const GAP = 110;
// How long tiles may be painted in one frame, milliseconds.
const BUDGET = 8;

/** The graticule's step for a zoom level, degrees: the least one that leaves room between lines. */
function stepAt(zoom) {
  return STEPS.findLast((step) => (step / 360) * SIZE * 2 ** zoom >= GAP) ?? STEPS[0];
}

function paintGraticule(context, palette, { x, y, z }) {
  const step = stepAt(z);
  const tiles = 2 ** z;
  const latitudeAt = (row) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * row) / tiles))) * 180) / Math.PI;
  const rowAt = (latitude) => (1 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / Math.PI) / 2 * tiles;
  context.beginPath();
  for (let number = Math.ceil((((x / tiles) * 360) - 180) / step); number * step <= (((x + 1) / tiles) * 360) - 180; number += 1) {
    const at = Math.round((((number * step + 180) / 360) * tiles - x) * SIZE) + 0.5;
    context.moveTo(at, 0);
    context.lineTo(at, SIZE);
  }
  for (let number = Math.ceil(latitudeAt(y + 1) / step); number * step <= latitudeAt(y); number += 1) {
    const at = Math.round((rowAt(number * step) - y) * SIZE) + 0.5;
    context.moveTo(0, at);
    context.lineTo(SIZE, at);
  }
  context.strokeStyle = palette.graticule;
  context.lineWidth = 1;
  context.stroke();
}

function paintTile(tile, palette, { x, y, z }) {
  // More than two pixels of the screen in one would only cost memory.
  const dense = Math.min(2, Math.max(1, Math.ceil(devicePixelRatio)));
  tile.width = SIZE * dense;
  tile.height = SIZE * dense;
  const context = tile.getContext('2d', { alpha: false });
  context.scale(dense, dense);
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, SIZE, SIZE);
  paintGraticule(context, palette, { x, y, z });
  const scale = METRE * 2 ** z;
  const [left, top] = [x * SIZE - ORIGIN[0] * 2 ** z, y * SIZE - ORIGIN[1] * 2 ** z];
  const view = { left: left / scale, top: top / scale, right: (left + SIZE) / scale, bottom: (top + SIZE) / scale };
  if (z < FROM || view.left > EDGE || view.right < -EDGE || view.top > EDGE || view.bottom < -EDGE) return;
  context.save();
  context.translate(-left, -top);
  context.scale(scale, scale);
  paintCity(context, palette, view, z, 1 / scale);
  context.restore();
  paintLabels(context, palette, z, { left, top, size: SIZE });
}

const CityLayer = L.GridLayer.extend({
  options: { minZoom: 2, maxZoom: 19, keepBuffer: 1, updateInterval: 100, updateWhenIdle: false, updateWhenZooming: false },

  initialize(palette, options) {
    L.GridLayer.prototype.initialize.call(this, options);
    this._palette = palette;
    this._waiting = new Map();
    this._request = 0;
    this.on('tileunload', ({ tile }) => this._waiting.delete(tile));
  },

  onRemove(map) {
    cancelAnimationFrame(this._request);
    this._request = 0;
    this._waiting.clear();
    return L.GridLayer.prototype.onRemove.call(this, map);
  },

  setPalette(palette) {
    this._palette = palette;
    return this.redraw();
  },

  createTile(coords, done) {
    const tile = document.createElement('canvas');
    this._waiting.set(tile, { coords, done });
    this._request ||= requestAnimationFrame(() => this._paintSome());
    return tile;
  },

  // A few tiles in each frame, so that dots and fingers do not have to wait for all of them.
  _paintSome() {
    this._request = 0;
    const began = performance.now();
    for (const [tile, { coords, done }] of this._waiting) {
      this._waiting.delete(tile);
      paintTile(tile, this._palette, coords);
      done(null, tile);
      if (performance.now() - began > BUDGET) break;
    }
    if (this._waiting.size > 0) this._request = requestAnimationFrame(() => this._paintSome());
  },
});

/** A layer for a Leaflet map; `setPalette` paints it anew. */
export function cityLayer(palette) {
  return new CityLayer(palette);
}
