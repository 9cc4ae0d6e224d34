// What an admin may do about an order.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { useAsked } from '../app/asked.js';
import { whenBack } from '../app/back.js';
import { distance, minorUnits, money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useKey } from '../app/key.js';
import { isOver } from '../app/order.js';
import { ActionButton, Dialog, Empty, Failed, Icon, Loading, Refusal, toast, Unanswered, useKeptFocus, useLoaded } from '../app/ui.js';
import { metresBetween } from './geo.js';
import { Avatar, Confirm, number, shortId, useCalm } from './parts.js';

const ASSIGNED_FROM = ['confirmed', 'assigned'];
const CANCELLED_FROM = ['pending', 'confirmed', 'assigned', 'en_route', 'arrived'];

/** Which order it is about: several may be open, and one be taken for another. */
const About = ({ order: { id, customer, price } }) => html`<p class="about muted">${shortId(id)} · ${customer.name} · ${money(price)}</p>`;

/** That something else is so by now than what the dialog was opened for; whoever has read that may go on. */
function Meanwhile({ text, onGoOn }) {
  const press = ({ currentTarget }) => {
    // The button goes with what it answers.
    currentTarget.closest('dialog').querySelector('input')?.focus();
    onGoOn();
  };
  return html`<div class="meanwhile warn"><p role="alert">${text}</p>${onGoOn && html`<button type="button" class="button small quiet" onClick=${press}>${t('act.go_on')}</button>`}</div>`;
}

/** A step that is asked for with a reason, which may be needed. */
function Step({ face, order: latest, to, name, isNeeded, kind, onClose }) {
  // As it was when it was decided: what has changed meanwhile is for another decision.
  const [order] = useState(latest);
  const [reason, setReason] = useState('');
  const { asked, isLost, ask } = useAsked();
  const body = { to, version: order.version, ...(reason.trim() && { reason: reason.trim() }) };
  const key = useKey({ id: order.id, ...body });
  const take = async () => {
    await ask({ body, key }, (call) => face.session.post(`/orders/${order.id}/transitions`, call.body, { key: call.key }));
    toast({ title: t(`act.${name}_done`) });
  };
  return html`<${Confirm} title=${t(`act.${name}_title`)} text=${t(`act.${name}_text${['cancel', 'fail'].includes(name) ? `_${order.payment_method}` : ''}`, { name: order.customer.name, amount: money(order.price) })} confirm=${t(name === 'cancel' ? 'act.cancel_now' : `act.${name}`)} kind=${kind} onClose=${onClose} onConfirm=${take} isReady=${!isNeeded || reason.trim() !== ''}>
    <${About} order=${order} />
    ${isLost && html`<${Unanswered} />`}
    ${isNeeded !== null && html`<label>${t(isNeeded ? 'act.reason' : 'act.reason_optional')}<textarea rows="2" maxlength="500" value=${reason} readonly=${asked !== null} onInput=${(event) => setReason(event.target.value)}></textarea></label>`}
  </${Confirm}>`;
}

/** `unanswered` outlives the dialog. */
function Refund({ face, order, payment, unanswered, onClose, onStale }) {
  const { currency } = payment.captured;
  // What is asked for here is told of, too, before it is answered, or where that answer is lost.
  const { asked, isLost, ask } = useAsked(unanswered);
  // As it was when it was decided: what another one gives back meanwhile may be for the same.
  const [known, setKnown] = useState(asked?.body.refunded ?? payment.refunded.amount);
  const [told, setTold] = useState(0);
  const refunded = Math.max(payment.refunded.amount, told);
  const left = Math.max(0, payment.captured.amount - known);
  const [text, setText] = useState(asked?.text ?? '');
  const [reason, setReason] = useState(asked?.body.reason ?? '');
  const amount = text.trim() === '' ? left : minorUnits(text, currency);
  const isGood = amount !== null && amount >= 1 && amount <= left;
  const body = { reason: reason.trim(), amount, refunded: known };
  const key = useKey({ id: order.id, ...body });
  const refund = async () => {
    let call;
    try {
      call = await ask({ body, key, text }, (one) => face.session.post(`/orders/${order.id}/refund`, one.body, { key: one.key }));
    } catch (problem) {
      if (problem.code === 'refund_conflict') {
        setTold(problem.body.refunded?.amount ?? 0);
        onStale();
      }
      throw problem;
    }
    toast({ title: t('act.refund_done', { amount: money({ amount: call.body.amount, currency }) }) });
  };
  return html`<${Confirm} title=${t('act.refund_title')} text=${t('act.refund_text', { amount: money({ amount: left, currency }) })} kind="danger"
      confirm=${isGood ? t('act.refund_amount', { amount: money({ amount, currency }) }) : t('act.refund')} isReady=${isGood && reason.trim() !== ''} onClose=${onClose} onConfirm=${refund}>
    <${About} order=${order} />
    ${isLost && html`<${Unanswered} />`}
    ${!asked && refunded > known && html`<${Meanwhile} text=${t('act.refund_meanwhile', { amount: money({ amount: refunded - known, currency }) })} onGoOn=${() => setKnown(refunded)} />`}
    <label>${t('act.amount', { currency })}<input inputmode="decimal" value=${text} readonly=${asked !== null} placeholder=${money({ amount: left, currency })} aria-invalid=${!isGood} onInput=${(event) => setText(event.target.value)} /></label>
    <label>${t('act.reason')}<textarea rows="2" maxlength="500" value=${reason} readonly=${asked !== null} onInput=${(event) => setReason(event.target.value)}></textarea></label>
  </${Confirm}>`;
}

