import assert from 'node:assert/strict';
import test from 'node:test';
import { reader, speaker } from './no-page.mjs';
import { ActiveOrders } from '../../static/admin/active-orders.js';

const order = (id, status = 'pending', version = 1) => ({ id, status, version, customer: { id: 'ada' }, partner: null });
const step = (id, status, version, previous = 'pending') => ({ update: { order_id: id, status, previous_status: previous, version, partner: null, updated_at: '' } });

test('after a break the map shows what is under way, and what was placed since, and nothing else', async () => {
  const [group, answers] = [speaker(), reader()];
  const active = new ActiveOrders({ session: { get: answers.read }, group });
  const shown = () => [...active.state.value.orders.values()].map(({ id, status }) => `${id} ${status}`).sort();
  active.use();
  await answers.page([order('2'), order('1')]);
  group.say('order_created', { order: order('3') });
  assert.deepEqual(shown(), ['1 pending', '2 pending', '3 pending']);
  // In a break 2 and 3 have ended; what follows happens after the answer was written.
  group.say('dashboard', {});
  group.say('order_created', { order: order('5') });
  group.say('order_created', { order: order('6') });
  group.say('order_update', step('6', 'cancelled', 2));
  group.say('order_update', step('1', 'confirmed', 2));
  group.say('order_update', step('4', 'confirmed', 2));
  group.say('order_update', step('0', 'cancelled', 2));
  await answers.page([order('4'), order('1'), order('0')]);
  assert.deepEqual(shown(), ['1 confirmed', '4 confirmed', '5 pending']);
});
