// The chapters of an order's story: what happened, why it went to whom, what became of the money, and what reached whom.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { distance, money, moment } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Empty, Failed, Icon, IconButton, Loading, useLoaded, useRetry } from '../app/ui.js';
import { ExactTime, Time, duration, named } from './parts.js';

/** As `useLoaded`; what is known stays on the screen while it is read again, which it is when `version` changes. */
export function useFresh(load, key, version) {
  const loaded = useLoaded(load, key);
  const last = useRef([key, version]);
  useEffect(() => {
    const [lastKey, lastVersion] = last.current;
    last.current = [key, version];
    if (lastKey === key && lastVersion !== version) loaded.reload();
  }, [key, version]);
  return loaded;
}

/** What stands for what is not there yet, or did not come. */
function Waiting({ loaded: { error, reload }, lines = 3 }) {
  return error ? html`<${Failed} error=${error} onRetry=${reload} />` : html`<${Loading} lines=${lines} />`;
}

function Again({ onRetry }) {
  useRetry(onRetry);
  return html`<p class="meanwhile warn" role="alert"><span>${t('story.outdated')}</span><button type="button" class="link" onClick=${onRetry}>${t('try_again')}</button></p>`;
}

/** That a chapter is as it was, since it could not be read again. */
export const Outdated = ({ loaded: { value, error, reload } }) => (value && error ? html`<${Again} onRetry=${reload} />` : null);

/** Who that was, by what is known of the order's people and of the admins. */
function whoIs({ by, user_id: userId }, order, names) {
  if (by === 'customer' && userId === order.customer.id) return order.customer.name;
  if (by === 'partner' && order.partner) return order.partner.name;
  return names.get(userId) ?? t(`party.${by}`);
}

export function Timeline({ order, names, loaded, at, onShow }) {
  const steps = loaded.value?.items;
  if (!steps) return html`<${Waiting} loaded=${loaded} />`;
  const isNow = (index) => at !== null && Date.parse(steps[index].at) <= at && !(steps[index + 1] && Date.parse(steps[index + 1].at) <= at);
  return html`<ol class="story-timeline">${steps.map((step, index) => html`<li key=${step.version} data-status=${step.to} class=${at !== null && Date.parse(step.at) > at ? 'later' : ''} aria-current=${isNow(index) ? 'step' : undefined}>
    <span class="step-mark" aria-hidden="true"></span>
    <span class="step-text"><span><strong>${t(`state.${step.to}`)}</strong>${step.from && html` <span class="muted">${t('timeline.from', { state: t(`state.${step.from}`) })}</span>`}</span>
      <span class="muted">${[...new Set([whoIs(step, order, names), t(`party.${step.by}`)])].join(' · ')}${index > 0 ? ` · ${t('timeline.after', { time: duration((Date.parse(step.at) - Date.parse(steps[index - 1].at)) / 1000) })}` : ''}</span>
      ${step.reason && html`<q>${step.reason}</q>`}${step.note && html`<q>${step.note}</q>`}
      ${step.position && html`<span class="muted where">${step.position.latitude.toFixed(5)}, ${step.position.longitude.toFixed(5)}</span>`}</span>
    <span class="step-side"><${ExactTime} at=${step.at} /><${IconButton} icon="map" label=${t('timeline.show', { state: t(`state.${step.to}`) })} onClick=${() => onShow(step)} /></span></li>`)}</ol>`;
}

/** Of many who were near, those whom it was offered to, and the nearest. */
const NEAREST = 5;

function Candidate({ partner, metres, note, age, offer }) {
  return html`<li><span class="row-text"><span class="clip" title=${partner.name}>${partner.name}</span><span class="muted">${note}${offer?.reason ? `: ${offer.reason}` : ''}</span></span>
    <span class="candidate-side"><span class="amount">${distance(metres)}</span>${age !== undefined && html`<span class="muted">${t('dispatch.seen', { time: duration(age) })}</span>`}</span>
    ${offer ? html`<span class="pill" data-offer=${offer.status}>${t(`offer.${offer.status}`)}</span>` : html`<span></span>`}</li>`;
}

