// The small streets of districts, made up: each district is the land nearest to its middle, filled with blocks of its own
// size and bearing, a little irregular. They are made when they are first looked at, and always the same.

import { DISTRICTS } from './city-areas.js';
import { flat } from './plane.js';

// How far around its middle a district may reach, metres.
const REACH = 2700;
const ALLEY = 9;
const BORDER = 8;
const BENT = 20;

/** Numbers from 0 to 1, the same ones for the same seed: Lehmer's, the first few thrown away. */
export function random(seed) {
  let state = (Math.abs(seed) % 2_147_483_646) + 1;
  const next = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  for (let count = 0; count < 4; count += 1) next();
  return next;
}

/** What of a polygon is where `x * a + y * b <= c`. */
function cut(polygon, a, b, c) {
  const kept = [];
  for (let index = 0; index < polygon.length; index += 1) {
    const [p, q] = [polygon[index], polygon[(index + 1) % polygon.length]];
    const [before, after] = [p[0] * a + p[1] * b - c, q[0] * a + q[1] * b - c];
    if (before <= 0) kept.push(p);
    if (before < 0 !== after < 0) {
      const share = before / (before - after);
      kept.push([p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share]);
    }
  }
  return kept;
}

function area(polygon) {
  return Math.abs(polygon.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = polygon[(index + 1) % polygon.length];
    return sum + x * nextY - nextX * y;
  }, 0)) / 2;
}

/** The half-planes whose common part is the district, each as `[a, b, c]`, its border streets left out. */
function borders(middle, middles) {
  const lines = middles.filter((other) => other !== middle).flatMap((other) => {
    const [dx, dy] = [other[0] - middle[0], other[1] - middle[1]];
    const distance = Math.hypot(dx, dy);
    if (distance > 2 * REACH) return [];
    const [a, b] = [dx / distance, dy / distance];
    return [[a, b, middle[0] * a + middle[1] * b + distance / 2 - BORDER]];
  });
  for (let turn = 0; turn < 16; turn += 1) {
    const [a, b] = [Math.cos(turn * Math.PI / 8), Math.sin(turn * Math.PI / 8)];
    lines.push([a, b, middle[0] * a + middle[1] * b + REACH]);
  }
  return lines;
}

function fill([x, y], outline, lines, [, , , bearing, length, depth], next) {
  const turn = (-bearing * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const [swing, phase] = [0.12 + 0.14 * next(), 6 * next()];
  // A grid, bent: its lines are no rulers' lines, but blocks still share them.
  const place = (u, v) => {
    const [bentU, bentV] = [u + 60 * swing * Math.sin(v / 210 + phase), v + 70 * swing * Math.sin(u / 260 + phase * 2)];
    return [x + bentU * cos - bentV * sin, y + bentU * sin + bentV * cos];
  };
  const blocks = { built: [], green: [] };
  // As far as the outline goes, measured along the grid, and as much more as the grid is bent.
  const reach = (a, b) => {
    const values = outline.map((point) => (point[0] - x) * a + (point[1] - y) * b);
    return [Math.min(...values) - BENT, Math.max(...values) + BENT];
  };
  const [[first, last], [upper, lower]] = [reach(cos, sin), reach(-sin, cos)];
  let bottom = upper;
  while (bottom < lower) {
    const top = bottom + ALLEY;
    bottom = top + depth * (0.75 + 0.6 * next());
    // Long streets one way, and short ones between them that do not meet in fours.
    let along = first - next() * length;
    while (along < last) {
      const size = length * (0.55 + 1.1 * next());
      const [left, right] = [along + ALLEY / 2, along + size - ALLEY / 2];
      along += size;
      const middle = (left + right) / 2;
      let block = [
        ...[left, middle, right].map((u) => place(u, top)), ...[right, middle, left].map((u) => place(u, bottom)),
      ];
      for (const [a, b, c] of lines) {
        if (block.length > 2 && block.some((point) => point[0] * a + point[1] * b > c)) block = cut(block, a, b, c);
      }
      if (block.length > 2 && area(block) > 260) blocks[next() < 0.03 ? 'green' : 'built'].push(block);
    }
  }
  return blocks;
}

/** All districts: what they cover, and their blocks when asked for. */
export function makeDistricts() {
  const middles = DISTRICTS.map(([, latitude, longitude]) => flat(latitude, longitude));
  return DISTRICTS.map((district, number) => {
    const lines = borders(middles[number], middles);
    const [x, y] = middles[number];
    let outline = [[x - REACH, y - REACH], [x + REACH, y - REACH], [x + REACH, y + REACH], [x - REACH, y + REACH]];
    for (const [a, b, c] of lines) outline = cut(outline, a, b, c);
    // Only those borders count that the outline has come up to.
    const real = lines.filter(([a, b, c]) => outline.some((point) => point[0] * a + point[1] * b > c - 1));
    let blocks = null;
    return {
      name: district[0],
      middle: middles[number],
      outline,
      get blocks() {
        blocks ??= fill(middles[number], outline, real, district, random(number * 7919 + 17));
        return blocks;
      },
    };
  });
}
