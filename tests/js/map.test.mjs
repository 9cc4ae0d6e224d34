import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { demoCity } from '../../static/map/city.js';
import { flat } from '../../static/map/plane.js';
import { openMap } from './map-page.mjs';
import { soon } from './support.mjs';

const METRE = 1 / 111_195;

/** What the simulator's city is made of, as it stands in its source. */
function simulatorsCity() {
  const source = readFileSync(new URL('../../src/tools/simulate/city.rs', import.meta.url), 'utf8');
  const number = (name) => Number(new RegExp(`const ${name}: \\w+ = ([\\d_.]+);`).exec(source)[1].replaceAll('_', ''));
  const [, latitude, longitude, along, inland] = /latitude: ([\d.]+), longitude: ([\d.]+) \}, Spot \{ along: ([\d.]+) \* BLOCK, inland: ([\d.]+) \* BLOCK/
    .exec(source).map(Number);
  const names = [.../const STREETS: \[&str; \d+\] = \[([^\]]+)\]/.exec(source)[1].matchAll(/"([^"]+)"/g)].map(([, name]) => name);
  const [block, degree, bearing] = [number('BLOCK'), number('DEGREE'), (number('BEARING') * Math.PI) / 180];
  const position = (cross, street) => {
    const [a, i] = [(cross - along) * block, (street - inland) * block];
    return {
      latitude: latitude + (a * Math.cos(bearing) + i * Math.sin(bearing)) / degree,
      longitude: longitude + (a * Math.sin(bearing) - i * Math.cos(bearing)) / (degree * Math.cos((latitude * Math.PI) / 180)),
    };
  };
  return { names, crossStreets: number('CROSS_STREETS'), position };
}

