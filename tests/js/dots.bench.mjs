// How many moving dots stay smooth: for some numbers of dots, all of which move all the time, each with a new sample
// every second, the time from frame to frame, the time that the page's own script takes of it, and the processor time of
// the whole browser for a frame, which tells more than the rest where others use the machine, too.
//
//   node --experimental-websocket --no-warnings tests/js/dots.bench.mjs [width height density [seconds]]

import { openMap } from './map-page.mjs';

const [width = 1440, height = 900, density = 1, seconds = 6] = process.argv.slice(2).map(Number);
const COUNTS = [100, 500, 1_000, 2_000];

/** In the page: lets `count` dots move for a while, and gives the milliseconds of each frame. */
async function move({ count, seconds: length }) {
  const map = globalThis.made;
  const { latitude, longitude } = await globalThis.at(3, 2.5);
  map.clearDots();
  map.leaflet.setView([latitude, longitude], 15, { animate: false });
  await globalThis.until(globalThis.isPainted);
  const steps = Array.from({ length: count }, (_, number) => number);
  const place = (number, turn) => {
    const [ring, angle] = [0.001 + 0.006 * ((number * 0.618) % 1), number * 2.4 + turn * 0.15];
    return { latitude: latitude + ring * Math.sin(angle), longitude: longitude + 1.6 * ring * Math.cos(angle) };
  };
  const sample = (number, turn) => map.setDot(`dot ${number}`, {
    ...place(number, turn), timestamp: turn * 1000 + (number % 10) * 100, freshness: 'live', kind: 'partner', busy: number % 3 === 0,
  });
  for (const number of steps) sample(number, 0);
  // Samples come by tenths of a second, as they do from a server: each dot has one a second.
  const began = performance.now();
  const [frames, scripts] = [[], []];
  let [last, tenth, all] = [began, 0, 0];
  while (performance.now() - began < length * 1000) {
    await globalThis.frame();
    all += 1;
    const now = performance.now();
    if (tenth > 10) frames.push(now - last);
    last = now;
    for (; tenth < (now - began) / 100; tenth += 1) {
      for (let number = tenth % 10; number < count; number += 10) sample(number, Math.floor(tenth / 10) + 1);
    }
    if (tenth > 10) scripts.push(globalThis.overlayTimes.at(-1) ?? 0);
  }
  return { frames, scripts, all };
}

function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)].toFixed(1);
}

const ends = [];
const { tab, browser } = await openMap({ after: (end) => ends.push(end) }, { reducedMotion: false }, { width, height });
await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: density, mobile: false });
// What the drawing asks a frame for is what is timed.
await tab.run(() => {
  globalThis.overlayTimes = [];
  const ask = globalThis.requestAnimationFrame;
  globalThis.requestAnimationFrame = (what) => ask((now) => {
    const began = performance.now();
    what(now);
    globalThis.overlayTimes.push(performance.now() - began);
  });
});
/** Milliseconds of processor time that the browser's processes have taken. */
async function processorTime() {
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
  return 1000 * processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

console.log(`${width}×${height} at ${density}, ${seconds} s each; milliseconds`);
console.log('dots  frames/s  frame: median   p95  script: median   p95  processor');
for (const count of COUNTS) {
  const before = await processorTime();
  const { frames, scripts, all } = await tab.run(move, { count, seconds });
  const spent = (await processorTime()) - before;
  const rate = (1000 * frames.length) / frames.reduce((sum, one) => sum + one, 0);
  console.log([
    String(count).padStart(4), rate.toFixed(1).padStart(9), quantile(frames, 0.5).padStart(14), quantile(frames, 0.95).padStart(5),
    quantile(scripts, 0.5).padStart(15), quantile(scripts, 0.95).padStart(5), (spent / all).toFixed(1).padStart(10),
  ].join(' '));
}
for (const end of ends) await end();
process.exit();
