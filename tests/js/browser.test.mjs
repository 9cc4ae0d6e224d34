import assert from 'node:assert/strict';
import test from 'node:test';
import { startChromium, startSite } from './chromium.mjs';
import { assignedOrder, soon, startServer, startWire } from './support.mjs';

async function story(t) {
  const site = await startSite(t);
  const server = await startServer(t, { WAYBILL_ALLOWED_ORIGINS: site });
  const wire = await startWire(t, server);
  const [told, browser] = [await assignedOrder(server), await startChromium(t)];
  const open = async () => {
    const tab = await browser.open(site);
    await tab.run(begin, { url: wire.url, access: told.customer.access, share: told.customer.id, group: told.group });
    return tab;
  };
  return { server, wire, browser, site, open, ...told };
}

/** In the page: a client, and what it hears. */
async function begin({ url, access, share, group }) {
  const { WaybillClient } = await import('/static/js/waybill.js');
  const storage = {
    get: (key) => localStorage.getItem(key),
    set: (key, value) => localStorage.setItem(key, value),
  };
  const client = new WaybillClient({
    url, share, storage, token: () => access, backoff: { first: 50, longest: 60_000 },
  });
  const subscription = client.subscribe(group);
  const numbers = [];
  let resyncs = 0;
  subscription.on('frame', ({ type, data }) => type === 'stock' && numbers.push(data.number));
  subscription.on('resync', () => { resyncs += 1; });
  const until = (fits) => new Promise((resolve) => {
    const look = () => fits() && resolve();
    subscription.on('frame', look);
    client.on('state', look);
    look();
  });
  Object.assign(globalThis, { client, subscription, numbers, until, heard: () => ({ numbers, resyncs }) });
  client.connect();
  await subscription.ready;
}

test('tabs of a browser share a socket, and each outlives the others', async (t) => {
  const { server, wire, browser, open, group } = await story(t);
  const tabs = [await open(), await open(), await open()];
  const leaders = await Promise.all(tabs.map((tab) => tab.run(() => globalThis.client.isLeader)));
  assert.deepEqual(leaders, [true, false, false]);
  assert.equal(wire.handshakes, 1);
  const publish = async (from, to) => {
    for (let number = from; number <= to; number += 1) await server.publish(group, 'stock', { number });
  };
  await publish(1, 5);
  // One is closed, and the next one crashes, while events go on.
  const closing = tabs[0].close();
  await publish(6, 20);
  await closing;
  await tabs[2].run(() => globalThis.until(() => globalThis.numbers.includes(20)));
  await tabs[1].run(() => globalThis.until(() => globalThis.client.isLeader));
  tabs[1].crash();
  await publish(21, 40);
  const { numbers, resyncs } = await tabs[2].run(async () => {
    await globalThis.until(() => globalThis.numbers.includes(40));
    return globalThis.heard();
  });
  assert.deepEqual(numbers, Array.from({ length: 40 }, (_, place) => place + 1));
  assert.equal(resyncs, 0);
  assert.equal(await tabs[2].run(() => globalThis.client.isLeader), true);
  assert.equal(wire.handshakes, 3);
  assert.deepEqual(browser.complaints, []);
});

test('a tab with the socket that has stopped is passed over, and follows once it goes on', async (t) => {
  const { server, browser, open, group } = await story(t);
  const first = await open();
  await first.send('Page.setWebLifecycleState', { state: 'frozen' });
  const second = await open();
  assert.equal(await second.run(() => globalThis.client.isLeader), true);
  await server.publish(group, 'stock', { number: 1 });
  await second.run(() => globalThis.until(() => globalThis.numbers.includes(1)));
  await first.send('Page.setWebLifecycleState', { state: 'active' });
  await first.run(() => globalThis.until(() => globalThis.numbers.includes(1)));
  await server.publish(group, 'stock', { number: 2 });
  for (const tab of [first, second]) {
    await tab.run(() => globalThis.until(() => globalThis.numbers.includes(2)));
    assert.deepEqual(await tab.run(() => globalThis.numbers), [1, 2]);
  }
  assert.equal(await first.run(() => globalThis.client.isLeader), false);
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1, 'one socket');
  assert.deepEqual(browser.complaints, []);
});

test('a tab that holds the lock and says nothing is passed over', async (t) => {
  const { browser, site, open, customer } = await story(t);
  const mute = await browser.open(site);
  await mute.run((name) => new Promise((resolve) => {
    navigator.locks.request(name, () => {
      resolve();
      return new Promise(() => {});
    }).catch(() => {});
  }), `waybill 1 ${customer.id}`);
  const tab = await open();
  assert.equal(await tab.run(() => globalThis.client.isLeader), true);
});

test('what is written offline outlives the page, and arrives once', async (t) => {
  const { wire, open, order, partner } = await story(t);
  const tab = await open();
  wire.cut({ down: true });
  await tab.run(() => globalThis.until(() => globalThis.client.state.name === 'waiting'));
  await tab.run((id) => {
    for (const text of ['One', 'Two']) globalThis.client.chat(id, text);
  }, order.id);
  await tab.reload();
  wire.mend();
  await open();
  const texts = async () => {
    const { items } = await partner.call('GET', `/orders/${order.id}/messages`);
    return items.map(({ text }) => text).reverse();
  };
  const arrived = async () => {
    while ((await texts()).length < 2);
  };
  await soon(arrived(), 'the messages');
  assert.deepEqual(await texts(), ['One', 'Two']);
});

test('a page that loses the network waits for it, and is back as soon as it is', async (t) => {
  const { wire, open } = await story(t);
  const tab = await open();
  await tab.setOffline(true);
  wire.cut();
  await tab.run(() => globalThis.until(() => globalThis.client.state.name === 'offline'));
  // By itself it would look again after a minute.
  await tab.setOffline(false);
  await tab.run(() => globalThis.until(() => globalThis.client.state.name === 'open'));
});
