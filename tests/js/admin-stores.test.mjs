import assert from 'node:assert/strict';
import test from 'node:test';
import { leavePage, look, reader, speaker } from './no-page.mjs';
import { ActiveOrders } from '../../static/admin/active-orders.js';
import { ICONS } from '../../static/admin/activity.js';
import { Claims } from '../../static/admin/claims.js';
import { byUrgency, firstOf, lasting, orMore } from '../../static/admin/exceptions.js';
import { Fleet } from '../../static/admin/fleet.js';
import { Operation } from '../../static/admin/operation.js';
import { Replay } from '../../static/admin/replay.js';
import { Team } from '../../static/admin/team.js';
import de from '../../static/admin/words.de.js';
import en from '../../static/admin/words.en.js';
import { ServerClock, serverClock } from '../../static/app/clock.js';

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

test('on a day on which steps cross every reading the figures are put right all the same', async (t) => {
  const { group, answers, operation, wait } = operate(t);
  group.say('dashboard', { dashboard: overview({ pending: 50 }, 100) });
  group.say('order_update', step('1', 'confirmed', 2));
  for (let turn = 0; turn < 4; turn += 1) {
    wait(10_000);
    group.say('order_update', step('2', 'confirmed', turn + 2));
    await answers.give(overview({ pending: 5 }, 7));
  }
  assert.equal(operation.lastDay.value.placed, 7);
  assert.equal(operation.orders.value.pending, 4, 'with what was heard since');
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

const at = (milliseconds) => new Date(milliseconds).toISOString();
const position = (id, time) => ({ partner_id: id, latitude: 41, longitude: 2, timestamp: at(time) });
const row = (id) => ({ id, user_id: `user ${id}`, name: id, online: true });

test('who has gone offline is not taken for somebody who waits for orders', async (t) => {
  const [group, answers] = [speaker(), reader()];
  const fleet = new Fleet({ session: { get: answers.read }, group });
  t.after(() => fleet.end());
  const told = [];
  fleet.watch((moved) => told.push(moved.map(({ partner_id: id }) => `${id} ${fleet.isOnline(id)}`).join()));
  await answers.give({ items: ['pol', 'mia', 'tom'].map((id) => position(id, Date.now())) });
  assert.equal(fleet.isOnline('tom'), true, 'nothing is known yet');
  await new Promise((resolve) => { setTimeout(resolve, 5); });
  await answers.page([row('pol'), row('mia')]);
  assert.deepEqual(['pol', 'mia', 'tom'].map((id) => fleet.isOnline(id)), [true, true, false]);
  group.say('activity', { activity: { action: 'went_offline', user_id: 'user mia' } });
  assert.deepEqual([fleet.isOnline('mia'), fleet.partners.get('mia').name], [false, 'mia']);
  group.say('activity', { activity: { action: 'went_online', user_id: 'user mia' } });
  assert.deepEqual(told, ['pol true,mia true,tom true', 'tom false', 'mia false', 'mia true']);
});

/** Olga's claims, with calls that are answered when a test says so. */
function claimsOf(t) {
  const [group, answers] = [speaker(), reader()];
  const session = { user: { value: { id: 'olga' } }, post: answers.read, delete: answers.read };
  const claims = new Claims({ session, group, href: () => '/' });
  t.after(() => claims.end());
  const by = (user, minutes = 60) => ({ order_id: '1', user_id: user, name: user, until: at(serverClock.now() + minutes * 60_000) });
  const frame = (claim) => group.say('claim', { order_id: '1', claim, by: claim?.user_id ?? 'max' });
  const whose = () => claims.state.value.get('1')?.user_id ?? null;
  return { group, answers, claims, by, frame, whose };
}

test('whose an order is goes by what was told last, however late the answer to a claim is', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() });
  const { group, answers, claims, by, frame, whose } = claimsOf(t);
  claims.claim('1');
  frame(by('olga'));
  frame(by('max'));
  await answers.give(by('olga'));
  assert.equal(whose(), 'max');
  claims.claim('1', 'max');
  await answers.give(by('olga'));
  assert.equal(whose(), 'olga', 'nothing else was told since');
  claims.release('1');
  frame(null);
  frame(by('max'));
  await answers.give(null);
  assert.equal(whose(), 'max', 'of a release, too');
  claims.claim('1', 'max');
  group.say('dashboard', { dashboard: { claims: [by('tom')] } });
  await answers.give(by('olga'));
  assert.equal(whose(), 'tom', 'of all that was told anew');

  // What is wrong is told again and again, with whose it is; a list may be older than a claim by a moment.
  claims.claim('1', 'tom');
  await answers.give(by('olga'));
  group.say('exceptions', { exceptions: [{ order_id: '1', claim: null }] });
  assert.equal(whose(), 'olga');
  t.mock.timers.tick(10_000);
  group.say('exceptions', { exceptions: [{ order_id: '1', claim: by('max') }] });
  assert.equal(whose(), 'max');
});

