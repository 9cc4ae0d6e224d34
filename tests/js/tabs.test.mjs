import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { assignedOrder, connect, inState, record, soon, startServer, startWire } from './support.mjs';

/** Exclusive Web Locks for one process; Node 20 has none. */
function lockManager() {
  const queues = new Map();
  const next = async (name) => {
    const queue = queues.get(name);
    const [{ callback, resolve, reject }] = queue;
    try {
      resolve(await callback({ name, mode: 'exclusive' }));
    } catch (error) {
      reject(error);
    }
    queue.shift();
    if (queue.length > 0) next(name);
    else queues.delete(name);
  };
  return {
    request(name, ...rest) {
      const callback = rest.at(-1);
      const { signal } = rest.length > 1 ? rest[0] : {};
      return new Promise((resolve, reject) => {
        const waiting = { callback, resolve, reject };
        const queue = queues.get(name) ?? [];
        queues.set(name, queue);
        queue.push(waiting);
        signal?.addEventListener('abort', () => {
          const place = queue.indexOf(waiting);
          // One that is held is not taken away.
          if (place > 0) queue.splice(place, 1);
          if (place > 0) reject(signal.reason);
        });
        if (queue.length === 1) queueMicrotask(() => next(name));
      });
    },
  };
}

async function twoTabs(t) {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const story = await assignedOrder(server);
  const options = { locks: lockManager(), share: story.customer.id };
  const first = connect(t, wire.url, story.customer, options);
  await inState(first, 'open');
  const second = connect(t, wire.url, story.customer, options);
  await inState(second, 'open');
  return { server, wire, ...story, options, first, second };
}

const statuses = (frames) => frames.filter(({ type }) => type === 'order_update').map(({ update }) => update.status);

test('two tabs share one socket, and each hears what it has asked for', async (t) => {
  const { server, wire, customer, group, order, step, first, second } = await twoTabs(t);
  assert.deepEqual([first.isLeader, second.isLeader], [true, false]);
  const heardByFirst = record(first.subscribe(group));
  await heardByFirst.until(({ type }) => type === 'order_status');
  const heardBySecond = record(second.subscribe(group));
  await heardBySecond.until(({ type }) => type === 'order_status');
  const own = second.subscribe(`user_${customer.id}`);
  await own.ready;
  await step('en_route');
  for (const { until } of [heardByFirst, heardBySecond]) await until(({ update }) => update?.status === 'en_route');
  assert.equal(heardByFirst.frames.filter(({ type }) => type === 'order_status').length, 1);
  // What a follower asks goes by the same socket, and only it is answered.
  assert.equal((await second.request({ type: 'ping' })).type, 'pong');
  const message = await second.chat(order.id, 'From the second tab');
  assert.equal(message.text, 'From the second tab');
  await heardByFirst.until((frame) => frame.message?.id === message.id);
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1);
  assert.equal(wire.handshakes, 1);
});

test('when the tab with the socket closes the other takes over, and nothing is missed', async (t) => {
  const { wire, group, order, partner, step, first, second } = await twoTabs(t);
  const ofFirst = first.subscribe(group);
  const ofSecond = second.subscribe(group);
  const { frames, until } = record(ofSecond);
  await Promise.all([ofFirst.ready, ofSecond.ready]);
  await step('en_route');
  await until(({ update }) => update?.status === 'en_route');
  let resyncs = 0;
  ofSecond.on('resync', () => { resyncs += 1; });

  wire.cut({ down: true });
  const written = second.chat(order.id, 'Are you there?');
  first.close();
  await step('arrived');
  await step('picked_up');
  wire.mend();
  await step('in_transit');
  await until(({ update }) => update?.status === 'in_transit');
  assert.equal(second.isLeader, true);
  assert.deepEqual(statuses(frames), ['en_route', 'arrived', 'picked_up', 'in_transit']);
  assert.equal(resyncs, 0);
  assert.equal((await written).text, 'Are you there?');
  const { items } = await partner.call('GET', `/orders/${order.id}/messages`);
  assert.equal(items.length, 1);
});

test('a tab that goes takes along what only it has listened to', async (t) => {
  const { wire, customer, group, server, first, second } = await twoTabs(t);
  const own = first.subscribe(`user_${customer.id}`);
  const ofSecond = second.subscribe(group);
  await Promise.all([own.ready, ofSecond.ready]);
  const left = wire.lose(({ type, group: which }) => type === 'unsubscribed' && which === group);
  second.close();
  await left;
  assert.equal(first.state.name, 'open');
  const { until } = record(own);
  await server.publish(`user_${customer.id}`, 'stock', { left: 1 });
  await until(({ type }) => type === 'stock');
});