/** Metres from a point to a line. */
function distance([x, y], line) {
  return Math.min(...line.slice(1).map(([toX, toY], index) => {
    const [fromX, fromY] = line[index];
    const [dx, dy] = [toX - fromX, toY - fromY];
    const share = Math.max(0, Math.min(1, ((x - fromX) * dx + (y - fromY) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(x - fromX - dx * share, y - fromY - dy * share);
  }));
}

function isInside([x, y], polygon) {
  return polygon.reduce((inside, [ax, ay], index) => {
    const [bx, by] = polygon[(index + 1) % polygon.length];
    return (ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !inside : inside;
  }, false);
}

test('the drawn streets are those of the simulator, and no house stands in them', () => {
  const { names, crossStreets, position } = simulatorsCity();
  const city = demoCity();
  const houses = [...city.chunks.flatMap((chunk) => chunk.houses.blocks), ...city.gardens];
  const spots = (cross, street) => {
    const { latitude, longitude } = position(cross, street);
    return flat(latitude, longitude);
  };
  assert.equal(names.length, 6);
  for (const [street, name] of names.entries()) {
    const line = city.streets.find((one) => one.name === name).points;
    for (let cross = 0; cross <= crossStreets - 1; cross += 0.125) {
      const spot = spots(cross, street);
      assert.ok(distance(spot, line) < 0.1, `${name} at ${cross}: ${distance(spot, line)} m off`);
      assert.ok(!houses.some((house) => isInside(spot, house)), `a house in ${name}`);
    }
  }
  const across = { 0: 'Carrer de Balmes', 2: 'Passeig de Gràcia', 6: 'Carrer de Girona' };
  for (let cross = 0; cross < crossStreets; cross += 1) {
    const line = across[cross] && city.streets.find((one) => one.name === across[cross]).points;
    for (let street = 0; street <= names.length - 1; street += 0.125) {
      const spot = spots(cross, street);
      if (line) assert.ok(distance(spot, line) < 0.1, `${across[cross]} at ${street}`);
      assert.ok(!houses.some((house) => isInside(spot, house)), `a house in cross street ${cross}`);
    }
  }
  // And there are houses between them.
  assert.ok(houses.some((house) => isInside(spots(2.5, 3.2), house)));
});

test('what is painted lines up, too, and wherever a demo looks there is city', async (t) => {
  const { position } = simulatorsCity();
  const { tab } = await openMap(t);
  // Beside the middles of streets, where their names are, and between the trees.
  const spots = [
    [3.06, 2.06, 'street'], [4.94, 3.06, 'street'], [5.06, 1.94, 'street'], [2.09, 2.5, 'avenue'],
    [4.5, 3.0865, 'building'], [4.5, 2.9135, 'building'], [3.0865, 4.5, 'building'],
  ];
  const points = spots.map(([cross, street, kind]) => ({ ...position(cross, street), kind }));
  for (const theme of ['light', 'dark']) {
    const found = await tab.run(paintedAt, { theme, points });
    for (const [index, [seen, wanted]] of found.entries()) assert.equal(seen, wanted, `${theme} ${spots[index]}`);
  }
  // However a demo is looked at, there is no edge of the city in sight.
  const empty = await tab.run(paintedAround, 14);
  assert.deepEqual(empty, []);
});

/** In the page: the colours of the ground at some points, and those that they should have. */
async function paintedAt({ theme, points }) {
  const { PALETTES } = await import('/static/map/palette.js');
  const map = globalThis.made;
  map.setTheme(theme);
  const seen = [];
  for (const { latitude, longitude, kind } of points) {
    map.leaflet.setView([latitude, longitude], 18, { animate: false });
    await globalThis.until(globalThis.isPainted);
    const { x, y } = map.leaflet.latLngToContainerPoint([latitude, longitude]);
    const tile = [...document.querySelectorAll('canvas.leaflet-tile')].find((one) => {
      const { left, top, right, bottom } = one.getBoundingClientRect();
      return x >= left && x < right && y >= top && y < bottom;
    });
    const { left, top, width } = tile.getBoundingClientRect();
    const scale = tile.width / width;
    const { data } = tile.getContext('2d').getImageData(Math.floor((x - left) * scale), Math.floor((y - top) * scale), 1, 1);
    seen.push([`#${[...data.slice(0, 3)].map((part) => part.toString(16).padStart(2, '0')).join('')}`, PALETTES[theme][kind]]);
  }
  return seen;
}

/** In the page: the tiles at a zoom level on which there is nothing but ground. */
async function paintedAround(zoom) {
  const { latitude, longitude } = await globalThis.at(3, 2.5);
  globalThis.made.leaflet.setView([latitude, longitude], zoom, { animate: false });
  await globalThis.until(globalThis.isPainted);
  return [...document.querySelectorAll('canvas.leaflet-tile')].filter((tile) => {
    const { data } = tile.getContext('2d').getImageData(0, 0, tile.width, tile.height);
    return new Set(new Uint32Array(data.buffer)).size < 20;
  }).map((tile) => tile.style.transform);
}

/** In the page: sets a dot out over `metres` of the street in `seconds`, and notes what is drawn until it has come to rest. */
async function ride({ seconds, withTrail }) {
  const [from, to] = [await globalThis.at(1, 3), await globalThis.at(1.5, 3)];
  const map = globalThis.made;
  const dot = { freshness: 'live', kind: 'mine' };
  const began = Date.parse('2026-05-01T10:00:00Z');
  const [first, last] = [new Date(began).toISOString(), new Date(began + seconds * 1000).toISOString()];
  if (withTrail) map.setTrail([{ ...await globalThis.at(0, 3), timestamp: began - 5000 }, { ...from, timestamp: first }]);
  map.setDot('a', { ...dot, ...from, timestamp: first });
  const start = performance.now();
  map.setDot('a', { ...dot, ...to, timestamp: last });
  if (withTrail) map.extendTrail({ ...to, timestamp: last });
  const seen = [];
  do {
    await globalThis.frame();
    seen.push({ ...map.dots()[0], trail: map.trail() });
  } while (map.dots()[0].isMoving);
  return { from, to, seen, took: performance.now() - start };
}

test('a dot glides along a straight line, and ends just where its last sample is', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  const { from, to, seen, took } = await tab.run(ride, { seconds: 1 });
  const shares = seen.map(({ latitude, longitude }) => {
    const share = (latitude - from.latitude) / (to.latitude - from.latitude);
    const off = longitude - (from.longitude + share * (to.longitude - from.longitude));
    assert.ok(Math.abs(off) < 0.1 * METRE, `${off}° off the line`);
    return share;
  });
  assert.ok(shares.every((share, index) => share >= (shares[index - 1] ?? 0) && share <= 1), 'back, or too far');
  assert.ok(shares.filter((share) => share > 0.1 && share < 0.9).length >= 3, `no way in between: ${shares}`);
  const { latitude, longitude } = seen.at(-1);
  assert.deepEqual({ latitude, longitude }, to);
  assert.ok(took > 900, `too fast: ${took}`);
  assert.ok(seen[1].hasBeak && Math.abs(seen.at(-1).angle - 47) < 3, `headed for ${seen.at(-1).angle}`);
});

test('after a long silence a dot comes up in no more than about five seconds', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  const { seen, took } = await tab.run(ride, { seconds: 600 });
  assert.ok(seen.length > 5);
  assert.ok(took > 4_000 && took < 8_000, `${took} ms`);
});

test('the trail ends at the drawn dot and never runs ahead of it', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  const { to, seen } = await tab.run(ride, { seconds: 1, withTrail: true });
  const near = (a, b) => Math.abs(a.latitude - b.latitude) < 0.01 * METRE && Math.abs(a.longitude - b.longitude) < 0.01 * METRE;
  for (const { trail, isMoving, ...dot } of seen) {
    assert.ok(near(trail.at(-1), dot), 'the trail does not end at the dot');
    assert.equal(trail.length, isMoving ? 3 : 4);
    for (const point of trail) assert.ok(point.latitude <= dot.latitude + 0.01 * METRE, 'the trail is ahead');
  }
  assert.ok(near(seen.at(-1).trail.at(-2), to));
});

test('late samples change nothing, the same one changes the look, impossible ones jump', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  const seen = await tab.run(async () => {
    const [near, far] = [await globalThis.at(1, 3), await globalThis.at(60, 3)];
    const map = globalThis.made;
    const tell = () => map.dots()[0];
    map.setDot('a', { ...near, timestamp: 10_000, freshness: 'live', kind: 'partner' });
    map.setDot('a', { ...far, timestamp: 9_000, freshness: 'lost', kind: 'partner' });
    const late = tell();
    map.setDot('a', { ...near, timestamp: 10_000, freshness: 'stale', kind: 'partner', selected: true });
    const same = tell();
    map.setDot('a', { ...far, timestamp: 11_000, freshness: 'live', kind: 'partner' });
    return { near, far, late, same, jumped: tell() };
  });
  const place = ({ latitude, longitude }) => ({ latitude, longitude });
  assert.deepEqual([place(seen.late), seen.late.freshness], [seen.near, 'live']);
  assert.deepEqual([place(seen.same), seen.same.freshness, seen.same.selected, seen.same.isMoving], [seen.near, 'stale', true, false]);
  assert.deepEqual([place(seen.jumped), seen.jumped.isMoving], [seen.far, false]);
});

