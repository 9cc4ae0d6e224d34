// Pictures of every screen, at the size of a phone and of a desk, light and dark, into docs/screenshots: `make screenshots`. They show
// the demo, so that no two runs are alike.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { startServer } from './support.mjs';

const FOLDER = new URL('../../docs/screenshots/', import.meta.url);
const SIZES = [{ width: 390, height: 844 }, { width: 1440, height: 900 }];
const SCHEMES = ['light', 'dark'];
/** Somebody of each role: the demo's best examples. */
const WHO = { customer: 'Ada Puig', partner: 'Pol Ferrer', admin: 'Olga Roca' };
/** For so long the demo lives before it is looked at, milliseconds: orders are under way by then, and trails drawn. */
const LIVELY = 60_000;

const READY = () => document.querySelector('h1') !== null && document.querySelector('[aria-busy="true"], .loading') === null
  && [...document.querySelectorAll('.map-box')].every((box) => box.dataset.state === 'ready')
  && document.querySelector('.leaflet-tile:not(.leaflet-tile-loaded)') === null;
/** After a change of size maps draw the rest of the city, milliseconds. */
const SETTLED = 600;

/** The path of the first link on the page that fits. */
const firstLink = (pattern) => [...document.querySelectorAll('a[href]')].map((link) => link.getAttribute('href'))
  .find((href) => new RegExp(pattern).test(href)) ?? null;

/** Screens by app: a name, and a path or how to find it. `before` is pressed first. */
const SCREENS = {
  customer: [
    { name: 'home', path: '/customer' },
    { name: 'new-order', path: '/customer/new' },
    { name: 'tracking', from: '/customer', link: '^/customer/orders/[0-9a-f-]{36}$' },
    { name: 'wallet', path: '/customer/wallet' },
    { name: 'inbox', path: '/customer/inbox' },
    { name: 'settings', path: '/customer/settings' },
  ],
  partner: [
    { name: 'work', path: '/partner' },
    { name: 'order', from: '/partner', link: '^/partner/orders/[0-9a-f-]{36}$' },
    { name: 'earnings', path: '/partner/earnings' },
    { name: 'inbox', path: '/partner/inbox' },
    { name: 'settings', path: '/partner/settings' },
  ],
  admin: [
    { name: 'operation', path: '/admin' },
    { name: 'orders', path: '/admin/orders' },
    { name: 'story', from: '/admin/orders', link: '^/admin/orders/[0-9a-f-]{36}$' },
    { name: 'partners', path: '/admin/partners' },
    { name: 'users', path: '/admin/users' },
    { name: 'health', path: '/admin/health' },
    { name: 'activity', path: '/admin/activity' },
    { name: 'announce', path: '/admin/announce' },
    { name: 'settings', path: '/admin/settings' },
  ],
};

const endings = [];
const t = { after: (end) => endings.unshift(end) };

async function take(face, name) {
  const { data } = await face.tab.send('Page.captureScreenshot', { format: 'jpeg', quality: 78 });
  await writeFile(new URL(`${name}.jpg`, FOLDER), Buffer.from(data, 'base64'));
  console.log(`docs/screenshots/${name}.jpg`);
}

async function resize(face, { width, height }, scheme) {
  await face.tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  await face.prefer(scheme);
}

async function rest(face) {
  await new Promise((resolve) => { setTimeout(resolve, SETTLED); });
  await face.until(READY, undefined, 'the screen is there');
}

async function each(face, name) {
  for (const size of SIZES) {
    for (const scheme of SCHEMES) {
      await resize(face, size, scheme);
      await rest(face);
      await take(face, `${name}-${size.width}-${scheme}`);
    }
  }
}

async function shoot(server, browser) {
  const start = await Face.open(browser, `${server.url}/`);
  await start.see('Ada Puig');
  await each(start, 'start');
  for (const [app, screens] of Object.entries(SCREENS)) {
    const face = await Face.open(browser, `${server.url}/${app}`);
    await face.see(`Be ${WHO[app]}`);
    await each(face, `${app}-log-in`);
    await face.press(`Be ${WHO[app]}`);
    await face.until(() => document.querySelector('.tabs') !== null, undefined, 'somebody is logged in');
    for (const { name, path, from, link } of screens) {
      await face.go(path ?? from);
      await rest(face);
      if (link) {
        // The demo may have nothing of the kind at the moment.
        const found = await face.until(firstLink, link, `a link to ${link}`);
        await face.go(found);
      }
      await each(face, `${app}-${name}`);
    }
  }
  await start.run(() => { location.hash = 'together'; });
  await start.until(() => document.querySelectorAll('iframe').length === 3, undefined, 'three apps');
  await start.until(() => [...document.querySelectorAll('iframe')].every(({ contentDocument }) => contentDocument?.querySelector('.tabs')), undefined, 'three apps with somebody in them');
  for (const scheme of SCHEMES) {
    await resize(start, SIZES.at(-1), scheme);
    await start.until(() => [...document.querySelectorAll('iframe')].every(({ contentDocument }) =>
      [...contentDocument.querySelectorAll('.map-box')].every((box) => box.dataset.state === 'ready')), undefined, 'their maps');
    await take(start, `together-1440-${scheme}`);
  }
}

try {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const server = await startServer(t, { WAYBILL_DISPATCH: 'on', WAYBILL_PAYMENT_PROVIDER: 'test' }, ['--demo']);
  const browser = await startChromium(t);
  await new Promise((resolve) => { setTimeout(resolve, LIVELY); });
  await shoot(server, browser);
} finally {
  for (const end of endings) await end();
}
