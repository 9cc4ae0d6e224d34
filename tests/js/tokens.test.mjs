import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { assignedOrder, connect, inState, record, soon, startServer, startWire } from './support.mjs';

test('a token is renewed before it ends, on the same connection', async (t) => {
  const server = await startServer(t, { WAYBILL_ACCESS_LIFETIME_SECS: '4' });
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  const group = `user_${customer.id}`;
  const client = connect(t, wire.url, customer);
  const subscription = client.subscribe(group);
  const { until } = record(subscription, 'stock');
  await subscription.ready;
  // Sessions of the first token ended after 4 s; renewals come 1 to 2 s after the one before.
  const started = Date.now();
  while (Date.now() - started < 6_000) await soon(renewal(customer), 'a renewal');
  await server.publish(group, 'stock', { left: 1 });
  await until(({ data }) => data.left === 1);
  assert.equal(wire.handshakes, 1);
  assert.equal(client.state.name, 'open');
});

// When the application is next asked for a fresh token.
function renewal(user) {
  return new Promise((resolve) => { user.onRenewal = resolve; });
}

test('a log-in that has ended is asked for a fresh token once, and then the client says so', async (t) => {
  const server = await startServer(t);
  const customer = await server.user('customer');
  const client = connect(t, server.url, customer);
  await inState(client, 'open');
  await customer.logOut();
  const { reason, error } = await inState(client, 'closed');
  assert.equal(reason, 'unauthorized');
  assert.match(error.message, /\/auth\/refresh: 401/);
  assert.equal(customer.renewals, 1);
});

test('a token that is not taken at the handshake is renewed once, too', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  await customer.logOut();
  const asked = [];
  const token = ({ fresh }) => {
    asked.push(fresh);
    return customer.access;
  };
  const client = connect(t, wire.url, { token });
  const { reason, error } = await inState(client, 'closed');
  assert.deepEqual([reason, error.code], ['unauthorized', 'token_refused']);
  assert.deepEqual(asked, [false, true]);
  assert.equal(wire.handshakes, 2);
  // And begins anew when it is told to, with what works by then.
  await assert.rejects(client.request({ type: 'ping' }, { timeout: 1 }), { code: 'timeout' });
});

test('a stale token is put right by a fresh one without the application hearing of it', async (t) => {
  const server = await startServer(t);
  const [customer, other] = [await server.user('customer'), await server.user('customer')];
  await other.logOut();
  const client = connect(t, server.url, {
    token: ({ fresh }) => (fresh ? customer.access : other.access),
  });
  const states = record(client, 'state');
  await inState(client, 'open');
  assert.ok(!states.frames.some(({ name }) => name === 'closed'));
  assert.equal(client.userId, customer.id);
});

test('fetching a token is tried again while the network is the trouble', async (t) => {
  const server = await startServer(t);
  const customer = await server.user('customer');
  let calls = 0;
  const client = connect(t, server.url, {
    token: () => {
      calls += 1;
      if (calls < 3) throw new TypeError('fetch failed');
      return customer.access;
    },
  });
  const { error } = await inState(client, 'waiting');
  assert.equal(error.code, 'no_token');
  await inState(client, 'open');
  assert.equal(calls, 3);
});

test('of more sessions than a user may have the oldest gives way, and stays away', async (t) => {
  const server = await startServer(t, { WAYBILL_SESSIONS_PER_USER: '2' });
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  const first = connect(t, wire.url, customer);
  await inState(first, 'open');
  const others = [];
  for (let count = 0; count < 2; count += 1) {
    others.push(connect(t, server.url, customer));
    await inState(others.at(-1), 'open');
  }
  const { reason } = await inState(first, 'closed');
  assert.equal(reason, 'replaced');
  // Not by waking up either.
  first.wake();
  await others[1].request({ type: 'ping' });
  assert.equal(first.state.name, 'closed');
  assert.equal(wire.handshakes, 1);
  // But when it is told to.
  first.connect();
  await inState(first, 'open');
  await inState(others[0], 'closed');
});

test('offline it does not try, and back online it does at once', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  const host = Object.assign(new EventTarget(), { navigator: { onLine: true }, WebSocket });
  // Without the events it would wait for a minute.
  const backoff = { first: 60_000, longest: 60_000 };
  const client = connect(t, wire.url, customer, { host, backoff });
  await inState(client, 'open');
  wire.cut({ down: true });
  await inState(client, 'waiting');
  host.navigator.onLine = false;
  host.dispatchEvent(new Event('offline'));
  assert.equal(client.state.name, 'offline');
  const before = wire.handshakes;
  wire.mend();
  host.navigator.onLine = true;
  host.dispatchEvent(new Event('online'));
  await inState(client, 'open');
  assert.equal(wire.handshakes, before + 1);
});

test('after a sleep past the end of the token it is renewed first, and what was missed follows', async (t) => {
  const server = await startServer(t, { WAYBILL_ACCESS_LIFETIME_SECS: '3' });
  const { customer, group } = await assignedOrder(server);
  const sleeper = fork(new URL('sleeper.mjs', import.meta.url), {
    execArgv: process.execArgv.filter((argument) => argument.startsWith('--experimental-websocket')),
    env: { ...process.env, URL: server.url, ACCESS: customer.access, REFRESH: customer.refresh, GROUP: group },
  });
  t.after(() => sleeper.kill('SIGKILL'));
  const messages = [];
  const looks = new Set();
  sleeper.on('message', (message) => {
    messages.push(message);
    looks.forEach((look) => look());
  });
  const said = (fits) => soon(new Promise((resolve) => {
    const look = () => messages.some(fits) && resolve();
    looks.add(look);
    look();
  }), `the sleeper to say ${fits}`, 20_000);
  await said(({ ready }) => ready);
  const endings = () => server.metric('waybill_sessions_closed_total{reason="token"}');
  const already = await endings();
  sleeper.kill('SIGSTOP');
  const before = messages.length;
  const ended = async () => {
    while ((await endings()) === already) await new Promise((resolve) => { setTimeout(resolve, 100); });
  };
  await soon(ended(), 'the session to end');
  await server.publish(group, 'stock', { left: 7 });
  sleeper.kill('SIGCONT');
  await said(({ frame }) => frame?.type === 'stock');
  const after = messages.slice(before);
  const states = after.filter(({ state }) => state).map(({ state }) => state.name);
  assert.ok(!states.includes('closed'), JSON.stringify(states));
  const [renewed, opened] = [({ renewed: is }) => is, ({ state }) => state?.name === 'open']
    .map((fits) => after.findIndex(fits));
  assert.ok(renewed >= 0 && renewed < opened, JSON.stringify(after));
  assert.ok(!after.some(({ frame }) => frame?.type === 'order_status'), 'recovered, without a snapshot');
  sleeper.send('end');
  await once(sleeper, 'exit');
});

test('a page that is looked at again notices that its connection is dead', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const client = connect(t, wire.url, customer, { host: Object.assign(new EventTarget(), { document, WebSocket }) });
  await inState(client, 'open');
  const lost = wire.lose(({ type }) => type === 'pong');
  document.dispatchEvent(new Event('visibilitychange'));
  await lost;
  const { error } = await inState(client, 'waiting');
  assert.equal(error.code, 'silence');
  await inState(client, 'open');
});
