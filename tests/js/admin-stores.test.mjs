import assert from 'node:assert/strict';
import test from 'node:test';
import { look, reader, speaker } from './no-page.mjs';
import { ActiveOrders } from '../../static/admin/active-orders.js';
import { Operation } from '../../static/admin/operation.js';

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

const overview = (orders, placed, more = {}) => ({ orders, last_day: { placed, completed: 0, cancelled: 0, failed: 0 }, partners: { online: 1, idle: 1, busy: 0 }, sessions: 1, users_online: 1, exceptions: [], ...more });

/** An operation, and a clock that goes on when a test says so. */
function operate(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const [group, answers] = [speaker(), reader()];
  let now = 1_000_000;
  t.mock.method(Date, 'now', () => now);
  const operation = new Operation({ session: { get: answers.read }, client: { subscribe: () => group } });
  t.after(() => operation.end());
  const wait = (milliseconds) => {
    now += milliseconds;
    t.mock.timers.tick(milliseconds);
  };
  return { group, answers, operation, wait };
}

test('what was counted twice is put right when the figures are read', async (t) => {
  const { group, answers, operation, wait } = operate(t);
  // The order was placed before the dashboard was read, and is told of afterwards.
  group.say('dashboard', { dashboard: overview({ pending: 1 }, 1) });
  group.say('order_created', { order: order('1') });
  assert.deepEqual([operation.orders.value.pending, operation.lastDay.value.placed], [2, 2]);
  wait(1_500);
  await answers.give(overview({ pending: 1 }, 1));
  assert.deepEqual([operation.orders.value.pending, operation.lastDay.value.placed], [1, 1]);

  // An answer that a step has crossed may or may not have it.
  group.say('order_created', { order: order('2') });
  wait(10_000);
  group.say('order_update', step('2', 'confirmed', 2));
  await answers.give(overview({ pending: 2 }, 2, { partners: { online: 2, idle: 2, busy: 0 } }));
  assert.deepEqual([operation.orders.value, operation.partners.value.online], [{ pending: 1, confirmed: 1 }, 2]);
  wait(10_000);
  await answers.give(overview({ pending: 1, confirmed: 2 }, 2));
  assert.deepEqual(operation.orders.value, { pending: 1, confirmed: 2 });
});

test('on a busy day the figures are read every ten seconds, and when somebody looks again', async (t) => {
  const { group, answers, wait } = operate(t);
  group.say('dashboard', { dashboard: overview({}, 0) });
  for (let second = 0; second < 60; second += 1) {
    group.say('order_update', step('1', 'confirmed', second));
    wait(1_000);
  }
  assert.ok(answers.asked.length >= 5 && answers.asked.length <= 7, `${answers.asked.length} readings in a minute`);
  wait(30_000);
  look(false);
  const before = answers.asked.length;
  wait(120_000);
  assert.equal(answers.asked.length, before, 'nobody looks');
  look(true);
  wait(1);
  assert.equal(answers.asked.length, before + 1);
});