test('live, stale and lost dots look different, and a lost one is hollow', async (t) => {
  const { tab } = await openMap(t);
  const colours = await tab.run(async () => {
    const { PALETTES } = await import('/static/map/palette.js');
    const map = globalThis.made;
    map.setTheme('light');
    const looks = {};
    for (const freshness of ['live', 'stale', 'lost']) {
      const { lat, lng } = map.leaflet.getCenter();
      map.clearDots();
      map.setDot('a', { latitude: lat, longitude: lng, timestamp: 1, freshness, kind: 'partner' });
      const before = map.frames;
      await globalThis.until(() => map.frames > before);
      const canvas = document.querySelector('.waybill-map-overlay');
      const { x, y } = map.leaflet.latLngToContainerPoint([lat, lng]);
      const pixel = (dx) => `#${[...canvas.getContext('2d').getImageData(Math.round(x) + dx, Math.round(y), 1, 1).data.slice(0, 3)]
        .map((part) => part.toString(16).padStart(2, '0')).join('')}`;
      looks[freshness] = [pixel(0), pixel(6)];
    }
    return { looks, dot: PALETTES.light.dot, rim: PALETTES.light.rim };
  });
  assert.deepEqual(colours.looks.live, [colours.dot.partner, colours.dot.partner]);
  assert.deepEqual(colours.looks.lost, [colours.rim, colours.dot.lost]);
  assert.notEqual(colours.looks.stale[0], colours.looks.live[0]);
  assert.notEqual(colours.looks.stale[0], colours.rim);
});

