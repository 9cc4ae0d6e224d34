// One order's full story: where it stands, what happened, why, and what one may do about it.

import { html, useEffect, useMemo, useRef, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { Chat } from '../app/chat.js';
import { serverClock } from '../app/clock.js';
import { clock, distance, minutes } from '../app/format.js';
import { explain, language, t } from '../app/i18n.js';
import { MapView } from '../app/map-view.js';
import { ageOf, freshnessOf, isChatted, isOver, isShown } from '../app/order.js';
import { Icon, Loading, useNow } from '../app/ui.js';
import { Watched, pointsOf } from '../app/watched.js';
import { ClaimLine, ExceptionTag } from './exceptions.js';
import { Status, Time, Viewers, duration, shortId } from './parts.js';
import { Replay, ReplayBar, stepAt } from './replay.js';
import { Actions } from './story-actions.js';
import { Deliveries, Dispatch, Outdated, Payment, Timeline, useFresh } from './story-parts.js';

/** What reached whom is told by nothing, so it is looked up again, milliseconds. */
const LOOK_AGAIN = 15_000;
const NONE = [];

/** Everything that is read about an order, each part again when it has changed. */
function useStory(face, order, watched) {
  const { session, operation } = face;
  const { id, version } = order;
  const [payments, setPayments] = useState(0);
  useEffect(() => operation.group.on('payment', ({ payment }) => { if (payment.order_id === id) setPayments((count) => count + 1); }), [operation, id]);
  // After a break some of it may have happened unheard.
  const [breaks, setBreaks] = useState(0);
  useEffect(() => watched.group.on('snapshot', () => setBreaks((count) => count + 1)), [watched]);
  const [looks, setLooks] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) setLooks((count) => count + 1); }, LOOK_AGAIN);
    return () => clearInterval(timer);
  }, []);
  return {
    timeline: useFresh(() => session.get(`/orders/${id}/timeline`), id, `${version} ${breaks}`),
    dispatch: useFresh(() => session.get(`/orders/${id}/dispatch`), id, `${version} ${breaks} ${['confirmed', 'pending'].includes(order.status) ? looks : 0}`),
    payment: useFresh(() => session.get(`/orders/${id}/payment`), id, `${version} ${breaks} ${payments}`),
    deliveries: useFresh(() => session.get(`/admin/deliveries?order_id=${id}&limit=100`), id, `${version} ${breaks} ${looks}`),
  };
}

function Eta({ order, now }) {
  const { eta, location } = order;
  if (!eta) return null;
  const late = (Date.parse(eta.arrives_at) - Date.parse(eta.promised_at)) / 1000;
  return html`<div class="fact"><dt>${t(`story.eta_${eta.to}`)}</dt><dd><strong>${clock(eta.arrives_at)}</strong> <span class="muted">${minutes(Math.max(0, eta.seconds - (now - eta.heardAt) / 1000))} · ${distance(eta.distance)}</span>
    ${late >= 60 ? html`<span class="warn small-text">${t('story.late', { time: duration(late) })}</span>` : eta.late_risk !== 'none' && html`<span class="warn small-text">${t('story.at_risk')}</span>`}
    ${location && freshnessOf(location, now) !== 'live' && html`<span class="warn small-text">${t('story.unseen', { time: duration(ageOf(location, now)) })}</span>`}</dd></div>`;
}

function Facts({ face, order, now }) {
  const { router } = face;
  return html`<dl class="story-facts">
    <div class="fact"><dt>${t('role.customer')}</dt><dd><a href=${router.href(`/orders/customer/${order.customer.id}`)}>${order.customer.name}</a></dd></div>
    <div class="fact"><dt>${t('role.partner')}</dt><dd>${order.partner ? html`<a href=${router.href(`/orders/partner/${order.partner.id}`)}>${order.partner.name}</a>` : html`<span class="muted">${t('orders.no_partner')}</span>`}</dd></div>
    <div class="fact"><dt>${t('orders.placed')}</dt><dd><${Time} at=${order.created_at} /></dd></div>
    <${Eta} order=${order} now=${now} />
    <div class="fact"><dt><${Icon} name="bag" size=${16} />${t('story.pickup')}</dt><dd>${order.pickup.address}</dd></div>
    <div class="fact"><dt><${Icon} name="pin" size=${16} />${t('story.dropoff')}</dt><dd>${order.dropoff.address}</dd></div>
    ${order.notes && html`<div class="fact"><dt>${t('story.notes')}</dt><dd>${order.notes}</dd></div>`}
  </dl>`;
}

function Presence({ order, present }) {
  const isThere = (role) => [...present.values()].includes(role);
  const people = [['customer', order.customer.name], ...(order.partner ? [['partner', order.partner.name]] : [])];
  return html`<ul class="presence" aria-label=${t('story.presence')}>${people.map(([role, name]) => html`<li key=${role} data-there=${isThere(role)}><i aria-hidden="true"></i><span class="clip" title=${name}>${name}</span> <span class="muted">${t(isThere(role) ? 'story.there' : 'story.away')}</span></li>`)}</ul>`;
}

function StoryMap({ order, trail, replay, now }) {
  const { at } = useStore(replay.state);
  const kept = useRef(trail);
  // While something else is shown, the map is left alone.
  if (at === null) kept.current = trail;
  const { location } = order;
  const freshness = location && isShown(order) ? freshnessOf(location, now) : null;
  const isLive = freshness !== null && at === null;
  const dots = useMemo(() => (isLive ? [['partner', { ...location, freshness, kind: 'partner', busy: true, selected: true, label: order.partner?.name }]] : NONE), [isLive, location, freshness, order.partner?.name]);
  const places = useMemo(() => [{ id: 'pickup', kind: 'pickup', ...order.pickup, label: t('story.pickup') }, { id: 'dropoff', kind: 'dropoff', ...order.dropoff, label: t('story.dropoff') }], [order.id, language()]);
  const fitTo = useMemo(() => [...places, ...(trail.length > 0 ? [trail[0]] : [])], [places, trail.length > 0]);
  return html`<${MapView} label=${t('story.map')} places=${places} dots=${dots} trail=${kept.current} trailOf="partner" fitTo=${fitTo} onMap=${(map) => replay.attach(map)} />`;
}

