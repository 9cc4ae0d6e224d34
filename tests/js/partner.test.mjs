import assert from 'node:assert/strict';
import test from 'node:test';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { connect, soon, startServer, startWire } from './support.mjs';

const SHOP = { latitude: 41.3953, longitude: 2.1619, address: 'Forn Aurora, Carrer de Mallorca 228' };
const DOOR = { latitude: 41.3978, longitude: 2.1702, address: 'Carrer de Provença 261' };
const HERE = { latitude: 41.3945, longitude: 2.1635 };

/** A server that offers orders, a browser, and a customer. */
async function stage(t, settings = {}) {
  const server = await startServer(t, { WAYBILL_PAYMENT_PROVIDER: 'test', WAYBILL_DISPATCH: 'on', ...settings });
  const [browser, customer] = [await startChromium(t), await server.user('customer')];
  t.after(() => assert.deepEqual(browser.complaints, []));
  await customer.call('POST', '/wallet/topups', { amount: 10_000, currency: 'USD' });
  return { server, browser, customer };
}

const place = (customer, more = {}) => customer.call('POST', '/orders', {
  pickup: SHOP, dropoff: DOOR, items: [{ name: 'Sourdough loaf', quantity: 2, unit_price: 650 }], notes: 'Please knock.', payment_method: 'wallet', ...more,
});

/** Registers a partner by the page, who has allowed it to know where the device is. */
async function register({ url }, browser, name, options) {
  const face = await Face.open(browser, `${url}/partner`, options);
  await browser.send('Browser.grantPermissions', { origin: url, permissions: ['geolocation'] });
  await moveTo(face, HERE);
  await face.press('New here? Create an account');
  await face.write('Name', name);
  await face.write('E-mail', `${name.toLowerCase().replaceAll(' ', '.')}@example.test`);
  await face.write('Password', 'correct horse battery');
  await face.press('Create an account');
  await face.see('You are offline');
  return face;
}

const moveTo = (face, point) => face.tab.send('Emulation.setGeolocationOverride', { accuracy: 5, ...point });

async function goOnline(face) {
  await face.press('Take offers');
  await face.see('Position shared every');
}

const offered = (face) => face.until(() => document.querySelector('.offer[open] [role="timer"]') && document.querySelector('.offer').innerText.includes('New order for you'));

test('a partner goes online, takes an offer, carries it out, and is paid', async (t) => {
  const { server, browser, customer } = await stage(t);
  const face = await register(server, browser, 'Pol Ferrer');
  await goOnline(face);
  const order = await place(customer);
  await offered(face);
  const left = await face.run(() => Number(document.querySelector('.ring strong').textContent));
  assert.ok(left > 0 && left <= 30, `${left} s`);
  await face.until((before) => Number(document.querySelector('.ring strong').textContent) < before, left, 'the seconds to go down');
  const told = await face.run(() => document.querySelector('.offer').innerText);
  for (const text of ['Forn Aurora', 'Carrer de Provença 261', '2 × Sourdough loaf', 'Paid by wallet']) assert.ok(told.includes(text), `${text} in ${told}`);
  assert.ok(!told.includes('Please knock'), 'notes are for whoever accepts');
  await face.press('Accept');
  await face.see('A new order');
  await face.see('Please knock.');

  await face.press('Set off');
  await face.see('On the way to the pick-up');
  // The map goes with the partner as long as nobody has moved it, and can be brought back.
  const scale = () => document.querySelector('.map-pane .leaflet-control-scale-line').textContent;
  await moveTo(face, { latitude: HERE.latitude + 0.05, longitude: HERE.longitude });
  await face.until(`() => / km/.test((${scale})())`, undefined, 'a scale of kilometres');
  await face.run(() => document.querySelector('.leaflet-container').focus());
  await face.key('ArrowRight');
  await face.press('Show everything');
  await face.until(() => document.querySelector('.map-box').dataset.moved === 'false');
  await moveTo(face, HERE);
  await face.press('Chat');
  await face.write('Message to customer', 'Two minutes');
  await face.press('Send');
  await face.until(() => document.querySelector('.message.mine:not(.pending)'));
  await face.key('Escape');
  await face.until(() => !document.querySelector('dialog'));
  await face.press('I am at the pick-up');
  await face.press('I have picked it up');
  await face.see('You have it all');
  // Also a page that has not seen the offer knows what it brings.
  await face.tab.reload();
  await face.see('You earn');
  await face.press('Set off to the customer');

  await face.press('Hand over');
  const { code } = await customer.call('GET', `/orders/${order.id}`);
  await face.write('The customer’s code', code === '0000' ? '1111' : '0000');
  await face.press('Hand over');
  await face.see('This is not the customer’s code');
  await face.write('The customer’s code', code);
  await face.press('Hand over');
  await face.see('It is paid once the customer confirms');
  await customer.call('POST', `/orders/${order.id}/transitions`, { to: 'completed' });

  await face.press('Earnings');
  await face.until(() => document.querySelector('.chart-box canvas'));
  const earned = await face.until(() => [...document.querySelectorAll('.figure')].map((figure) => figure.textContent).find((text) => /[1-9]/.test(text)));
  await face.until((amount) => [...document.querySelectorAll('.figure')].every((figure) => figure.textContent === amount), earned, 'today, the week and the balance to agree');
  await face.press('Pay out');
  // What the test's provider refuses; each press is another try.
  const payouts = [];
  browser.listen((method, { response } = {}) => { if (method === 'Network.responseReceived' && response.url.endsWith('/partner/payouts')) payouts.push(response.headers); });
  await face.press('A part');
  await face.write('Amount (USD)', '1.02');
  for (const count of [1, 2]) {
    await face.press('Pay out $1.02');
    await soon((async () => { while (payouts.length < count) await face.run(() => 0); })(), 'an answer');
    await face.see('Your bank did not take it');
  }
  assert.deepEqual(payouts.map((headers) => headers['idempotency-replayed'] ?? headers['Idempotency-Replayed']), [undefined, undefined]);
  await face.press('All:');
  await face.press(`Pay out ${earned}`);
  await face.see('are sent to your bank');
  await face.until(() => document.querySelector('.balance .figure').textContent === '$0.00');
});