test('with reduced motion dots jump', async (t) => {
  const { tab, create } = await openMap(t, null);
  await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-reduced-motion', value: 'reduce' }] });
  await create();
  const still = await tab.run(ride, { seconds: 2 });
  assert.equal(still.seen.length, 1);
  assert.equal(still.seen[0].latitude, still.to.latitude);
  // The system's setting may change while the page is open.
  await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-reduced-motion', value: 'no-preference' }] });
  await tab.run(() => {
    globalThis.made.clearDots();
    return globalThis.until(() => !matchMedia('(prefers-reduced-motion: reduce)').matches);
  });
  const lively = await tab.run(ride, { seconds: 1 });
  assert.ok(lively.seen.length > 3);
});

test('nothing is drawn while nothing moves, nor while nobody sees it', async (t) => {
  const { tab, browser, site } = await openMap(t, { reducedMotion: false });
  await tab.run(ride, { seconds: 0.3 });
  const idle = await tab.run(async () => {
    await globalThis.until(() => globalThis.isPainted() && globalThis.pendingFrames.size === 0);
    const before = globalThis.made.frames;
    for (let count = 0; count < 20; count += 1) await globalThis.frame();
    return [before, globalThis.made.frames, globalThis.pendingFrames.size];
  });
  assert.equal(idle[0], idle[1]);
  assert.equal(idle[2], 0);
  const other = await browser.open(`${site}/pages/map.html`);
  await other.send('Page.bringToFront');
  await tab.run(() => new Promise((resolve) => {
    if (document.hidden) resolve();
    else document.addEventListener('visibilitychange', () => resolve(), { once: true });
  }));
  const hidden = await tab.run(async () => {
    const map = globalThis.made;
    const before = map.frames;
    const to = await globalThis.at(3, 3);
    map.setDot('a', { ...to, timestamp: '2026-05-01T11:00:00Z', freshness: 'live', kind: 'mine' });
    const { latitude, longitude, isMoving } = map.dots()[0];
    return { drawn: map.frames - before, pending: globalThis.pendingFrames.size, to, dot: { latitude, longitude }, isMoving };
  });
  assert.deepEqual([hidden.drawn, hidden.pending, hidden.isMoving], [0, 0, false]);
  assert.deepEqual(hidden.dot, hidden.to);
  const before = await tab.run(() => globalThis.made.frames);
  await tab.send('Page.bringToFront');
  await tab.run((count) => globalThis.until(() => globalThis.made.frames > count), before);
});

/** In the page: two dots near to each other; where they are in the window. */
async function twoDots() {
  const map = globalThis.made;
  const { x, y } = map.leaflet.getSize().divideBy(2);
  for (const [id, left] of [['near', x], ['far', x + 30]]) {
    const { lat, lng } = map.leaflet.containerPointToLatLng([left, y]);
    map.setDot(id, { latitude: lat, longitude: lng, timestamp: 1, freshness: 'live', kind: 'partner' });
  }
  return { x, y };
}

test('a click hits the nearest dot within a finger\'s reach, and beside them picks a place', async (t) => {
  const { tab, click, called } = await openMap(t, { wants: ['onDot', 'onPick'] });
  const { x, y } = await tab.run(twoDots);
  await click(x - 20, y);
  assert.deepEqual(await called(), [['onDot', 'near']]);
  await click(x + 14, y);
  assert.deepEqual(await called(), [['onDot', 'near']]);
  await click(x + 16, y);
  assert.deepEqual(await called(), [['onDot', 'far']]);
  await click(x - 60, y + 40);
  const [[name, place]] = await called();
  const wanted = await tab.run(([left, top]) => globalThis.made.leaflet.containerPointToLatLng([left, top]), [x - 60, y + 40]);
  assert.equal(name, 'onPick');
  assert.ok(Math.abs(place.latitude - wanted.lat) < METRE && Math.abs(place.longitude - wanted.lng) < METRE);
});

