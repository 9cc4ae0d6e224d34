import assert from 'node:assert/strict';
import test from 'node:test';
import { speaker } from './no-page.mjs';
import { Earnings } from '../../static/partner/earnings.js';
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

test('what is earned while the earnings are read is among them, and the next page leaves no hole', async () => {
  const group = speaker();
  const asked = [];
  const session = { get: (path) => new Promise((answer) => { asked.push({ path, answer }); }) };
  const earnings = new Earnings({ session, group });
  const answer = async (path, value) => {
    const found = asked.findIndex((one) => one.path === path || (path.includes('/entries') && one.path.startsWith(path)));
    asked.splice(found, 1)[0].answer(value);
    await new Promise(setImmediate);
  };
  const entry = (id) => ({ id, kind: 'capture', amount: 100, created_at: '2020-01-01T00:00:00Z' });
  const balance = { today: 100, week: 100, balance: 100, currency: 'USD' };
  const ids = () => earnings.state.value.entries.map(({ id }) => id);
  const page = (items, next) => ({ items: items.map(entry), next_cursor: next });

  const first = earnings.load();
  await answer('/partner/earnings', balance);
  await answer('/partner/earnings/entries', page(['3', '2'], 'after 2'));
  await first;
  assert.deepEqual(ids(), ['3', '2']);

  const again = earnings.load();
  await answer('/partner/earnings', balance);
  group.say('earnings_update', { earnings: balance, entry: entry('4') });
  // It was read before that.
  await answer('/partner/earnings/entries', page(['3', '2'], 'after 2'));
  await again;
  assert.deepEqual(ids(), ['4', '3', '2']);

  const more = earnings.more();
  const third = earnings.load();
  for (const { path } of [...asked]) if (path === '/partner/earnings') await answer(path, balance);
  await answer('/partner/earnings/entries?limit=200', page(['6', '5', '4'], 'after 4'));
  await third;
  // It follows what was known before.
  await answer('/partner/earnings/entries?limit=50', page(['1'], null));
  await more;
  assert.deepEqual(ids(), ['6', '5', '4'], 'what lies between is not known');
  assert.equal(earnings.state.value.next, 'after 4');
});