test('an offer that somebody else takes, that is withdrawn or runs out, says so', async (t) => {
  const { server, browser, customer } = await stage(t, { WAYBILL_OFFERS_AT_ONCE: '2', WAYBILL_OFFER_SECS: '5' });
  const face = await register(server, browser, 'Quim Serra');
  const rival = await server.user('partner');
  await rival.call('PUT', '/partner/availability', { online: true });
  const appear = () => rival.call('POST', '/partner/locations', { points: [{ ...HERE, timestamp: new Date().toISOString() }] });
  await appear();
  await goOnline(face);

  const taken = await place(customer);
  await offered(face);
  const { items } = await rival.call('GET', '/partner/offers');
  await rival.call('POST', `/partner/offers/${items.find(({ order }) => order.id === taken.id).id}/accept`);
  await face.see('Somebody else was faster');
  await face.press('All right');

  const withdrawn = await place(customer);
  await offered(face);
  await customer.call('POST', `/orders/${withdrawn.id}/transitions`, { to: 'cancelled' });
  await face.see('The offer was withdrawn');
  await face.press('All right');

  await place(customer);
  await offered(face);
  await face.see('The time was up');
});

test('what was measured without a connection arrives in the trail', async (t) => {
  const { server, browser, customer } = await stage(t);
  const wire = await startWire(t, server);
  const face = await register({ url: wire.url }, browser, 'Rita Camps');
  await goOnline(face);
  const order = await place(customer);
  await offered(face);
  await face.press('Accept');
  await face.press('Set off');
  await face.see('On the way to the pick-up');
  await watch(t, server, customer, order.id);
  await face.until(() => /every [23]\s/.test(document.querySelector('.duty').innerText));

  await face.tab.setOffline(true);
  wire.cut({ down: true });
  await face.see('You are offline');
  // Not on one line: a trail leaves out what it does not need.
  const ways = [[4, 4], [8, 0], [12, 8]].map(([south, west]) => ({ latitude: HERE.latitude - south / 1e4, longitude: HERE.longitude - west / 1e4 }));
  const kept = () => Number(/(\d+) positions? waits?/.exec(document.body.innerText)?.[1] ?? 0);
  // What was sent last may not have arrived.
  await face.until({ toString: () => `() => (${kept})() > 0` }, undefined, 'positions to wait');
  for (const point of ways) {
    const before = await face.run(kept);
    await moveTo(face, point);
    // The next one may have been measured just before.
    await face.until({ toString: () => `(before) => (${kept})() > before + 1` }, before, 'further positions to wait');
  }
  wire.mend();
  await face.tab.setOffline(false);
  await face.until({ toString: () => `() => (${kept})() === 0` }, undefined, 'no position to wait any more');
  const arrived = async () => {
    for (;;) {
      const { geometry } = await customer.call('GET', `/orders/${order.id}/track?tolerance=0`);
      const there = geometry?.coordinates ?? [];
      if (ways.every(({ latitude, longitude }) => there.some(([x, y]) => Math.abs(x - longitude) < 1e-6 && Math.abs(y - latitude) < 1e-6))) return;
    }
  };
  await soon(arrived(), 'the positions in the trail', 30_000);
});