test('a claim is renewed when there is less left of it than three quarters, and somebody looks', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() });
  const { answers, claims, by, frame } = claimsOf(t);
  t.after(() => look(true));
  const minutes = (count) => { for (let minute = 0; minute < count; minute += 1) t.mock.timers.tick(60_000); };
  frame(by('olga', 10));
  let leave = claims.keep('1');
  assert.equal(answers.asked.length, 1, 'at once, where the story is opened late');
  await answers.give(by('olga'));
  minutes(14);
  assert.equal(answers.asked.length, 1);
  leave();
  leave = claims.keep('1');
  minutes(2);
  assert.equal(answers.asked.length, 2, 'however often stories are opened and left');
  await answers.give(by('olga'));
  look(false);
  minutes(50);
  assert.equal(answers.asked.length, 2, 'nobody looks');
  look(true);
  assert.equal(answers.asked.length, 3);
  await answers.give(by('olga'));
  frame(by('max', 5));
  minutes(3);
  assert.equal(answers.asked.length, 3, 'it is another one\'s');
  leave();
});

test('ages go by the clock of the server', async (t) => {
  const lead = 30 * 60_000;
  const [group, answers, client] = [speaker(), reader(), speaker()];
  serverClock.follow(client);
  client.say('frame', { at: at(Date.now() + lead) });
  client.say('frame', { at: at(Date.now()) });
  assert.ok(Math.abs(serverClock.now() - Date.now() - lead) < 1_000, 'what is told late says less');
  const fleet = new Fleet({ session: { get: answers.read }, group });
  t.after(() => fleet.end());
  group.say('positions', { positions: [position('pol', Date.now() + lead), position('mia', Date.now())] });
  assert.deepEqual([...fleet.positions.keys()], ['pol'], 'by that clock the other was seen half an hour ago');
  const trouble = { since: at(Date.now() + lead - 90_000), seconds: 90, heardAt: 1_000_000 };
  assert.equal(lasting({ kind: 'silent', ...trouble }, 1_005_000), 95);
  assert.equal(lasting({ kind: 'late', ...trouble }, 1_005_000), 90);
  assert.ok(Math.abs(new ServerClock().now() - Date.now()) < 1_000);
});

test('what is wrong is told by what can be done about it, and what is new is not hidden', () => {
  const trouble = (id, kind, minute) => ({ order_id: id, kind, since: at(minute * 60_000) });
  const claims = new Map([['a', { user_id: 'max' }], ['c', { user_id: 'olga' }], ['g', { user_id: 'max' }]]);
  const told = [trouble('a', 'stuck', 1), trouble('b', 'failed', 2), trouble('c', 'late', 3), trouble('d', 'failed', 4), trouble('e', 'silent', 5), trouble('f', 'silent', 6), trouble('g', 'failed', 7)];
  const all = byUrgency(told, claims, ({ user_id: id }) => id === 'olga');
  const shown = (list) => list.map(({ order_id: id }) => id).join('');
  assert.equal(shown(all), 'cefdbag');
  const first = (more, by) => shown(firstOf(byUrgency([...told, more], by, () => false), 3, by));
  assert.equal(first(trouble('h', 'silent', 9), new Map()), 'ach');
  assert.equal(first(trouble('h', 'failed', 8), claims), 'efh');
  assert.equal(first(trouble('h', 'failed', 8), new Map([['h', { user_id: 'max' }]])), 'acg', 'somebody has seen the newest');
  assert.equal(shown(firstOf(all, 10, claims)), 'cefdbag');
  assert.deepEqual([orMore(3, told), orMore(190, Array.from({ length: 200 }))], [3, '190+']);
});

