import assert from 'node:assert/strict';
import test from 'node:test';
import { leavePage } from './no-page.mjs';
import { writerOf } from '../../static/app/chat.js';
import { config } from '../../static/app/config.js';
import { explain } from '../../static/app/i18n.js';
import { leftOf, withEta } from '../../static/app/order.js';
import { Router } from '../../static/app/router.js';

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
