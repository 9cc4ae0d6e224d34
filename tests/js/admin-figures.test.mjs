import assert from 'node:assert/strict';
import test from 'node:test';
import { metresBetween, positionAt } from '../../static/admin/geo.js';
import { Health, Ring, figuresOfAll } from '../../static/admin/health.js';
import { withStep } from '../../static/admin/operation.js';

/** A group that says what it is told to. */
function group() {
  const listeners = new Map();
  return { on: (type, listener) => { listeners.set(type, listener); return () => {}; }, say: (type, frame) => listeners.get(type)(frame) };
}

const instance = (id, more = {}) => ({
  id, name: id, connections: 2, deliveries_per_second: 10, latency: { p50: 1, p99: 5 }, outbox_waiting: 0, database: { kind: 'sqlite', queue: 1, latency: null, ok: true }, cpu: 0.5, memory: 100, ...more,
});
const health = (seconds, instances) => ({
  health: { at: new Date(seconds * 1000).toISOString(), instances, total: { instances: instances.length, connections: 4, deliveries_per_second: 20, outbox_waiting: 3, cpu: 1, memory: 200 } },
});

test('a ring keeps the newest figures in order, and takes no more room', () => {
  const ring = new Ring(['cpu'], 3);
  for (let time = 1; time <= 5; time += 1) ring.add(time, { cpu: time === 4 ? null : time / 10 });
  assert.equal(ring.length, 3);
  assert.deepEqual([...ring.times], [3, 4, 5]);
  assert.deepEqual([...ring.of('cpu')], [0.3, NaN, 0.5]);
});

/** A session that is told of this past. */
const past = (...items) => ({ get: () => Promise.resolve({ items: items.map((one) => one.health) }) });

test('what was before the page was opened comes before what is told meanwhile', async () => {
  const said = group();
  const kept = new Health({ group: said, session: past(health(80, [instance('a')]), health(90, [instance('a')])) });
  said.say('dashboard', { dashboard: health(100, [instance('a')]) });
  await Promise.resolve().then(() => {}).then(() => {});
  said.say('health', health(102, [instance('a')]));
  assert.deepEqual([...kept.rings.get('a').times], [80, 90, 100, 102]);
});

test('an instance that is not heard of any more is gone, and after a while forgotten', async () => {
  const said = group();
  const refused = { get: () => Promise.reject(new Error('away')) };
  const kept = new Health({ group: said, session: refused });
  await Promise.resolve().then(() => {}).then(() => {});
  said.say('dashboard', { dashboard: health(100, [instance('a'), instance('b')]) });
  said.say('health', health(102, [instance('a')]));
  const gone = () => kept.state.value.instances.filter(({ goneSince }) => goneSince !== null).map(({ id }) => id);
  assert.deepEqual(gone(), ['b']);
  said.say('health', health(101, [instance('a'), instance('b')]));
  assert.deepEqual(gone(), ['b'], 'what is older changes nothing');
  assert.equal(kept.rings.get('all').length, 2);
  said.say('health', health(103, [instance('a'), instance('b')]));
  assert.deepEqual(gone(), [], 'it is back');
  said.say('health', health(104, [instance('a')]));
  said.say('health', health(1000, [instance('a')]));
  assert.deepEqual([...kept.rings.keys()], ['all', 'a']);
});

test('of several instances the slowest tells the latency', () => {
  const all = figuresOfAll(health(1, [instance('a'), instance('b', { latency: { p50: 3, p99: 4 } }), instance('c', { latency: null })]).health);
  assert.deepEqual([all.p50, all.p99, all.queue], [3, 5, 6]);
  assert.equal(figuresOfAll(health(1, [instance('c', { latency: null })]).health).p50, null);
});

test('a partner is where the trail says, between its points too, and nowhere before it', () => {
  const points = [{ latitude: 0, longitude: 0, time: 1000 }, { latitude: 1, longitude: 2, time: 2000 }, { latitude: 5, longitude: 5, time: 9000 }];
  assert.equal(positionAt(points, 999), null);
  assert.equal(positionAt([], 1), null);
  const { latitude, longitude } = positionAt(points, 1500);
  assert.deepEqual([latitude, longitude], [0.5, 1]);
  assert.equal(positionAt(points, 20_000).latitude, 5);
  assert.deepEqual([positionAt(points, 20_000).isLost, positionAt(points, 130_000).isLost], [false, true]);
  assert.ok(Math.abs(metresBetween({ latitude: 52, longitude: 13 }, { latitude: 52.001, longitude: 13 }) - 111.2) < 0.5);
});

test('where nobody knew where a partner was, it is lost where it was last', () => {
  const points = [{ latitude: 0, longitude: 0, time: 0 }, { latitude: 1, longitude: 1, time: 120_000 }, { latitude: 3, longitude: 3, time: 300_000 }];
  const where = (time) => [positionAt(points, time).latitude, positionAt(points, time).isLost];
  assert.deepEqual([60_000, 120_000, 120_001, 299_999, 300_000].map(where), [[0.5, false], [1, false], [1, true], [1, true], [3, false]]);
});

test('a step moves an order from one count to another, and none goes below zero', () => {
  assert.deepEqual(withStep({ pending: 1 }, 'pending', 'confirmed'), { pending: 0, confirmed: 1 });
  assert.deepEqual(withStep({}, 'pending', 'confirmed'), { pending: 0, confirmed: 1 });
  assert.deepEqual(withStep({ pending: 1 }, null, 'pending'), { pending: 2 });
});