test('two tabs share a socket, and a server that is killed on the way costs neither anything', async (t) => {
  const { server, browser, customer } = await stage(t);
  const face = await register(server, browser, 'Toni Vives');
  await goOnline(face);
  const order = await place(customer);
  await offered(face);
  await face.press('Accept');
  await face.press('Set off');
  const other = await Face.open(browser, `${server.url}/partner`, { width: 1440, height: 900 });
  for (const one of [face, other]) await one.see('On the way to the pick-up');
  await moveTo(other, HERE);
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1, 'two tabs, one socket');

  await server.kill();
  for (const one of [face, other]) await one.see('Not connected');
  // What was pressed while nobody was there is not lost in silence.
  await face.press('I am at the pick-up');
  await face.see('The server cannot be reached');
  await server.start();
  for (const one of [face, other]) await one.seeNot('Not connected');
  // And is not said any more once it is not true.
  await face.seeNot('The server cannot be reached');
  await other.press('I am at the pick-up');
  for (const one of [face, other]) await one.see('I have picked it up');
  assert.equal((await customer.call('GET', `/orders/${order.id}`)).status, 'arrived');
  const seen = async () => {
    for (;;) {
      const { location } = await customer.call('GET', `/orders/${order.id}`);
      if (location) return location;
    }
  };
  // Nobody looks at the order, so positions may come seldom.
  assert.ok(Math.abs((await soon(seen(), 'the partner to be seen again', 20_000)).latitude - HERE.latitude) < 1e-4);
});

test('a partner\'s page outlives its token, and misses no offer for that', async (t) => {
  const { server, browser } = await stage(t, { WAYBILL_ACCESS_LIFETIME_SECS: '3' });
  const face = await register(server, browser, 'Uli Bosch');
  await goOnline(face);
  const access = () => JSON.parse(localStorage.getItem('waybill.partner')).access;
  for (const _ of ['one renewal', 'and another']) {
    await face.until(`(before) => (${access})() !== before`, await face.run(access), 'another token');
  }
  const customer = await server.user('customer');
  await customer.call('POST', '/orders', { pickup: SHOP, dropoff: DOOR, items: [{ name: 'Olives', quantity: 1, unit_price: 300 }] });
  await offered(face);
  await face.press('Accept');
  await face.see('A new order');
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1, 'the same socket');
});

/** Somebody looks at an order, so that its partner is asked for positions more often. */
const watch = (t, server, customer, orderId) => connect(t, server.url, customer).subscribe(`order_${orderId}`).ready;

test('an offer can be accepted with the keyboard alone', async (t) => {
  const { server, browser, customer } = await stage(t);
  const face = await register(server, browser, 'Sol Mas', { width: 1440, height: 900 });
  await face.tabTo('Take offers');
  await face.key(' ');
  await face.see('Position shared every');
  await place(customer);
  await offered(face);
  // It comes with the answer one step on, can be put aside, and taken up again.
  await face.until(() => document.activeElement.id === 'offer-title');
  await face.key('Tab');
  assert.equal(await face.run(() => document.activeElement.innerText.trim()), 'Accept');
  await face.key('Escape');
  await face.see('An offer waits for your answer');
  await face.tabTo('An offer waits');
  await face.key('Enter');
  await face.until(() => document.activeElement.matches('.offer .button.primary') && document.activeElement.ariaDisabled === 'false');
  await face.key('Enter');
  await face.see('A new order');
  await face.tabTo('Set off');
  await face.key('Enter');
  await face.see('On the way to the pick-up');

  // Whoever writes a message answers no offer with the keys for it, nor loses the words.
  await face.press('Chat');
  await face.write('Message to customer', 'I ring');
  const second = await place(customer);
  await face.until(() => document.querySelector('dialog[open] .put-aside'), undefined, 'the offer to be told of in the dialog');
  assert.equal(await face.run(() => document.querySelectorAll('.toast').length), 0, 'it is told of once');
  for (const key of [' ', 'Tab', 'Escape']) await face.key(key);
  await face.until(() => !document.querySelector('dialog'));
  assert.equal((await customer.call('GET', `/orders/${second.id}`)).status, 'confirmed');
  // It goes back to where it was opened, not on: the way back does not lead there again.
  await face.run(() => history.back());
  await face.until(() => location.pathname === '/partner');
  await face.press('Chat');
  await face.until(() => document.querySelector('dialog textarea')?.value === 'I ring ', undefined, 'the words to be there still');
  await face.press('An offer waits');
  await face.press('Accept');
  await face.see('After that');
  assert.equal((await customer.call('GET', `/orders/${second.id}`)).status, 'assigned');
});

