// A page with a map in a real browser, and what a test wants of it.

import { startChromium } from './chromium.mjs';
import { startStaticSite } from './static-site.mjs';
import { soon } from './support.mjs';

/** Before anything of the page runs: notes what it complains of, and what it asks frames for. */
function spy() {
  globalThis.complaints = [];
  globalThis.queries = [];
  globalThis.pendingFrames = new Set();
  addEventListener('securitypolicyviolation', ({ violatedDirective, sample }) => {
    globalThis.complaints.push(`${violatedDirective} ${sample}`);
  });
  addEventListener('error', ({ message }) => globalThis.complaints.push(message));
  addEventListener('unhandledrejection', ({ reason }) => globalThis.complaints.push(`${reason}`));
  for (const level of ['error', 'warn']) {
    console[level] = (...words) => globalThis.complaints.push(words.join(' '));
  }
  const [ask, cancel, match] = [requestAnimationFrame, cancelAnimationFrame, matchMedia];
  globalThis.requestAnimationFrame = (what) => {
    const id = ask((now) => {
      globalThis.pendingFrames.delete(id);
      what(now);
    });
    globalThis.pendingFrames.add(id);
    return id;
  };
  globalThis.cancelAnimationFrame = (id) => {
    globalThis.pendingFrames.delete(id);
    cancel(id);
  };
  globalThis.matchMedia = (query) => {
    const list = match(query);
    globalThis.queries.push(list);
    return list;
  };
  const frame = () => new Promise((resolve) => { ask(resolve); });
  Object.assign(globalThis, {
    frame,
    /** When `fits()` is true; asked with each frame. */
    until: async (fits) => {
      while (!fits()) await frame();
    },
    /** The point of the demo city's plane, in blocks. */
    at: async (along, inland) => {
      const { BLOCK, position } = await import('/static/map/plane.js');
      return position(along * BLOCK, inland * BLOCK);
    },
    isPainted: () => document.querySelector('.leaflet-tile-loaded') !== null
      && document.querySelector('.leaflet-tile:not(.leaflet-tile-loaded)') === null,
  });
}

/** Makes the map of the page; what it calls is noted in `called`. */
async function make({ wants, ...options }) {
  const { createMap } = await import('/static/map/map.js');
  globalThis.called = [];
  const listeners = Object.fromEntries(wants.map((name) => [name, (value) => globalThis.called.push([name, value])]));
  const element = document.querySelector('#map');
  globalThis.made = createMap(element, { label: 'Where the courier is', ...options, ...listeners });
}

/** A tab with the page, and a map in it unless `options` is null. */
export async function openMap(t, options = {}, { width = 800, height = 600, isPhone = false } = {}) {
  const site = await startStaticSite(t);
  const browser = await startChromium(t);
  const tab = await browser.open(`${site}/pages/map.html`);
  await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: isPhone });
  if (isPhone) await tab.send('Emulation.setTouchEmulationEnabled', { enabled: true });
  await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${spy})()` });
  await tab.reload();
  const create = (what = {}) => tab.run(make, { wants: [], ...what });
  if (options) await create(options);
  const mouse = (type, x, y) => tab.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
  return {
    site,
    browser,
    tab,
    create,
    async click(x, y) {
      await mouse('mousePressed', x, y);
      await mouse('mouseReleased', x, y);
    },
    async tap(x, y) {
      await tab.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x, y }] });
      await tab.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    },
    async press(key, code = key, keyCode = { Enter: 13, Tab: 9, ArrowRight: 39 }[key]) {
      const event = { key, code, windowsVirtualKeyCode: keyCode, text: key === 'Enter' ? '\r' : undefined };
      await tab.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
      await tab.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    },
    /** The next call of a listener, and takes it off. */
    async called(count = 1) {
      await soon(tab.run(async (least) => globalThis.until(() => globalThis.called.length >= least), count), 'a listener to be called');
      return tab.run(() => globalThis.called.splice(0));
    },
    /** How many listeners an object of the page has; `expression` is the object. */
    async listeners(expression) {
      const { result } = await tab.send('Runtime.evaluate', { expression });
      const { listeners } = await tab.send('DOMDebugger.getEventListeners', { objectId: result.objectId });
      return listeners.map(({ type }) => type).sort();
    },
  };
}