/** Who could take it: who is online, the nearest to the pick-up first. */
function Assign({ face, order: latest, onClose }) {
  const [order, setOrder] = useState(latest);
  const [text, setText] = useState('');
  const [problem, setProblem] = useState(null);
  // Whom it is asked for; of that it is told, too, before it is answered, or where that answer is lost.
  const { asked, isLost, ask } = useAsked();
  const wanted = useCalm(text.trim());
  const { value, error, isLoading, reload } = useLoaded(() => face.session.get(`/admin/partners?online=true&limit=200${wanted && `&q=${encodeURIComponent(wanted)}`}`), wanted);
  const keyed = useKey({ id: order.id, version: order.version });
  const rows = (value?.items ?? []).filter(({ id }) => id !== order.partner?.id)
    .map((row) => ({ ...row, metres: row.position ? metresBetween(row.position, order.pickup) : Infinity }))
    .sort((one, other) => one.metres - other.metres);
  const assign = async (row) => {
    setProblem(null);
    try {
      await ask(row, ({ id }) => face.session.post(`/orders/${order.id}/assign`, { partner_id: id, version: order.version }, { key: `${keyed} ${id}` }));
      toast({ title: t('act.assign_done', { name: row.name }) });
      onClose();
    } catch (failure) {
      setProblem(failure);
    }
  };
  useEffect(() => { setProblem(null); }, [order]);
  useEffect(() => whenBack(() => setProblem((before) => (before?.code === 'unreachable' ? null : before))), []);
  const goOn = ASSIGNED_FROM.includes(latest.status) ? () => setOrder(latest) : null;
  return html`<${Dialog} title=${t(order.partner ? 'act.reassign_title' : 'act.assign_title')} onClose=${onClose} wide=${true}><div class="form">
    <${About} order=${order} />
    ${isLost && html`<${Unanswered} />`}
    ${!asked && latest.version > order.version && html`<${Meanwhile} onGoOn=${goOn}
      text=${t(latest.partner ? 'act.assign_meanwhile_partner' : 'act.assign_meanwhile', { name: latest.partner?.name, state: t(`state.${latest.status}`) })} />`}
    ${!isLost && html`<label class="search"><span class="sr">${t('partners.search')}</span><${Icon} name="search" size=${18} /><input type="search" placeholder=${t('partners.search')} value=${text} onInput=${(event) => setText(event.target.value)} /></label>`}
    ${problem && html`<${Refusal} error=${problem} />`}
    ${error && html`<${Failed} error=${error} onRetry=${reload} />`}
    ${!value && isLoading && html`<${Loading} />`}
    ${value && rows.length === 0 && html`<${Empty} icon="bicycle" title=${t('act.nobody')} />`}
    <ul class="assign-list">${(isLost ? [asked] : rows).map((row) => html`<li key=${row.id}><${Avatar} name=${row.name} /><span class="row-text"><span class="clip">${row.name}</span>
      <span class="muted">${row.metres < Infinity ? distance(row.metres) : t('partners.unseen')} · ${row.orders.length === 0 ? t('partner.idle') : t('partners.has', { count: row.orders.length })}${row.rating ? ` · ${number(row.rating.average, 1)}\u00a0★` : ''}</span></span>
      <${ActionButton} kind="small primary" aria-label=${t('act.assign_to', { name: row.name })} disabled=${asked !== null && asked.id !== row.id} onPress=${() => assign(row)}>${t('act.assign')}</${ActionButton}></li>`)}</ul>
  </div></${Dialog}>`;
}

/** The buttons, and the dialogs that they open. */
export function Actions({ face, order, payment, onStale }) {
  const [open, setOpen] = useState(null);
  const close = () => setOpen(null);
  const [box, unanswered] = [useRef(null), useRef(null)];
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
  // What somebody is at stays, whatever has become of the order.
  if (buttons.length === 0 && !open) return null;
  const step = { face, order, onClose: close };
  return html`<div class="actions" ref=${box} role="group" aria-label=${t('act.title')}>${buttons.map(([name, kind]) => html`<button type="button" key=${name} class="button small ${kind}" onClick=${() => setOpen(name)}>${t(`act.${name}`)}</button>`)}
    ${open === 'confirm' && html`<${Step} ...${step} to="confirmed" name="confirm" isNeeded=${null} kind="primary" />`}
    ${(open === 'assign' || open === 'reassign') && html`<${Assign} ...${step} />`}
    ${open === 'take_back' && html`<${Step} ...${step} to="confirmed" name="take_back" isNeeded=${true} kind="primary" />`}
    ${open === 'cancel' && html`<${Step} ...${step} to="cancelled" name="cancel" isNeeded=${false} kind="danger" />`}
    ${open === 'fail' && html`<${Step} ...${step} to="failed" name="fail" isNeeded=${true} kind="danger" />`}
    ${open === 'refund' && payment && html`<${Refund} face=${face} order=${order} payment=${payment} unanswered=${unanswered} onClose=${close} onStale=${onStale} />`}
  </div>`;
}
