// A small tag with a text beside a dot or a pin, on the side where there is room.

import { FONT } from './palette.js';

const LONGEST = 30;
const HEIGHT = 24;
const MARGIN = 9;

export function drawTag(context, view, { x, y, gap, text }, palette) {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST - 1).trimEnd()}…` : text;
  context.save();
  context.font = `600 12px ${FONT}`;
  const width = context.measureText(shown).width + 2 * MARGIN;
  const isLeft = x + gap + width > view.width - 4 && x - gap - width > 4;
  const left = isLeft ? x - gap - width : x + gap;
  context.shadowColor = palette.shade;
  context.shadowBlur = 7 * context.getTransform().a;
  context.shadowOffsetY = context.getTransform().a;
  context.fillStyle = palette.tag;
  context.beginPath();
  context.roundRect(left, y - HEIGHT / 2, width, HEIGHT, 7);
  context.fill();
  context.shadowColor = 'transparent';
  context.fillStyle = palette.onTag;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.fillText(shown, left + MARGIN, y + 0.5);
  context.restore();
}
