// What an order costs, and what became of that.

import { html, useEffect, useState } from '../app/view.js';
import { whenBack } from '../app/back.js';
import { money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { isOver, itemsTotal } from '../app/order.js';
import { useLoaded } from '../app/ui.js';

/**
 * The amounts behind those of the items, as `{name, amount, isSum?}`. What was not taken in the end is not told as if it had been.
 * For an order in cash that failed nobody here knows what was paid by hand.
 */
export function amountsOf(order, payment) {
  const total = { name: 'order.total', amount: order.price };
  const refunded = payment?.refunded.amount > 0 ? [{ name: 'paid.refunded_amount', amount: payment.refunded }] : [];
  const isKnown = payment && isOver(order) && order.status !== 'completed' && (order.status === 'cancelled' || payment.method === 'wallet');
  if (!isKnown) return [{ ...total, isSum: true }, ...refunded];
  const { cancellation_fee: fee, captured, released } = payment;
  return [
    total,
    ...(released.amount > 0 ? [{ name: 'paid.released_amount', amount: { ...released, amount: -released.amount } }] : []),
    { name: fee.amount > 0 ? 'paid.fee' : 'paid.charged', amount: captured, isSum: true },
    ...refunded,
  ];
}

export function Payment({ face: { session, inbox }, order }) {
  const [moved, setMoved] = useState(0);
  const { value: told, reload } = useLoaded(async () => ({ status: order.status, payment: await session.get(`/orders/${order.id}/payment`) }), `${order.id} ${order.status}`);
  // How it stood before the latest step says nothing of what that has cost.
  const value = told?.status === order.status ? told.payment : undefined;
  // Money comes back without a step of the order.
  useEffect(() => inbox.group.on('wallet_update', ({ entry }) => { if (entry.order_id === order.id) setMoved((count) => count + 1); }), [order.id]);
  useEffect(() => { if (moved > 0) reload(); }, [moved]);
  useEffect(() => whenBack(() => setMoved((count) => count + 1)), []);
  const delivery = order.price.amount - itemsTotal(order.items);
  const amounts = amountsOf(order, value);
  // How that stands, unless the amounts say it already.
  const isPlain = amounts[0].isSum;
  const line = (key, name, amount, kind) => html`<div key=${key} class=${kind}><dt>${name}</dt><dd class="amount">${money(amount)}</dd></div>`;
  return html`<dl class="facts">
    ${order.items.map(({ name, quantity, unit_price: price }, index) => line(index, `${quantity} × ${name}`, { ...order.price, amount: quantity * price }))}
    ${delivery > 0 && line('delivery', t('new.delivery'), { ...order.price, amount: delivery })}
    ${amounts.map(({ name, amount, isSum }) => line(name, t(name), amount, isSum ? 'sum' : undefined))}
    <div><dt>${t('order.paid_by')}</dt><dd>${t(`payment.${order.payment_method}`)}${isPlain && value?.status ? ` · ${t(`paid.${value.status}`)}` : ''}</dd></div>
  </dl>`;
}
