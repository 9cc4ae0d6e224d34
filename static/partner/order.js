// An order in hand: where to go now, what to take, who waits for it, and the next step.

import { html, useEffect, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { Chat } from '../app/chat.js';
import { clock, distance, minutes, money, moment } from '../app/format.js';
import { explain, t } from '../app/i18n.js';
import { MapView } from '../app/map-view.js';
import { isChatted, isShown, leftOf } from '../app/order.js';
import { Dialog, Icon, Loading, toast, useNow } from '../app/ui.js';
import { metresBetween, ownDot, placesOf, wayTo } from './places.js';
import { Return, Steps } from './steps.js';
import { useWatched } from './watched.js';

const WAY = ['assigned', 'en_route', 'arrived', 'picked_up', 'in_transit', 'delivered'];
const BEFORE_PICKUP = ['assigned', 'en_route', 'arrived'];

function Progress({ order }) {
  const done = order.status === 'completed' ? WAY.length : WAY.indexOf(order.status);
  if (done < 0) return null;
  return html`<ol class="progress" aria-label=${t('order.progress')}>${WAY.map((step, index) => {
    const state = index < done ? 'done' : index === done ? 'now' : 'next';
    return html`<li key=${step} data-state=${state} aria-current=${state === 'now' ? 'step' : undefined}><span>${t(`now.${step}`)}</span></li>`;
  })}</ol>`;
}

function Eta({ order, target, here }) {
  const now = useNow(1000);
  const { eta } = order;
  if (eta && isShown(order) && order.status !== 'arrived') {
    const left = leftOf(eta, now);
    const late = (new Date(eta.arrives_at) - new Date(eta.promised_at)) / 60_000;
    return html`<p class="eta-line"><strong>${left < 60 ? t('eta.any_moment') : minutes(left)}</strong><span>${distance(eta.distance)}</span>
      <span class=${late >= 2 || eta.late_risk === 'likely' ? 'warn' : 'muted'}>${t(late >= 2 ? 'eta.late' : 'eta.promised', { time: clock(eta.promised_at), minutes: minutes(late * 60) })}</span></p>`;
  }
  return here ? html`<p class="eta-line"><span class="muted">${t('eta.away', { distance: distance(metresBetween(here, target)) })}</span></p>` : null;
}

/** Where to go now: the address, how far that is, and the way there. */
function Target({ order, here }) {
  const isPickup = BEFORE_PICKUP.includes(order.status);
  const target = isPickup ? order.pickup : order.dropoff;
  return html`<section class="card target">
    <p class="muted target-kind"><${Icon} name=${isPickup ? 'bag' : 'pin'} size=${18} />${t(isPickup ? 'order.pickup' : 'order.dropoff')}</p>
    <h2>${target.address}</h2>
    <${Eta} order=${order} target=${target} here=${here} />
    <a class="button" href=${wayTo(target)} target="_blank" rel="noreferrer"><${Icon} name="route" />${t('order.navigate')}<span class="sr">${t('order.new_window')}</span></a>
  </section>`;
}

function Contents({ order, earnings }) {
  const step = WAY.indexOf(order.status);
  const isDue = order.payment_method === 'cash' && step >= 0 && step < WAY.indexOf('delivered');
  const payment = isDue ? html`<strong>${t('order.collect', { amount: money(order.price) })}</strong>` : t(`order.by_${order.payment_method}`);
  return html`<section class="card"><h2>${t('order.items')}</h2>
    <ul class="contents">${order.items.map(({ name, quantity }, index) => html`<li key=${index}><strong class="amount">${quantity} ×</strong><span>${name}</span></li>`)}</ul>
    <dl class="facts">
      <div><dt>${t('order.payment')}</dt><dd>${payment}</dd></div>
      ${earnings && (step >= 0 || order.status === 'completed') && html`<div><dt>${t('order.earns')}</dt><dd class="amount">${money(earnings)}</dd></div>`}
    </dl></section>`;
}

function Over({ order }) {
  const isDone = ['delivered', 'completed'].includes(order.status);
  return html`<section class="card center over"><${Icon} name=${isDone ? 'check' : 'close'} size=${32} />
    <p><strong>${t(`over.${order.status}`)}</strong></p><p class="muted">${moment(order.updated_at)}</p></section>`;
}

/** All about an order but its map. `back` is where the way back leads, if there is one. */
function Panel({ face, watched, order, back }) {
  const { queue, sharing, router } = face;
  const here = useStore(sharing.here);
  const customer = order.customer.name;
  const isOver = !BEFORE_PICKUP.includes(order.status) && !isShown(order);
  const put = (next) => watched.put(next);
  return html`
    <header class="pane-head">${back && html`<a class="icon-button" href=${back} aria-label=${t('back')} title=${t('back')}><${Icon} name="back" /></a>`}
      <h1 tabindex="-1" class="clip-2">${t(`title.${order.status}`, { name: customer })}</h1></header>
    <p class="sr" role="status">${t(`title.${order.status}`, { name: customer })}</p>
    <${Progress} order=${order} />
    ${isOver ? html`<${Over} order=${order} />` : html`<${Target} order=${order} here=${here} />`}
    ${order.notes && !isOver && html`<section class="card notes-card"><h2><${Icon} name="megaphone" size=${18} />${t('order.notes', { name: customer })}</h2><p>${order.notes}</p></section>`}
    <section class="card person-card"><span class="avatar" aria-hidden="true">${customer.slice(0, 1)}</span>
      <span class="row-text"><strong class="clip">${customer}</strong><span class="muted">${t('order.customer')}</span></span>
      ${isChatted({ ...order, partner: order.partner ?? {} }) && html`<a class="button quiet" href=${router.href(`/orders/${order.id}/chat`)}><${Icon} name="chat" />${t('chat.title')}</a>`}</section>
    ${BEFORE_PICKUP.includes(order.status) && html`<p class="then muted"><${Icon} name="pin" size=${18} /><span>${t('order.then', { address: order.dropoff.address })}</span></p>`}
    <${Contents} order=${order} earnings=${order.earnings ?? queue.earningsOf(order.id)} />
    ${order.status === 'assigned' && html`<${Return} face=${face} order=${order} onOrder=${put} />`}
    <${Steps} face=${face} order=${order} onOrder=${put} />`;
}

export function OrderMap({ face, order }) {
  const here = useStore(face.sharing.here);
  const now = useNow(5000);
  return html`<${MapView} label=${t('order.map')} places=${order ? placesOf(order) : []} dots=${ownDot(here, now)} />`;
}

/** The present order, on the first screen. */
export function Present({ face, orderId }) {
  const { watched, order } = useWatched(face, orderId);
  useMessages(face, watched, orderId, false);
  return order && html`<${Panel} face=${face} watched=${watched} order=${order} back=${null} />`;
}

/** Messages that come while the chat is closed. */
function useMessages({ session, router }, watched, orderId, isChatOpen) {
  useEffect(() => watched.group.on('chat_message', ({ message }) => {
    if (isChatOpen || message.sender.id === session.user.value.id) return;
    toast({ title: message.sender.name, text: message.text, href: router.href(`/orders/${orderId}/chat`) });
  }), [watched, isChatOpen]);
}

export function OrderScreen({ face, orderId, isChatOpen }) {
  const { session, client, router } = face;
  const { watched, order, error } = useWatched(face, orderId);
  useMessages(face, watched, orderId, isChatOpen);
  const [isChatClosed, setChatClosed] = useState(false);
  useEffect(() => watched.group.on('chat_closed', () => setChatClosed(true)), [watched]);
  const home = router.href('/');
  if (error) return html`<section class="screen"><h1 tabindex="-1">${t('order.not_yours')}</h1><p class="muted">${explain(error)}</p><p><a href=${home}>${t('drive.title')}</a></p></section>`;
  if (!order) return html`<section class="screen"><h1 class="sr" tabindex="-1">${t('order.title')}</h1><${Loading} lines=${5} /></section>`;
  return html`<div class="with-map busy">
    <div class="map-pane"><${OrderMap} face=${face} order=${order} /></div>
    <section class="pane"><${Panel} face=${face} watched=${watched} order=${order} back=${home} /></section>
    ${isChatOpen && html`<${Dialog} title=${t('chat.with', { name: order.customer.name })} onClose=${() => router.leave(`/orders/${orderId}`)}>
      <${Chat} session=${session} client=${client} group=${watched.group} order=${order} other=${order.customer.name} pending=${face.pending}
        isOpen=${isChatted({ ...order, partner: order.partner ?? {} }) && !isChatClosed} onClosed=${() => setChatClosed(true)} />
    </${Dialog}>`}
  </div>`;
}
