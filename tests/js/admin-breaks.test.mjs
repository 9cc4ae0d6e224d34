// The dashboard when something gives way: tokens end, tabs close, the server is killed, the network or Redis is away.

import assert from 'node:assert/strict';
import test from 'node:test';
import { SHOP, counted, enter, locate, lookAt, noDialog, open, place, rowOf, short, stage, stepper } from './admin-stage.mjs';
import { Face } from './face.mjs';
import { soon, startRedis, startWire } from './support.mjs';

const DESK = { width: 1440, height: 900 };
const status = (face, text) => face.until((wanted) => document.querySelector('.story-title .pill')?.textContent === wanted, text, `the order to be ${text}`);
const steps = (face, count) => face.until((wanted) => document.querySelectorAll('.story-timeline li').length === wanted, count, `${count} steps`);
const drawn = (face, orders, partners) => face.until(([some, others]) => {
  const { dataset } = document.querySelector('.fleet-map') ?? { dataset: {} };
  return dataset.orders === String(some) && dataset.partners === String(others);
}, [orders, partners], `${orders} orders and ${partners} partners on the map`);

/** A stage on whose wire the page is, and an order that its partner is on the way with. */
async function underWay(t, settings) {
  const story = await stage(t, settings);
  const wire = await startWire(t, story.server);
  const olga = await enter({ ...story, url: wire.url }, 'Olga Roca');
  const order = await place(story.customer);
  const asAdmin = (path, body) => olga.admin.call('POST', `/orders/${order.id}/${path}`, body);
  await asAdmin('transitions', { to: 'confirmed' });
  await asAdmin('assign', { partner_id: story.partnerId });
  const step = stepper(story.partner, order);
  await step('en_route');
  await locate(story.partner, { latitude: SHOP.latitude + 0.01, longitude: SHOP.longitude }, order.id);
  return { ...story, wire, olga, order, step };
}

test('a dashboard outlives its tokens, and misses nothing while they change', async (t) => {
  const story = await stage(t, { WAYBILL_ACCESS_LIFETIME_SECS: '4' });
  const { server, customer } = story;
  const wire = await startWire(t, server);
  const olga = await enter({ ...story, url: wire.url }, 'Olga Roca', '/orders');
  await olga.see('No orders here');
  const access = () => olga.run(() => JSON.parse(localStorage.getItem('waybill.admin')).access);
  const ends = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).exp * 1000;
  const order = async () => {
    await customer.token({ fresh: true });
    return place(customer, { payment_method: 'cash' });
  };
  const reads = () => olga.run(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/orders?limit=')).length);
  // At first, and once the connection has told how things are.
  await olga.until(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/orders?limit=')).length === 2);
  const [first, before] = [await access(), await reads()];
  const placed = [];
  // Also when the first token and the second have ended.
  let [last, changes] = [first, 0];
  while (changes < 2 || Date.now() < ends(first) + 1000) {
    placed.push(await order());
    await rowOf(olga, placed.at(-1), 'Ada Puig');
    const now = await access();
    if (now !== last) changes += 1;
    last = now;
  }
  assert.equal(wire.handshakes, 1, 'over one connection');
  assert.equal(await reads(), before, 'by what it heard');
  await olga.press(short(placed[0]));
  await olga.press('Claim');
  await olga.see('You look after it');

  // Nobody can renew anything, and the token ends.
  wire.cut({ down: true });
  await olga.see('Not connected');
  const unheard = await order();
  await olga.until((end) => Date.now() > end, ends(await access()), 'the token to end');
  wire.mend();
  await olga.seeNot('Not connected');
  await olga.press('Orders');
  await rowOf(olga, unheard, 'Ada Puig');
  await olga.press('Operation');
  await counted(olga, 'pending', placed.length + 1);
});

test('two tabs of an admin are one socket, which goes on when one of them is closed', async (t) => {
  const story = await stage(t);
  const { server, browser, customer } = story;
  const wire = await startWire(t, server);
  const olga = await enter({ ...story, url: wire.url }, 'Olga Roca');
  const order = await place(customer);
  await counted(olga, 'pending', 1);
  const other = await Face.open(browser, `${wire.url}/admin/orders/${order.id}`, DESK);
  await status(other, 'Unconfirmed');
  assert.equal(wire.handshakes, 1);
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1);
  await other.press('Claim');
  await other.see('You look after it');
  await lookAt(olga);
  await olga.press('Orders');
  await olga.until(() => document.querySelector('.data .claim-who')?.title === 'Olga Roca looks after it', undefined, 'what was claimed in the other tab');

  // The one with the socket.
  await olga.tab.close();
  await olga.admin.call('POST', `/orders/${order.id}/transitions`, { to: 'confirmed' });
  await status(other, 'Looking for a partner');
  assert.equal(wire.handshakes, 2);
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1);
  const third = await Face.open(browser, `${wire.url}/admin/settings`, DESK);
  await third.press('Log out');
  for (const one of [third, other]) await one.until(() => document.querySelector('.gate'), undefined, 'the log-in');
});

