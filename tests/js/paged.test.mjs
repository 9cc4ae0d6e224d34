import assert from 'node:assert/strict';
import test from 'node:test';
import { look, reader, speaker } from './no-page.mjs';
import { OrderList } from '../../static/admin/order-list.js';
import { PeopleList } from '../../static/admin/people.js';
import { Paged } from '../../static/app/paged.js';

/** A list of `count` items, the newest first, in pages of 10. */
function shelf(count) {
  const items = [];
  const add = (more) => { for (let turn = 0; turn < more; turn += 1) items.unshift({ id: String(items.length).padStart(4, '0') }); };
  add(count);
  const read = async (query) => {
    const before = /cursor=(\d+)/.exec(query)?.[1] ?? '9999';
    const page = items.filter(({ id }) => id < before).slice(0, 10);
    return { items: page, next_cursor: items.at(-1).id < page.at(-1).id ? page.at(-1).id : null };
  };
  return { items, add, read };
}

const ids = (list) => list.state.value.items.map(({ id }) => Number(id));
const whole = (from, count) => Array.from({ length: count }, (_, index) => from - index);

test('a list goes on where it was, also when it was read anew', async () => {
  const { add, read } = shelf(25);
  const list = new Paged(read);
  await list.load();
  await list.load({ more: true });
  add(5);
  await list.load();
  assert.deepEqual(ids(list), whole(29, 25));
  await list.load({ more: true });
  assert.deepEqual([ids(list), list.state.value.next], [whole(29, 30), null]);
  await list.load();
  assert.equal(list.state.value.next, null, 'all of it is known');
});

test('after a long break a list has no hole', async () => {
  const { add, read, items } = shelf(25);
  const list = new Paged(read);
  await list.load();
  await list.load({ more: true });
  add(50);
  list.put(items[0]);
  await list.load();
  assert.deepEqual(ids(list), whole(74, 10));
  await list.load({ more: true });
  assert.deepEqual(ids(list), whole(74, 20));
});

test('a list that grows by itself is cut, and what was cut off is found again', async () => {
  const { add, read, items } = shelf(25);
  const list = new Paged(read, undefined, { most: 30 });
  await list.load();
  for (let turn = 0; turn < 21; turn += 1) {
    add(1);
    list.put(items[0]);
  }
  assert.deepEqual(ids(list), whole(45, 15));
  await list.load({ more: true });
  assert.deepEqual(ids(list), whole(45, 20), 'the page that goes beyond');
  await list.load({ more: true });
  assert.deepEqual(ids(list), whole(45, 30));
});

test('what a reading does not find any more is gone, wherever it was', async () => {
  const { read, items } = shelf(35);
  const [list, deep] = [new Paged(read), new Paged(read, undefined, { isDeep: true })];
  for (const one of [list, deep]) {
    await one.load();
    await one.load({ more: true });
  }
  items.splice(items.findIndex(({ id }) => Number(id) === 30), 1);
  items.splice(items.findIndex(({ id }) => Number(id) === 18), 1);
  await list.load();
  assert.deepEqual(ids(list), [34, 33, 32, 31, 29, 28, 27, 26, 25, 24, ...whole(23, 9)], 'the newest page is as it is');
  await deep.load();
  assert.deepEqual(ids(deep).slice(0, 20), items.slice(0, 20).map(({ id }) => Number(id)), 'all that is shown is as it is');
  await deep.load({ more: true });
  await deep.load({ more: true });
  assert.deepEqual([ids(deep), deep.state.value.next], [items.map(({ id }) => Number(id)), null]);
});

test('where the last page is read, nothing else is left', async () => {
  const { read, items } = shelf(8);
  const list = new Paged(read);
  await list.load();
  items.splice(7, 1);
  items.splice(0, 1);
  await list.load();
  assert.deepEqual(ids(list), whole(6, 6));
  const none = new Paged(async () => ({ items: [], next_cursor: null }));
  none.put({ id: '0001' });
  await none.load();
  assert.deepEqual(ids(none), []);
});

test('what is put while the list is read stays, and what was put before that counts for nothing', async () => {
  const answers = reader();
  const list = new Paged(answers.read);
  list.put({ id: '0001' });
  const reading = list.load();
  list.put({ id: '0002' });
  await answers.page([{ id: '0000' }]);
  await reading;
  assert.deepEqual(ids(list), [2, 0]);
});