function Look({ look, index }) {
  const [isWhole, setWhole] = useState(false);
  const list = useRef(null);
  // The button has gone, with what it showed in its place.
  useEffect(() => { if (isWhole) list.current?.focus({ preventScroll: true }); }, [isWhole]);
  const offers = new Map(look.offers.map((offer) => [offer.partner.id, offer]));
  const near = new Set(look.candidates.map(({ partner }) => partner.id));
  const shown = isWhole ? look.candidates : look.candidates.filter(({ partner }, place) => place < NEAREST || offers.has(partner.id));
  return html`<li class="look"><details open=${index === 0}><summary><span>${t('dispatch.look', { count: look.candidates.length, radius: distance(look.radius) })}</span><span class="muted">${moment(look.at)}</span></summary>
    ${look.candidates.length === 0 && look.offers.length === 0 && html`<p class="muted">${t('dispatch.nobody')}</p>`}
    <ul class="candidates" ref=${list} tabindex="-1">${shown.map(({ partner, distance: metres, age, verdict }) => html`<${Candidate} key=${partner.id} partner=${partner} metres=${metres} age=${age} note=${t(`verdict.${verdict}`)} offer=${offers.get(partner.id)} />`)}
      ${look.offers.filter(({ partner }) => !near.has(partner.id)).map((offer) => html`<${Candidate} key=${offer.id} partner=${offer.partner} metres=${offer.pickup_distance} note="" offer=${offer} />`)}</ul>
    ${shown.length < look.candidates.length && html`<button type="button" class="link" onClick=${() => setWhole(true)}>${t('dispatch.others', { count: look.candidates.length - shown.length })}</button>`}
  </details></li>`;
}

/** Why it went to whom. */
export function Dispatch({ loaded, names }) {
  if (!loaded.value) return html`<${Waiting} loaded=${loaded} />`;
  const { looks, assignments } = loaded.value;
  if (looks.length === 0 && assignments.length === 0) return html`<${Empty} icon="route" title=${t('dispatch.none')}>${t('dispatch.none_text')}</${Empty}>`;
  return html`${assignments.length > 0 && html`<ul class="assignments">${assignments.map(({ at, by, partner, user_id: userId }) => html`<li key=${at}>
    <${Icon} name="check" size=${18} /><span class="row-text"><span>${partner?.name ?? t('a_partner')}</span>
    <span class="muted">${by === 'partner' ? t('dispatch.accepted') : t('dispatch.by_admin', { name: names.get(userId) ?? t('role.admin') })}</span></span><${Time} at=${at} /></li>`)}</ul>`}
    <ol class="looks">${looks.toReversed().map((look, index) => html`<${Look} key=${look.at} look=${look} index=${index} />`)}</ol>`;
}

/** Whose account it is. */
function accountOf({ account, owner }, order) {
  const name = owner === order.customer.id ? order.customer.name : owner && owner === order.partner?.id ? order.partner.name : null;
  return name ? `${t(`account.${account}`)} (${name})` : t(`account.${account}`);
}

function Movement({ movement, order, currency, names }) {
  const sum = movement.entries.reduce((all, { amount }) => all + amount, 0);
  return html`<li class="movement"><div class="movement-head"><strong>${t(`movement.${movement.kind}`)}</strong><${Time} at=${movement.at} /></div>
    ${(movement.note || movement.user_id) && html`<p class="muted">${movement.user_id ? names.get(movement.user_id) ?? t('role.admin') : ''}${movement.user_id && movement.note ? ': ' : ''}${movement.note ?? ''}</p>`}
    <table class="entries"><thead class="sr"><tr><th scope="col">${t('money.account')}</th><th scope="col">${t('money.amount')}</th></tr></thead><tbody>
      ${movement.entries.map((entry, index) => html`<tr key=${index}><th scope="row">${accountOf(entry, order)}</th>
        <td class=${entry.amount > 0 ? 'amount in' : 'amount'}>${entry.amount > 0 ? '+' : ''}${money({ amount: entry.amount, currency })}</td></tr>`)}
      <tr class=${sum === 0 ? 'sum' : 'sum bad'}><th scope="row">${t('money.sum')}</th><td class="amount">${money({ amount: sum, currency })}</td></tr></tbody></table></li>`;
}

