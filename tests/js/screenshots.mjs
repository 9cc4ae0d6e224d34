// Pictures of every screen, at the size of a phone and of a desk, light and dark, into docs/screenshots: `make screenshots`. They show
// the demo, so that no two runs are alike; and beside it people with long names, what is empty, refused or offline, and dialogs.
//
//   tests/node tests/js/screenshots.mjs              all of them
//   WAYBILL_SHOTS=partner,together tests/node …      those of some parts: start, customer, partner, admin, people, together

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { startChromium } from './chromium.mjs';
import { enterAt, locate, noDialog, open } from './admin-stage.mjs';
import { Face } from './face.mjs';
import { startServer } from './support.mjs';

const FOLDER = new URL('../../docs/screenshots/', import.meta.url);
const SIZES = [{ width: 390, height: 844 }, { width: 1440, height: 900 }];
const SCHEMES = ['light', 'dark'];
/** Somebody of each role: the demo's best examples. */
const WHO = { customer: 'Ada Puig', partner: 'Pol Ferrer', admin: 'Olga Roca' };
/** For so long the demo lives before it is looked at, milliseconds: orders are under way by then, and trails drawn. */
const LIVELY = 45_000;

/** Whether all of a page is there: its maps with their city, and its charts with a minute of figures. */
const READY = () => {
  const isWhole = (page) => page.querySelector('h1') !== null && page.querySelector('[aria-busy="true"], .loading') === null
    && [...page.querySelectorAll('.map-box')].every((box) => box.dataset.state === 'ready' && box.querySelector('.leaflet-tile-loaded'))
    && page.querySelector('.leaflet-tile:not(.leaflet-tile-loaded)') === null
    && [...page.querySelectorAll('.charts')].every(({ dataset }) => Number(dataset.points) >= 30);
  return isWhole(document) && [...document.querySelectorAll('iframe')].every(({ contentDocument }) => contentDocument && isWhole(contentDocument));
};
/** After a change of size maps ask for the rest of the city only when nothing has moved for a while, milliseconds. */
const SETTLED = 500;
/** After a change of colours what fades has faded. */
const FADED = 150;
/** What is wanted of all that can be taken. */
const WANTED = process.env.WAYBILL_SHOTS?.split(',');
const isWanted = (part) => !WANTED || WANTED.includes(part);

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
    { name: 'earnings', path: '/partner/earnings', shown: '.chart-box canvas' },
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
    { name: 'more', path: '/admin/more' },
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

async function rest(face, wait = SETTLED) {
  // Of several tabs only the one in front is drawn.
  await face.tab.send('Page.bringToFront');
  await new Promise((resolve) => { setTimeout(resolve, wait); });
  await face.until(READY, undefined, 'the screen is there', 90_000);
}

async function each(face, name, { isAlone = false, isWhole = true } = {}) {
  for (const size of SIZES) {
    for (const scheme of SCHEMES) {
      await resize(face, size, scheme);
      if (isWhole) await rest(face, scheme === SCHEMES[0] ? SETTLED : FADED);
      else await new Promise((resolve) => { setTimeout(resolve, FADED); });
      if (isAlone && (await face.run(() => document.querySelector('dialog[open]') !== null))) {
        // An offer has come meanwhile: it is put aside.
        await face.key('Escape');
        await rest(face, FADED);
      }
      await take(face, `${name}-${size.width}-${scheme}`);
    }
  }
}

/** Every screen of an app, as one of the demo's people sees it. */
async function shootScreens(server, browser, app) {
  const face = await Face.open(browser, `${server.url}/${app}`);
  await face.see(`Be ${WHO[app]}`);
  await each(face, `${app}-log-in`);
  await face.press(`Be ${WHO[app]}`);
  await face.until(() => document.querySelector('.tabs') !== null, undefined, 'somebody is logged in');
  for (const { name, path, from, link, shown } of SCREENS[app]) {
    await face.go(path ?? from);
    await rest(face);
    // What the demo's people have not done yet they do before long.
    if (shown) await face.until((selector) => document.querySelector(selector), shown, `to see ${shown}`, 180_000);
    if (link) {
      // The demo may have nothing of the kind at the moment.
      const found = await face.until(firstLink, link, `a link to ${link}`, 90_000);
      await face.go(found);
    }
    await each(face, `${app}-${name}`, { isAlone: true });
  }
  await face.tab.close();
}

// ---------------------------------------------------------------- people of our own

const SHOP = { latitude: 41.3953, longitude: 2.1619, address: 'Pastisseria i Forn de Pa Artesà Aurora i Germans, Carrer de Mallorca 228, entresòl' };
const DOOR = { latitude: 41.3978, longitude: 2.1702, address: 'Carrer de Provença 261, escala B, principal segona, porta del pati interior' };
const ITEMS = [
  { name: 'Sourdough loaf with walnuts, dried figs and a crust of toasted sesame', quantity: 12, unit_price: 128_650 },
  { name: 'Soup', quantity: 1, unit_price: 650 },
];