test('closing for all tabs is for all tabs, and what has ended does not begin again by itself', async (t) => {
  const { wire, first, second } = await twoTabs(t);
  second.disconnect();
  await Promise.all([inState(first, 'closed'), inState(second, 'closed')]);
  first.close();
  const third = second.subscribe('admin_dashboard');
  assert.equal(wire.handshakes, 1);
  second.connect();
  await inState(second, 'open');
  await assert.rejects(third.ready, { code: 'group_not_allowed' });
  assert.equal(wire.handshakes, 2);
});

test('without locks each tab has a socket of its own', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  const tabs = [1, 2].map(() => connect(t, wire.url, customer, { share: customer.id, locks: undefined }));
  for (const tab of tabs) {
    await inState(tab, 'open');
    assert.equal(tab.isLeader, true);
  }
  assert.equal(wire.handshakes, 2);
});

/** What a browser does for tabs that are threads: gives out locks, and takes those of the dead back. */
function browser(t) {
  const queues = new Map();
  const grant = (name) => {
    const first = queues.get(name)?.[0];
    if (first && !first.isGranted) {
      first.isGranted = true;
      first.worker.postMessage({ granted: first.id });
    }
  };
  const forget = (isGone) => {
    for (const [name, queue] of queues) {
      queues.set(name, queue.filter((entry) => !isGone(name, entry)));
      grant(name);
    }
  };
  return function open(workerData) {
    const worker = new Worker(new URL('tab.mjs', import.meta.url), { workerData });
    const said = [];
    const looks = new Set();
    worker.on('message', (message) => {
      if (message.lock) {
        queues.set(message.lock, [...(queues.get(message.lock) ?? []), { worker, id: message.id }]);
        grant(message.lock);
      } else if (message.release) {
        forget((name, entry) => name === message.release && entry.worker === worker && entry.id === message.id);
      } else {
        said.push(message);
        looks.forEach((look) => look());
      }
    });
    const kill = async () => {
      await worker.terminate();
      forget((_, entry) => entry.worker === worker);
    };
    t.after(kill);
    const until = (fits) => soon(new Promise((resolve) => {
      const look = () => {
        const found = said.find(fits);
        if (found) resolve(found);
      };
      looks.add(look);
      look();
    }), `the tab to say ${fits}`);
    const numbers = () => said.filter(({ frame }) => frame?.type === 'stock').map(({ frame }) => frame.data.number);
    return { said, until, kill, numbers, post: (message) => worker.postMessage(message) };
  };
}

test('tabs that are killed one after the other in the middle of it cost the last one nothing', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, partner, group, order } = await assignedOrder(server);
  const open = browser(t);
  const data = { url: wire.url, access: customer.access, share: customer.id, groups: [group, `user_${customer.id}`] };
  const tabs = [];
  for (let count = 0; count < 4; count += 1) {
    tabs.push(open(data));
    await tabs.at(-1).until(({ frame }) => frame?.type === 'order_status');
    await tabs.at(-1).until(({ frame }) => frame?.type === 'unread_count');
  }
  assert.equal(wire.handshakes, 1);
  const last = tabs.at(-1);
  for (let number = 1; number <= 60; number += 1) {
    // Not waited for: events go on while a tab dies and another one takes over.
    if (number % 16 === 0) tabs.shift().kill();
    if (number % 15 === 0) last.post({ chat: { orderId: order.id, text: `Message ${number}` } });
    await server.publish(group, 'stock', { number });
  }
  for (const tab of tabs) await tab.until(({ frame }) => frame?.data?.number === 60);
  assert.equal(tabs.length, 1);
  assert.deepEqual(last.numbers(), Array.from({ length: 60 }, (_, place) => place + 1));
  assert.ok(!last.said.some(({ type }) => type === 'resync' || type === 'ended'));
  for (const number of [15, 30, 45, 60]) {
    await last.until(({ type, message }) => type === 'written' && message.text === `Message ${number}`);
  }
  const { items } = await partner.call('GET', `/orders/${order.id}/messages`);
  assert.deepEqual(items.map(({ text }) => text).reverse(), [15, 30, 45, 60].map((number) => `Message ${number}`));
  assert.equal(wire.handshakes, 4);
});
