// How many partners that move the dashboard's own map draws smoothly: on the first screen, with its counters, lists and feed, each
// partner with a new position every second. First by a real server, to which as many partners report by sockets of their own as that
// can bear; then with more, whose positions come over the dashboard's connection as the server sends them, since a server
// for thousands of them would want the processor for itself.
//
//   tests/node tests/js/fleet.bench.mjs
//   WAYBILL_TEST_BINARY=target/release/waybill WAYBILL_BENCH_REAL=500 WAYBILL_BENCH_COUNTS=500,1000 WAYBILL_BENCH_SECONDS=10 …

import { SHOP, enterAt } from './admin-stage.mjs';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { connect, inState, soon, startServer, startWire } from './support.mjs';

const { WAYBILL_BENCH_REAL = '500', WAYBILL_BENCH_COUNTS = '500,1000,2000,3000,4000,8000', WAYBILL_BENCH_SECONDS = '10' } = process.env;
const REAL = Number(WAYBILL_BENCH_REAL);
const COUNTS = WAYBILL_BENCH_COUNTS.split(',').map(Number);
const SECONDS = Number(WAYBILL_BENCH_SECONDS);
/** Positions in a frame of the server's. */
const IN_ONE = 250;
/** How many accounts are made at once: a password takes its time. */
const AT_ONCE = 8;
/** Metres per second, and metres from the middle. */
const [SPEED, NEAREST, FARTHEST] = [8, 120, 1500];
const DEGREE = 111_200;

/** Where a partner is at a time: on its way round a circle. */
function placeOf(number, at) {
  const radius = NEAREST + (FARTHEST - NEAREST) * ((number * 0.618) % 1);
  const angle = number * 2.4 + (at / 1000) * (SPEED / radius);
  return {
    latitude: SHOP.latitude + (radius * Math.sin(angle)) / DEGREE,
    longitude: SHOP.longitude + (radius * Math.cos(angle)) / (DEGREE * Math.cos((SHOP.latitude * Math.PI) / 180)),
  };
}

/** By tenths of a second, so that not all of them come in one moment; `turn(tenth)` until what this gives is called. */
function everyTenth(turn) {
  let tenth = 0;
  const timer = setInterval(() => turn(tenth++ % 10), 100);
  return () => clearInterval(timer);
}

async function makePartners(server, count) {
  const partners = [];
  const make = async () => {
    while (partners.length < count) {
      const number = partners.push(null) - 1;
      const partner = await server.user('partner', `Partner ${number}`);
      await partner.call('PUT', '/partner/availability', { online: true });
      partner.partnerId ??= (await partner.call('GET', '/me')).partner_id;
      partners[number] = partner;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, make));
  return partners;
}

/** In the page: the milliseconds of each frame. */
async function watch(length) {
  const frames = [];
  const began = performance.now();
  for (let last = began; last - began < length;) {
    await new Promise((resolve) => { requestAnimationFrame(resolve); });
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}

/** Seconds of processor time that the browser has taken: its renderers, and all of it. */
async function processorTime(browser) {
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
  const sum = (fits) => processInfo.filter(fits).reduce((all, { cpuTime }) => all + cpuTime, 0);
  return { renderer: sum(({ type }) => type === 'renderer'), all: sum(() => true) };
}

const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.floor(values.length * share)].toFixed(1);

async function measure({ browser, olga }, count, by) {
  await olga.until((wanted) => Number(document.querySelector('.fleet-map').dataset.partners) >= wanted, count, `${count} dots`, 60_000);
  await olga.press('Show all');
  // Until all of them have got under way, and the city is drawn.
  await olga.run(watch, 3_000);
  const before = await processorTime(browser);
  const began = performance.now();
  const frames = await olga.run(watch, SECONDS * 1000);
  const length = (performance.now() - began) / 1000;
  const after = await processorTime(browser);
  const rate = (1000 * frames.length) / frames.reduce((sum, one) => sum + one, 0);
  const cores = (which) => ((after[which] - before[which]) / length).toFixed(2);
  // Tells more than the rest where others use the machine, too.
  const each = (1000 * (after.renderer - before.renderer)) / frames.length;
  console.log([
    String(count).padStart(4), by.padStart(6), rate.toFixed(1).padStart(9), quantile(frames, 0.5).padStart(14), quantile(frames, 0.95).padStart(5), quantile(frames, 0.99).padStart(6),
    each.toFixed(1).padStart(21), cores('renderer').padStart(6), cores('all').padStart(8),
  ].join(' '));
}

const endings = [];
const t = { after: (end) => endings.unshift(end) };
try {
  const server = await startServer(t);
  const partners = await makePartners(server, REAL);
  const clients = partners.map((partner) => connect(t, server.url, partner));
  await Promise.all(clients.map((client) => inState(client, 'open', 60_000)));
  const wire = await startWire(t, server);
  const browser = await startChromium(t);
  const admin = await server.user('admin', 'Olga Roca');
  const olga = await Face.open(browser, `${wire.url}/admin`, { width: 1440, height: 900 });
  // Dots that do not jump.
  await olga.prefer('light', 'no-preference');
  await enterAt(olga, admin);
  await olga.until(() => document.querySelector('.fleet-map .map-box')?.dataset.state === 'ready', undefined, 'the map');
  const stage = { browser, olga };

  console.log(`1440×900, ${SECONDS} s each; a position of each every second`);
  console.log('partners by  frames/s  frame: median   p95    p99  renderer: ms a frame  cores  browser');
  if (REAL > 0) {
    const end = everyTenth((tenth) => {
      const now = Date.now();
      for (let number = tenth; number < REAL; number += 10) {
        clients[number].send({ type: 'location', ...placeOf(number, now), timestamp: new Date(now).toISOString(), accuracy: 5 });
      }
    });
    await measure(stage, REAL, 'server');
    const { items } = await admin.call('GET', '/admin/positions');
    const fresh = items.filter(({ timestamp }) => Date.now() - Date.parse(timestamp) < 3000).length;
    end();
    if (fresh < REAL) throw new Error(`of ${REAL} partners the server knows ${fresh} as they were in the last 3 s`);
  }

  const ids = [...partners.map(({ partnerId }) => partnerId), ...Array.from({ length: Math.max(...COUNTS) }, () => crypto.randomUUID())];
  for (const count of COUNTS) {
    const end = everyTenth((tenth) => {
      // All of them once a second, as the server does.
      if (tenth !== 0) return;
      const now = Date.now();
      for (let first = 0; first < count; first += IN_ONE) {
        const positions = ids.slice(first, Math.min(first + IN_ONE, count)).map((id, index) => ({ partner_id: id, ...placeOf(first + index, now), timestamp: new Date(now).toISOString(), accuracy: 5 }));
        wire.say({ type: 'positions', group: 'admin_dashboard', id: crypto.randomUUID(), at: new Date(now).toISOString(), positions });
      }
    });
    await measure(stage, count, 'wire');
    end();
  }
} finally {
  for (const end of endings) await soon(Promise.resolve(end()), 'an end').catch(() => {});
}
process.exit();