test('the next page and the newest one do not cancel each other, whichever is asked for first', async () => {
  const [answers, { read, add }] = [reader(), shelf(25)];
  let isHeld = false;
  const list = new Paged((query) => (isHeld ? answers.read(query) : read(query)));
  await list.load();
  isHeld = true;
  const give = async () => answers.give(await read(answers.asked.at(-1)));

  // Asked for while the list is read again.
  add(2);
  const [again, more] = [list.load(), list.load({ more: true })];
  assert.deepEqual(answers.asked, [''], 'it waits for what is known to be there');
  await give();
  assert.deepEqual([ids(list), list.state.value.isLoading], [whole(26, 12), true]);
  await give();
  await Promise.all([again, more]);
  assert.deepEqual([ids(list), list.state.value.isLoading], [whole(26, 22), false]);

  // Read again, after a long break, while the next page is under way: that one would leave a hole.
  const next = list.load({ more: true });
  const old = await read(answers.asked.at(-1));
  add(30);
  const anew = list.load();
  assert.equal(list.load({ more: true }), next, 'it is asked for once');
  await answers.give(old);
  await give();
  await anew;
  assert.deepEqual([ids(list), list.state.value.isLoading], [whole(56, 10), true]);
  await give();
  await next;
  assert.deepEqual([ids(list), list.state.value.isLoading], [whole(56, 20), false]);
  assert.equal(answers.asked.length, 5);

  // Where the newest page cannot be read, that is told, also when the next one can.
  const [failing, after] = [list.load(), list.load({ more: true })];
  await answers.give(Promise.reject(new Error('unreachable')));
  await give();
  await Promise.all([failing, after]);
  assert.deepEqual([ids(list), list.state.value.error?.message], [whole(56, 30), 'unreachable']);
});

const order = (id, status, version = 1) => ({ id, status, version, customer: { id: 'ada' }, partner: null });
const step = (id, status, version) => ({ update: { order_id: id, status, version, partner: null, updated_at: '' } });

test('an order that ended unheard, or while its page was under way, is no row of those under way', async () => {
  const [group, answers] = [speaker(), reader()];
  const list = new OrderList({ session: { get: answers.read }, group }, { status: 'active' });
  await answers.page([order('0003', 'pending'), order('0002', 'pending'), order('0001', 'pending')]);
  assert.deepEqual(ids(list), [3, 2, 1]);
  // 3 has ended in a break; 2 ends, and 4, which nobody knows yet, too, after the answer was written; 5 is placed.
  group.say('snapshot', {});
  group.say('order_update', step('0002', 'cancelled', 2));
  group.say('order_update', step('0004', 'cancelled', 2));
  group.say('order_created', { order: order('0005', 'pending') });
  await answers.page([order('0004', 'pending'), order('0002', 'pending'), order('0001', 'pending')]);
  assert.deepEqual(ids(list), [5, 1]);
  group.say('order_update', step('0001', 'confirmed', 2));
  assert.equal(list.state.value.items.at(-1).status, 'confirmed');
});

test('orders that come and end leave those alone that stay under way', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [group, answers] = [speaker(), reader()];
  const list = new OrderList({ session: { get: answers.read }, group }, { status: 'active' });
  t.after(() => list.end());
  await answers.page([order('0001', 'confirmed')]);
  const comeAndEnd = (id) => {
    group.say('order_created', { order: order(id, 'pending') });
    group.say('order_update', step(id, 'completed', 2));
  };
  comeAndEnd('0002');
  group.say('order_created', { order: order('0003', 'pending') });
  group.say('order_update', step('0003', 'cancelled', 2));
  assert.deepEqual(ids(list), [3, 2, 1], 'it is to be seen where they went');
  t.mock.timers.tick(4_000);
  assert.deepEqual(ids(list), [1]);
  for (let id = 1000; id < 1600; id += 1) comeAndEnd(String(id));
  assert.equal(list.state.value.items.at(-1).id, '0001');
  t.mock.timers.tick(4_000);
  assert.deepEqual([ids(list), list.state.value.next], [[1], null]);
});

test('an order that is read by itself is as its latest step says', async () => {
  const [group, answers] = [speaker(), reader()];
  const list = new OrderList({ session: { get: answers.read }, group }, { status: 'confirmed' });
  await answers.page([]);
  group.say('order_update', step('0001', 'confirmed', 2));
  group.say('order_update', step('0001', 'assigned', 3));
  await answers.give(order('0001', 'confirmed', 2));
  assert.deepEqual(ids(list), []);
});

test('of people who are online nobody is left who is not, also when nobody looked meanwhile', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [group, answers] = [speaker(), reader()];
  const list = new PeopleList({ session: { get: answers.read }, group }, '/admin/partners', '&online=true', { actions: ['went_online', 'went_offline'] });
  t.after(() => list.end());
  await answers.page([{ id: '0002' }, { id: '0001' }]);
  group.say('activity', { activity: { action: 'went_offline' } });
  t.mock.timers.tick(2_000);
  await answers.page([{ id: '0001' }]);
  assert.deepEqual(ids(list), [1]);
  look(false);
  group.say('activity', { activity: { action: 'went_offline' } });
  t.mock.timers.tick(60_000);
  assert.equal(answers.asked.length, 2, 'for nobody it is not read');
  look(true);
  t.mock.timers.tick(2_000);
  await answers.page([]);
  assert.deepEqual(ids(list), []);
});
