import assert from 'node:assert/strict';
import test from 'node:test';
import { reader, speaker } from './no-page.mjs';
import { feeOf } from '../../static/customer/cancel.js';
import { Draft, isShort, isWritten, itemsOf, missingOf, suggested } from '../../static/customer/draft.js';
import { amountsOf } from '../../static/customer/payment.js';
import { Wallet } from '../../static/customer/wallet.js';

const dollars = (amount) => ({ amount, currency: 'USD' });
const PICKUP = { latitude: 41.39, longitude: 2.16, address: 'Carrer de Provença 261' };
const DROPOFF = { latitude: 41.4, longitude: 2.17, address: 'Carrer de Mallorca 304' };
const missing = (draft) => missingOf(draft.state.value, itemsOf(draft.state.value, 'USD'));

test('a draft tells what it lacks, and leaves out nothing that was written', () => {
  const draft = new Draft();
  assert.deepEqual(missing(draft), ['pickup_point', 'pickup_words', 'items', 'dropoff_point', 'dropoff_words']);
  // A point on the map says nothing to who has to find the door.
  draft.change({ pickup: PICKUP, dropoff: { ...DROPOFF, address: ' ' } });
  assert.deepEqual(missing(draft), ['items', 'dropoff_words']);
  draft.change({ dropoff: DROPOFF, own: [{ name: 'Soup', quantity: '2', price: '6,50' }, { name: '', quantity: '1', price: '900' }] });
  assert.deepEqual(missing(draft), ['item_name']);
  draft.change(({ own }) => ({ own: [own[0], { name: 'Piano', quantity: '1.5', price: 'much' }] }));
  assert.deepEqual(missing(draft), ['item_quantity', 'item_price']);
  draft.change(({ own }) => ({ own: [own[0], { name: '', quantity: '1', price: '' }] }));
  assert.deepEqual(missing(draft), []);
  assert.deepEqual(itemsOf(draft.state.value, 'USD'), [{ name: 'Soup', quantity: 2, unit_price: 650 }]);
});

test('an order keeps its key until it is another one', () => {
  const draft = new Draft();
  const key = draft.key({ notes: 'a' });
  assert.equal(draft.key({ notes: 'a' }), key);
  const other = draft.key({ notes: 'b' });
  assert.notEqual(other, key);
  draft.change({ dropoff: DROPOFF, method: 'wallet' });
  assert.equal(isWritten(draft.state.value), true);
  draft.startOver();
  assert.equal(isWritten(draft.state.value), false);
  assert.equal(draft.state.value.method, 'wallet');
  assert.notEqual(draft.key({ notes: 'b' }), other);
});

test('how it is paid is suggested by what the wallet holds, and told where that is too little', () => {
  assert.equal(suggested({ balance: 1000 }), 'wallet');
  assert.equal(suggested({ balance: 0 }), 'cash');
  assert.equal(isShort({ method: 'wallet' }, { balance: 1000 }, 1680), true);
  assert.equal(isShort({ method: 'wallet' }, { balance: 1680 }, 1680), false);
  assert.equal(isShort({ method: 'wallet' }, { balance: 1000 }, null), false);
  assert.equal(isShort({ method: 'cash' }, { balance: 1000 }, 1680), false);
});

test('an order can be placed again, from the shop that it was from', () => {
  const order = {
    pickup: PICKUP, dropoff: DROPOFF, items: [{ name: 'Soup', quantity: 2, unit_price: 650 }], notes: null, payment_method: 'cash', price: dollars(1760),
  };
  const own = new Draft();
  own.again(order, []);
  assert.deepEqual(missing(own), []);
  assert.deepEqual(itemsOf(own.state.value, 'USD'), order.items);
  const shop = { name: 'Soups', place: PICKUP, menu: [{ name: 'Soup', price: 700 }, { name: 'Bread', price: 200 }] };
  const fromShop = new Draft();
  fromShop.again(order, [shop]);
  assert.deepEqual(itemsOf(fromShop.state.value, 'USD'), [{ name: 'Soup', quantity: 2, unit_price: 700 }]);
  const elsewhere = new Draft();
  elsewhere.again({ ...order, pickup: DROPOFF }, [shop]);
  assert.deepEqual(missing(elsewhere), ['pickup_point', 'pickup_words', 'items']);
});

test('what was not charged is not told as if it had been', () => {
  const payment = { method: 'wallet', captured: dollars(0), cancellation_fee: dollars(0), released: dollars(0), refunded: dollars(0) };
  const told = (order, more) => amountsOf({ price: dollars(1680), ...order }, more && { ...payment, ...more })
    .map(({ name, amount, isSum = false }) => [name, amount.amount, isSum]);
  const total = [['order.total', 1680, true]];
  assert.deepEqual(told({ status: 'in_transit' }), total);
  assert.deepEqual(told({ status: 'cancelled' }), total, 'before it is known');
  assert.deepEqual(told({ status: 'completed' }, { captured: dollars(1680) }), total);
  assert.deepEqual(told({ status: 'completed' }, { captured: dollars(1680), refunded: dollars(500) }), [...total, ['paid.refunded_amount', 500, false]]);
  assert.deepEqual(told({ status: 'cancelled' }, { captured: dollars(300), cancellation_fee: dollars(300), released: dollars(1380) }), [
    ['order.total', 1680, false], ['paid.released_amount', -1380, false], ['paid.fee', 300, true],
  ]);
  assert.deepEqual(told({ status: 'failed' }, { released: dollars(1680) }), [['order.total', 1680, false], ['paid.released_amount', -1680, false], ['paid.charged', 0, true]]);
  assert.deepEqual(told({ status: 'cancelled' }, { method: 'cash' }), [['order.total', 1680, false], ['paid.charged', 0, true]]);
  // What was paid by hand is not known.
  assert.deepEqual(told({ status: 'failed' }, { method: 'cash' }), total);
});

