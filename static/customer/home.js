// What is under way, and what was.

import { html } from '../app/view.js';
import { useStore } from '../app/store.js';
import { money, moment } from '../app/format.js';
import { t } from '../app/i18n.js';
import { STEPS, isOver, statusText } from '../app/order.js';
import { Empty, Failed, Icon, Loading } from '../app/ui.js';

/** What an order is called: by what is in it. */
export const nameOf = ({ items }) => {
  const [first, ...rest] = items;
  const name = first.quantity > 1 ? `${first.quantity} × ${first.name}` : first.name;
  return rest.length === 0 ? name : t('customer.and_more', { name, count: rest.length });
};

function Active({ order, href }) {
  const done = STEPS.indexOf(order.status);
  return html`<li><a class="card order-card" href=${href}>
    <span class="order-line"><strong>${statusText(order)}</strong><${Icon} name="next" size=${18} /></span>
    <span class="muted clip">${nameOf(order)} · ${order.pickup.address}</span>
    <span class="steps" aria-hidden="true">${STEPS.slice(1, -1).map((step, index) => html`<i key=${step} class=${index < done ? 'done' : ''}></i>`)}</span>
  </a></li>`;
}

/** With what it has cost; of one that was not carried out that is told where it is shown whole. */
function Past({ order, href }) {
  return html`<li><a class="row" href=${href}>
    <span class="row-text"><span class="clip">${nameOf(order)}</span><span class="muted">${moment(order.created_at)} · ${t(`state.${order.status}`)}</span></span>
    ${order.status === 'completed' && html`<span class="amount">${money(order.price)}</span>`}<${Icon} name="next" size=${18} /></a></li>`;
}

export function Home({ face: { orders, router, session } }) {
  const { items, next, isLoading, error } = useStore(orders.state);
  const active = items.filter((order) => !isOver(order));
  const past = items.filter(isOver);
  const href = ({ id }) => router.href(`/orders/${id}`);
  return html`<section class="screen">
    <header class="screen-head"><h1 tabindex="-1">${t('customer.hello', { name: session.user.value.name.split(' ')[0] })}</h1></header>
    <a class="button primary wide big" href=${router.href('/new')}><${Icon} name="plus" />${t('customer.new_order')}</a>
    ${error && html`<${Failed} error=${error} onRetry=${() => orders.load()} />`}
    ${items.length === 0 && isLoading && html`<${Loading} lines=${4} />`}
    ${items.length === 0 && !isLoading && !error && html`<${Empty} icon="bag" title=${t('customer.nothing_yet')}>${t('customer.nothing_yet_text')}</${Empty}>`}
    ${active.length > 0 && html`<h2>${t('customer.under_way')}</h2><ul class="cards">${active.map((order) => html`<${Active} key=${order.id} order=${order} href=${href(order)} />`)}</ul>`}
    ${past.length > 0 && html`<h2>${t('customer.past')}</h2><ul class="rows card">${past.map((order) => html`<${Past} key=${order.id} order=${order} href=${href(order)} />`)}</ul>`}
    ${next && html`<button type="button" class="button quiet wide" disabled=${isLoading} onClick=${() => orders.load({ more: true })}>${t('more')}</button>`}
  </section>`;
}
