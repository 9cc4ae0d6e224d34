// Paints a piece of the demo city on a canvas whose transform leads from the flat frame of plane.js to its pixels.

import { demoCity, EDGE } from './city.js';

// From these zoom levels on, small streets, houses with their yards, and trees are drawn.
const STREETS = 13;
const HOUSES = 16;
const TREES = 17;
const paths = new WeakMap();

/** The path of a shape, made once. */
function pathOf(shape, make) {
  let path = paths.get(shape);
  if (!path) {
    path = make(new Path2D());
    paths.set(shape, path);
  }
  return path;
}

function trace(path, points, isClosed) {
  points.forEach(([x, y], index) => (index ? path.lineTo(x, y) : path.moveTo(x, y)));
  if (isClosed) path.closePath();
  return path;
}

const areaOf = (points) => pathOf(points, (path) => trace(path, points, true));
const lineOf = (points) => pathOf(points, (path) => trace(path, points, false));
const all = (polygons) => pathOf(polygons, (path) => polygons.reduce((so, polygon) => trace(so, polygon, true), path));

/** A colour for the whole city that fades towards its edge. */
function fading(context, colour) {
  const gradient = context.createRadialGradient(0, 0, EDGE * 0.6, 0, 0, EDGE);
  gradient.addColorStop(0, colour);
  gradient.addColorStop(1, `${colour}00`);
  return gradient;
}

const meets = (box, view, more = 30) => (
  box.left < view.right + more && box.right > view.left - more && box.top < view.bottom + more && box.bottom > view.top - more
);

function stroke(context, path, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

function paintDistricts(context, city, palette, view, zoom) {
  const seen = city.districts.filter(({ box }) => meets(box, view));
  context.save();
  context.clip(areaOf(city.town));
  const between = zoom < STREETS ? palette.block : palette.alley;
  context.fillStyle = between;
  for (const { outline } of seen) {
    context.fill(areaOf(outline));
    stroke(context, areaOf(outline), between, zoom < STREETS ? 80 : 20);
  }
  if (zoom >= STREETS) {
    for (const { blocks } of seen) {
      const { built, green } = blocks;
      context.fillStyle = palette.block;
      context.fill(all(built));
      context.fillStyle = palette.garden;
      context.fill(all(green));
    }
    // Between districts streets are wider.
    for (const { outline } of seen) stroke(context, areaOf(outline), palette.street, 2);
  }
  context.restore();
}

function paintHouses(context, { blocks, yards, gardens }, palette, pixel) {
  context.fillStyle = palette.building;
  context.fill(all(blocks));
  stroke(context, all(blocks), palette.buildingEdge, pixel);
  for (const [some, colour] of [[yards, palette.yard], [gardens, palette.garden]]) {
    context.fillStyle = colour;
    context.fill(all(some));
    stroke(context, all(some), palette.buildingEdge, pixel);
  }
}

function paintTrees(context, city, palette, view) {
  context.lineCap = 'round';
  context.setLineDash([0.01, 8.4]);
  for (const { trees, box } of city.streets) {
    if (meets(box, view)) stroke(context, pathOf(trees, (path) => trees.reduce((so, row) => trace(so, row, false), path)), palette.tree, 4.2);
  }
  context.setLineDash([]);
}

function paintGrid(context, city, palette, view, zoom, pixel) {
  const outline = areaOf(city.grid);
  context.save();
  context.fillStyle = zoom < STREETS ? palette.block : palette.street;
  context.fill(outline);
  if (zoom >= STREETS) {
    stroke(context, outline, palette.street, 22);
    context.clip(outline);
    for (const { houses } of city.chunks.filter(({ box }) => meets(box, view))) {
      if (zoom >= HOUSES) {
        paintHouses(context, houses, palette, pixel);
      } else {
        context.fillStyle = palette.block;
        context.fill(all(houses.blocks));
      }
    }
    // Wide streets are lighter than others, between the blocks that leave room for them.
    context.lineCap = 'butt';
    for (const { kind, width, points } of city.streets) {
      if (kind !== 'street') stroke(context, lineOf(points), palette[kind], width - 5);
    }
    if (zoom >= TREES) paintTrees(context, city, palette, view);
  }
  context.fillStyle = palette.garden;
  context.fill(all(city.gardens));
  context.restore();
}

function paintParks(context, city, palette, view) {
  context.fillStyle = palette.park;
  for (const { points, box } of city.parks) if (meets(box, view)) context.fill(areaOf(points));
}

function paintWater(context, city, palette) {
  for (const points of city.beaches) stroke(context, lineOf(points), palette.sand, 110);
  const water = fading(context, palette.water);
  for (const { width, points } of city.rivers) stroke(context, lineOf(points), water, width);
  context.fillStyle = water;
  context.fill(areaOf(city.sea));
  for (const points of city.piers) stroke(context, lineOf(points), palette.pier, 28);
}

function paintRoads(context, city, palette, zoom, pixel) {
  // Far away a road is wider than it is, or it could not be seen.
  const wide = (width, kind) => Math.max(width, pixel * (kind === 'motorway' ? 2.6 : zoom >= STREETS ? 3 : 1.6));
  context.lineCap = 'round';
  for (const kind of ['avenue', 'motorway']) {
    const roads = city.roads.filter((road) => road.kind === kind);
    const [edge, colour] = [fading(context, palette[`${kind}Edge`]), fading(context, palette[kind])];
    // Near by, an avenue stands out from the houses beside it, and an edge would shut the streets that lead into it.
    if (kind === 'motorway' || zoom < HOUSES - 1) {
      for (const { width, points } of roads) stroke(context, lineOf(points), edge, wide(width, kind) + 2 * pixel);
    }
    for (const { width, points } of roads) stroke(context, lineOf(points), colour, wide(width, kind));
  }
}

/** Paints what is in `view` (in metres of the flat frame); `pixel` is one of the screen's, in metres. */
export function paintCity(context, palette, view, zoom, pixel) {
  const city = demoCity();
  context.lineJoin = 'round';
  context.lineCap = 'round';
  context.fillStyle = fading(context, palette.land);
  context.fillRect(view.left, view.top, view.right - view.left, view.bottom - view.top);
  paintDistricts(context, city, palette, view, zoom);
  paintParks(context, city, palette, view);
  paintGrid(context, city, palette, view, zoom, pixel);
  paintWater(context, city, palette);
  paintRoads(context, city, palette, zoom, pixel);
}
