import assert from 'node:assert/strict';
import test from 'node:test';
import { assignedOrder, connect, heard, inState, record, soon, startServer, startWire } from './support.mjs';

/** What a browser's `localStorage` is to the client. */
function storage() {
  const kept = new Map();
  const listeners = new Set();
  return {
    kept,
    get: (key) => kept.get(key) ?? null,
    set(key, value) {
      kept.set(key, value);
      listeners.forEach((listener) => listener(value));
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const messagesOf = async (user, order) => {
  const { items } = await user.call('GET', `/orders/${order.id}/messages`);
  return items.map(({ text }) => text).reverse();
};

test('messages written while the server is down arrive once and in order', async (t) => {
  const server = await startServer(t);
  const { customer, partner, order, group } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  const subscription = client.subscribe(group);
  const chat = record(subscription, 'chat_message');
  await subscription.ready;
  await server.kill();
  await inState(client, 'waiting');
  const texts = ['One', 'Two', 'Three', 'Four'];
  const written = texts.map((text) => client.chat(order.id, text));
  await server.start();
  const messages = await soon(Promise.all(written), 'the messages');
  assert.deepEqual(messages.map(({ text }) => text), texts);
  assert.deepEqual(await messagesOf(partner, order), texts);
  await chat.until(({ message }) => message.text === 'Four');
  assert.deepEqual(chat.frames.map(({ message }) => message.text), texts);
});

test('a message whose answer is lost with the connection is not written twice', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, partner, order, group } = await assignedOrder(server);
  const client = connect(t, wire.url, customer);
  const subscription = client.subscribe(group);
  const chat = record(subscription, 'chat_message');
  await subscription.ready;
  const lost = wire.lose(({ type }) => type === 'chat_message');
  const written = client.chat(order.id, 'The bell is broken');
  await lost;
  wire.cut();
  const message = await soon(written, 'the message');
  assert.equal(message.text, 'The bell is broken');
  assert.deepEqual(await messagesOf(partner, order), ['The bell is broken']);
  await client.chat(order.id, 'Knock');
  await chat.until(({ message: { text } }) => text === 'Knock');
  assert.deepEqual(chat.frames.map((frame) => frame.message.text), ['The bell is broken', 'Knock']);
});

test('a message that nothing has answered is sent again as soon as there is a connection', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, partner, order } = await assignedOrder(server);
  // Nothing of the order is listened to, so that no event answers.
  const client = connect(t, wire.url, customer);
  await inState(client, 'open');
  const lost = wire.lose(({ type }) => type === 'chat_message');
  const written = client.chat(order.id, 'Hello');
  await lost;
  wire.cut();
  await soon(written, 'the message', 8_000);
  assert.deepEqual(await messagesOf(partner, order), ['Hello']);
});

test('more messages than the server lets wait keep their order', async (t) => {
  const server = await startServer(t);
  const { customer, partner, order } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  await inState(client, 'open');
  const texts = Array.from({ length: 48 }, (_, place) => `Message ${place}`);
  await soon(Promise.all(texts.map((text) => client.chat(order.id, text))), 'the messages');
  assert.deepEqual(await messagesOf(partner, order), texts);
});

test('without listening to the order a message is answered, too', async (t) => {
  const server = await startServer(t);
  const { customer, order } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  const message = await client.chat(order.id, 'Hello', { clientId: 'mine' });
  assert.equal(message.client_id, 'mine');
  // The same again is the same message, and another text under its id is refused.
  assert.equal((await client.chat(order.id, 'Hello', { clientId: 'mine' })).id, message.id);
  const given = heard(client, 'given_up');
  await assert.rejects(client.chat(order.id, 'Something else', { clientId: 'mine' }), { code: 'client_id_reused' });
  assert.equal((await given).code, 'client_id_reused');
});