test('cancelling late costs no more than the price, and in cash no more than there is in the wallet', async () => {
  const order = { pickup: PICKUP, dropoff: DROPOFF, items: [{ name: 'Soup', quantity: 1, unit_price: 650 }] };
  const fee = async (method, price, balance) => {
    const session = { get: async (path) => (path === '/wallet?currency=USD' ? { balance, currency: 'USD' } : { cancellation_fee: dollars(300) }) };
    return (await feeOf(session, { ...order, payment_method: method, price: dollars(price) })).amount;
  };
  // What pays for the order by the wallet is set aside, and no part of its balance.
  assert.deepEqual([await fee('wallet', 1680, 0), await fee('wallet', 250, 0)], [300, 250]);
  assert.deepEqual([await fee('cash', 1680, 500), await fee('cash', 1680, 120), await fee('cash', 250, 500), await fee('cash', 1680, 0)], [300, 120, 250, 0]);
});

test('money on its way is kept in sight until it has come, or is known not to', async () => {
  const server = reader();
  const group = speaker();
  const topUp = (id, status, failure = null) => ({ id, status, failure, amount: 2503, currency: 'USD', created_at: '2026-11-29T10:00:00Z' });
  const answers = [topUp('one', 'pending'), topUp('two', 'pending'), topUp('three', 'succeeded')];
  const session = {
    user: { value: { id: 'ada' } },
    get: (path) => (path.startsWith('/wallet/topups/') ? server.read(path) : path === '/wallet' ? { currency: 'USD', balance: 0, held: 0 } : { items: [], next_cursor: null }),
    post: async () => answers.shift(),
  };
  const wallet = new Wallet({ session, group });
  const pending = (one) => one.pending.value.map(({ id, status }) => `${id} ${status}`);
  for (const key of ['a', 'b', 'c']) await wallet.topUp(2503, 'USD', key);
  assert.deepEqual(pending(wallet), ['one pending', 'two pending']);
  // Another page of the same user knows of them, too; one of somebody else does not.
  assert.deepEqual(pending(new Wallet({ session, group: speaker() })), ['one pending', 'two pending']);
  assert.deepEqual(pending(new Wallet({ session: { ...session, user: { value: { id: 'bo' } } }, group: speaker() })), []);

  group.say('wallet_update', { wallet: { currency: 'USD', balance: 2503 }, entry: { id: 'e', kind: 'top_up' } });
  await server.give(topUp('one', 'succeeded'));
  await server.give(topUp('two', 'pending'));
  assert.deepEqual(pending(wallet), ['two pending']);
  group.say('notification', { notification: { type: 'payment_failed' } });
  await server.give(topUp('two', 'failed', 'declined'));
  assert.deepEqual(pending(wallet), ['two failed']);
  assert.deepEqual(server.asked, ['one', 'two', 'two'].map((id) => `/wallet/topups/${id}`));
  wallet.putAside('two');
  assert.deepEqual(pending(wallet), []);
});

test('money whose coming is told before the answer that it is on its way is not under way for ever', async () => {
  const [server, posted] = [reader(), reader()];
  const group = speaker();
  const topUp = (status, failure = null) => ({ id: 'one', status, failure, amount: 2500, currency: 'USD', created_at: '2026-11-29T10:00:00Z' });
  const session = {
    user: { value: { id: 'eva' } },
    get: (path) => (path.startsWith('/wallet/topups/') ? server.read(path) : path === '/wallet' ? { currency: 'USD', balance: 2500, held: 0 } : { items: [], next_cursor: null }),
    post: posted.read,
  };
  const wallet = new Wallet({ session, group });
  const told = {
    succeeded: () => group.say('wallet_update', { wallet: { currency: 'USD', balance: 2500 }, entry: { id: 'e', kind: 'top_up' } }),
    failed: () => group.say('notification', { notification: { type: 'payment_failed' } }),
  };
  for (const [status, tell] of Object.entries(told)) {
    const asked = wallet.topUp(2500, 'USD', status);
    tell();
    await posted.give(topUp('pending'));
    await asked;
    assert.deepEqual(wallet.pending.value.map((one) => one.status), ['pending']);
    await server.give(topUp(status));
    assert.deepEqual(wallet.pending.value.map((one) => one.status), status === 'failed' ? ['failed'] : [], status);
  }
});