export function Payment({ order, loaded, names }) {
  const payment = loaded.value;
  if (!payment) return html`<${Waiting} loaded=${loaded} />`;
  const { currency } = payment.price;
  const rows = ['authorised', 'captured', 'cancellation_fee', 'released', 'refunded'].filter((name) => payment[name].amount > 0);
  return html`<dl class="facts">
    ${order.items.map(({ name, quantity, unit_price: price }, index) => html`<div key=${index}><dt>${quantity} × ${name}</dt><dd class="amount">${money({ amount: quantity * price, currency })}</dd></div>`)}
    <div class="sum"><dt>${t('orders.price')}</dt><dd class="amount">${money(payment.price)}</dd></div>
    <div><dt>${t('money.method')}</dt><dd>${t(`payment.${payment.method}`)}${payment.status ? ` · ${t(`paid.${payment.status}`)}` : ''}</dd></div>
    ${rows.map((name) => html`<div key=${name}><dt>${t(`money.${name}`)}</dt><dd class="amount">${money(payment[name])}</dd></div>`)}
  </dl>
  <h3>${t('money.movements')}</h3>
  ${(payment.movements ?? []).length === 0
    ? html`<p class="muted">${t('money.no_movements')}</p>`
    : html`<ol class="movements">${payment.movements.map((movement) => html`<${Movement} key=${movement.id} movement=${movement} order=${order} currency=${currency} names=${names} />`)}</ol>`}`;
}

/** How far a notification has come, each way with its time. */
function Delivery({ delivery }) {
  const reached = ['queued_at', 'written_at', 'acked_at', 'read_at', 'failed_at'].filter((name) => delivery[name]);
  const last = reached.at(-1);
  return html`<span class="delivery"><span class="pill" data-delivery=${delivery.state}>${named(`channel.${delivery.channel}`)}: ${t(`delivery.${delivery.state}`)}</span>
    <span class="muted">${reached.length > 1 && last !== 'failed_at' ? t('delivery.took', { time: duration((Date.parse(delivery[last]) - Date.parse(delivery.queued_at)) / 1000) }) : ''}${delivery.error ?? ''}</span></span>`;
}

/** What reached whom, when, and by which way. */
export function Deliveries({ order, loaded, names }) {
  const items = loaded.value?.items;
  if (!items) return html`<${Waiting} loaded=${loaded} />`;
  if (items.length === 0) return html`<${Empty} icon="bell" title=${t('delivery.none')} />`;
  const nameOf = (userId) => (userId === order.customer.id ? order.customer.name : names.get(userId) ?? order.partner?.name ?? t('a_partner'));
  return html`<ol class="deliveries" tabindex="0" aria-label=${t('delivery.title')}>${items.map(({ notification_id: id, user_id: userId, type, created_at: at, deliveries }) => html`<li key=${id}>
    <div class="movement-head"><strong>${named(`kind.${type}`)}</strong><${Time} at=${at} /></div>
    <span class="muted">${t('delivery.to', { name: nameOf(userId) })}</span>${deliveries.map((delivery) => html`<${Delivery} key=${delivery.channel} delivery=${delivery} />`)}</li>`)}</ol>
    ${loaded.value.next_cursor && html`<p class="muted">${t('delivery.more')}</p>`}`;
}
