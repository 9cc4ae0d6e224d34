// The demo city's own plane, as in src/tools/simulate/city.rs: metres along the sea and inland from it. And the flat
// frame in which all of it is drawn: metres east and south of the anchor, stretched as Web Mercator stretches, so that
// a zoom level is one factor and a tile one offset.

/** From one street to the next, metres. */
export const BLOCK = 133;
/** The crossing of Carrer de Provença and Passeig de Gràcia. */
const ANCHOR = { latitude: 41.3953, longitude: 2.1619, along: 2 * BLOCK, inland: 4 * BLOCK };

const DEGREE = 111_195;
const RADIANS = Math.PI / 180;
// Where the streets along the sea lead, degrees clockwise from north.
const BEARING = 47 * RADIANS;
const [SIN, COS] = [Math.sin(BEARING), Math.cos(BEARING)];
const EAST = DEGREE * Math.cos(ANCHOR.latitude * RADIANS);
const WORLD = 256;

/** Where a point of the plane is on the earth. */
export function position(along, inland) {
  const [a, i] = [along - ANCHOR.along, inland - ANCHOR.inland];
  return {
    latitude: ANCHOR.latitude + (a * COS + i * SIN) / DEGREE,
    longitude: ANCHOR.longitude + (a * SIN - i * COS) / EAST,
  };
}

/** Web Mercator at zoom 0, in pixels of the one tile that the world is there. */
export function world(latitude, longitude) {
  const sin = Math.sin(Math.max(-85.0511, Math.min(85.0511, latitude)) * RADIANS);
  return [
    WORLD * (longitude / 360 + 0.5),
    WORLD * (0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI)),
  ];
}

/** The anchor in the world. */
export const ORIGIN = world(ANCHOR.latitude, ANCHOR.longitude);
/** A metre at the anchor, in pixels at zoom 0. */
export const METRE = WORLD / 360 / EAST;

/** A point of the earth in the frame of the drawing: `[x, y]`. */
export function flat(latitude, longitude) {
  const [x, y] = world(latitude, longitude);
  return [(x - ORIGIN[0]) / METRE, (y - ORIGIN[1]) / METRE];
}

/** A point of the plane in the frame of the drawing. */
export function flatSpot(along, inland) {
  const { latitude, longitude } = position(along, inland);
  return flat(latitude, longitude);
}
