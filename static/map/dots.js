// The moving dots: where each is, how it looks, and which is under a finger.

import { world } from './plane.js';
import { Glide, millis, turn } from './smoothing.js';
import { isStop, radiusOf, Sprites } from './sprites.js';
import { drawTag } from './tags.js';
import { metreAt } from './trail.js';

const KINDS = ['partner', 'mine', 'other', 'pickup', 'dropoff'];
const STATES = ['live', 'stale', 'lost'];
// A finger hits what is so near, in pixels: 44 across.
const FINGER = 22;
// Between samples of one who stands, positions differ by a little all the same, metres.
const STANDING = 2;
// How fast a dot turns: so much of the rest in each millisecond.
const TURNING = 0.008;
const SIZE = 60;
const CROWD = 150;

function rankOf({ kind, selected, alarm }) {
  return (selected ? 4 : 0) + (alarm ? 1.5 : 0) + { pickup: 0, dropoff: 0, other: 0, partner: 1, mine: 2 }[kind];
}

export class Dots {
  #dots = new Map();
  #ordered = null;
  #sprites = new Sprites();
  #last = 0;

  /** Takes a sample; one that is older than what is known changes nothing. */
  set(id, sample, now, isJump) {
    const { latitude, longitude, heading, timestamp = Date.now(), freshness, kind, busy, alarm, small, label, selected } = sample;
    const [x, y] = world(latitude, longitude);
    const time = millis(timestamp);
    if (![x, y, time].every(Number.isFinite)) throw new TypeError(`a dot needs a position and a timestamp: ${JSON.stringify(sample)}`);
    let dot = this.#dots.get(id);
    if (!dot) {
      dot = { id, glide: new Glide(x, y, time), latitude, longitude, angle: heading ?? null, heading: heading ?? null, isUnderWay: false };
      this.#dots.set(id, dot);
      this.#ordered = null;
    } else if (time < dot.glide.target.time) {
      return;
    } else {
      this.#goOn(dot, { x, y, time, latitude, longitude, heading }, now, isJump);
    }
    const look = {
      kind: KINDS.includes(kind) ? kind : 'partner', freshness: STATES.includes(freshness) ? freshness : 'live',
      busy: busy === true, alarm: alarm === true, small: small === true, selected: selected === true, hasBeak: false,
    };
    if (!dot.look || rankOf(dot.look) !== rankOf(look)) this.#ordered = null;
    Object.assign(dot, { look, label });
  }

  #goOn(dot, { x, y, time, latitude, longitude, heading }, now, isJump) {
    const [before, metre] = [dot.glide.target, metreAt(latitude)];
    const metres = Math.hypot(x - before.x, y - before.y) / metre;
    if (!dot.glide.goTo(x, y, time, now, metre, isJump)) return;
    Object.assign(dot, { latitude, longitude, isUnderWay: metres > STANDING });
    // Without a heading, the way it went tells.
    if (dot.isUnderWay) dot.heading = heading ?? (Math.atan2(x - before.x, before.y - y) * 180) / Math.PI;
    dot.angle ??= dot.heading;
    if (isJump) dot.angle = dot.heading;
  }

  remove(id) {
    this.#ordered = null;
    return this.#dots.delete(id);
  }

  clear() {
    this.#ordered = null;
    this.#dots.clear();
  }

  glideOf(id) {
    return this.#dots.get(id)?.glide ?? null;
  }

  /** The newest positions of all. */
  get samples() {
    return [...this.#dots.values()].map(({ latitude, longitude }) => ({ latitude, longitude }));
  }

  /** The one dot that there is, if there is just one. */
  get only() {
    return this.#dots.size === 1 ? this.#dots.keys().next().value : undefined;
  }

  /** Moves all on to `now`; whether one has farther to go. */
  step(now) {
    const share = Math.min(1, Math.max(0, now - this.#last) * TURNING);
    this.#last = now;
    let isMoving = false;
    for (const dot of this.#dots.values()) {
      if (dot.glide.step(now)) isMoving = true;
      if (dot.angle === null || dot.angle === dot.heading) continue;
      dot.angle = turn(dot.angle, dot.heading, share);
      if (Math.abs(turn(0, dot.angle - dot.heading, 1)) < 1) dot.angle = dot.heading;
      else isMoving = true;
    }
    return isMoving;
  }

  /** Ends all ways at their last samples. */
  finish() {
    for (const dot of this.#dots.values()) {
      dot.glide.finish();
      dot.angle = dot.heading;
    }
  }

  draw(context, view, palette) {
    this.#sprites.use(palette, view.density);
    this.#ordered ??= [...this.#dots.values()].sort((one, other) => rankOf(one.look) - rankOf(other.look));
    const isCrowd = this.#ordered.length > CROWD;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const dot of this.#ordered) {
      const [x, y] = [dot.glide.x * view.scale + view.x, dot.glide.y * view.scale + view.y];
      if (x < -SIZE || y < -SIZE || x > view.width + SIZE || y > view.height + SIZE) continue;
      dot.look.hasBeak = dot.isUnderWay && !isStop(dot.look) && dot.look.freshness === 'live' && dot.angle !== null;
      this.#sprites.draw(context, dot.look, x, y, dot.angle, isCrowd);
    }
    context.restore();
    for (const dot of this.#ordered) {
      if (!dot.look.selected || !dot.label) continue;
      const [x, y] = [dot.glide.x * view.scale + view.x, dot.glide.y * view.scale + view.y];
      drawTag(context, view, { x, y, gap: radiusOf(dot.look) + 15, text: dot.label }, palette);
    }
  }

  /** The id of the dot nearest to a point of the view, undefined where none is within a finger's reach. */
  at(x, y, view) {
    let [nearest, found] = [FINGER, undefined];
    for (const { id, glide } of this.#dots.values()) {
      const distance = Math.hypot(glide.x * view.scale + view.x - x, glide.y * view.scale + view.y - y);
      if (distance <= nearest) [nearest, found] = [distance, id];
    }
    return found;
  }

  /** Where they were last drawn; exactly the sample's position once a dot has got there. */
  list(earth) {
    return [...this.#dots.values()].map(({ id, glide, latitude, longitude, look, angle }) => ({
      id, ...(glide.isMoving ? earth(glide.x, glide.y) : { latitude, longitude }),
      isMoving: glide.isMoving, angle, freshness: look.freshness, kind: look.kind, selected: look.selected, hasBeak: look.hasBeak,
    }));
  }
}
