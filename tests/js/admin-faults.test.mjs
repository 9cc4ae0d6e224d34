// What axe-core says of the dashboard's dialogs, and of what is shown where something is missing, refused or over.

import assert from 'node:assert/strict';
import test from 'node:test';
import { choose, counted, enter, noDialog, open, place, short, stage, stepper } from './admin-stage.mjs';
import { Face } from './face.mjs';
import { PASSWORD } from './support.mjs';

const DESK = [1440, 'light'];
const PHONE = [390, 'dark'];

/** In the light on a desk, and in the dark on a phone. */
async function look(face, what, ways = [PHONE, DESK]) {
  for (const [width, scheme] of ways) {
    await face.tab.send('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: false });
    await face.run((name) => { document.documentElement.dataset.theme = name; }, scheme);
    assert.deepEqual(await face.faults(), [], `${what} at ${width} in ${scheme}`);
  }
}

/** Opens a dialog, waits for what is in it, looks, and closes it with the key for that. */
async function lookAtDialog(face, name, text) {
  await open(face, name);
  await face.see(text);
  await look(face, `the dialog “${name}”`);
  await face.key('Escape');
  await noDialog(face);
}

test('no dialog of the dashboard has a fault that axe-core knows of', async (t) => {
  const story = await stage(t);
  const { server, customer, partner, partnerId } = story;
  const olga = await enter(story, 'Olga Roca');
  const max = await server.user('admin', 'Max Coll');
  const mia = await server.user('partner', 'Mia Serra');
  await mia.call('PUT', '/partner/availability', { online: true });
  const order = await place(customer);
  await olga.go(`/admin/orders/${order.id}`);
  await lookAtDialog(olga, 'Confirm', 'Confirm the order?');
  await max.call('POST', `/orders/${order.id}/transitions`, { to: 'confirmed' });
  await open(olga, 'Assign');
  await olga.see('Pol Ferrer');
  await max.call('POST', `/orders/${order.id}/assign`, { partner_id: partnerId });
  // Another one is not to lose it by that, unheard.
  await olga.see('The order has changed meanwhile: Assigned, Pol Ferrer has it.');
  await olga.press('Assign to Mia Serra');
  await olga.see('It has changed meanwhile; look again');
  await look(olga, 'an order that was assigned meanwhile');
  await olga.press('Go on with that');
  await olga.seeNot('has changed meanwhile');
  await olga.write('Name or e-mail', 'nobody at all');
  await olga.see('No partner is online');
  await look(olga, 'nobody to assign an order to', [PHONE]);
  await olga.press('Close');
  await noDialog(olga);
  await lookAtDialog(olga, 'Reassign', 'Mia Serra');
  await lookAtDialog(olga, 'Take back', 'Another partner is looked for');
  await max.call('POST', `/orders/${order.id}/claim`, {});
  await lookAtDialog(olga, 'Take over', 'Take over from Max Coll?');
  const step = stepper(partner, order);
  await open(olga, 'Cancel');
  await olga.see(`${short(order)} · Ada Puig · $${(order.price.amount / 100).toFixed(2)}`);
  // What has changed meanwhile is for another decision.
  await step('en_route');
  await olga.press('Cancel');
  await olga.see('It has changed meanwhile');
  await look(olga, 'a refusal in a dialog');
  await olga.key('Escape');
  await noDialog(olga);
  for (const to of ['arrived', 'picked_up', 'in_transit']) await step(to);
  await step('delivered', { note: 'at the door' });
  await customer.call('POST', `/orders/${order.id}/transitions`, { to: 'completed' });
  await open(olga, 'Refund');
  await olga.write('Amount in USD', 'much');
  await olga.until(() => document.querySelector('dialog [aria-invalid="true"]'), undefined, 'the amount to be wrong');
  await look(olga, 'an amount that is none');
  await olga.key('Escape');
  await noDialog(olga);
  await open(olga, 'Refund');
  await olga.write('Reason', 'It was cold');
  await max.call('POST', `/orders/${order.id}/refund`, { reason: 'It was late', amount: 100 });
  await olga.see('$1.00 were refunded meanwhile');
  const dollars = (cents) => `$${(cents / 100).toFixed(2)}`;
  await olga.press(`Refund ${dollars(order.price.amount)}`);
  await olga.see('More was refunded meanwhile');
  await look(olga, 'a refund that another one was faster with', [DESK]);
  await olga.press('Go on with that');
  await olga.seeNot('$1.00 were refunded meanwhile');
  await olga.press(`Refund ${dollars(order.price.amount - 100)}`);
  await noDialog(olga);
  const { captured, refunded } = await max.call('GET', `/orders/${order.id}/payment`);
  assert.deepEqual(refunded, captured);
  await olga.press('Announce');
  await olga.write('Title', 'Heavy rain tonight');
  await olga.write('Text', 'Everything takes a little longer.');
  await lookAtDialog(olga, 'Send', 'Tell everybody?');
  await olga.write('Title', 'x'.repeat(61));
  await olga.see('61 of 60');
  await look(olga, 'a title that is too long');
});

test('nor has anything that is refused, empty, offline or not there', async (t) => {
  const story = await stage(t);
  const { server, browser, customer } = story;
  const admin = await server.user('admin', 'Olga Roca');
  const olga = await Face.open(browser, `${server.url}/admin`, { width: 1440, height: 900 });
  const logIn = async ({ email }, password) => {
    await olga.write('E-mail', email);
    await olga.write('Password', password);
    await olga.press('Log in');
  };
  await logIn(admin, 'nothing like it');
  await olga.see('E-mail and password do not belong together');
  await look(olga, 'a log-in that is refused');
  await logIn(customer, PASSWORD);
  await olga.see('This account belongs to another app');
  await look(olga, 'a log-in of another app', [PHONE]);
  await logIn(admin, PASSWORD);
  await olga.see('Nothing is wrong');
  await look(olga, 'an empty operation');

  const nowhere = crypto.randomUUID();
  const screens = {
    '/orders': 'No orders here', '/orders/status/failed': 'No orders here', [`/orders/customer/${customer.id}`]: 'No orders here',
    [`/orders/${nowhere}`]: 'This order is not there', '/nowhere': 'There is nothing here', '/inbox': 'Nothing yet', [`/activity/order/${nowhere}`]: 'Nothing has happened yet',
  };
  for (const [index, [path, text]] of Object.entries(screens).entries()) {
    await olga.go(`/admin${path}`);
    await olga.see(text);
    await look(olga, path, [index % 2 === 0 ? DESK : PHONE]);
  }
  await olga.go('/admin/users');
  await olga.see('Ada Puig');
  await olga.write('Name or e-mail', 'nobody at all');
  await olga.see('Nobody fits');
  await look(olga, 'nobody', [PHONE]);

  const order = await place(customer);
  await olga.tab.send('Emulation.setDeviceMetricsOverride', { width: 1440, height: 900, deviceScaleFactor: 1, mobile: false });
  await olga.go('/admin');
  await counted(olga, 'pending', 1);
  await olga.until(() => document.querySelector('.fleet-map').dataset.partners === '1' && document.querySelector('.fleet-map').dataset.orders === '1');
  // The map is fitted to both; the partner waits at the pick-up, and lies on top.
  await olga.press('Show all');
  await olga.pressAt(await olga.run(() => {
    const { x, y, width, height } = document.querySelector('.fleet-map').getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2 };
  }));
  await olga.until(() => document.querySelector('.map-card'), undefined, 'a card of the map');
  await look(olga, 'a card of the map');
  await olga.tab.setOffline(true);
  await olga.see('You are offline');
  await look(olga, 'offline');
  await olga.press('Health');
  await olga.see('The chart could not be loaded');
  await look(olga, 'charts that could not be loaded', [PHONE]);
  await olga.tab.setOffline(false);
  await olga.until(() => document.querySelectorAll('.health-chart canvas').length === 6, undefined, 'the charts, by themselves');
  await olga.tab.setOffline(true);
  await olga.see('You are offline');
  await olga.press('Orders');
  await olga.until(() => document.querySelector('[role="alert"]'), undefined, 'that it cannot be read');
  await look(olga, 'offline, at a list', [DESK]);
  await olga.tab.setOffline(false);
  await olga.seeNot('You are offline');
  await olga.until((id) => document.querySelector('.data')?.innerText.includes(id), short(order), 'the list, by itself');
  await choose(olga, 'Exception', 'late');
  await olga.see('Nothing is wrong');
  await look(olga, 'no exception of a kind', [DESK]);
});
