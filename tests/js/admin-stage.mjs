// What the tests of the dashboard stand on: a server, a browser, people, and an admin who is logged in.

import assert from 'node:assert/strict';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { PASSWORD, startServer } from './support.mjs';

export const SHOP = { latitude: 41.3953, longitude: 2.1619, address: 'Forn Aurora, Carrer de Mallorca 228' };
export const DOOR = { latitude: 41.3978, longitude: 2.1702, address: 'Carrer de Provença 261' };

/** A server where admins confirm orders, a browser, a customer with money, and a partner who is online and near. */
export async function stage(t, settings = {}) {
  const server = await startServer(t, { WAYBILL_PAYMENT_PROVIDER: 'test', WAYBILL_AUTO_CONFIRM: 'off', ...settings });
  const [browser, customer, partner] = [await startChromium(t), await server.user('customer', 'Ada Puig'), await server.user('partner', 'Pol Ferrer')];
  t.after(() => assert.deepEqual(browser.complaints, []));
  await customer.call('POST', '/wallet/topups', { amount: 20_000, currency: 'USD' });
  await partner.call('PUT', '/partner/availability', { online: true });
  await locate(partner, SHOP);
  const { partner_id: partnerId } = await partner.call('GET', '/me');
  return { server, browser, customer, partner, partnerId };
}

export const place = (customer, more = {}) => customer.call('POST', '/orders', {
  pickup: SHOP, dropoff: DOOR, items: [{ name: 'Sourdough loaf', quantity: 2, unit_price: 650 }], payment_method: 'wallet', ...more,
});

export const locate = (partner, { latitude, longitude }, orderId = undefined, at = new Date()) => partner.call('POST', '/partner/locations', {
  points: [{ latitude, longitude, timestamp: at.toISOString(), ...(orderId && { order_id: orderId }) }],
});

export const stepper = (partner, order) => (to, more = {}) => partner.call('POST', `/orders/${order.id}/transitions`, { to, ...more });
export const short = ({ id }) => `#${id.slice(-6)}`;

/** Somebody logs in by the page that is open. */
export async function enterAt(face, user) {
  await face.write('E-mail', user.email);
  await face.write('Password', PASSWORD);
  await face.press('Log in');
  await face.until(() => document.querySelector('.bell'));
  return face;
}

/** An admin logs in by the page. */
export async function enter({ server, browser, url = server.url }, name, path = '', options = { width: 1440, height: 900 }) {
  const admin = await server.user('admin', name);
  const face = await Face.open(browser, `${url}/admin${path}`, options);
  await enterAt(face, admin);
  return Object.assign(face, { admin });
}

/** Somebody else logs in by a page of their own; each app keeps its own log-in, so that it can be in the same browser. */
export async function visit({ server, browser }, app, user, path = '') {
  return enterAt(await Face.open(browser, `${server.url}/${app}${path}`), user);
}

/** Two log-ins of one browser would be one: each admin has a browser of its own. */
export async function two(t, story) {
  const other = await startChromium(t);
  t.after(() => assert.deepEqual(other.complaints, []));
  return [await enter(story, 'Olga Roca'), await enter({ ...story, browser: other }, 'Max Coll')];
}

/** Of several tabs of a browser one is looked at; the others are slow, and draw nothing. */
export const lookAt = (face) => face.tab.send('Page.bringToFront');

export const counted = (face, status, count) => face.until(([what, wanted]) => document.querySelector(`[data-count="${what}"] strong, strong[data-count="${what}"]`)?.textContent === wanted, [status, String(count)], `${count} orders ${status}`);
export const choose = (face, label, value) => face.run(([name, chosen]) => {
  const select = [...document.querySelectorAll('select')].find((one) => (one.getAttribute('aria-label') ?? [...one.labels].map(({ textContent }) => textContent).join('')).startsWith(name));
  select.value = chosen;
  select.dispatchEvent(new Event('change', { bubbles: true }));
}, [label, value]);
export const rowOf = (face, order, text) => face.until(([id, wanted]) => [...document.querySelectorAll('.data tbody tr')].some((row) => row.innerText.includes(id) && row.innerText.includes(wanted)), [short(order), text], `the row of ${short(order)} with ${text}`);
/** Presses what opens a dialog, and waits for that: what it is called may be in there, too. */
export async function open(face, name) {
  await face.press(name);
  await face.until(() => document.querySelector('dialog[open]'));
}
export const noDialog = (face) => face.until(() => !document.querySelector('dialog'));
