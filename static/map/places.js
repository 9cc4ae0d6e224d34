// Pins for places, their tips on the place: where things are fetched, where they are brought, and where something was
// picked.

import { drawTag } from './tags.js';
import { world } from './plane.js';

const HEAD = 13;
const STEM = 12;

/** The sign in a pin's head: what is fetched is a ring, what is brought a square. */
const SIGNS = {
  pickup(context) {
    context.arc(0, 0, 4.5, 0, 2 * Math.PI);
  },
  dropoff(context) {
    context.roundRect(-4.5, -4.5, 9, 9, 1.5);
  },
  pin(context) {
    context.arc(0, 0, 4.5, 0, 2 * Math.PI);
  },
};

function drawPin(context, x, y, kind, palette) {
  context.save();
  context.translate(x, y);
  // On the ground.
  context.fillStyle = palette.shade;
  context.beginPath();
  context.ellipse(0, 0, 5, 2.6, 0, 0, 2 * Math.PI);
  context.fill();
  context.shadowColor = palette.shade;
  context.shadowBlur = 8 * context.getTransform().a;
  context.shadowOffsetY = 2 * context.getTransform().a;
  context.fillStyle = palette[kind];
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(-1.6, -STEM);
  context.arc(0, -STEM - HEAD + 2, HEAD, Math.PI / 2 + 0.16, Math.PI / 2 - 0.16);
  context.lineTo(1.6, -STEM);
  context.closePath();
  context.fill();
  context.shadowColor = 'transparent';
  context.strokeStyle = palette.rim;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(0, -STEM - HEAD + 2, HEAD, 0, 2 * Math.PI);
  context.stroke();
  context.translate(0, -STEM - HEAD + 2);
  context.fillStyle = palette.onPlace;
  context.beginPath();
  SIGNS[kind](context);
  context.fill();
  context.restore();
}

export class Places {
  #places = [];

  set(places) {
    this.#places = places.map((place) => {
      const [x, y] = world(place.latitude, place.longitude);
      return { ...place, kind: place.kind in SIGNS ? place.kind : 'pin', x, y };
    });
  }

  get points() {
    return this.#places;
  }

  draw(context, view, palette) {
    // Those in front are drawn last.
    const ordered = [...this.#places].sort((one, other) => one.y - other.y);
    for (const { x, y, kind, label } of ordered) {
      const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
      if (left < -200 || top < -60 || left > view.width + 200 || top > view.height + 60) continue;
      drawPin(context, left, top, kind, palette);
      if (label) drawTag(context, view, { x: left, y: top - STEM - HEAD + 2, gap: HEAD + 6, text: label }, palette);
    }
  }
}
