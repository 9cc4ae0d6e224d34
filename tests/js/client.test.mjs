import assert from 'node:assert/strict';
import test from 'node:test';
import { WaybillClient, WaybillError } from '../../static/js/waybill.js';
import { assignedOrder, connect, heard, inState, placeOrder, record, startServer, startWire } from './support.mjs';

test('an order is heard from its snapshot to its steps, by the group and by the type', async (t) => {
  const server = await startServer(t);
  const { customer, group, order, step } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  assert.equal(client.state.name, 'connecting');
  const states = record(client, 'state');
  const subscription = client.subscribe(group);
  const own = client.subscribe(`user_${customer.id}`);
  const [ofGroup, ofUser, updates] = [record(subscription), record(own), record(client, 'order_update')];
  const snapshot = await heard(subscription, 'order_status');
  await Promise.all([subscription.ready, own.ready]);
  assert.equal(snapshot.order.id, order.id);
  assert.equal(client.userId, customer.id);

  await step('en_route');
  const isStep = ({ type, update }) => type === 'order_update' && update.status === 'en_route';
  const [one, two] = await Promise.all([ofGroup.until(isStep), ofUser.until(isStep)]);
  assert.equal(one.id, two.id);
  assert.deepEqual(subscription.position, { epoch: one.epoch, seq: one.seq });
  // It came by two groups. Each subscription has it, and the client once.
  await client.request({ type: 'ping' });
  assert.equal(updates.frames.filter(({ id }) => id === one.id).length, 1);
  assert.deepEqual(states.frames.map(({ name }) => name), ['connecting', 'open']);
});

test('a for loop takes what comes, and ends with the subscription', async (t) => {
  const server = await startServer(t);
  const { customer, group, step } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  const subscription = client.subscribe(group);
  await subscription.ready;
  const statuses = [];
  const taken = (async () => {
    for await (const frame of subscription) {
      // The step before them may follow the snapshot that has it.
      if (frame.type === 'order_update' && frame.update.status !== 'assigned') statuses.push(frame.update.status);
      if (statuses.length === 2) subscription.close();
    }
  })();
  await step('en_route');
  await step('arrived');
  await taken;
  assert.deepEqual(statuses, ['en_route', 'arrived']);
});

test('who may not listen is told, and so is a request that is refused', async (t) => {
  const server = await startServer(t);
  const { group } = await assignedOrder(server);
  const stranger = await server.user('customer');
  const client = connect(t, server.url, stranger);
  const subscription = client.subscribe(group);
  await assert.rejects(subscription.ready, (error) => error instanceof WaybillError && error.code === 'not_found');
  assert.ok(subscription.isEnded);
  const offer = '019b7d2a-5c4e-7000-8000-0000000000d1';
  await assert.rejects(client.request({ type: 'accept', offer_id: offer }), { code: 'role_not_allowed' });
  assert.equal((await client.request({ type: 'ping' })).type, 'pong');
  assert.throws(() => client.request({ type: 'mark_all_read' }), { code: 'not_answered' });
  assert.throws(() => client.send({ type: 'chat', text: 'Hello' }), { code: 'use_method' });
});

test('what was missed while the connection was broken comes once and in order', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, group, step } = await assignedOrder(server);
  const client = connect(t, wire.url, customer);
  const subscription = client.subscribe(group);
  const { frames, until } = record(subscription);
  let resyncs = 0;
  subscription.on('resync', () => { resyncs += 1; });
  await subscription.ready;
  await step('en_route');
  await until(({ update }) => update?.status === 'en_route');

  wire.cut({ down: true });
  await inState(client, 'waiting');
  assert.ok(client.state.retryAt > Date.now() - 1_000);
  await step('arrived');
  await step('picked_up');
  wire.mend();
  await step('in_transit');
  await until(({ update }) => update?.status === 'in_transit');
  const steps = frames.filter(({ type }) => type === 'order_update');
  assert.deepEqual(steps.map(({ update }) => update.status), ['en_route', 'arrived', 'picked_up', 'in_transit']);
  const events = frames.filter(({ seq }) => seq !== undefined);
  events.slice(1).forEach((event, place) => assert.equal(event.seq, events[place].seq + 1));
  assert.equal(resyncs, 0);
  assert.equal(frames.filter(({ type }) => type === 'order_status').length, 1);
});

test('a server that is killed in the middle of a story leaves no gap in what is known', async (t) => {
  const server = await startServer(t);
  const { customer, group, order, step } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  const subscription = client.subscribe(group);
  const { frames, until } = record(subscription);
  const resyncs = record(client, 'resync');
  await subscription.ready;
  await step('en_route');
  await until(({ update }) => update?.status === 'en_route');

  await server.kill();
  await inState(client, 'waiting');
  await server.start();
  await step('arrived');
  await step('picked_up');
  const statusOf = ({ update, order: whole }) => (update ?? whole)?.status;
  await until((frame) => statusOf(frame) === 'picked_up');
  // It began a new numbering: the snapshot stands for what was missed, and says so.
  assert.equal(resyncs.frames.length, 1);
  assert.equal(resyncs.frames[0].group, group);
  assert.equal(frames.filter(({ type }) => type === 'order_status').length, 2);
  const ids = frames.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const now = await customer.call('GET', `/orders/${order.id}`);
  const last = frames.filter((frame) => statusOf(frame)).map(({ update, order: whole }) => (update ?? whole).version);
  assert.equal(Math.max(...last), now.version);
});

