// The demo city as shapes in the flat frame of plane.js: what city-paint.js paints and city-labels.js names. No drawing
// here, so it can be reckoned with anywhere.

import { BEACHES, COAST, PARKS, PIERS, RIVERS, ROADS, TOWN } from './city-areas.js';
import { makeDistricts, random } from './city-districts.js';
import { ACROSS, ALONG, GARDENS, GRID, STREET } from './city-streets.js';
import { BLOCK, flat, flatSpot } from './plane.js';

/** As far from the anchor as anything is drawn, metres; it fades from two thirds of that. */
export const EDGE = 40_000;
const CHAMFER = 15;
// No trees nearer to the middle of a crossing than this.
const CORNER = 32;
// Blocks that are painted together: so many by so many.
const CHUNK = 4;
const MIDDLE = 0.5;

function bounds(points) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

/** How wide the street with this number is at `at` of the other way; the streets of the grid, `along` or across. */
function widthAt(streets, number, at) {
  return streets.find(([one, , from, to]) => one === number && from <= at && at <= to)?.[4] ?? STREET;
}

/** A rectangle of the plane with its corners cut off. */
function chamfered(left, right, near, far, cut) {
  return [
    [left + cut, near], [right - cut, near], [right, near + cut], [right, far - cut],
    [right - cut, far], [left + cut, far], [left, far - cut], [left, near + cut],
  ].map(([along, inland]) => flatSpot(along, inland));
}

/** A block's sides in the plane: `[left, right, near, far]`. */
function sides(column, row) {
  return [
    column * BLOCK + widthAt(ACROSS, column, row + MIDDLE) / 2, (column + 1) * BLOCK - widthAt(ACROSS, column + 1, row + MIDDLE) / 2,
    row * BLOCK + widthAt(ALONG, row, column + MIDDLE) / 2, (row + 1) * BLOCK - widthAt(ALONG, row + 1, column + MIDDLE) / 2,
  ];
}

/** A block of the Eixample: houses around a yard. */
function makeBlock(column, row) {
  const next = random(column * 613 + row * 7 + 90_000);
  const [left, right, near, far] = sides(column, row);
  const depth = () => 23 + 9 * next();
  const yard = next() < 0.9 && chamfered(left + depth(), right - depth(), near + depth(), far - depth(), 6);
  return { outline: chamfered(left, right, near, far, CHAMFER), yard, isGreen: next() < 0.16 };
}

function makeGarden([column, row, width, height]) {
  const [left, , near] = sides(column, row);
  const [, right, , far] = sides(column + width - 1, row + height - 1);
  return chamfered(left, right, near, far, CHAMFER);
}

function isGarden(column, row) {
  return GARDENS.some(([left, near, width, height]) => (
    column >= left && column < left + width && row >= near && row < near + height
  ));
}

/** The blocks of a chunk, and what is inside of them. */
function makeHouses(left, near) {
  const blocks = Array.from({ length: CHUNK * CHUNK }, (_, place) => [left + (place % CHUNK), near + Math.floor(place / CHUNK)])
    .filter(([column, row]) => !isGarden(column, row))
    .map(([column, row]) => makeBlock(column, row));
  const inside = (isGreen) => blocks.filter((one) => one.yard && one.isGreen === isGreen).map(({ yard }) => yard);
  return { blocks: blocks.map(({ outline }) => outline), yards: inside(false), gardens: inside(true) };
}

/** The blocks of the grid, in chunks; what stands out of the grid's outline is for the painter to clip. */
function makeChunks() {
  const limits = bounds(GRID);
  const chunks = [];
  for (let left = Math.floor(limits.left); left < limits.right; left += CHUNK) {
    for (let near = Math.floor(limits.top); near < limits.bottom; near += CHUNK) {
      const corners = [[0, 0], [CHUNK, 0], [CHUNK, CHUNK], [0, CHUNK]];
      let houses = null;
      chunks.push({
        box: bounds(corners.map(([along, inland]) => flatSpot((left + along) * BLOCK, (near + inland) * BLOCK))),
        get houses() {
          houses ??= makeHouses(left, near);
          return houses;
        },
      });
    }
  }
  return chunks;
}

