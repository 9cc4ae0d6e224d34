// The first screen: whether offers are wanted, the order to carry out now, and those after it.

import { html } from '../app/view.js';
import { useStore } from '../app/store.js';
import { money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { PushCard } from '../app/push.js';
import { Icon, Loading } from '../app/ui.js';
import { Duty } from './availability.js';
import { useEarned } from './earnings.js';
import { PutAside } from './offer.js';
import { OrderMap, Present } from './order.js';
import { SharingLine } from './sharing-line.js';

function Idle({ face: { availability, sharing } }) {
  const { online } = useStore(availability.state);
  const { kind } = useStore(sharing.state);
  if (online === null) return html`<${Loading} lines=${2} />`;
  const name = !online ? 'offline' : kind === 'on' ? 'looking' : 'unseen';
  return html`<div class="idle" data-name=${name}><span class="idle-icon" aria-hidden="true"><${Icon} name=${online ? 'bicycle' : 'power'} size=${30} /></span>
    <h1 tabindex="-1">${t(`idle.${name}`)}</h1><p class="muted">${t(`idle.${name}_text`)}</p></div>`;
}

function Today({ face: { earnings, router } }) {
  const { earned } = useEarned(earnings);
  return html`<a class="row card today" href=${router.href('/earnings')}><${Icon} name="chart" /><span class="row-text"><span class="muted">${t('earnings.today')}</span>
    <strong>${earned ? money({ amount: earned.today, currency: earned.currency }) : '…'}</strong></span><${Icon} name="next" size=${18} /></a>`;
}

function Later({ orders, router }) {
  return html`<h2>${t('drive.later')}</h2><ul class="rows card">${orders.map((order) => html`<li key=${order.id}><a class="row" href=${router.href(`/orders/${order.id}`)}>
    <span class="row-text"><span class="clip">${order.pickup.address}</span><span class="muted clip">${t(`now.${order.status}`)} · ${order.customer.name}</span></span><${Icon} name="next" size=${18} /></a></li>`)}</ul>`;
}

export function Drive({ face, arePutAside, onShowOffers }) {
  const { availability, queue, router } = face;
  const { online } = useStore(availability.state);
  const { isLoaded, orders } = useStore(queue.state);
  const [present, ...later] = orders;
  return html`<div class=${present ? 'with-map busy' : 'with-map'}>
    <div class="map-pane"><${OrderMap} key=${present?.id ?? ''} face=${face} order=${present} /></div>
    <section class="pane">
      <section class="card duty-card" aria-label=${t('duty.title')}><${Duty} face=${face} /><${SharingLine} face=${face} /></section>
      ${online && html`<${PushCard} push=${face.push} text=${t('push.offers')} />`}
      ${arePutAside && html`<${PutAside} face=${face} onShow=${onShowOffers} />`}
      ${!isLoaded && html`<h1 class="sr" tabindex="-1">${t('drive.title')}</h1><${Loading} lines=${3} />`}
      ${isLoaded && (present ? html`<${Present} key=${present.id} face=${face} orderId=${present.id} />` : html`<${Idle} face=${face} />`)}
      ${later.length > 0 && html`<${Later} orders=${later} router=${router} />`}
      ${isLoaded && !present && html`<${Today} face=${face} />`}
    </section>
  </div>`;
}