test('a server that stops says when to come back, and the client does', async (t) => {
  const server = await startServer(t, { WAYBILL_DRAIN_NOTICE_MS: '0', WAYBILL_RETRY_SPREAD_MS: '300' });
  const customer = await server.user('customer');
  const client = connect(t, server.url, customer);
  const states = record(client, 'state');
  await inState(client, 'open');
  await server.stop();
  const waiting = await states.until(({ name }) => name === 'waiting');
  assert.equal(waiting.error.code, 'closed_1012');
  await server.start();
  await inState(client, 'open');
});

test('a frame that was lost on the way is noticed by the next one, and fetched', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, group } = await assignedOrder(server);
  const client = connect(t, wire.url, customer);
  const subscription = client.subscribe(group);
  const { frames, until } = record(subscription, 'stock');
  await subscription.ready;
  await server.publish(group, 'stock', { left: 3 });
  await until(({ data }) => data.left === 3);
  const lost = wire.lose(({ data }) => data?.left === 2);
  await server.publish(group, 'stock', { left: 2 });
  await lost;
  await server.publish(group, 'stock', { left: 1 });
  await server.publish(group, 'stock', { left: 0 });
  await until(({ data }) => data.left === 0);
  assert.deepEqual(frames.map(({ data }) => data.left), [3, 2, 1, 0]);
  assert.equal(wire.handshakes, 1);
});

test('a second subscription to a group begins with a snapshot and costs the first one nothing', async (t) => {
  const server = await startServer(t);
  const { customer, group, step } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  const first = client.subscribe(group);
  const heardByFirst = record(first);
  await first.ready;
  const second = client.subscribe(group);
  const heardBySecond = record(second);
  await step('en_route');
  await step('arrived');
  const isLast = ({ update, order }) => (update ?? order)?.status === 'arrived';
  await Promise.all([heardByFirst.until(isLast), heardBySecond.until(isLast)]);
  assert.equal(heardBySecond.frames[0].type, 'order_status');
  // The step before them may follow the snapshot that has it.
  const steps = heardByFirst.frames.filter(({ type, update }) => type.startsWith('order_') && update?.status !== 'assigned');
  assert.deepEqual(steps.map(({ type }) => type), ['order_status', 'order_update', 'order_update']);
  second.close();
  await step('picked_up');
  await heardByFirst.until(({ update }) => update?.status === 'picked_up');
  assert.ok(!heardBySecond.frames.some(({ update }) => update?.status === 'picked_up'));
});

test('who goes on from a position misses nothing because another one begins anew', async (t) => {
  const server = await startServer(t);
  const { customer, group } = await assignedOrder(server);
  const before = connect(t, server.url, customer);
  const left = before.subscribe(group);
  await heard(left, 'snapshot');
  const { position } = left;
  before.close();
  for (const number of [1, 2]) await server.publish(group, 'stock', { number });

  const client = connect(t, server.url, customer);
  const [fresh, old] = [client.subscribe(group), client.subscribe(group, { since: position })].map((one) => record(one));
  await server.publish(group, 'stock', { number: 3 });
  await old.until(({ data }) => data?.number === 3);
  await fresh.until(({ type }) => type === 'order_status');
  const numbers = old.frames.filter(({ type }) => type === 'stock').map(({ data }) => data.number);
  assert.deepEqual(numbers, [1, 2, 3]);
  assert.ok(!old.frames.some(({ type }) => type === 'order_status'));
});

test('many groups are joined at once without sending faster than the server takes frames', async (t) => {
  const server = await startServer(t, { WAYBILL_FRAMES_PER_SECOND: '10' });
  const customer = await server.user('customer');
  const orders = [];
  for (let count = 0; count < 30; count += 1) orders.push(await placeOrder(customer));
  const client = connect(t, server.url, customer, { framesPerSecond: 8 });
  const errors = record(client, 'error');
  const subscriptions = orders.map(({ id }) => client.subscribe(`order_${id}`));
  await Promise.all(subscriptions.map(({ ready }) => ready));
  assert.deepEqual(errors.frames, []);
});

test('a listener that fails keeps nothing from the others', async (t) => {
  const server = await startServer(t);
  const { customer, group } = await assignedOrder(server);
  t.mock.method(console, 'error', () => {});
  const client = connect(t, server.url, customer);
  const subscription = client.subscribe(group);
  subscription.on('order_status', () => { throw new Error('a fault of the application'); });
  const { until } = record(subscription, 'order_status');
  await until(() => true);
  assert.equal(console.error.mock.callCount(), 1);
});

test('options that cannot work are refused at once', () => {
  const token = () => 'x';
  const url = 'http://127.0.0.1:1';
  assert.throws(() => new WaybillClient({ url, token, host: {} }), { code: 'no_websocket' });
  assert.throws(() => new WaybillClient({ url, token: 'x' }), { code: 'no_token' });
});
