import assert from 'node:assert/strict';
import test from 'node:test';
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