/** What the browser holds of the log-in of an app is given up. */
async function leave(face, app) {
  await face.run((name) => localStorage.removeItem(name), `waybill.${app}`);
  await face.go(`/${app}`);
  // The demo's people come a moment later, and what is below them moves.
  await face.see('Have a look around');
}

async function become(face, app, user) {
  await leave(face, app);
  await enterAt(face, user);
}

const dialogOf = async (face, name, picture) => {
  await open(face, name);
  await each(face, picture);
  await face.key('Escape');
  await noDialog(face);
};

const offline = async (face, picture) => {
  await face.tab.setOffline(true);
  await face.see('You are offline');
  await each(face, picture);
  await face.tab.setOffline(false);
  await face.seeNot('You are offline');
};

/** Goes to a screen by the link `name`, while answers take longer than anybody waits. */
const loading = async (face, name, picture) => {
  const slowly = (latency) => face.tab.send('Network.emulateNetworkConditions', { offline: false, latency, downloadThroughput: -1, uploadThroughput: -1 });
  await slowly(600_000);
  await face.press(name);
  await face.until(() => document.querySelector('.loading'), undefined, 'that it is being loaded');
  await each(face, picture, { isWhole: false });
  await slowly(0);
};

/** Logs in with what is wrong, and registers with what is none. */
async function shootRefusals(server, browser) {
  const face = await Face.open(browser, `${server.url}/customer`);
  await leave(face, 'customer');
  await face.write('E-mail', 'ada@example.test');
  await face.write('Password', 'nothing like it');
  await face.press('Log in');
  await face.until(() => document.querySelector('.error'), undefined, 'why not');
  await each(face, 'customer-log-in-refused');
  await face.press('New here? Create an account');
  await face.write('Name', ' ');
  await face.write('E-mail', 'ada@nowhere');
  await face.write('Password', 'correct horse battery');
  await face.press('Create an account');
  await face.until(() => document.querySelector('.error'), undefined, 'why not');
  await each(face, 'customer-field-errors');
  await face.tab.close();
}

/** Who is new sees what is empty. */
async function shootNewcomers(server, browser) {
  const [customer, partner] = [await server.user('customer', 'Nuria Nova'), await server.user('partner', 'Nil Nou')];
  const face = await Face.open(browser, `${server.url}/customer`);
  await become(face, 'customer', customer);
  for (const [path, name] of [['', 'home'], ['/wallet', 'wallet'], ['/inbox', 'inbox']]) {
    await face.go(`/customer${path}`);
    await each(face, `customer-${name}-empty`);
  }
  await dialogOf(await goTo(face, '/customer/wallet'), 'Top up', 'customer-top-up');
  await goTo(face, '/customer');
  await loading(face, 'Wallet', 'customer-wallet-loading');
  await become(face, 'partner', partner);
  await face.go('/partner/earnings');
  await each(face, 'partner-earnings-empty');
  await face.tab.close();
}

const goTo = async (face, path) => {
  await face.go(path);
  await rest(face);
  return face;
};