test('on a phone a tap hits, and buttons are large enough for a finger', async (t) => {
  const { tab, tap, called } = await openMap(t, { wants: ['onDot', 'onPick'] }, { width: 390, height: 844, isPhone: true });
  const { x, y } = await tab.run(twoDots);
  await tap(x - 19, y + 8);
  assert.deepEqual(await called(), [['onDot', 'near']]);
  await tap(x - 100, y + 100);
  const [[name]] = await called();
  assert.equal(name, 'onPick');
  const sizes = await tab.run(() => [...document.querySelectorAll('.leaflet-control-zoom a')].map((one) => {
    const { width, height } = one.getBoundingClientRect();
    return [width, height];
  }));
  assert.equal(sizes.length, 2);
  for (const size of sizes.flat()) assert.ok(size >= 44, `${sizes}`);
});

test('with the keyboard the map is moved, and Enter picks the middle', async (t) => {
  const { tab, press, called } = await openMap(t, { wants: ['onPick'], reducedMotion: true });
  const crosshair = () => tab.run(() => getComputedStyle(document.querySelector('.waybill-map-crosshair')).display);
  assert.equal(await crosshair(), 'none');
  await press('Tab');
  const about = await tab.run(() => {
    const { role, ariaLabel, parentElement: { id } } = document.activeElement;
    return { role, ariaLabel, id, canvas: document.querySelector('.waybill-map-overlay').ariaHidden };
  });
  assert.deepEqual(about, { role: 'application', ariaLabel: 'Where the courier is', id: 'map', canvas: 'true' });
  assert.equal(await crosshair(), 'block');
  const before = await tab.run(() => globalThis.made.leaflet.getCenter());
  await press('ArrowRight');
  await tab.run((lng) => globalThis.until(() => globalThis.made.leaflet.getCenter().lng > lng), before.lng);
  await press('Enter');
  const [[, place]] = await called();
  const { lat, lng } = await tab.run(() => globalThis.made.leaflet.getCenter());
  assert.deepEqual(place, { latitude: Number(lat.toFixed(6)), longitude: Number(lng.toFixed(6)) });
  assert.ok(lng > before.lng);
});

test('fit shows all that is drawn beside what covers the map, and follow keeps a dot in sight', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: true });
  const seen = await tab.run(async () => {
    const map = globalThis.made;
    const [a, b, c] = [await globalThis.at(0, 0), await globalThis.at(6, 5), await globalThis.at(20, 3)];
    map.setPlaces([{ id: 'a', kind: 'pickup', ...a, label: 'Here' }, { id: 'b', kind: 'dropoff', ...b }]);
    map.fit(undefined, { padding: { bottom: 250 } });
    const where = ({ latitude, longitude }) => map.leaflet.latLngToContainerPoint([latitude, longitude]);
    const shown = [a, b].map(where);
    map.setDot('c', { ...a, timestamp: 1, freshness: 'live', kind: 'mine' });
    map.follow('c');
    map.setDot('c', { ...c, timestamp: 2, freshness: 'live', kind: 'mine' });
    await globalThis.until(() => Math.abs(where(c).x - 400) < 210);
    return shown;
  });
  for (const { x, y } of seen) assert.ok(x >= 40 && x <= 760 && y >= 40 && y <= 350, `${x} ${y}`);
});