function Story({ face, order, watched }) {
  const { session, client, claims, team } = face;
  const trail = useStore(watched.trail);
  const isChatClosed = useStore(watched.isChatClosed);
  const names = useStore(team.names);
  const exceptions = (useStore(face.operation.exceptions) ?? []).filter(({ order_id: id }) => id === order.id);
  const now = useNow(1000);
  const story = useStory(face, order, watched);
  const present = useStore(watched.present);
  const replay = useMemo(() => new Replay(() => session.get(`/orders/${order.id}/track?tolerance=0`).then(pointsOf)), [session, order.id]);
  const { at } = useStore(replay.state);
  const steps = story.timeline.value?.items ?? NONE;
  const map = useRef(null);
  useEffect(() => replay.set(trail, steps, isOver(order) ? null : serverClock.now()), [replay, trail, steps, order.status]);
  useEffect(() => () => replay.pause(), [replay]);
  useEffect(() => team.view(order.id), [team, order.id]);
  useEffect(() => claims.keep(order.id), [claims, order.id]);
  const show = (step) => {
    replay.pause();
    replay.seek(Date.parse(step.at));
    map.current?.scrollIntoView({ block: 'nearest' });
  };
  const then = at === null ? null : stepAt(steps, at);
  const both = order.partner ? t('story.both', { customer: order.customer.name, partner: order.partner.name }) : order.customer.name;
  return html`<section class="story">
    <header class="story-head"><a class="icon-button" href=${face.router.href('/orders')} aria-label=${t('orders.title')} title=${t('orders.title')}><${Icon} name="back" /></a>
      <div class="story-title"><h1 tabindex="-1">${t('orders.order')} ${shortId(order.id)}</h1><${Status} status=${order.status} /><${Viewers} face=${face} orderId=${order.id} /></div>
      <${Actions} face=${face} order=${order} payment=${story.payment.value} onStale=${story.payment.reload} /></header>
    <p class="sr" role="status">${t(`state.${order.status}`)}</p>
    <div class="story-grid">
      <div class="story-main">
        <div class="card flush story-map-card" ref=${map}><div class="story-map"><${StoryMap} order=${order} trail=${trail} replay=${replay} now=${now} />
          ${at !== null && html`<p class="map-hint" role="status">${t('replay.shown')}${then ? ` · ${t(`state.${then.to}`)}` : ''}</p>`}</div>
          <${ReplayBar} replay=${replay} steps=${steps} isOver=${isOver(order)} /></div>
        <div class="card story-steps"><h2>${t('timeline.title')}</h2><${Outdated} loaded=${story.timeline} /><${Timeline} order=${order} names=${names} loaded=${story.timeline} at=${at} onShow=${show} /></div>
        <div class="card"><h2>${t('dispatch.title')}</h2><${Outdated} loaded=${story.dispatch} /><${Dispatch} loaded=${story.dispatch} names=${names} /></div>
      </div>
      <div class="story-side">
        <div class="card story-claim">${exceptions.length > 0 && html`<div class="troubles">${exceptions.map((exception) => html`<${ExceptionTag} key=${exception.kind} exception=${exception} now=${now} />`)}</div>`}
          <${ClaimLine} face=${face} orderId=${order.id} isOver=${['completed', 'cancelled'].includes(order.status)} /><${Facts} face=${face} order=${order} now=${now} /><${Presence} order=${order} present=${present} />
          <a href=${face.router.href(`/activity/order/${order.id}`)}>${t('story.activity')}</a></div>
        <div class="card story-chat"><h2>${t('chat.title')}</h2>${order.partner
          ? html`<${Chat} session=${session} client=${client} group=${watched.group} order=${order} other=${both} isOpen=${isChatted(order) && !isChatClosed} pending=${face.pending} present=${watched.present} onClosed=${() => watched.isChatClosed.set(true)} takesFocus=${false} />`
          : html`<p class="muted">${t('story.no_chat')}</p>`}</div>
        <div class="card"><h2>${t('money.title')}</h2><${Outdated} loaded=${story.payment} /><${Payment} order=${order} loaded=${story.payment} names=${names} /></div>
        <div class="card"><h2>${t('delivery.title')}</h2><${Outdated} loaded=${story.deliveries} /><${Deliveries} order=${order} loaded=${story.deliveries} names=${names} /></div>
      </div>
    </div>
  </section>`;
}

export function StoryScreen({ face, orderId }) {
  const watched = useMemo(() => new Watched(face, orderId), [face, orderId]);
  useEffect(() => () => watched.close(), [watched]);
  const order = useStore(watched.order);
  const error = useStore(watched.error);
  const heading = useRef(null);
  useEffect(() => { if (order && document.activeElement === document.body) document.querySelector('.story h1')?.focus(); }, [Boolean(order)]);
  if (error) return html`<section class="screen"><h1 tabindex="-1">${t('story.not_there')}</h1><p class="muted">${explain(error)}</p><p><a href=${face.router.href('/orders')}>${t('orders.title')}</a></p></section>`;
  if (!order) return html`<section class="screen"><h1 class="sr" tabindex="-1" ref=${heading}>${t('orders.order')}</h1><${Loading} lines=${6} /></section>`;
  return html`<${Story} key=${orderId} face=${face} order=${order} watched=${watched} />`;
}
