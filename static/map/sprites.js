// What a dot looks like, painted once for each look and then copied: hundreds of dots are then hundreds of copies.

// Directions in which a dot in a crowd can look.
const TURNS = 48;

function circle(context, radius) {
  context.beginPath();
  context.arc(0, 0, radius, 0, 2 * Math.PI);
}

/** What points ahead, outside of the circle. */
function beak(context, radius) {
  const share = Math.min(1, radius / 8);
  context.beginPath();
  context.moveTo(0, -radius - 9 * share);
  context.lineTo(6 * share, -radius - 0.5);
  context.lineTo(-6 * share, -radius - 0.5);
  context.closePath();
}

/** Where an order is to be fetched or brought: it moves from the one to the other, and that is all. */
export const isStop = ({ kind }) => kind === 'pickup' || kind === 'dropoff';

function colourOf({ kind, freshness, busy, alarm }, palette) {
  if (alarm) return palette.pin;
  if (isStop({ kind })) return palette[kind];
  if (freshness === 'lost') return palette.dot.lost;
  return busy && kind === 'partner' ? palette.dot.busy : palette.dot[kind];
}

export function radiusOf({ kind, selected, small }) {
  const radius = { mine: 10, partner: 8, other: 6.5, pickup: 6, dropoff: 6 }[kind];
  return selected ? radius + 2 : small ? radius * 0.65 : radius;
}

/** How far from its middle a dot reaches, its shadow included. */
function reachOf(look) {
  return radiusOf(look) + (look.selected || look.kind === 'mine' ? 14 : look.hasBeak ? 12 : 8);
}

/** A small square, so that it is no partner for those either who do not tell colours apart. */
function paintStop(context, look, palette) {
  const [radius, colour] = [radiusOf(look), colourOf(look, palette)];
  const square = (half) => {
    context.beginPath();
    context.roundRect(-half, -half, 2 * half, 2 * half, half / 2.5);
  };
  if (look.selected || look.alarm) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    square(radius + 6);
    context.stroke();
  }
  context.save();
  context.shadowColor = palette.shade;
  context.shadowBlur = 5 * context.getTransform().a;
  context.fillStyle = palette.rim;
  square(radius + 2);
  context.fill();
  context.restore();
  context.fillStyle = colour;
  square(radius);
  context.fill();
  // As the pins have it: what is fetched is a ring, what is brought a square.
  context.fillStyle = palette.onPlace;
  if (look.kind === 'pickup') circle(context, radius / 2.2);
  else square(radius / 2.4);
  context.fill();
}

function paint(context, look, palette) {
  if (isStop(look)) {
    paintStop(context, look, palette);
    return;
  }
  const [radius, colour] = [radiusOf(look), colourOf(look, palette)];
  const isLost = look.freshness === 'lost';
  if (look.selected || (look.kind === 'mine' && !isLost)) {
    context.fillStyle = colour;
    context.globalAlpha = look.selected ? 0.26 : 0.18;
    circle(context, radius + 11);
    context.fill();
    context.globalAlpha = 1;
  }
  if (look.selected) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    circle(context, radius + 11);
    context.stroke();
  }
  context.lineJoin = 'round';
  context.fillStyle = palette.rim;
  context.save();
  context.shadowColor = palette.shade;
  context.shadowBlur = 6 * context.getTransform().a;
  if (look.hasBeak) {
    beak(context, radius);
    context.strokeStyle = palette.rim;
    context.lineWidth = 4;
    context.stroke();
  }
  circle(context, radius + 2.5);
  context.fill();
  context.restore();
  if (look.hasBeak) {
    beak(context, radius);
    context.fillStyle = colour;
    context.fill();
    circle(context, radius + 2);
    context.fillStyle = palette.rim;
    context.fill();
  }
  circle(context, radius);
  context.fillStyle = isLost ? palette.rim : colour;
  context.fill();
  if (isLost) {
    circle(context, radius - 1.5);
    context.strokeStyle = colour;
    context.lineWidth = 3;
    context.stroke();
  } else if (look.freshness === 'stale') {
    context.globalAlpha = 0.5;
    context.fillStyle = palette.rim;
    context.fill();
    context.globalAlpha = 0.75;
    context.strokeStyle = colour;
    context.lineWidth = 1.8;
    context.setLineDash([3.4, 3.2]);
    circle(context, radius + 5);
    context.stroke();
  } else if (look.kind === 'mine') {
    context.fillStyle = palette.rim;
    circle(context, 3.4);
    context.fill();
  }
}

export class Sprites {
  #made = new Map();
  #palette;
  #density;

  /** Forgets them all when the colours or the screen have changed. */
  use(palette, density) {
    if (palette === this.#palette && density === this.#density) return;
    this.#palette = palette;
    this.#density = density;
    this.#made.clear();
  }

  /** The sprite of a look, turned by a whole number of `1 / TURNS` turns. */
  #get(look, turns) {
    const key = `${look.kind} ${look.freshness} ${look.busy} ${look.alarm} ${look.small} ${look.selected} ${look.hasBeak} ${turns}`;
    let sprite = this.#made.get(key);
    if (!sprite) {
      sprite = document.createElement('canvas');
      const half = Math.ceil(reachOf(look) * this.#density);
      sprite.width = 2 * half;
      sprite.height = 2 * half;
      const context = sprite.getContext('2d');
      context.translate(half, half);
      context.scale(this.#density, this.#density);
      context.rotate((turns * 2 * Math.PI) / TURNS);
      paint(context, look, this.#palette);
      this.#made.set(key, sprite);
    }
    return sprite;
  }

  /**
   * Copies one to where its middle should be, turned by `degrees`; the context's unit is a pixel of the screen. In a crowd
   * it is put on whole pixels and turned in steps: copied as it is, it takes a fraction of the time.
   */
  draw(context, look, x, y, degrees, isCrowd) {
    const [left, top] = [x * this.#density, y * this.#density];
    if (isCrowd) {
      const turns = look.hasBeak ? ((Math.round((degrees * TURNS) / 360) % TURNS) + TURNS) % TURNS : 0;
      const sprite = this.#get(look, turns);
      context.drawImage(sprite, Math.round(left) - sprite.width / 2, Math.round(top) - sprite.height / 2);
      return;
    }
    const sprite = this.#get(look, 0);
    if (!look.hasBeak) {
      context.drawImage(sprite, left - sprite.width / 2, top - sprite.height / 2);
      return;
    }
    context.save();
    context.translate(left, top);
    context.rotate((degrees * Math.PI) / 180);
    context.drawImage(sprite, -sprite.width / 2, -sprite.height / 2);
    context.restore();
  }
}
