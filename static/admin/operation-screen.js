// The first screen: counters, the map, what is wrong, who is there, and what happens.

import { html, useRef, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { money } from '../app/format.js';
import { explain, t } from '../app/i18n.js';
import { Icon, IconButton, useNow } from '../app/ui.js';
import { LiveFeed } from './activity.js';
import { ExceptionTag, Exceptions, orMore } from './exceptions.js';
import { FleetMap, parseDot } from './fleet-map.js';
import { Ago, Avatar, Status, number, shortId } from './parts.js';

const UNDER_WAY = ['pending', 'confirmed', 'assigned', 'en_route', 'arrived', 'picked_up', 'in_transit', 'delivered'];

const Figure = ({ label, value, kind = '' }) => html`<div class="stat ${kind}"><dt>${label}</dt><dd>${value === undefined || value === null ? '–' : number(value)}</dd></div>`;

function Counters({ face }) {
  const orders = useStore(face.operation.orders);
  const day = useStore(face.operation.lastDay);
  const partners = useStore(face.operation.partners);
  const connected = useStore(face.operation.connected);
  const { router } = face;
  const of = (status) => orders?.[status] ?? 0;
  const sum = UNDER_WAY.reduce((all, status) => all + of(status), 0);
  return html`<section class="counters" aria-label=${t('operation.counters')}>
    <div class="card counter-card grow"><h2>${t('operation.under_way')} <strong class="count" data-count="under_way">${orders ? number(sum) : '–'}</strong></h2>
      <div class="share" aria-hidden="true">${sum > 0 && UNDER_WAY.filter((status) => of(status) > 0).map((status) => html`<i key=${status} data-status=${status} style=${{ flexGrow: of(status) }}></i>`)}</div>
      <ul class="by-status">${UNDER_WAY.map((status) => html`<li key=${status}><a href=${router.href(`/orders/status/${status}`)} data-count=${status}>
        <i data-status=${status} aria-hidden="true"></i><span>${t(`short.${status}`)}</span><strong>${orders ? number(of(status)) : '–'}</strong></a></li>`)}</ul></div>
    <div class="card counter-card day"><h2>${t('operation.last_day')}</h2><dl class="stats">
      <${Figure} label=${t('day.placed')} value=${day?.placed} /><${Figure} label=${t('day.completed')} value=${day?.completed} kind="good" />
      <${Figure} label=${t('day.cancelled')} value=${day?.cancelled} /><${Figure} label=${t('day.failed')} value=${day?.failed} kind=${day?.failed > 0 ? 'bad' : ''} /></dl></div>
    <div class="card counter-card"><h2>${t('operation.partners')}</h2><dl class="stats">
      <${Figure} label=${t('partner.online')} value=${partners?.online} /><${Figure} label=${t('partner.idle')} value=${partners?.idle} /><${Figure} label=${t('partner.busy')} value=${partners?.busy} /></dl></div>
    <div class="card counter-card"><h2>${t('operation.connections')}</h2><dl class="stats">
      <${Figure} label=${t('health.sessions')} value=${connected?.sessions} /><${Figure} label=${t('health.users')} value=${connected?.users} /></dl></div>
  </section>`;
}

function OrderCard({ face, orderId, onClose }) {
  const { orders } = useStore(face.activeOrders.state);
  const exceptions = useStore(face.operation.exceptions) ?? [];
  const now = useNow(5000);
  const order = orders.get(orderId);
  if (!order) return html`<aside class="map-card" aria-label=${t('orders.order')}><div class="map-card-head"><strong>${shortId(orderId)}</strong><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></div>
    <p class="muted">${t('operation.order_over')}</p><a class="button primary" href=${face.router.href(`/orders/${orderId}`)}>${t('story.open')}</a></aside>`;
  const { customer, partner, price, pickup, dropoff, status } = order;
  return html`<aside class="map-card" aria-label=${t('orders.order')}>
    <div class="map-card-head"><strong>${shortId(orderId)}</strong><${Status} status=${status} /><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></div>
    ${exceptions.filter(({ order_id: id }) => id === orderId).map((exception) => html`<${ExceptionTag} key=${exception.kind} exception=${exception} now=${now} />`)}
    <ul class="places"><li><${Icon} name="bag" size=${18} /><span>${pickup.address}</span></li><li><${Icon} name="pin" size=${18} /><span>${dropoff.address}</span></li></ul>
    <dl class="facts"><div><dt>${t('role.customer')}</dt><dd>${customer.name}</dd></div><div><dt>${t('role.partner')}</dt><dd>${partner?.name ?? t('orders.no_partner')}</dd></div>
      <div><dt>${t('orders.price')}</dt><dd class="amount">${money(price)}</dd></div></dl>
    <a class="button primary" href=${face.router.href(`/orders/${orderId}`)}>${t('story.open')}</a></aside>`;
}

function PartnerCard({ face, partnerId, onClose }) {
  useNow(2000);
  const { orders } = useStore(face.activeOrders.state);
  const mine = [...orders.values()].filter((order) => order.partner?.id === partnerId && order.status !== 'delivered');
  const row = face.fleet.partners.get(partnerId);
  const position = face.fleet.positions.get(partnerId);
  const name = row?.name ?? mine[0]?.partner.name ?? t('a_partner');
  return html`<aside class="map-card" aria-label=${t('role.partner')}>
    <div class="map-card-head"><${Avatar} name=${name} /><strong class="clip">${name}</strong><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></div>
    <dl class="facts">${row && html`<div><dt>${t('partners.rating')}</dt><dd>${row.rating ? t('partners.rated', { average: number(row.rating.average, 1), count: row.rating.count }) : t('partners.unrated')}</dd></div>`}
      <div><dt>${t('partners.seen')}</dt><dd>${position ? html`<${Ago} at=${position.timestamp} />` : t('partners.unseen')}</dd></div>
      <div><dt>${t('partners.in_hand')}</dt><dd>${mine.length === 0 ? t(face.fleet.isOnline(partnerId) ? 'partner.idle' : 'partner.offline') : mine.map(({ id, status }) => html`<a key=${id} class="line" href=${face.router.href(`/orders/${id}`)}>${shortId(id)} · ${t(`short.${status}`)}</a>`)}</dd></div></dl>
    <a class="button quiet" href=${face.router.href(`/orders/partner/${partnerId}`)}>${t('partners.orders')}</a></aside>`;
}

function TeamCard({ face }) {
  const present = useStore(face.team.present);
  const names = useStore(face.team.names);
  const viewing = useStore(face.team.viewing);
  const me = face.session.user.value.id;
  const people = [...new Set([me, ...present, ...viewing.keys()])];
  return html`<ul class="team">${people.map((id) => {
    const orderId = viewing.get(id)?.orderId;
    const name = names.get(id) ?? t('role.admin');
    return html`<li key=${id}><${Avatar} name=${name} kind=${id === me ? 'mine' : 'looks'} /><span class="row-text"><span class="clip">${name}${id === me ? ` (${t('team.you')})` : ''}</span>
      <span class="muted">${orderId ? html`${t('team.looks_at')} <a href=${face.router.href(`/orders/${orderId}`)}>${shortId(orderId)}</a>` : t('team.here')}</span></span></li>`;
  })}</ul>`;
}

function Legend() {
  return html`<ul class="legend" aria-hidden="true"><li><i class="dot-idle"></i>${t('partner.idle')}</li><li><i class="dot-busy"></i>${t('partner.busy')}</li><li><i class="dot-offline"></i>${t('partner.offline')}</li><li>
    <i class="stop-pickup"></i>${t('story.pickup')}</li><li><i class="stop-dropoff"></i>${t('story.dropoff')}</li><li><i class="stop-alarm"></i>${t('operation.trouble')}</li></ul>`;
}

function MapNotes({ face }) {
  const { error, isCut, orders } = useStore(face.activeOrders.state);
  if (error) return html`<p class="map-note" role="alert">${explain(error)} <button type="button" class="link" onClick=${() => face.activeOrders.load()}>${t('try_again')}</button></p>`;
  return isCut && html`<p class="map-note">${t('operation.cut', { count: number(orders.size) })}</p>`;
}

export function OperationScreen({ face }) {
  const [selected, setSelected] = useState(null);
  const drawn = useRef(null);
  const { orderId, partnerId } = parseDot(selected);
  const map = useRef(null);
  const close = () => {
    setSelected(null);
    // What lay on it was opened from the map.
    map.current?.querySelector('.leaflet-container')?.focus({ preventScroll: true });
  };
  const exceptions = useStore(face.operation.exceptions);
  const claims = useStore(face.claims.state);
  const open = exceptions?.filter(({ order_id: id }) => !claims.has(id)).length ?? 0;
  return html`<div class="operation">
    <h1 class="sr" tabindex="-1">${t('operation.title')}</h1>
    <${Counters} face=${face} />
    <section class="operation-map" ref=${map} aria-label=${t('operation.map')}>
      <${FleetMap} face=${face} selected=${selected} onSelect=${setSelected} drawn=${drawn} />
      <${MapNotes} face=${face} />
      <button type="button" class="icon-button map-fit" aria-label=${t('operation.fit')} title=${t('operation.fit')} onClick=${() => drawn.current?.fit()}><${Icon} name="locate" /></button>
      <${Legend} />
      ${orderId && html`<${OrderCard} key=${orderId} face=${face} orderId=${orderId} onClose=${close} />`}
      ${partnerId && html`<${PartnerCard} key=${partnerId} face=${face} partnerId=${partnerId} onClose=${close} />`}
    </section>
    <div class="side" tabindex="0" role="region" aria-label=${t('operation.side')}>
      <section aria-labelledby="exceptions-title"><h2 id="exceptions-title">${t('exception.title')}${exceptions?.length > 0 && html` <span class="count-pill">${orMore(exceptions.length, exceptions)}</span>
        <span class="muted small-text">${t('exception.open', { count: orMore(open, exceptions) })}</span>`}</h2><${Exceptions} face=${face} /></section>
      <section aria-labelledby="team-title"><h2 id="team-title">${t('team.title')}</h2><${TeamCard} face=${face} /></section>
      <section aria-labelledby="feed-title"><h2 id="feed-title">${t('activity.title')} <a class="more-link" href=${face.router.href('/activity')}>${t('activity.all')}</a></h2><${LiveFeed} face=${face} /></section>
    </div>
  </div>`;
}
