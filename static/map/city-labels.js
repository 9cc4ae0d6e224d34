// Which names are written where on the demo city, for a zoom level. All at once, so that the tiles of it agree, and one
// after the other by rank, so that no two overlap.

import { NAMES } from './city-areas.js';
import { demoCity } from './city.js';
import { FONT } from './palette.js';
import { BLOCK, flat, METRE } from './plane.js';

const REPEAT = 400;
// From which zoom level on names of lines are legible, in pixels of their text; by kind.
const LINES = {
  motorway: { rank: 4, from: 14, size: (zoom) => (zoom < 16 ? 10 : 11.5), weight: 500 },
  avenue: { rank: 1, from: 14, size: (zoom) => [10, 11, 12, 13.5][zoom - 14] ?? 14.5, weight: 600 },
  main: { rank: 5, from: 15, size: (zoom) => [9.5, 10.5, 12][zoom - 15] ?? 13.5, weight: 500 },
  street: { rank: 6, from: 16, size: (zoom) => [10, 11.5][zoom - 16] ?? 13, weight: 500 },
};
const PLACES = {
  city: { rank: 0, to: 13, size: 17, weight: 600 },
  district: { rank: 2, from: 13, to: 16, size: 11, weight: 600, isSpaced: true },
  landmark: { rank: 1.5, size: 11, weight: 500, hasDot: true },
  park: { rank: 3, size: 11, weight: 500 },
  sea: { rank: 2, size: 12, weight: 400, isItalic: true },
};
const caches = new Map();
let ruler = null;

function widthOf(text, font, spacing) {
  ruler ??= document.createElement('canvas').getContext('2d');
  ruler.font = font;
  ruler.letterSpacing = spacing;
  return ruler.measureText(text).width;
}

/** What is taken, as discs in a grid of cells. */
class Taken {
  #cells = new Map();
  #cell = 48;

  /** Takes the discs, if all of them are free. */
  take(discs) {
    for (const [x, y, radius] of discs) {
      for (const [otherX, otherY, otherRadius] of this.#near(x, y)) {
        if (Math.hypot(x - otherX, y - otherY) < radius + otherRadius) return false;
      }
    }
    for (const disc of discs) {
      const key = this.#key(Math.floor(disc[0] / this.#cell), Math.floor(disc[1] / this.#cell));
      const cell = this.#cells.get(key);
      if (cell) cell.push(disc);
      else this.#cells.set(key, [disc]);
    }
    return true;
  }

  #key(column, row) {
    return column * 1e6 + row;
  }

  * #near(x, y) {
    const [column, row] = [Math.floor(x / this.#cell), Math.floor(y / this.#cell)];
    for (let across = -1; across <= 1; across += 1) {
      for (let down = -1; down <= 1; down += 1) yield* this.#cells.get(this.#key(column + across, row + down)) ?? [];
    }
  }
}

function discsOf({ x, y, angle, width, size }) {
  const radius = size * 0.78;
  const count = Math.max(1, Math.ceil(width / radius / 1.5));
  return Array.from({ length: count }, (_, index) => {
    const along = count === 1 ? 0 : (index / (count - 1) - 0.5) * (width - radius);
    return [x + Math.cos(angle) * along, y + Math.sin(angle) * along, radius];
  });
}

/** The point that is so many pixels from the beginning of a line. */
function pointAt(line, distance) {
  let rest = distance;
  for (let index = 1; index < line.length; index += 1) {
    const [[x, y], [nextX, nextY]] = [line[index - 1], line[index]];
    const length = Math.hypot(nextX - x, nextY - y);
    if (rest <= length) return [x + ((nextX - x) * rest) / length, y + ((nextY - y) * rest) / length];
    rest -= length;
  }
  return line.at(-1);
}

const lengthOf = (line) => line.slice(1).reduce((sum, [x, y], index) => sum + Math.hypot(x - line[index][0], y - line[index][1]), 0);

/** A name along a line, its middle at `at`; none where the line bends too much for it. */
function along(line, at, label) {
  const [[x, y], [endX, endY]] = [pointAt(line, at - label.width / 2), pointAt(line, at + label.width / 2)];
  if (Math.hypot(endX - x, endY - y) < label.width * 0.985) return null;
  const [midX, midY] = pointAt(line, at);
  if (Math.hypot(midX - (x + endX) / 2, midY - (y + endY) / 2) > label.size * 0.4) return null;
  const forwards = endX >= x;
  const angle = forwards ? Math.atan2(endY - y, endX - x) : Math.atan2(y - endY, x - endX);
  return { ...label, x: (x + endX) / 2, y: (y + endY) / 2, angle };
}

