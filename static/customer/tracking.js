// One order, live: where the partner is, when it comes, what happened, and what one may do about it.

import { html, useEffect, useMemo, useRef, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { Chat } from '../app/chat.js';
import { config } from '../app/config.js';
import { clock, distance, minutes, moment } from '../app/format.js';
import { explain, t } from '../app/i18n.js';
import { MapView } from '../app/map-view.js';
import { STEPS, ageOf, freshnessOf, isChatted, isOver, isShown, leftOf, statusText } from '../app/order.js';
import { PushCard } from '../app/push.js';
import { ActionButton, Connection, Dialog, Failed, Icon, Loading, toast, useLoaded, useNow } from '../app/ui.js';
import { Watched } from '../app/watched.js';
import { Cancel } from './cancel.js';
import { Payment } from './payment.js';
import { Rating } from './rating.js';

/** That the position on the map is an old one; also where nothing is known of when the partner comes. */
function Seen({ order, now }) {
  const { location } = order;
  const freshness = location && isShown(order) ? freshnessOf(location, now) : 'live';
  if (freshness === 'live') return null;
  const age = Math.round(ageOf(location, now));
  return html`<p class="warn"><${Icon} name="alert" size=${18} />${t(`seen.${freshness}`, { age: age < 90 ? `${age} s` : minutes(age) })}</p>`;
}

/** When the partner is expected, and what that is worth. */
function Eta({ order }) {
  const now = useNow(1000);
  const { eta, location } = order;
  if (!eta) return html`<${Seen} order=${order} now=${now} />`;
  const left = leftOf(eta, now);
  const freshness = location ? freshnessOf(location, now) : 'lost';
  const late = (new Date(eta.arrives_at) - new Date(eta.promised_at)) / 60_000;
  return html`<div class="eta" data-freshness=${freshness}>
    <p class="figure">${left < 60 ? t('eta.any_moment') : minutes(left)}</p>
    <p class="muted">${t(`eta.${eta.to}`, { time: clock(eta.arrives_at) })} · ${distance(eta.distance)}</p>
    ${late >= 2
      ? html`<p class="warn"><${Icon} name="clock" size=${18} />${t('eta.late', { time: clock(eta.promised_at), minutes: minutes(late * 60) })}</p>`
      : html`<p class="muted">${t('eta.promised', { time: clock(eta.promised_at) })}${eta.late_risk === 'likely' ? ` · ${t('eta.at_risk')}` : ''}</p>`}
    <${Seen} order=${order} now=${now} />
  </div>`;
}

function Progress({ order }) {
  const done = STEPS.indexOf(order.status);
  if (done < 0) return null;
  const shown = STEPS.slice(1, -1);
  return html`<ol class="progress" aria-label=${t('order.progress')}>${shown.map((step, index) => {
    const state = index + 1 < done || order.status === 'completed' ? 'done' : index + 1 === done ? 'now' : 'next';
    return html`<li key=${step} data-state=${state} aria-current=${state === 'now' ? 'step' : undefined}><span>${t(`step.${step}`)}</span></li>`;
  })}</ol>`;
}

function Timeline({ session, order }) {
  const { value, error, reload } = useLoaded(() => session.get(`/orders/${order.id}/timeline`), `${order.id} ${order.version}`);
  if (error) return html`<${Failed} error=${error} onRetry=${reload} />`;
  if (!value) return html`<${Loading} />`;
  return html`<ol class="timeline">${value.items.toReversed().map((step) => html`<li key=${step.version}>
    <span>${t(`state.${step.to}`)}</span><time class="muted" datetime=${step.at}>${moment(step.at)}</time>
    ${step.reason && step.by !== 'system' && html`<span class="muted">${step.reason}</span>`}</li>`)}</ol>`;
}

/** How it ended, where it did not go well, and another try. */
function Ended({ face: { session, router, draft }, order }) {
  const { value } = useLoaded(() => session.get(`/orders/${order.id}/timeline`), `${order.id} ${order.version}`);
  const last = value?.items.at(-1);
  const again = async () => {
    const { demo } = await config();
    draft.again(order, demo?.shops ?? []);
    router.go('/new');
  };
  const by = last?.to === order.status ? last.by : null;
  const isFailed = order.status === 'failed';
  // What the server does by itself it says in English; it gives an order up where nobody is found.
  const what = isFailed ? t(by === 'system' ? 'ended.no_partner' : 'ended.failed') : by === 'admin' && t('ended.by_support');
  if (!what) return html`<${ActionButton} kind="quiet" onPress=${again}><${Icon} name="undo" />${t('order.again')}</${ActionButton}>`;
  return html`<section class="card form">
    <p>${what}</p>
    ${by === 'admin' && last.reason && html`<p class="muted">${last.reason}</p>`}
    <${ActionButton} onPress=${again}><${Icon} name="undo" />${t('order.again')}</${ActionButton}></section>`;
}

/** Begins with what the list of orders knows: a server that cannot be reached takes nothing away. Positions in it may be old. */
function watch(face, orderId) {
  const watched = new Watched(face, orderId);
  const known = face.orders.state.value.items.find(({ id }) => id === orderId);
  if (known) watched.order.set({ ...known, location: null, eta: null });
  return watched;
}

export function Tracking({ face, orderId, isChatOpen }) {
  const { session, client, router } = face;
  const watched = useMemo(() => watch(face, orderId), [orderId]);
  useEffect(() => () => watched.close(), [watched]);
  const order = useStore(watched.order);
  const error = useStore(watched.error);
  const trail = useStore(watched.trail);
  const isChatClosed = useStore(watched.isChatClosed);
  const now = useNow(5000);
  const [isCancelling, setCancelling] = useState(false);
  const unanswered = useRef(null);
  const home = router.href(`/orders/${orderId}`);
  const closeChat = () => router.leave(`/orders/${orderId}`);
  const heading = useRef(null);
  useEffect(() => { if (document.activeElement === document.body) heading.current?.focus(); }, [Boolean(order)]);
  useEffect(() => { if (order) face.orders.put(order); }, [order?.version]);
  useEffect(() => watched.group.on('chat_message', ({ message }) => {
    if (isChatOpen || message.sender.id === session.user.value.id) return;
    toast({ title: message.sender.name, text: message.text, href: `${home}/chat` });
  }), [watched, isChatOpen]);

  if (error) return html`<section class="screen"><h1 tabindex="-1">${t('order.not_there')}</h1><p class="muted">${explain(error)}</p><p><a href=${router.href('/')}>${t('customer.home')}</a></p></section>`;
  if (!order) return html`<section class="screen"><h1 class="sr" tabindex="-1">${t('order.title')}</h1><${Loading} lines=${5} /></section>`;

  const { location } = order;
  const dot = location && isShown(order) && {
    ...location, freshness: freshnessOf(location, now), kind: 'partner', selected: true, label: order.partner?.name,
  };
  const places = [{ id: 'pickup', kind: 'pickup', ...order.pickup, label: t('order.pickup') }, { id: 'dropoff', kind: 'dropoff', ...order.dropoff, label: t('order.dropoff') }];
  const canCancel = ['pending', 'confirmed', 'assigned', 'en_route', 'arrived'].includes(order.status);
  const confirm = () => session.post(`/orders/${order.id}/transitions`, { to: 'completed', version: order.version }, { key: `complete ${order.id}` });

  return html`<div class="with-map">
    <div class="map-pane"><${MapView} label=${t('order.map')} places=${places} dots=${dot ? [['partner', dot]] : []} trail=${trail} trailOf="partner" /></div>
    <section class="pane">
      <header class="pane-head">
        <a class="icon-button" href=${router.href('/')} aria-label=${t('back')} title=${t('back')}><${Icon} name="back" /></a>
        <h1 tabindex="-1" class="clip-2" ref=${heading}>${statusText(order)}</h1>
      </header>
      <p class="sr" role="status">${statusText(order)}</p>
      <${Eta} order=${order} />
      <${Progress} order=${order} />
      ${order.code && !isOver(order) && ['picked_up', 'in_transit', 'arrived', 'en_route', 'assigned'].includes(order.status) && html`
        <section class="card code"><div><h2>${t('order.code')}</h2><p class="muted">${t('order.code_text')}</p></div><strong class="figure" aria-label=${order.code.split('').join(' ')}>${order.code}</strong></section>`}
      ${!isOver(order) && order.status !== 'delivered' && html`<${PushCard} push=${face.push} text=${t('push.order')} />`}
      ${order.status === 'delivered' && html`<section class="card form"><h2>${t('order.got_it')}</h2><p class="muted">${t('order.got_it_text')}</p><${ActionButton} onPress=${confirm}><${Icon} name="check" />${t('order.got_it_yes')}</${ActionButton}></section>`}
      ${['cancelled', 'failed'].includes(order.status) && html`<${Ended} face=${face} order=${order} />`}
      ${order.status === 'completed' && html`<${Rating} session=${session} order=${order} />`}
      ${order.partner && html`<section class="card person-card">
        <span class="avatar" aria-hidden="true">${order.partner.name.slice(0, 1)}</span>
        <span class="row-text"><strong>${order.partner.name}</strong><span class="muted">${t('order.your_partner')}</span></span>
        ${isChatted(order) && html`<a class="button quiet" href=${`${home}/chat`}><${Icon} name="chat" />${t('chat.title')}</a>`}
      </section>`}
      <section class="card"><h2 class="sr">${t('order.places')}</h2>
        <ul class="places"><li><${Icon} name="bag" size=${20} /><span><span class="muted">${t('order.pickup')}</span>${order.pickup.address}</span></li>
          <li><${Icon} name="pin" size=${20} /><span><span class="muted">${t('order.dropoff')}</span>${order.dropoff.address}</span></li></ul>
        ${order.notes && html`<p class="muted">${order.notes}</p>`}</section>
      <section class="card"><h2>${t('order.payment')}</h2><${Payment} face=${face} order=${order} /></section>
      <details class="card"><summary>${t('order.timeline')}</summary><${Timeline} session=${session} order=${order} /></details>
      ${canCancel && html`<button type="button" class="button quiet danger-text" onClick=${() => setCancelling(true)}>${t('cancel.title')}</button>`}
    </section>
    ${isCancelling && html`<${Cancel} session=${session} order=${order} unanswered=${unanswered} onClose=${() => setCancelling(false)} />`}
    ${isChatOpen && html`<${Dialog} title=${t('chat.with', { name: order.partner?.name ?? '' })} onClose=${closeChat}>
      <${Connection} state=${face.live.state} onRetry=${() => client.connect()} />
      <${Chat} session=${session} client=${client} group=${watched.group} order=${order} other=${order.partner?.name ?? t('a_partner')}
        present=${watched.present} pending=${face.pending} isOpen=${isChatted(order) && !isChatClosed} onClosed=${() => watched.isChatClosed.set(true)} />
    </${Dialog}>`}
  </div>`;
}