test('a server that is killed in the midst of a story leaves story, claims, map and counters right', async (t) => {
  const { server, wire, customer, partner, olga, order, step } = await underWay(t);
  const max = await server.user('admin', 'Max Coll');
  await olga.go(`/admin/orders/${order.id}`);
  await status(olga, 'To the pick-up');
  await olga.until(() => document.querySelector('.story .map-box')?.dataset.dots === '1', undefined, 'the partner on the map');
  await olga.press('Claim');
  await olga.see('You look after it');

  await server.kill();
  await olga.see('Not connected');
  // Nothing of what follows is heard.
  wire.cut({ down: true });
  await server.start();
  await step('arrived');
  await step('picked_up');
  await locate(partner, SHOP, order.id);
  await customer.call('POST', `/orders/${order.id}/messages`, { text: 'Is it far?', client_id: 'one' });
  await max.call('POST', `/orders/${order.id}/claim`, { from: olga.admin.id });
  await place(customer);
  wire.mend();

  await olga.seeNot('Not connected');
  await status(olga, 'Picked up');
  await steps(olga, 6);
  await olga.see('Is it far?');
  await olga.until(() => document.querySelector('.claim')?.innerText.includes('Max Coll'), undefined, 'whose it is by now');
  await olga.see('Max Coll has taken over one of your orders');
  await olga.until(() => document.querySelector('.story .map-box')?.dataset.dots === '1', undefined, 'the partner on the map');
  await olga.press('Operation');
  await counted(olga, 'pending', 1);
  await counted(olga, 'picked_up', 1);
  await counted(olga, 'under_way', 2);
  await drawn(olga, 2, 1);
  // And it goes on.
  await step('in_transit');
  await counted(olga, 'in_transit', 1);
  await counted(olga, 'picked_up', 0);
});

test('without a network the dashboard says so, sends what was written once, and catches up', async (t) => {
  const { wire, customer, olga, order, step } = await underWay(t);
  await olga.go(`/admin/orders/${order.id}`);
  await status(olga, 'To the pick-up');
  await olga.see('Nothing was written yet');
  await olga.tab.setOffline(true);
  wire.cut({ down: true });
  await olga.see('You are offline');
  await olga.write('Message to Ada Puig and Pol Ferrer', 'The street is closed');
  await olga.press('Send');
  await olga.see('sending');
  await olga.press('Claim');
  await olga.see('The server cannot be reached');
  await step('arrived');
  await customer.call('POST', `/orders/${order.id}/messages`, { text: 'Are you there?', client_id: 'one' });

  wire.mend();
  await olga.tab.setOffline(false);
  await olga.seeNot('You are offline');
  await olga.seeNot('sending');
  await status(olga, 'At the pick-up');
  await steps(olga, 5);
  await olga.see('Are you there?');
  const { items } = await customer.call('GET', `/orders/${order.id}/messages`);
  assert.deepEqual(items.map(({ text }) => text).sort(), ['Are you there?', 'The street is closed']);
  await olga.press('Claim');
  await olga.see('You look after it');
  await olga.seeNot('The server cannot be reached');
});

test('what could not be read is read by itself once the connection is back', async (t) => {
  const { wire, customer, olga, order } = await underWay(t);
  await customer.call('POST', `/orders/${order.id}/messages`, { text: 'Are you there?', client_id: 'one' });
  await olga.tab.send('Network.setBlockedURLs', { urls: ['*/messages*', '*/timeline', '*/orders?limit=*'] });
  await olga.go(`/admin/orders/${order.id}`);
  const failed = (count) => olga.until((wanted) => [...document.querySelectorAll('[role="alert"]')].filter((one) => one.innerText.includes('cannot be reached')).length === wanted, count, `${count} that cannot be reached`);
  await failed(2);
  await olga.tab.send('Network.setBlockedURLs', { urls: ['*/orders?limit=*'] });
  wire.cut();
  await olga.see('Are you there?');
  await steps(olga, 4);
  await failed(0);
  await olga.press('Orders');
  await failed(1);
  await olga.tab.send('Network.setBlockedURLs', { urls: [] });
  wire.cut();
  await rowOf(olga, order, 'Pol Ferrer');
  await failed(0);
});

