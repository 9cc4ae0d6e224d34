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
  const states = [];
  let resyncs = 0;
  subscription.on('frame', ({ type, data }) => type === 'stock' && numbers.push(data.number));
  subscription.on('resync', () => { resyncs += 1; });
  client.on('state', ({ name }) => states.push(name));
  const until = (fits) => new Promise((resolve) => {
    const look = () => fits() && resolve();
    subscription.on('frame', look);
    client.on('state', look);
    look();
  });
  Object.assign(globalThis, { client, subscription, numbers, states, until, heard: () => ({ numbers, resyncs }) });
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

const freeze = (tab) => tab.send('Page.setWebLifecycleState', { state: 'frozen' });
const thaw = (tab) => tab.send('Page.setWebLifecycleState', { state: 'active' });
const leads = (tab) => tab.run(() => globalThis.client.isLeader);
const hears = (tab, number) => tab.run((wanted) => globalThis.until(() => globalThis.numbers.includes(wanted)), number);

/** Waits until the server has so many sockets. */
async function sockets(server, count) {
  const there = async () => {
    while ((await server.metric('waybill_sessions{endpoint="any"}')) !== count);
  };
  await soon(there(), `${count} sockets`);
}

test('a tab that is alone goes on where it was when the browser has stopped it for a while', async (t) => {
  const { server, wire, browser, open, group, order, partner } = await story(t);
  const tab = await open();
  await server.publish(group, 'stock', { number: 1 });
  await hears(tab, 1);
  await freeze(tab);
  await sockets(server, 0);
  await server.publish(group, 'stock', { number: 2 });
  await thaw(tab);
  await hears(tab, 2);
  assert.equal(await leads(tab), true);
  const since = await tab.run(() => globalThis.states.slice(globalThis.states.indexOf('open')));
  assert.deepEqual([...new Set(since.slice(1, -1))], ['connecting'], 'it does not say meanwhile that it is connected');
  assert.equal(since.at(-1), 'open');
  // What waits to be sent when it is stopped is sent afterwards.
  wire.cut({ down: true });
  await tab.run(() => globalThis.until(() => globalThis.client.state.name === 'waiting'));
  await tab.run((id) => { globalThis.written = globalThis.client.chat(id, 'Are you there?'); }, order.id);
  await freeze(tab);
  wire.mend();
  await thaw(tab);
  assert.equal((await tab.run(() => globalThis.written)).text, 'Are you there?');
  assert.equal((await partner.call('GET', `/orders/${order.id}/messages`)).items.length, 1);
  await server.publish(group, 'stock', { number: 3 });
  await hears(tab, 3);
  assert.deepEqual(await tab.run(() => globalThis.heard()), { numbers: [1, 2, 3], resyncs: 0 });
  await sockets(server, 1);
  // What has ended for a reason stays so.
  await tab.run(() => globalThis.client.disconnect());
  await sockets(server, 0);
  await freeze(tab);
  await thaw(tab);
  await tab.run(async () => {
    while (!globalThis.client.isLeader) await new Promise((resolve) => { setTimeout(resolve); });
  });
  assert.deepEqual(await tab.run(() => globalThis.client.state), { name: 'closed', reason: 'done' });
  assert.deepEqual(browser.complaints, []);
});

test('the socket never goes to a tab that the browser has stopped', async (t) => {
  const { server, browser, open, group } = await story(t);
  const [first, stopped, last] = [await open(), await open(), await open()];
  await freeze(stopped);
  await freeze(first);
  await last.run(() => globalThis.until(() => globalThis.client.isLeader));
  await server.publish(group, 'stock', { number: 1 });
  await hears(last, 1);
  // They are in line again once they go on.
  await thaw(first);
  await hears(first, 1);
  await freeze(last);
  await first.run(() => globalThis.until(() => globalThis.client.isLeader));
  await server.publish(group, 'stock', { number: 2 });
  await hears(first, 2);
  for (const tab of [stopped, last]) {
    await thaw(tab);
    await hears(tab, 2);
    assert.deepEqual(await tab.run(() => globalThis.heard()), { numbers: [1, 2], resyncs: 0 });
    assert.equal(await leads(tab), false);
  }
  await sockets(server, 1);
  assert.deepEqual(browser.complaints, []);
});

test('a tab with the socket that stops without a word is passed over by one that is looked at', async (t) => {
  const { server, browser, open, group } = await story(t);
  const [first, second] = [await open(), await open()];
  await first.stop();
  await second.run(() => globalThis.until(() => globalThis.client.isLeader), undefined, 60_000);
  await server.publish(group, 'stock', { number: 1 });
  await hears(second, 1);
  await first.goOn();
  await hears(first, 1);
  await sockets(server, 1);
  await server.publish(group, 'stock', { number: 2 });
  for (const tab of [first, second]) {
    await hears(tab, 2);
    assert.equal(await tab.run(() => globalThis.client.state.name), 'open');
    assert.deepEqual(await tab.run(() => globalThis.heard()), { numbers: [1, 2], resyncs: 0 });
  }
  assert.deepEqual([await leads(first), await leads(second)], [false, true]);
  assert.deepEqual(browser.complaints, []);
});

test('a tab that somebody looks at again makes sure at once that another one has the socket', async (t) => {
  const { server, browser, site, open, group } = await story(t);
  const [first, second] = [await open(), await open()];
  await browser.open(site);
  assert.equal(await second.run(() => document.visibilityState), 'hidden');
  await first.stop();
  await second.send('Page.bringToFront');
  // Sooner than it would ask by itself.
  await second.run(() => globalThis.until(() => globalThis.client.isLeader), undefined, 18_000);
  await server.publish(group, 'stock', { number: 1 });
  await hears(second, 1);
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
  const { server, browser, site, open, customer, group } = await story(t);
  const mute = await browser.open(site);
  await mute.run((name) => new Promise((resolve) => {
    navigator.locks.request(name, () => {
      resolve();
      return new Promise(() => {});
    }).catch(() => {});
  }), `waybill 1 ${customer.id}`);
  const tab = await open();
  assert.equal(await leads(tab), true);
  // It had stood in line for the lock before it took it, and is not to have it again by that when it is stopped itself.
  const next = await open();
  await freeze(tab);
  await next.run(() => globalThis.until(() => globalThis.client.isLeader));
  await server.publish(group, 'stock', { number: 1 });
  await hears(next, 1);
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
