import assert from 'node:assert/strict';
import test from 'node:test';
import { NotificationWebSocket } from '../../static/js/notification-websocket.js';
import { heard, inState, placeOrder, soon, startServer, startWire } from './support.mjs';

/** A bell as a page would write it. */
class Bell extends NotificationWebSocket {
  shown = [];
  badge = null;
  changed = () => {};

  showNotification(notification) {
    this.shown.push(notification);
    this.changed();
  }

  updateBadge(count) {
    this.badge = count;
    this.changed();
  }

  until(fits) {
    return soon(new Promise((resolve) => {
      this.changed = () => fits(this) && resolve();
      this.changed();
    }), `the bell to be ${fits}`);
  }
}

test('a bell rings, counts, and is quiet once a notification was read', async (t) => {
  const server = await startServer(t);
  const customer = await server.user('customer');
  const bell = new Bell(customer.access, { url: server.url });
  t.after(() => bell.close());
  bell.connect();
  await bell.until(({ badge }) => badge === 0);
  await placeOrder(customer);
  await bell.until(({ shown, badge }) => shown.length > 0 && badge === shown.length);
  const rung = bell.badge;
  bell.markAsRead(bell.shown[0].id);
  await bell.until(({ badge }) => badge === rung - 1);
});

test('a bell rings with the ticket that the server hands out, too', async (t) => {
  const server = await startServer(t);
  const customer = await server.user('customer');
  const { token } = await customer.call('GET', '/realtime/token');
  const bell = new Bell(token, { url: server.url });
  t.after(() => bell.close());
  bell.connect();
  await bell.until(({ badge }) => badge === 0);
  const refused = new Promise((resolve) => { bell.onUnauthorized = resolve; });
  // It was good for one handshake.
  bell.ws.disconnect();
  await inState(bell.ws, 'closed');
  bell.connect();
  assert.equal((await soon(refused, 'the ticket to be refused')).code, 'token_refused');
});

test('a bell that can fetch tokens rings on after the connection was lost', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const customer = await server.user('customer');
  const bell = new Bell(customer.token, { url: wire.url, backoff: { first: 50, longest: 400 } });
  t.after(() => bell.close());
  bell.connect();
  await bell.until(({ badge }) => badge === 0);
  const gone = new Promise((resolve) => { bell.onDisconnected = resolve; });
  wire.cut();
  await gone;
  await placeOrder(customer);
  await bell.until(({ shown, badge }) => shown.length > 0 && badge === shown.length);
  assert.equal(new Set(bell.shown.map(({ id }) => id)).size, bell.shown.length);
  const ended = heard(bell.ws, 'state', ({ name }) => name === 'closed');
  bell.close();
  await ended;
});
