// Cancelling an order, and what that costs.

import { html, useState } from '../app/view.js';
import { money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { itemsTotal } from '../app/order.js';
import { ActionButton, Dialog, toast, useLoaded } from '../app/ui.js';

/** What cancelling late costs, as the server says before an order is placed: at most its price. */
async function feeOf(session, { pickup, dropoff, items, price }) {
  const question = new URLSearchParams({
    pickup_latitude: pickup.latitude, pickup_longitude: pickup.longitude, dropoff_latitude: dropoff.latitude, dropoff_longitude: dropoff.longitude,
    goods: itemsTotal(items), currency: price.currency,
  });
  const { cancellation_fee: fee } = await session.get(`/orders/quote?${question}`);
  return { ...fee, amount: Math.min(fee.amount, price.amount) };
}

export function Cancel({ session, order: latest, onClose }) {
  const [reason, setReason] = useState('');
  // As it was when it was decided: what has changed meanwhile may cost something.
  const [order] = useState(latest);
  const hasFee = order.status === 'arrived';
  const { value: fee } = useLoaded(async () => (hasFee ? feeOf(session, order) : null), order.id);
  const cancel = async () => {
    await session.post(`/orders/${order.id}/transitions`, { to: 'cancelled', version: order.version, reason: reason.trim() || null }, { key: `cancel ${order.id} ${order.version}` });
    toast({ title: t('cancel.done') });
    onClose();
  };
  const cost = fee ? t('cancel.fee_of', { fee: money(fee) }) : t('cancel.fee');
  return html`<${Dialog} title=${t('cancel.title')} onClose=${onClose}><div class="form">
    <p role="status">${hasFee ? cost : t('cancel.free')}</p>
    <label>${t('cancel.reason')}<textarea rows="2" maxlength="500" value=${reason} onInput=${(event) => setReason(event.target.value)}></textarea></label>
    <${ActionButton} kind="danger" onPress=${cancel}>${t('cancel.confirm')}</${ActionButton}>
    <button type="button" class="button quiet" onClick=${onClose}>${t('cancel.keep')}</button>
  </div></${Dialog}>`;
}
