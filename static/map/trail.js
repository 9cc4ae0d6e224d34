// The way that was come, drawn up to the dot that comes it; and the way that is planned.

import { millis } from './smoothing.js';
import { world } from './plane.js';

// Beyond this many points those that were passed are thinned out, to so many; of those ahead the newest are kept.
const MOST = 600;
const FEWER = 400;
const AHEAD = MOST - FEWER;
const EQUATOR = 40_075_016;
const NEAR = 1.5;

/** How long a metre is in the world at zoom 0. */
export function metreAt(latitude) {
  return 256 / EQUATOR / Math.cos((latitude * Math.PI) / 180);
}

function toPoint({ latitude, longitude, timestamp }) {
  const [x, y] = world(latitude, longitude);
  return { x, y, latitude, longitude, time: timestamp === undefined ? null : millis(timestamp) };
}

/** How far a point is from the line between two others. */
function offLine(point, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const share = length === 0 ? 0 : Math.max(0, Math.min(1, ((point.x - from.x) * dx + (point.y - from.y) * dy) / length));
  return Math.hypot(point.x - from.x - dx * share, point.y - from.y - dy * share);
}

/** The points without which the line would be off by more than `tolerance`. */
function simplified(points, tolerance) {
  const kept = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length > 0) {
    const [from, to] = open.pop();
    let [worst, at] = [tolerance, -1];
    for (let index = from + 1; index < to; index += 1) {
      const off = offLine(points[index], points[from], points[to]);
      if (off > worst) [worst, at] = [off, index];
    }
    if (at < 0) continue;
    kept.add(at);
    open.push([from, at], [at, to]);
  }
  return points.filter((_, index) => kept.has(index));
}

function thinned(points) {
  let fewer = points;
  for (let metres = 2; fewer.length > FEWER; metres *= 2) fewer = simplified(fewer, metres * metreAt(points[0].latitude));
  return fewer;
}

function strokeLine(context, colour, width, dash = []) {
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

function lineTo(context, view, { x, y }, isFirst) {
  const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
  if (isFirst) context.moveTo(left, top);
  else context.lineTo(left, top);
}

export class Trail {
  #points = [];
  /** How many points the dot has passed. */
  #passed = 0;
  #hasDot = false;
  /** The dot that is at its end, or undefined. */
  dotId;

  set(points, dotId) {
    this.#points = points.map(toPoint);
    if (points.length > MOST) this.#points = thinned(this.#points);
    this.#passed = 0;
    this.dotId = dotId;
  }

  add(point) {
    const next = toPoint(point);
    const last = this.#points.at(-1);
    if (last && Math.hypot(next.x - last.x, next.y - last.y) < NEAR * metreAt(next.latitude)) return;
    this.#points.push(next);
    if (this.#points.length > MOST) {
      const passed = this.#hasDot ? this.#passed : this.#points.length - 1;
      const behind = thinned(this.#points.slice(0, passed));
      this.#points = [...behind, ...this.#points.slice(passed).slice(-AHEAD)];
      this.#passed = this.#hasDot ? behind.length : 0;
    }
  }

  get points() {
    return this.#points;
  }

  /** What is drawn: the points that the dot (a Glide, or null) has passed, and then the dot. */
  drawn(glide) {
    this.#hasDot = glide !== null;
    if (!glide) return this.#points;
    // A point without a time was where the dot's newest sample is.
    for (let index = this.#points.length - 1; index >= 0 && this.#points[index].time === null; index -= 1) {
      this.#points[index].time = glide.target.time;
    }
    while (this.#passed < this.#points.length && this.#points[this.#passed].time <= glide.time) this.#passed += 1;
    return [...this.#points.slice(0, this.#passed), glide];
  }

  draw(context, view, palette, glide) {
    const points = this.drawn(glide);
    if (points.length < 2) return;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.beginPath();
    points.forEach((point, index) => lineTo(context, view, point, index === 0));
    strokeLine(context, palette.trailEdge, 8);
    strokeLine(context, palette.trail, 5);
  }
}

export class Route {
  #points = [];

  set(points) {
    this.#points = points.map(toPoint);
  }

  get points() {
    return this.#points;
  }

  draw(context, view, palette) {
    if (this.#points.length < 2) return;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.beginPath();
    this.#points.forEach((point, index) => lineTo(context, view, point, index === 0));
    strokeLine(context, palette.routeEdge, 7);
    strokeLine(context, palette.route, 3.5, [7, 8]);
    context.setLineDash([]);
  }
}
