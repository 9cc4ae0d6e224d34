// How a dot gets from where it is drawn to where its newest sample says that it is: in a straight line, in about the time
// that went by between its samples, and never any farther.

// A dot that had not been heard of for longer does not take longer to come up, milliseconds.
const LONGEST = 5_000;
const SHORTEST = 150;
// A little more than the time between samples, so that a dot does not stop when the next one is a little late.
const EASE = 1.05;
// Nothing on a street is as fast as this, metres per second; whoever seems to be was somewhere else, and is put there.
const FASTEST = 70;
const SLACK = 150;

/** Milliseconds since 1970 of what the server, or anybody, has as a timestamp. */
export function millis(timestamp) {
  return typeof timestamp === 'number' ? timestamp : new Date(timestamp).getTime();
}

export class Glide {
  #from;
  #to;
  #start = 0;
  #duration = 0;
  /** Where it is now, in the world at zoom 0, and when it was there. */
  x;
  y;
  time;
  isMoving = false;

  constructor(x, y, time) {
    this.#to = { x, y, time };
    this.#from = this.#to;
    Object.assign(this, this.#to);
  }

  get target() {
    return this.#to;
  }

  /** Sets out for another sample; `metre` is how long one is in the world there. False where it is not newer. */
  goTo(x, y, time, now, metre, isJump) {
    if (time <= this.#to.time) return false;
    const gap = time - this.#to.time;
    const metres = Math.hypot(x - this.x, y - this.y) / metre;
    this.#from = { x: this.x, y: this.y, time: this.time };
    this.#to = { x, y, time };
    this.#start = now;
    this.#duration = Math.min(LONGEST, Math.max(SHORTEST, gap * EASE));
    if (isJump || metres > FASTEST * (gap / 1000) + SLACK) this.finish();
    else this.isMoving = true;
    return true;
  }

  /** Moves on to `now`; whether it has farther to go. */
  step(now) {
    if (!this.isMoving) return false;
    const share = Math.max(0, (now - this.#start) / this.#duration);
    if (share >= 1) {
      this.finish();
      return false;
    }
    this.x = this.#from.x + (this.#to.x - this.#from.x) * share;
    this.y = this.#from.y + (this.#to.y - this.#from.y) * share;
    this.time = this.#from.time + (this.#to.time - this.#from.time) * share;
    return true;
  }

  finish() {
    Object.assign(this, this.#to);
    this.isMoving = false;
  }
}

/** From one angle towards another the shorter way round, both in degrees. */
export function turn(from, to, share) {
  const difference = ((((to - from) % 360) + 540) % 360) - 180;
  return from + difference * share;
}