test('the queue outlives the page, and another user does not send it', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, partner, order } = await assignedOrder(server);
  const shelf = storage();
  const options = { storage: shelf, storageKey: 'queue' };
  const page = connect(t, wire.url, customer, options);
  await inState(page, 'open');
  wire.cut({ down: true });
  await inState(page, 'waiting');
  const kept = heard({ on: (_, listener) => shelf.listen(listener) }, 'two', (text) => JSON.parse(text).length === 2);
  const unsent = ['Left behind', 'x'.repeat(3_000)].map((text) => page.chat(order.id, text));
  await kept;
  page.close();
  for (const one of unsent) await assert.rejects(one, { code: 'closed' });
  const left = shelf.kept.get('queue');
  assert.equal(JSON.parse(left).length, 2);

  wire.mend();
  const next = connect(t, wire.url, customer, options);
  const given = await heard(next, 'given_up');
  assert.equal(given.code, 'invalid_fields');
  const empty = async () => {
    while (shelf.kept.get('queue') !== '[]') await next.request({ type: 'ping' });
  };
  await soon(empty(), 'the queue to be empty');
  assert.deepEqual(await messagesOf(partner, order), ['Left behind']);

  // What the customer wrote while the connection was away is the customer's, on a device that others use, too.
  const [first, ...others] = JSON.parse(left);
  shelf.set('queue', JSON.stringify([first, ...others, { ...first, key: 'old', at: 1 }, { ...first, key: 'nameless', user: undefined }]));
  const stranger = connect(t, wire.url, partner, options);
  const { frames, until } = record(stranger, 'given_up');
  await until(() => frames.length === 4);
  assert.deepEqual(frames.map(({ code }) => code), ['other_user', 'other_user', 'too_old', 'other_user']);
  assert.deepEqual(await messagesOf(partner, order), ['Left behind']);
});

test('the queue is bounded, and says what it does not take', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  wire.cut({ down: true });
  const customer = await server.user('customer');
  const client = connect(t, wire.url, customer, { outboxLimit: 2 });
  const given = record(client, 'given_up');
  const order = '019b7d2a-5c4e-7000-8000-000000000001';
  const written = ['One', 'Two', 'Three'].map((text) => client.chat(order, text));
  await assert.rejects(written[2], { code: 'queue_full' });
  assert.deepEqual(given.frames.map(({ frame, code }) => [frame.text, code]), [['Three', 'queue_full']]);
  wire.mend();
  for (const one of written.slice(0, 2)) await assert.rejects(one, { code: 'not_found' });
});

test('read marks made offline arrive', async (t) => {
  const server = await startServer(t);
  const wire = await startWire(t, server);
  const { customer, partner, order, group } = await assignedOrder(server);
  const client = connect(t, wire.url, customer);
  const subscription = client.subscribe(group);
  const own = client.subscribe(`user_${customer.id}`);
  const counts = record(own, 'unread_count');
  await Promise.all([subscription.ready, own.ready]);
  const { items } = await customer.call('GET', '/notifications');
  const { count } = await counts.until(({ count: unread }) => unread === items.length);
  const message = await partner.call('POST', `/orders/${order.id}/messages`, { text: 'On my way' });
  wire.cut({ down: true });
  await inState(client, 'waiting');
  const marks = [client.markRead(items[0].id), client.markRead(items[0].id), client.chatRead(order.id, message.id)];
  const read = heard(subscription, 'chat_read', ({ up_to: upTo }) => upTo === message.id);
  wire.mend();
  await Promise.all([read, counts.until(({ count: unread }) => unread === count - 1)]);
  await Promise.all(marks);
  await assert.rejects(client.markRead(order.id), { code: 'not_found' });
});

test('what a notification has come to is on record once it was shown', async (t) => {
  const server = await startServer(t);
  const { customer, admin, order, step } = await assignedOrder(server);
  const client = connect(t, server.url, customer);
  const own = client.subscribe(`user_${customer.id}`);
  await own.ready;
  const stateOf = async (id) => {
    const { items } = await admin.call('GET', `/admin/deliveries?notification_id=${id}`);
    return items[0]?.deliveries.find(({ channel }) => channel === 'in_app')?.state;
  };
  const reaches = async (id, wanted) => {
    while ((await stateOf(id)) !== wanted) await client.request({ type: 'ping' });
  };
  // With nobody to show it, nothing says that it was.
  const unseen = heard(client, 'order_update');
  await step('en_route');
  await unseen;
  const { items } = await customer.call('GET', '/notifications');
  await soon(reaches(items[0].id, 'written'), 'the first to be written');

  const shown = heard(own, 'notification');
  await step('arrived');
  const { notification } = await shown;
  await soon(reaches(notification.id, 'acked'), 'the second to be acknowledged');
  assert.equal(await stateOf(items[0].id), 'written');
  assert.equal(order.status, 'confirmed');
});