function lineLabels({ name, kind, points }, number, zoom, scale, taken) {
  const { from, size: sizeOf, weight } = LINES[kind];
  if (zoom < from || !name) return [];
  const size = sizeOf(zoom);
  const font = `${weight} ${size}px ${FONT}`;
  const label = { text: name, kind, font, spacing: '0px', size, width: widthOf(name, font, '0px') };
  const line = points.map(([x, y]) => [x * scale, y * scale]);
  const length = lengthOf(line);
  const every = Math.max(REPEAT, 2 * BLOCK * scale);
  const placed = [];
  const room = label.width / 2 + 6;
  // Neighbours begin at different points, or their names would stand in a row.
  for (let slot = every * (0.25 + ((number * 0.38) % 0.5)); slot < length + every / 2; slot += every) {
    for (const shift of [0, 0.12, -0.12, 0.25, -0.25, 0.38, -0.38]) {
      const at = slot + shift * every;
      const found = at > room && at < length - room && along(line, at, label);
      if (found && taken.take(discsOf({ ...found, width: found.width + 16 }))) {
        placed.push(found);
        break;
      }
    }
  }
  return placed;
}

function placeLabel({ text, kind, at: [x, y], from }, zoom, scale, taken) {
  const style = PLACES[kind];
  if (zoom < Math.max(from ?? 0, style.from ?? 0) || zoom > (style.to ?? 99)) return [];
  const size = style.size + (kind !== 'city' && zoom >= 16 ? 1 : 0);
  const font = `${style.isItalic ? 'italic ' : ''}${style.weight} ${size}px ${FONT}`;
  const [shown, spacing] = style.isSpaced ? [text.toUpperCase(), '0.8px'] : [text, '0px'];
  const width = widthOf(shown, font, spacing);
  const label = {
    text: shown, kind, font, spacing, size, width, angle: 0, x: x * scale, y: y * scale + (style.hasDot ? size : 0), hasDot: style.hasDot === true,
  };
  return taken.take(discsOf({ ...label, width: width + 8 })) ? [label] : [];
}

function place(zoom) {
  const city = demoCity();
  const scale = METRE * 2 ** zoom;
  const taken = new Taken();
  const names = [
    ...NAMES.map(([text, kind, [latitude, longitude], from]) => ({ text, kind, at: flat(latitude, longitude), from })),
    ...city.districts.filter(({ name }) => name).map(({ name, middle }) => ({ text: name, kind: 'district', at: middle, from: 14 })),
  ].map((name) => ({ rank: PLACES[name.kind].rank, put: () => placeLabel(name, zoom, scale, taken) }));
  const lines = [...city.streets, ...city.roads].map((line, number) => ({
    rank: LINES[line.kind].rank, put: () => lineLabels(line, number, zoom, scale, taken),
  }));
  return [...names, ...lines].sort((one, other) => one.rank - other.rank).flatMap(({ put }) => put());
}

/** The names of a zoom level: each with its middle in pixels from the anchor, and how to write it. */
function labelsAt(zoom) {
  if (!caches.has(zoom)) caches.set(zoom, place(zoom));
  return caches.get(zoom);
}

/** Writes those that reach into a tile; `left` and `top` are its corner in pixels from the anchor. */
export function paintLabels(context, palette, zoom, { left, top, size }) {
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  for (const label of labelsAt(zoom)) {
    const reach = label.width / 2 + 20;
    const [x, y] = [label.x - left, label.y - top];
    if (x < -reach || y < -reach || x > size + reach || y > size + reach) continue;
    context.save();
    context.translate(x, y);
    if (label.hasDot) {
      context.fillStyle = palette.landmark;
      context.beginPath();
      context.arc(0, -label.size, 2.6, 0, 2 * Math.PI);
      context.fill();
    }
    context.rotate(label.angle);
    context.font = label.font;
    context.letterSpacing = label.spacing;
    context.strokeStyle = palette.halo;
    context.lineWidth = label.kind === 'street' || label.kind === 'main' ? 2 : 3;
    context.strokeText(label.text, 0, 0.5);
    context.fillStyle = palette.name[label.kind];
    context.fillText(label.text, 0, 0.5);
    context.restore();
  }
}