/** Two rows of trees from crossing to crossing. */
function makeTrees({ width, points }) {
  const off = width / 2 - (width > STREET ? 7 : 3);
  return points.slice(1).flatMap(([toX, toY], index) => {
    const [x, y] = points[index];
    const length = Math.hypot(toX - x, toY - y);
    if (length < 3 * CORNER) return [];
    const [dx, dy] = [(toX - x) / length, (toY - y) / length];
    return [off, -off].map((side) => [CORNER, length - CORNER].map((at) => [x + dx * at - dy * side, y + dy * at + dx * side]));
  });
}

/** The streets of the grid as lines; each has the name, the width and the points `[x, y]` of its middle. */
function makeStreets() {
  const kind = (width) => (width >= 40 ? 'avenue' : width > STREET + 4 ? 'main' : 'street');
  const line = (from, to, place) => {
    const inner = Array.from({ length: Math.floor(to) - Math.ceil(from) + 1 }, (_, step) => Math.ceil(from) + step);
    return [...new Set([from, ...inner, to])].map(place);
  };
  return [
    ...ALONG.map(([number, name, from, to, width = STREET]) => ({
      name, width, kind: kind(width), points: line(from, to, (at) => flatSpot(at * BLOCK, number * BLOCK)),
    })),
    ...ACROSS.map(([number, name, from, to, width = STREET]) => ({
      name, width, kind: kind(width), points: line(from, to, (at) => flatSpot(number * BLOCK, at * BLOCK)),
    })),
  ].map((street) => ({ ...street, trees: makeTrees(street), box: bounds(street.points) }));
}

const onEarth = (points) => points.map(([latitude, longitude]) => flat(latitude, longitude));

/** Corners made round: each replaced by two, and so on, some `turns`. */
function rounded(points, isClosed, turns = 2) {
  let line = points;
  for (let turn = 0; turn < turns; turn += 1) {
    const pairs = line.slice(0, isClosed ? undefined : -1).map((point, index) => [point, line[(index + 1) % line.length]]);
    const cut = pairs.flatMap(([[x, y], [nextX, nextY]]) => [
      [x * 0.75 + nextX * 0.25, y * 0.75 + nextY * 0.25], [x * 0.25 + nextX * 0.75, y * 0.25 + nextY * 0.75],
    ]);
    line = isClosed ? cut : [line[0], ...cut, line.at(-1)];
  }
  return line;
}

function makeSea(coast) {
  const far = 3 * EDGE;
  return [...coast, [far, coast.at(-1)[1]], [far, far], [coast[0][0], far]];
}

/** All there is to draw. Made once, however many maps there are. */
function makeCity() {
  const coast = onEarth(COAST);
  return {
    sea: makeSea(coast),
    beaches: BEACHES.map(([from, to]) => coast.slice(from, to + 1)),
    piers: PIERS.map(onEarth),
    rivers: RIVERS.map(([width, points]) => ({ width, points: rounded(onEarth(points), false) })),
    // Hills are round, parks have corners.
    parks: PARKS.map((points) => rounded(onEarth(points), true, points.length > 8 ? 2 : 1)).map((points) => ({ points, box: bounds(points) })),
    roads: ROADS.map(([name, kind, width, points]) => ({
      name, kind, width, points: kind === 'motorway' ? rounded(onEarth(points), false) : onEarth(points),
    })),
    districts: makeDistricts().map((district) => Object.defineProperty(district, 'box', { value: bounds(district.outline) })),
    town: rounded(onEarth(TOWN), true),
    grid: GRID.map(([along, inland]) => flatSpot(along * BLOCK, inland * BLOCK)),
    chunks: makeChunks(),
    gardens: GARDENS.map(makeGarden),
    streets: makeStreets(),
  };
}

let city = null;

/** The demo city. */
export function demoCity() {
  city ??= makeCity();
  return city;
}
