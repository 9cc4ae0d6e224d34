// What an admin may do about an order.

import { html, useRef, useState } from '../app/view.js';
import { distance, minorUnits, money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useKey } from '../app/key.js';
import { isOver } from '../app/order.js';
import { ActionButton, Dialog, Empty, Failed, Icon, Loading, Refusal, toast, useKeptFocus, useLoaded } from '../app/ui.js';
import { metresBetween } from './geo.js';
import { Avatar, Confirm, number, useCalm } from './parts.js';

const CANCELLED_FROM = ['pending', 'confirmed', 'assigned', 'en_route', 'arrived'];

/** A step that is asked for with a reason, which may be needed. */
function Step({ face, order: latest, to, name, isNeeded, kind, onClose }) {
  // As it was when it was decided: what has changed meanwhile is for another decision.
  const [order] = useState(latest);
  const [reason, setReason] = useState('');
  const body = { to, version: order.version, ...(reason.trim() && { reason: reason.trim() }) };
  const key = useKey({ id: order.id, ...body });
  const take = async () => {
    await face.session.post(`/orders/${order.id}/transitions`, body, { key });
    toast({ title: t(`act.${name}_done`) });
  };
  return html`<${Confirm} title=${t(`act.${name}_title`)} text=${t(`act.${name}_text`)} confirm=${t(`act.${name}`)} kind=${kind} onClose=${onClose} onConfirm=${take} isReady=${!isNeeded || reason.trim() !== ''}>
    ${isNeeded !== null && html`<label>${t(isNeeded ? 'act.reason' : 'act.reason_optional')}<textarea rows="2" maxlength="500" value=${reason} onInput=${(event) => setReason(event.target.value)}></textarea></label>`}
  </${Confirm}>`;
}

function Refund({ face, order, payment, onClose }) {
  const left = payment.captured.amount - payment.refunded.amount;
  const { currency } = payment.captured;
  const [text, setText] = useState('');
  const [reason, setReason] = useState('');
  const amount = text.trim() === '' ? left : minorUnits(text, currency);
  const isGood = amount !== null && amount >= 1 && amount <= left;
  const body = { reason: reason.trim(), ...(text.trim() !== '' && { amount }) };
  const key = useKey({ id: order.id, ...body });
  const refund = async () => {
    await face.session.post(`/orders/${order.id}/refund`, body, { key });
    toast({ title: t('act.refund_done', { amount: money({ amount, currency }) }) });
  };
  return html`<${Confirm} title=${t('act.refund_title')} text=${t('act.refund_text', { amount: money({ amount: left, currency }) })} kind="danger"
      confirm=${isGood ? t('act.refund_amount', { amount: money({ amount, currency }) }) : t('act.refund')} isReady=${isGood && reason.trim() !== ''} onClose=${onClose} onConfirm=${refund}>
    <label>${t('act.amount', { currency })}<input inputmode="decimal" value=${text} placeholder=${money({ amount: left, currency })} aria-invalid=${!isGood} onInput=${(event) => setText(event.target.value)} /></label>
    <label>${t('act.reason')}<textarea rows="2" maxlength="500" value=${reason} onInput=${(event) => setReason(event.target.value)}></textarea></label>
  </${Confirm}>`;
}

/** Who could take it: who is online, the nearest to the pick-up first. */
function Assign({ face, order: latest, onClose }) {
  const [order] = useState(latest);
  const [text, setText] = useState('');
  const [problem, setProblem] = useState(null);
  const wanted = useCalm(text.trim());
  const { value, error, isLoading, reload } = useLoaded(() => face.session.get(`/admin/partners?online=true&limit=200${wanted && `&q=${encodeURIComponent(wanted)}`}`), wanted);
  const keyed = useKey({ id: order.id, version: order.version });
  const rows = (value?.items ?? []).filter(({ id }) => id !== order.partner?.id)
    .map((row) => ({ ...row, metres: row.position ? metresBetween(row.position, order.pickup) : Infinity }))
    .sort((one, other) => one.metres - other.metres);
  const assign = async (row) => {
    setProblem(null);
    try {
      await face.session.post(`/orders/${order.id}/assign`, { partner_id: row.id }, { key: `${keyed} ${row.id}` });
      toast({ title: t('act.assign_done', { name: row.name }) });
      onClose();
    } catch (failure) {
      setProblem(failure);
    }
  };
  return html`<${Dialog} title=${t(order.partner ? 'act.reassign_title' : 'act.assign_title')} onClose=${onClose} wide=${true}><div class="form">
    <label class="search"><span class="sr">${t('partners.search')}</span><${Icon} name="search" size=${18} /><input type="search" placeholder=${t('partners.search')} value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    ${problem && html`<${Refusal} error=${problem} />`}
    ${error && html`<${Failed} error=${error} onRetry=${reload} />`}
    ${!value && isLoading && html`<${Loading} />`}
    ${value && rows.length === 0 && html`<${Empty} icon="bicycle" title=${t('act.nobody')} />`}
    <ul class="assign-list">${rows.map((row) => html`<li key=${row.id}><${Avatar} name=${row.name} /><span class="row-text"><span class="clip">${row.name}</span>
      <span class="muted">${row.metres < Infinity ? distance(row.metres) : t('partners.unseen')} · ${row.orders.length === 0 ? t('partner.idle') : t('partners.has', { count: row.orders.length })}${row.rating ? ` · ${number(row.rating.average, 1)} ★` : ''}</span></span>
      <${ActionButton} kind="small primary" aria-label=${t('act.assign_to', { name: row.name })} onPress=${() => assign(row)}>${t('act.assign')}</${ActionButton}></li>`)}</ul>
  </div></${Dialog}>`;
}

/** The buttons, and the dialogs that they open. */
export function Actions({ face, order, payment }) {
  const [open, setOpen] = useState(null);
  const close = () => setOpen(null);
  const box = useRef(null);
  useKeptFocus(box);
  const { status } = order;
  const canRefund = payment && payment.captured.amount > payment.refunded.amount;
  const buttons = [
    status === 'pending' && ['confirm', 'primary'],
    status === 'confirmed' && ['assign', 'primary'],
    status === 'assigned' && ['reassign', 'quiet'],
    status === 'assigned' && ['take_back', 'quiet'],
    canRefund && ['refund', 'quiet'],
    CANCELLED_FROM.includes(status) && ['cancel', 'quiet danger-text'],
    !isOver(order) && ['fail', 'quiet danger-text'],
  ].filter(Boolean);
  if (buttons.length === 0) return null;
  const step = { face, order, onClose: close };
  return html`<div class="actions" ref=${box} role="group" aria-label=${t('act.title')}>${buttons.map(([name, kind]) => html`<button type="button" key=${name} class="button small ${kind}" onClick=${() => setOpen(name)}>${t(`act.${name}`)}</button>`)}
    ${open === 'confirm' && html`<${Step} ...${step} to="confirmed" name="confirm" isNeeded=${null} kind="primary" />`}
    ${(open === 'assign' || open === 'reassign') && html`<${Assign} ...${step} />`}
    ${open === 'take_back' && html`<${Step} ...${step} to="confirmed" name="take_back" isNeeded=${true} kind="primary" />`}
    ${open === 'cancel' && html`<${Step} ...${step} to="cancelled" name="cancel" isNeeded=${false} kind="danger" />`}
    ${open === 'fail' && html`<${Step} ...${step} to="failed" name="fail" isNeeded=${true} kind="danger" />`}
    ${open === 'refund' && payment && html`<${Refund} face=${face} order=${order} payment=${payment} onClose=${close} />`}
  </div>`;
}
