// Whatever becomes of the wire, what is heard is what was published.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assignedOrder, connect, record, soon, startServer, startWire } from './support.mjs';

/** Chance that a failure can be repeated with. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

for (const seed of [1, 2, 3]) {
  test(`of a wire that breaks and loses frames nothing is noticed (${seed})`, async (t) => {
    const random = chance(seed);
    const server = await startServer(t);
    const wire = await startWire(t, server);
    const { customer, group, order, partner } = await assignedOrder(server);
    const client = connect(t, wire.url, customer, { backoff: { first: 5, longest: 20 } });
    const readers = [record(client.subscribe(group), 'stock')];
    const own = record(client.subscribe(`user_${customer.id}`), 'stock');
    const all = record(client, 'stock');
    await Promise.all([client.subscribe(group).ready, client.subscribe(`user_${customer.id}`).ready]);
    const written = [];
    for (let number = 1; number <= 150; number += 1) {
      const luck = random();
      if (luck < 0.06) wire.cut();
      else if (luck < 0.2) wire.lose(({ type }) => type === 'stock').catch(() => {});
      else if (luck < 0.25) written.push(client.chat(order.id, `Message ${written.length}`));
      else if (luck < 0.3) readers.push(record(client.subscribe(group), 'stock'));
      await server.publish(number % 2 ? group : `user_${customer.id}`, 'stock', { number });
    }
    wire.lose(() => false).catch(() => {});
    await server.publish(group, 'stock', { number: 151 });
    await server.publish(`user_${customer.id}`, 'stock', { number: 152 });
    const last = (number) => ({ data }) => data.number === number;
    await Promise.all([...readers.map(({ until }) => until(last(151))), own.until(last(152))]);
    const numbers = ({ frames }) => frames.map(({ data }) => data.number);
    const odd = Array.from({ length: 76 }, (_, place) => 2 * place + 1);
    assert.deepEqual(numbers(readers[0]), odd);
    // Those who came later have the end of the same.
    for (const reader of readers) assert.deepEqual(numbers(reader), odd.slice(odd.length - reader.frames.length));
    assert.deepEqual(numbers(own), odd.map((number) => number + 1));
    const everything = numbers(all).sort((one, other) => one - other);
    assert.deepEqual(everything, Array.from({ length: 152 }, (_, place) => place + 1));
    await soon(Promise.all(written), 'the messages', 40_000);
    const { items } = await partner.call('GET', `/orders/${order.id}/messages`);
    assert.deepEqual(items.map(({ text }) => text).reverse(), written.map((_, place) => `Message ${place}`));
  });
}