test('a claim ends with its order', (t) => {
  const group = speaker();
  const claims = new Claims({ session: { user: { value: { id: 'olga' } } }, group, href: () => '/' });
  t.after(() => claims.end());
  const claim = (id) => ({ order_id: id, user_id: 'olga', name: 'Olga Roca', until: at(Date.now() + 3_600_000) });
  group.say('dashboard', { dashboard: { claims: ['1', '2', '3', '4'].map(claim) } });
  group.say('order_update', step('1', 'completed', 2));
  group.say('order_update', step('2', 'cancelled', 2));
  group.say('order_update', step('3', 'failed', 2));
  assert.deepEqual([...claims.state.value.keys()], ['3', '4']);
});

test('of an admin\'s tabs the one that is looked at says what it shows, and no other takes that back', async (t) => {
  const said = [];
  const session = { user: { value: { id: 'olga', name: 'Olga Roca' } }, get: () => new Promise(() => {}) };
  const tab = (name) => {
    const team = new Team({ session, group: speaker(), client: { on: () => () => {}, send: ({ order_id: id }) => said.push(`${name} ${id}`) } });
    t.after(() => team.end());
    return team;
  };
  const [one, other] = [tab('one'), tab('other')];
  // It was made last, and hears last what tabs tell each other.
  const witness = new BroadcastChannel('waybill view olga');
  t.after(() => witness.close());
  let count = 0;
  let wake = () => {};
  witness.onmessage = () => {
    count += 1;
    wake();
  };
  const heard = async (wanted) => {
    while (count < wanted) await new Promise((resolve) => { wake = resolve; });
    await new Promise((resolve) => { setImmediate(resolve); });
  };
  const leaveOne = one.view('1');
  const leaveOther = other.view('2');
  await heard(2);
  leaveOne();
  leavePage();
  assert.deepEqual(said, ['one 1', 'other 2', 'other null'], 'what was said before by another tab is over anyway');
  said.length = 0;

  const leave = one.view('1');
  await heard(3);
  leaveOther();
  assert.deepEqual(said, ['one 1'], 'the other has nothing to take back');
  // Another tab comes to the front, where it says so before long.
  look(false);
  other.view('2');
  assert.deepEqual(said, ['one 1'], 'a tab that nobody looks at says nothing');
  await new Promise((resolve) => { setTimeout(resolve, 1_100); });
  assert.deepEqual(said, ['one 1', 'one null']);
  look(true);
  assert.deepEqual(said.slice(2), ['one 1', 'other 2']);
  await heard(5);
  leave();
  assert.equal(said.length, 4);
});

test('a replay goes by all points of the way, and shows what came meanwhile once it is left', async () => {
  const answers = reader();
  const point = (seconds, latitude) => ({ latitude, longitude: 2, timestamp: at(seconds * 1000) });
  let [dot, trail] = [null, null];
  const map = { setDot: (id, one) => { dot = one; }, removeDot: () => { dot = null; }, setTrail: (points) => { trail = points; } };
  const replay = new Replay(() => answers.read('all'));
  replay.attach(map);
  const steps = [{ at: at(0), to: 'pending' }, { at: at(1_000_000), to: 'completed' }];
  const known = [point(0, 40), point(100, 50)];
  replay.set(known, steps, null);
  replay.seek(50_000);
  assert.equal(dot.latitude, 45, 'by what is known until the rest is');
  await answers.give([point(0, 40), point(50, 41), point(90, 49)]);
  assert.deepEqual([dot.latitude, dot.freshness, trail.length], [41, 'live', 4]);
  replay.set([...known, point(110, 51), point(400, 60)], steps, null);
  replay.seek(200_000);
  assert.deepEqual([dot.latitude, dot.freshness], [50, 'live'], 'it stays as it was');
  replay.leave();
  assert.deepEqual([dot, trail.length], [null, 4]);
  replay.seek(200_000);
  assert.deepEqual([dot.latitude, dot.freshness], [51, 'lost']);
  replay.leave();
  assert.equal(answers.asked.length, 2);
});

/** What the server calls what people do. */
const ACTIONS = [
  'registered', 'logged_in', 'announced', 'went_online', 'went_offline', 'refunded', 'claimed', 'released',
  'confirmed_order', 'assigned_order', 'took_back_order', 'cancelled_order', 'failed_order', 'changed_order',
];

test('whatever people do has words and a picture, and nothing else has', () => {
  const names = [...ACTIONS].sort();
  assert.deepEqual(Object.keys(ICONS).sort(), names);
  for (const words of [en, de]) {
    const said = Object.keys(words).filter((key) => key.startsWith('action.')).map((key) => key.slice('action.'.length));
    assert.deepEqual(said.sort(), names);
  }
});