test('a map that follows a dot may be moved all the same, and gets back to it', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  await tab.run(async () => {
    const map = globalThis.made;
    const here = await globalThis.at(3, 3);
    map.leaflet.setView([here.latitude, here.longitude], 16, { animate: false });
    map.setDot('c', { ...here, timestamp: 1, freshness: 'live', kind: 'mine' });
    map.follow('c');
    await globalThis.frame();
    const away = () => Math.abs(map.leaflet.latLngToContainerPoint([here.latitude, here.longitude]).x - 400);
    // As the arrow keys do.
    map.leaflet.panBy([300, 0]);
    await globalThis.until(() => away() > 200);
    await globalThis.until(() => away() < 5);
  });
  assert.deepEqual(await tab.run(() => globalThis.complaints), []);
});

test('a map that is made before it has a size shows what it should when it has one', async (t) => {
  const { tab, create } = await openMap(t, null);
  await tab.run(() => { document.querySelector('#map').style.height = '0'; });
  await create({ reducedMotion: true });
  const { x, y, width, height } = await tab.run(async () => {
    const map = globalThis.made;
    const far = await globalThis.at(40, 3);
    map.setPlaces([{ id: 'a', kind: 'pin', ...far }]);
    map.fit();
    document.querySelector('#map').style.height = '300px';
    const where = () => map.leaflet.latLngToContainerPoint([far.latitude, far.longitude]);
    await globalThis.until(() => Math.abs(where().x - 400) < 5);
    const canvas = document.querySelector('.waybill-map-overlay');
    await globalThis.until(() => canvas.height === 300);
    return { ...where(), width: canvas.width, height: canvas.height };
  });
  assert.ok(Math.abs(x - 400) < 2 && Math.abs(y - 150) < 2, `${x} ${y}`);
  assert.deepEqual([width, height], [800, 300]);
});

test('what was to be shown is shown in another size, too, until somebody has moved the map', async (t) => {
  const { tab, press, called } = await openMap(t, { reducedMotion: true, wants: ['onMoved'] });
  const places = await tab.run(async () => {
    const [a, b] = [await globalThis.at(0, 0), await globalThis.at(6, 5)];
    globalThis.made.setPlaces([{ id: 'a', kind: 'pickup', ...a }, { id: 'b', kind: 'dropoff', ...b }]);
    globalThis.made.fit();
    return [a, b];
  });
  const widen = (width) => tab.run(async ([wide, points]) => {
    const { leaflet } = globalThis.made;
    document.querySelector('#map').style.width = `${wide}px`;
    await globalThis.until(() => leaflet.getSize().x === wide);
    return points.map(({ latitude, longitude }) => leaflet.latLngToContainerPoint([latitude, longitude]).x);
  }, [width, places]);
  for (const x of await widen(360)) assert.ok(x >= 40 && x <= 320, `${x} of 360`);
  for (const x of await widen(700)) assert.ok(x >= 40 && x <= 660, `${x} of 700`);
  const shows = (padding) => tab.run(([points, edge]) => globalThis.made.shows(points, { padding: edge }), [places, padding]);
  assert.deepEqual([await shows(40), await shows(280)], [true, false]);
  assert.equal(await tab.run(() => globalThis.made.isMoved), false);
  await tab.run(() => document.querySelector('.waybill-map').focus());
  await press('ArrowRight');
  assert.deepEqual(await called(), [['onMoved', true]]);
  const [before] = await widen(700);
  const [after] = await widen(500);
  assert.equal(after, before, 'it stays where it was put');
  await tab.run(() => globalThis.made.fit());
  assert.deepEqual(await called(), [['onMoved', false]]);
});