test('what was asked for and not answered is told as that, and asked for again it is done once', async (t) => {
  const story = await stage(t);
  const { customer, partner, partnerId, server } = story;
  const olga = await enter(story, 'Olga Roca');
  const mia = await server.user('partner', 'Mia Serra');
  await mia.call('PUT', '/partner/availability', { online: true });
  const order = await place(customer);
  await olga.admin.call('POST', `/orders/${order.id}/transitions`, { to: 'confirmed' });
  await olga.go(`/admin/orders/${order.id}`);
  await open(olga, 'Assign');
  await olga.see('Mia Serra');
  await olga.tab.loseAnswer('/assign', () => olga.press('Assign to Pol Ferrer'));
  await olga.see('No answer came');
  await status(olga, 'Assigned');
  const dialog = () => olga.run(() => document.querySelector('dialog').innerText);
  assert.doesNotMatch(await dialog(), /meanwhile|Mia Serra/, 'it was nobody else, and nobody else can be asked for');
  await olga.press('Assign to Pol Ferrer');
  await noDialog(olga);
  const { version, partner: { id } } = await customer.call('GET', `/orders/${order.id}`);
  assert.equal(id, partnerId);

  const step = stepper(partner, order);
  for (const to of ['en_route', 'arrived', 'picked_up', 'in_transit']) await step(to);
  await step('delivered', { note: 'at the door' });
  assert.equal((await customer.call('POST', `/orders/${order.id}/transitions`, { to: 'completed' })).version, version + 6, 'it was assigned once');
  await open(olga, 'Refund');
  await olga.write('Amount in USD', '5');
  await olga.write('Reason', 'It was cold');
  await olga.tab.loseAnswer('/refund', () => olga.press('Refund $5.00'));
  await olga.see('No answer came');
  await olga.until(() => document.querySelector('.movements').innerText.includes('It was cold'), undefined, 'what was done after all');
  assert.doesNotMatch(await dialog(), /meanwhile/, 'nobody else has refunded anything');
  assert.deepEqual(await olga.faults(), [], 'without an answer');
  // Nor is that forgotten by who closes the dialog.
  await olga.key('Escape');
  await noDialog(olga);
  await open(olga, 'Refund');
  await olga.see('No answer came');
  // Who is turned away at the door has not heard what became of it either.
  await olga.tab.turnAway('/refund', 429, () => olga.press('Refund $5.00'));
  await olga.until(() => document.querySelector('dialog .error'), undefined, 'that it was turned away');
  assert.match(await dialog(), /No answer came/);
  assert.doesNotMatch(await dialog(), /meanwhile/);
  await olga.press('Refund $5.00');
  await noDialog(olga);
  assert.equal((await olga.admin.call('GET', `/orders/${order.id}/payment`)).refunded.amount, 500);

  // What is typed stays where what it is about cannot be read again.
  await open(olga, 'Refund');
  await olga.write('Reason', 'It was late');
  await olga.tab.send('Network.setBlockedURLs', { urls: ['*/payment'] });
  const refund = () => olga.admin.call('POST', `/orders/${order.id}/refund`, { reason: 'It was little', amount: 100 });
  await refund();
  await olga.see('This is how it was; it could not be read again');
  assert.equal(await olga.run(() => document.querySelector('dialog textarea')?.value), 'It was late');
  await olga.tab.send('Network.setBlockedURLs', { urls: [] });
  await refund();
  await olga.see('$2.00 were refunded meanwhile');
  assert.equal(await olga.run(() => document.querySelector('dialog textarea').value), 'It was late');
  await olga.seeNot('it could not be read again');
});

test('while Redis is away the dashboard says so, and orders go on', async (t) => {
  const redis = await startWire(t, await startRedis(t));
  const story = await stage(t, { REDIS_URL: redis.url.replace('http', 'redis') });
  const olga = await enter(story, 'Olga Roca', '/health');
  await olga.see('Redis answers');
  redis.cut({ down: true });
  await olga.see('Redis is away');
  assert.ok(await olga.run(() => document.querySelector('.parts [data-good="false"]')?.innerText.includes('Redis is away')), 'it is marked');
  const order = await place(story.customer);
  await olga.press('Orders');
  await rowOf(olga, order, 'Unconfirmed');
  await olga.admin.call('POST', `/orders/${order.id}/transitions`, { to: 'confirmed' });
  await rowOf(olga, order, 'Looking for a partner');
  redis.mend();
  await olga.press('Health');
  await olga.see('Redis answers');
  await story.customer.call('POST', `/orders/${order.id}/transitions`, { to: 'cancelled' });
  await olga.press('Orders');
  await rowOf(olga, order, 'Cancelled');
});
