import assert from 'node:assert/strict';
import test from 'node:test';
import { leavePage } from './no-page.mjs';
import { writerOf } from '../../static/app/chat.js';
import { config } from '../../static/app/config.js';
import { explain } from '../../static/app/i18n.js';
import { leftOf, withEta } from '../../static/app/order.js';
import { Push } from '../../static/app/push.js';
import { Router } from '../../static/app/router.js';
import { Store } from '../../static/app/store.js';

test.after(leavePage);

test('who is writing is named for what that user is, also where a third one does', () => {
  const order = { customer: { id: 'ada', name: 'Ada Puig' }, partner: { id: 'profile', name: 'Pol Ferrer' } };
  assert.equal(writerOf(order, 'ada', { face: 'partner' }), 'Ada Puig');
  assert.equal(writerOf(order, 'olga', { face: 'partner' }), 'Support');
  assert.equal(writerOf(order, 'pol', { face: 'customer' }), 'Pol Ferrer');
  assert.equal(writerOf(order, 'olga', { role: 'admin', face: 'customer' }), 'Support');
  assert.equal(writerOf(order, 'pol', { role: 'partner', face: 'admin' }), 'Pol Ferrer');
  assert.equal(writerOf({ ...order, partner: null }, 'pol', { face: 'customer' }), 'A partner');
});

test('half of a character in a path is no screen, nor a fault', () => {
  assert.deepEqual(Router.match('/orders/:id', '/orders/%C3%A9'), { id: 'é' });
  assert.equal(Router.match('/orders/:id', '/orders/%E0%A4%A'), null);
});

test('that a server cannot be reached is said in words, whatever was asked of it', async (t) => {
  t.mock.method(globalThis, 'fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  await assert.rejects(config(), (error) => explain(error) === 'The server cannot be reached');
  for (const code of ['access_lost', 'invalid_fields']) assert.ok(!explain({ code, message: 'expected user_{id} at column 44' }).includes('column'));
});

test('when somebody is expected goes by the seconds that the server told, not by the time of day here', (t) => {
  let now = 1_000_000;
  t.mock.method(Date, 'now', () => now);
  const eta = { seconds: 971, to: 'pickup', arrives_at: new Date(now - 600_000).toISOString() };
  const order = withEta({ status: 'en_route', eta: null }, { eta });
  now += 71_000;
  assert.equal(leftOf(order.eta), 900);
});

/** A browser with pushes in it, which are on; giving them up takes until a test says so. */
function pushes(t) {
  const subscription = { endpoint: 'https://push.example.test/1', options: { applicationServerKey: new Uint8Array([1]).buffer }, toJSON: () => ({ endpoint: subscription.endpoint }) };
  let [kept, giveUp] = [subscription, null];
  subscription.unsubscribe = () => new Promise((resolve) => {
    giveUp = () => {
      kept = null;
      resolve(true);
    };
  });
  const registration = {
    scope: 'https://example.test/customer', active: { state: 'activated' }, update: async () => {}, getNotifications: async () => [],
    pushManager: { getSubscription: async () => kept, subscribe: async () => { kept = subscription; return kept; } },
  };
  const serviceWorker = Object.assign(new EventTarget(), { startMessages() {}, getRegistration: async () => registration, register: async () => registration });
  Object.assign(navigator, { serviceWorker });
  const known = { PushManager: class {}, Notification: { permission: 'granted', requestPermission: async () => 'granted' }, location: { search: '' } };
  Object.assign(globalThis, known);
  t.after(() => {
    delete navigator.serviceWorker;
    Object.keys(known).forEach((name) => delete globalThis[name]);
  });
  return { isOn: () => kept !== null, giveUp: () => giveUp() };
}

test('who logs in while another one\'s pushes are being given up gets none of them, and may turn them on', async (t) => {
  const browser = pushes(t);
  const registered = [];
  const session = { face: 'customer', user: new Store({ id: 'ada' }), get: async () => ({ key: 'AQ' }), post: async (path) => { registered.push(`${session.user.value?.id} ${path}`); } };
  const settled = () => new Promise((resolve) => { setImmediate(resolve); });
  const push = new Push({ session, router: null });
  await settled();
  assert.deepEqual([push.state.value, registered], ['on', ['ada /push/subscriptions']]);
  session.user.set({ id: 'ada', locale: 'de' });
  await settled();
  session.user.set(null);
  await settled();
  session.user.set({ id: 'bea' });
  await settled();
  assert.deepEqual([push.state.value, registered.length], [null, 1], 'nothing is known of the next one yet');
  browser.giveUp();
  await settled();
  assert.deepEqual([push.state.value, browser.isOn(), registered.length], ['off', false, 1]);
  await push.turnOn();
  assert.deepEqual([push.state.value, registered.at(-1)], ['on', 'bea /push/subscriptions']);
  // From one to the next at once, by another tab.
  session.user.set({ id: 'ada' });
  await settled();
  browser.giveUp();
  await settled();
  assert.deepEqual([push.state.value, browser.isOn(), registered.length], ['off', false, 2]);
});