test('while the map zooms, what is drawn zooms with the ground, and keeps its size', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  const { seen, ends } = await tab.run(async () => {
    const map = globalThis.made;
    map.setTheme('light');
    const corner = map.leaflet.containerPointToLatLng([520, 300]);
    map.setDot('a', { latitude: corner.lat, longitude: corner.lng, timestamp: 1, freshness: 'live', kind: 'partner' });
    await globalThis.frame();
    const canvas = document.querySelector('.waybill-map-overlay');
    const dark = () => {
      const { data, width } = canvas.getContext('2d').getImageData(0, 300, canvas.width, 1);
      return Array.from({ length: width }, (_, x) => x).filter((x) => data[4 * x] === 0x17 && data[4 * x + 1] === 0x21 && data[4 * x + 3] === 255);
    };
    const zoom = map.leaflet.getZoom();
    const once = async () => {
      map.leaflet.setZoom(zoom, { animate: false });
      await globalThis.frame();
      let isOver = false;
      map.leaflet.once('zoomend', () => { isOver = true; });
      map.leaflet.setZoom(zoom + 1);
      const rows = [];
      while (!isOver) {
        await globalThis.frame();
        rows.push(dark());
      }
      return rows.map((row) => [row[0], row.length]);
    };
    // It takes a quarter of a second, in which a busy machine may draw nothing.
    const times = [];
    while (times.length < 3 || (times.length < 20 && !times.some((rows) => rows.length > 5))) times.push(await once());
    return { seen: times, ends: [520, 640] };
  });
  const middlesOf = (rows) => rows.map(([left, width]) => left + width / 2);
  for (const rows of seen) {
    const middles = middlesOf(rows);
    assert.ok(middles.every((x, index) => x >= (middles[index - 1] ?? ends[0]) - 1.5 && x <= ends[1] + 1.5), `${middles}`);
    for (const [, width] of rows) assert.ok(width >= 12 && width <= 16, `${width} wide`);
  }
  const all = seen.flatMap(middlesOf);
  assert.ok(all.some((x) => x > ends[0] + 10 && x < ends[1] - 10), `no way in between: ${all}`);
});

test('the theme is that of the system, of the page, or as told', async (t) => {
  const { tab, create } = await openMap(t, null);
  const scheme = (value) => tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
  await scheme('dark');
  await create();
  const becomes = (name) => soon(tab.run((wanted) => globalThis.until(() => document.querySelector('#map > *').dataset.mapTheme === wanted), name), name);
  await becomes('dark');
  await scheme('light');
  await becomes('light');
  await tab.run(() => { document.documentElement.dataset.theme = 'dark'; });
  await becomes('dark');
  await tab.run(() => globalThis.made.setTheme('light'));
  await becomes('light');
  await tab.run(() => globalThis.made.setTheme(null));
  await becomes('dark');
});

test('with a tile server its tiles are shown, and whose they are', async (t) => {
  const { tab } = await openMap(t, { tiles: { url: '/pages/tile.svg?{z}/{x}/{y}', attribution: '© Somebody' } });
  const seen = await tab.run(async () => {
    await globalThis.until(globalThis.isPainted);
    return {
      tiles: document.querySelectorAll('img.leaflet-tile').length,
      painted: document.querySelectorAll('canvas.leaflet-tile').length,
      attribution: document.querySelector('.leaflet-control-attribution').textContent,
    };
  });
  assert.ok(seen.tiles > 0);
  assert.equal(seen.painted, 0);
  assert.equal(seen.attribution, '© Somebody');
});

test('all of it works under the policy of the pages, without a complaint', async (t) => {
  const { tab, browser, click } = await openMap(t, { wants: ['onDot', 'onPick'], reducedMotion: false });
  await tab.run(ride, { seconds: 0.3, withTrail: true });
  await tab.run(async () => {
    const map = globalThis.made;
    map.setPlaces([{ id: 'a', kind: 'pin', ...await globalThis.at(2, 2), label: 'There' }]);
    map.setRoute([await globalThis.at(0, 0), await globalThis.at(3, 3)]);
    map.follow('a');
    for (const zoom of [3, 11, 13, 15, 18, 16]) {
      await new Promise((resolve) => {
        map.leaflet.once('zoomend', resolve);
        map.leaflet.setZoom(zoom);
      });
      await globalThis.until(globalThis.isPainted);
    }
    map.setTheme('dark');
    await globalThis.until(globalThis.isPainted);
  });
  await click(300, 300);
  assert.deepEqual(await tab.run(() => globalThis.complaints), []);
  assert.deepEqual(browser.complaints, []);
  // The policy is there: what it forbids is noted.
  await tab.run(() => {
    document.body.insertAdjacentHTML('beforeend', '<p style="color: red">');
    return globalThis.until(() => globalThis.complaints.length > 0);
  });
});

