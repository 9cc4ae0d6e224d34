// Cancelling an order, and what that costs.

import { html, useState } from '../app/view.js';
import { useAsked } from '../app/asked.js';
import { money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { itemsTotal } from '../app/order.js';
import { ActionButton, Dialog, toast, Unanswered, useLoaded } from '../app/ui.js';

/**
 * What cancelling late costs, as the server says before an order is placed: at most its price, and where that was to be paid in cash
 * what the wallet holds, since the fee is taken from there.
 */
export async function feeOf(session, { pickup, dropoff, items, price, payment_method: method }) {
  const question = new URLSearchParams({
    pickup_latitude: pickup.latitude, pickup_longitude: pickup.longitude, dropoff_latitude: dropoff.latitude, dropoff_longitude: dropoff.longitude,
    goods: itemsTotal(items), currency: price.currency,
  });
  const [{ cancellation_fee: fee }, { balance }] = await Promise.all([
    session.get(`/orders/quote?${question}`), method === 'cash' ? session.get(`/wallet?currency=${price.currency}`) : { balance: Infinity },
  ]);
  return { ...fee, amount: Math.min(fee.amount, price.amount, balance) };
}

/** `unanswered` outlives the dialog. */
export function Cancel({ session, order: latest, unanswered, onClose }) {
  const { asked, isLost, ask } = useAsked(unanswered);
  const [reason, setReason] = useState(asked?.reason ?? '');
  // As it was when it was decided: what has changed meanwhile may cost something.
  const [order] = useState(latest);
  const hasFee = order.status === 'arrived';
  const { value: fee } = useLoaded(async () => (hasFee ? feeOf(session, order) : null), order.id);
  const cancel = async () => {
    const call = { to: 'cancelled', version: order.version, reason: reason.trim() || null };
    await ask(call, (one) => session.post(`/orders/${order.id}/transitions`, one, { key: `cancel ${order.id} ${one.version}` }));
    toast({ title: t('cancel.done') });
    onClose();
  };
  const isFree = !hasFee || fee?.amount === 0;
  const way = order.payment_method === 'cash' ? '_cash' : '';
  const cost = fee ? t(`cancel.fee_of${way}`, { fee: money(fee) }) : t(`cancel.fee${way}`);
  return html`<${Dialog} title=${t('cancel.title')} onClose=${onClose}><div class="form">
    <p role="status">${isFree ? t('cancel.free') : cost}</p>
    ${isLost && html`<${Unanswered} />`}
    <label>${t('cancel.reason')}<textarea rows="2" maxlength="500" value=${reason} readonly=${asked !== null} onInput=${(event) => setReason(event.target.value)}></textarea></label>
    <${ActionButton} kind="danger" onPress=${cancel}>${t('cancel.confirm')}</${ActionButton}>
    <button type="button" class="button quiet" onClick=${onClose}>${t('cancel.keep')}</button>
  </div></${Dialog}>`;
}