/** An order of people with long names, from the offer to the rating, as each of the three sees it. */
async function shootLongNames(server, browser) {
  const customer = await server.user('customer', 'Maximiliana Bartholomäus-Wolfenbüttel von Hohenlohe');
  const partner = await server.user('partner', 'Hadrian Aurelius-Papadimitriou de la Concepción');
  const [olga, max] = [await server.user('admin', 'Friederike-Charlotte Montgomery-Featherstonehaugh'), await server.user('admin', 'Max Coll')];
  const place = () => customer.call('POST', '/orders', { pickup: SHOP, dropoff: DOOR, items: ITEMS, notes: 'Please ring twice, the first bell belongs to the neighbours.', payment_method: 'cash' });
  const step = (order, to, more = {}) => partner.call('POST', `/orders/${order.id}/transitions`, { to, ...more });

  const phone = await Face.open(browser, `${server.url}/partner`);
  await browser.send('Browser.grantPermissions', { origin: server.url, permissions: ['geolocation'] });
  await phone.tab.send('Emulation.setGeolocationOverride', { accuracy: 5, latitude: SHOP.latitude, longitude: SHOP.longitude });
  await become(phone, 'partner', partner);
  await phone.press('Take offers');
  await phone.see('Position shared every');
  const order = await place();
  await phone.until(() => document.querySelector('.offer[open] [role="timer"]'), undefined, 'an offer', 60_000);
  await each(phone, 'partner-offer');
  await phone.press('Decline');
  await phone.see('Back');
  await each(phone, 'partner-decline');
  await phone.press('Back');
  await phone.press('Accept');
  await phone.see('A new order');
  await each(phone, 'partner-order-long-names');
  await phone.press('Set off');
  await phone.see('On the way to the pick-up');
  // Nothing more from there: the way is told below.
  await phone.go('/');
  for (const [index, [north, east]] of [[0.006, 0.002], [0.004, 0.0015], [0.002, 0.001]].entries()) {
    await locate(partner, { latitude: SHOP.latitude + north, longitude: SHOP.longitude + east }, order.id, new Date(Date.now() - 3000 + 1000 * index));
  }

  const buyer = await Face.open(browser, `${server.url}/customer`);
  await become(buyer, 'customer', customer);
  await goTo(buyer, `/customer/orders/${order.id}`);
  await each(buyer, 'customer-tracking-long-names');
  await dialogOf(buyer, 'Cancel the order', 'customer-cancel');
  await customer.call('POST', `/orders/${order.id}/messages`, { text: 'The front door sticks. Push it with your shoulder, and mind the step behind it.', client_id: 'one' });
  await partner.call('POST', `/orders/${order.id}/messages`, { text: 'I will. Two minutes.', client_id: 'two' });
  await goTo(buyer, `/customer/orders/${order.id}/chat`);
  await each(buyer, 'customer-chat');
  await buyer.key('Escape');
  await noDialog(buyer);
  await offline(buyer, 'customer-offline');

  const desk = await Face.open(browser, `${server.url}/admin`);
  await become(desk, 'admin', olga);
  await goTo(desk, '/admin/orders');
  await each(desk, 'admin-orders-long-names');
  await max.call('POST', `/orders/${order.id}/claim`, {});
  await goTo(desk, `/admin/orders/${order.id}`);
  await each(desk, 'admin-story-long-names');
  await dialogOf(desk, 'Take over', 'admin-claim');
  await dialogOf(desk, 'Cancel', 'admin-cancel');
  await dialogOf(desk, 'Give up', 'admin-give-up');
  const next = await place();
  await olga.call('POST', `/orders/${next.id}/assign`, { partner_id: (await partner.call('GET', '/me')).partner_id });
  await goTo(desk, `/admin/orders/${next.id}`);
  await dialogOf(desk, 'Reassign', 'admin-assign');
  await dialogOf(desk, 'Take back', 'admin-take-back');
  await goTo(desk, '/admin/announce');
  await desk.write('Title', 'Heavy rain tonight');
  await desk.write('Text', 'Everything takes a little longer. Thank you for your patience.');
  await dialogOf(desk, 'Send', 'admin-announce-confirm');
  await goTo(desk, '/admin/users');
  await desk.write('Name or e-mail', 'nobody at all');
  await desk.see('Nobody fits');
  await each(desk, 'admin-users-empty');
  await goTo(desk, '/admin');
  await offline(desk, 'admin-offline');

  for (const to of ['arrived', 'picked_up', 'in_transit']) await step(order, to);
  await goTo(phone, `/partner/orders/${order.id}/chat`);
  await each(phone, 'partner-chat');
  await phone.key('Escape');
  await noDialog(phone);
  await dialogOf(phone, 'Hand over', 'partner-hand-over');
  await offline(phone, 'partner-offline');
  await phone.tab.close();
  await step(order, 'delivered', { note: 'at the door' });
  await customer.call('POST', `/orders/${order.id}/transitions`, { to: 'completed' });
  await goTo(desk, `/admin/orders/${order.id}`);
  await dialogOf(desk, 'Refund', 'admin-refund');
  await desk.tab.close();
  await goTo(buyer, `/customer/orders/${order.id}`);
  await buyer.press('4 stars');
  await buyer.run(() => scrollTo(0, 0));
  await each(buyer, 'customer-rating');
  await buyer.tab.close();
}

async function shootTogether(server, browser) {
  const start = await Face.open(browser, `${server.url}/#together`, SIZES.at(-1));
  await start.until(() => document.querySelectorAll('iframe').length === 3, undefined, 'three apps');
  await start.until(() => [...document.querySelectorAll('iframe')].every(({ contentDocument }) => contentDocument?.querySelector('.tabs')), undefined, 'three apps with somebody in them');
  // Something to look at: an order of the customer's, and one in the partner's hands.
  await start.until(() => document.querySelector('.pane[data-role="customer"] iframe').contentDocument.querySelector('.order-card'), undefined, 'an order under way', 90_000);
  await start.run(() => document.querySelector('.pane[data-role="customer"] iframe').contentDocument.querySelector('.order-card').click());
  for (const scheme of SCHEMES) {
    await resize(start, SIZES.at(-1), scheme);
    await rest(start);
    await take(start, `together-1440-${scheme}`);
  }
  await start.tab.close();
}

async function shoot(server, browser) {
  if (isWanted('start')) {
    const start = await Face.open(browser, `${server.url}/`);
    await start.see('Ada Puig');
    await each(start, 'start');
    await start.tab.close();
  }
  for (const app of Object.keys(SCREENS)) if (isWanted(app)) await shootScreens(server, browser, app);
  if (isWanted('together')) await shootTogether(server, browser);
  if (!isWanted('people')) return;
  for (const part of [shootRefusals, shootNewcomers, shootLongNames]) await part(server, browser);
}

try {
  if (!WANTED) await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const server = await startServer(t, { WAYBILL_DISPATCH: 'on', WAYBILL_PAYMENT_PROVIDER: 'test' }, ['--demo']);
  const browser = await startChromium(t);
  await new Promise((resolve) => { setTimeout(resolve, LIVELY); });
  await shoot(server, browser);
} finally {
  for (const end of endings) await end();
}