test('an offer is on top of a switch that was pressed, and another one does not take it from under the finger', async (t) => {
  const { server, browser, customer } = await stage(t, { WAYBILL_OFFER_SECS: '60' });
  const face = await register(server, browser, 'Vera Coll');
  await goOnline(face);
  await face.press('Account');
  await face.press('Play a sound');
  await face.until(() => document.activeElement.matches('[type="checkbox"]:checked'), undefined, 'the switch to keep the focus');
  await place(customer);
  await offered(face);
  await face.press('Accept');
  await face.see('A new order');

  // One that was put aside for a chat, and is looked at by now.
  await face.press('Chat');
  await face.until(() => document.activeElement.matches('dialog textarea'));
  const second = await place(customer);
  await face.press('An offer waits');
  await offered(face);
  const third = await place(customer);
  await face.until(() => document.querySelector('dialog.offer[open] .offer-count'), undefined, 'the card to tell of another one');
  await face.press('Accept');
  await face.until(() => document.querySelector('.offer[open]:not(:has(.offer-count))'), undefined, 'the other one to be left');
  const statuses = await Promise.all([second, third].map(async ({ id }) => (await customer.call('GET', `/orders/${id}`)).status));
  assert.deepEqual(statuses, ['assigned', 'confirmed']);
});

test('no screen has a fault that axe-core knows of, in light and dark, in English and German', async (t) => {
  const { server, browser, customer } = await stage(t);
  const face = await register(server, browser, 'Nuria Roca');
  const screens = { '': 'Waiting for an order', '/earnings': 'Nothing earned yet', '/inbox': 'Notifications', '/settings': 'When an offer comes' };
  const look = async (what) => {
    for (const scheme of ['light', 'dark']) {
      await face.run((name) => { document.documentElement.dataset.theme = name; }, scheme);
      assert.deepEqual(await face.faults(), [], `${what} in ${scheme}`);
    }
  };
  await look('offline');
  await goOnline(face);
  for (const [path, text] of Object.entries(screens)) {
    await face.go(`/partner${path}`);
    await face.see(text);
    await face.until(() => !document.querySelector('.loading'));
    await look(path);
  }
  await face.go('/partner');
  await face.see('Position shared every');
  const order = await place(customer, { payment_method: 'cash' });
  await offered(face);
  await look('an offer');
  await face.press('Decline');
  await look('declining');
  await face.press('Back');
  await face.press('Accept');
  await face.see('A new order');
  await look('an order');
  await face.press('Give it back');
  await look('giving it back');
  await face.key('Escape');
  for (const step of ['Set off', 'I am at the pick-up', 'I have picked it up', 'Set off to the customer']) await face.press(step);
  await face.press('Hand over');
  await face.see('The customer’s code');
  await look('handing over');
  const { code } = await customer.call('GET', `/orders/${order.id}`);
  await face.write('The customer’s code', code);
  await face.press('Hand over');
  await face.see('Waiting for an order');
  await customer.call('POST', `/orders/${order.id}/transitions`, { to: 'completed' });
  await face.go('/partner/earnings');
  await face.until(() => document.querySelector('.chart-box canvas'));
  await face.press('As a table');
  await look('earnings');
  await face.go(`/partner/orders/${order.id}`);
  await face.see('Delivered and paid.');
  assert.doesNotMatch(await face.run(() => document.querySelector('.facts').innerText), /Collect/, 'it is in hand');
  await look('a past order');
  await face.run(() => localStorage.setItem('waybill.language', 'de'));
  await face.go('/partner');
  await face.see('Warten auf einen Auftrag');
  await look('in German');
  assert.match(await face.run(() => document.title), /^Warten auf einen Auftrag – Nuria Roca/);
  const me = () => face.run(async () => {
    const { access } = JSON.parse(localStorage.getItem('waybill.partner'));
    return (await fetch('/api/v1/me', { headers: { Authorization: `Bearer ${access}` } })).json();
  });
  await soon((async () => { while ((await me()).locale !== 'de'); })(), 'the server to know of it');

  // Where the map cannot be loaded, that is said, and it can be tried again.
  await face.tab.send('Network.setCacheDisabled', { cacheDisabled: true });
  await face.tab.send('Network.setBlockedURLs', { urls: ['*/map/map.js'] });
  await face.go('/partner');
  await face.see('Die Karte konnte nicht geladen werden');
  await look('without a map');
  await face.tab.send('Network.setBlockedURLs', { urls: [] });
  await face.press('Noch einmal');
  await face.until(() => document.querySelector('.map-box').dataset.state === 'ready');

  await face.go('/partner/orders/%E0%A4%A');
  await face.see('Hier ist nichts');
  // Another language leaves one where one is.
  await face.press('Konto');
  await face.press('Sprache');
  await face.run(() => {
    document.activeElement.value = 'en';
    document.activeElement.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await face.see('Earnings');
  assert.equal(await face.run(() => document.activeElement.tagName), 'SELECT');
});
