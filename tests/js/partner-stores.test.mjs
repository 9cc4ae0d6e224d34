import assert from 'node:assert/strict';
import test from 'node:test';
import { speaker } from './no-page.mjs';
import { leftOf } from '../../static/app/order.js';
import { Queue } from '../../static/partner/queue.js';
import { Watched } from '../../static/partner/watched.js';

test('the minutes that are left go down, by whatever way they were told', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const groups = { partner_pol: speaker(), order_1: speaker() };
  const client = { subscribe: (name) => groups[name] };
  const queue = new Queue({ session: { user: { value: { partner_id: 'pol' } } }, client });
  const order = (status, version, seconds) => ({ id: '1', status, version, location: null, eta: seconds && { seconds, to: status === 'en_route' ? 'pickup' : 'dropoff' } });
  groups.partner_pol.say('queue', { offers: [], orders: [order('en_route', 4, 900)] });
  t.mock.timers.tick(60_000);
  const watched = new Watched({ client, queue }, '1');
  const left = () => leftOf(watched.order.value.eta, Date.now());
  assert.equal(left(), 840, 'what the queue told');
  groups.order_1.say('order_status', { order: order('en_route', 4, 600) });
  t.mock.timers.tick(60_000);
  assert.equal(left(), 540, 'the order when it was joined');
  // The answer to a step, and what is read anew after a conflict.
  for (const version of [6, 7]) {
    const told = order('picked_up', version, 300);
    queue.put(told);
    watched.put(told);
    t.mock.timers.tick(60_000);
    assert.deepEqual([left(), leftOf(queue.state.value.orders[0].eta, Date.now())], [240, 240], `version ${version}`);
  }
  groups.order_1.say('eta', { eta: { seconds: 200, to: 'dropoff' } });
  t.mock.timers.tick(60_000);
  assert.equal(left(), 140);
});