/** In the page: `count` samples for a hundred dots and a trail, a frame after each hundred. */
async function update({ count, from }) {
  const map = globalThis.made;
  const { latitude, longitude } = await globalThis.at(3, 2);
  for (let number = from; number < from + count; number += 1) {
    const turn = number / 40;
    const place = { latitude: latitude + 0.004 * Math.sin(turn) + number * 1e-7, longitude: longitude + 0.004 * Math.cos(turn), timestamp: number * 500 };
    const look = { freshness: ['live', 'stale', 'lost'][number % 3], kind: 'partner', busy: number % 2 === 0, label: `Partner ${number}`, selected: number % 7 === 0 };
    map.setDot(`dot ${number % 100}`, { ...place, ...look });
    map.extendTrail(place);
    if (number % 100 === 0) await globalThis.frame();
  }
}

test('a page that is left open does not grow', async (t) => {
  const { tab } = await openMap(t, { reducedMotion: false });
  await tab.run(async () => globalThis.made.setTrail([], 'nobody'));
  await tab.run(update, { count: 2_000, from: 0 });
  const before = await tab.heap();
  await tab.run(update, { count: 10_000, from: 2_000 });
  const after = await tab.heap();
  t.diagnostic(`${after - before} bytes more after 10,000 updates, of ${after}`);
  assert.ok(after - before < 200_000, `${after - before} bytes more`);
  const { dots, trail } = await tab.run(() => ({ dots: globalThis.made.dots().length, trail: globalThis.made.trail().length }));
  assert.equal(dots, 100);
  assert.ok(trail > 50 && trail <= 600, `${trail} points`);
});

test('a map that is destroyed leaves nothing behind', async (t) => {
  const { tab, create, listeners } = await openMap(t, null);
  const targets = ['window', 'document', 'document.documentElement', 'document.body', "document.querySelector('#map')"];
  const all = () => Promise.all(targets.map(listeners));
  // What is loaded stays; what a map adds does not.
  await create({ wants: ['onDot', 'onPick'] });
  await tab.run(() => globalThis.made.destroy());
  const before = await all();
  const markup = await tab.run(() => document.querySelector('#map').outerHTML);
  await create({ wants: ['onDot', 'onPick'] });
  const during = await all();
  assert.ok(during.flat().length > before.flat().length);
  // In the middle of everything.
  const queries = await tab.run(async () => {
    const map = globalThis.made;
    const [from, to] = [await globalThis.at(1, 3), await globalThis.at(2, 3)];
    map.setDot('a', { ...from, timestamp: 1_000, freshness: 'live', kind: 'mine' });
    map.setDot('a', { ...to, timestamp: 4_000, freshness: 'live', kind: 'mine' });
    map.leaflet.setZoom(15);
    await globalThis.frame();
    map.destroy();
    globalThis.gone = new WeakRef(map);
    globalThis.made = null;
    await globalThis.until(() => globalThis.pendingFrames.size === 0);
    return globalThis.queries.length;
  });
  assert.deepEqual(await all(), before);
  for (let number = 0; number < queries; number += 1) assert.deepEqual(await listeners(`globalThis.queries[${number}]`), []);
  assert.equal(await tab.run(() => document.querySelector('#map').innerHTML), '');
  assert.equal(await tab.run(() => document.querySelector('#map').outerHTML), markup);
  const collected = async () => {
    do await tab.send('HeapProfiler.collectGarbage');
    while (!await tab.run(() => globalThis.gone.deref() === undefined));
  };
  await soon(collected(), 'nobody to hold the map any more');
  // Nor does one that could not be made, where the theme changes afterwards.
  await tab.run(async () => {
    const { createMap } = await import('/static/map/map.js');
    try {
      createMap(null, { label: 'Nowhere' });
    } catch {
      // There is no element.
    }
    document.documentElement.dataset.theme = 'dark';
    await globalThis.frame();
  });
  assert.deepEqual(await tab.run(() => globalThis.complaints), []);
});
