// All orders as a table that moves as they do.

import { html, useEffect, useMemo, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { STEPS } from '../app/order.js';
import { Empty, Failed, Icon, Loading, useNow } from '../app/ui.js';
import { ExceptionTag } from './exceptions.js';
import { OrderList, OrdersById } from './order-list.js';
import { Ago, Avatar, More, Status, Table, Time, Viewers, shortId, useMark } from './parts.js';

const STATUSES = ['active', ...STEPS, 'cancelled', 'failed'];
export const KINDS = ['unconfirmed', 'no_partner', 'stuck', 'late', 'silent', 'failed'];

/** What is in it, in short. */
const contents = ({ items: [first, ...rest] }) => `${first.quantity > 1 ? `${first.quantity} × ` : ''}${first.name}${rest.length > 0 ? ` +${rest.length}` : ''}`;

function Trouble({ face, orderId, now }) {
  const all = useStore(face.operation.exceptions) ?? [];
  const claim = useStore(face.claims.state).get(orderId);
  const own = all.filter(({ order_id: id }) => id === orderId);
  return html`<span class="trouble-cell">${own.map((exception) => html`<${ExceptionTag} key=${exception.kind} exception=${exception} now=${now} />`)}
    ${claim && html`<span class="claim-who" title=${t('claim.by', { name: claim.name })}><${Avatar} name=${claim.name} kind=${face.claims.isMine(claim) ? 'mine' : ''} /><span class="sr">${t('claim.by', { name: claim.name })}</span></span>`}
    <${Viewers} face=${face} orderId=${orderId} /></span>`;
}

/** The status, said again where it has changed. */
function LiveStatus({ order }) {
  const isMarked = useMark(order.version, false);
  return html`<span data-changed=${isMarked}><${Status} status=${order.status} /></span>`;
}

function columns(face, now) {
  const { router } = face;
  return [
    { key: 'order', label: t('orders.order'), kind: 'main', cell: (order) => html`<a class="row-link" href=${router.href(`/orders/${order.id}`)}><strong>${shortId(order.id)}</strong><span class="muted clip">${contents(order)}</span></a>` },
    { key: 'status', label: t('orders.status'), kind: 'state', cell: (order) => html`<${LiveStatus} order=${order} />` },
    { key: 'trouble', label: t('orders.trouble'), kind: 'wide-cell', cell: ({ id }) => html`<${Trouble} face=${face} orderId=${id} now=${now} />` },
    { key: 'customer', label: t('role.customer'), kind: 'person', cell: ({ customer }) => html`<a class="plain clip" href=${router.href(`/orders/customer/${customer.id}`)} title=${t('orders.of', { name: customer.name })}>${customer.name}</a>` },
    { key: 'partner', label: t('role.partner'), kind: 'person', cell: ({ partner }) => (partner ? html`<a class="plain clip" href=${router.href(`/orders/partner/${partner.id}`)} title=${t('orders.of', { name: partner.name })}>${partner.name}</a>` : html`<span class="muted">–</span>`) },
    { key: 'changed', label: t('orders.changed'), kind: 'time', cell: ({ updated_at: at }) => html`<${Ago} at=${at} />` },
    { key: 'placed', label: t('orders.placed'), kind: 'time placed', cell: ({ created_at: at }) => html`<${Time} at=${at} />` },
    { key: 'price', label: t('orders.price'), kind: 'amount', cell: ({ price, payment_method: method }) => html`<span title=${t(`payment.${method}`)}>${money(price)}</span>` },
  ];
}

/** What somebody looks for, in what is loaded. */
function found({ id, customer, partner, items, pickup, dropoff }, text) {
  const wanted = text.trim().toLowerCase().replace(/^#/, '');
  return wanted === '' || id.includes(wanted)
    || [customer.name, partner?.name ?? '', pickup.address, dropoff.address, ...items.map(({ name }) => name)].some((word) => word.toLowerCase().includes(wanted));
}

function useList(face, filter, kind) {
  const key = JSON.stringify(filter);
  const list = useMemo(() => {
    const parts = { session: face.session, group: face.operation.group };
    return kind ? new OrdersById(parts) : new OrderList(parts, filter);
  }, [face, key, Boolean(kind)]);
  useEffect(() => () => list.end(), [list]);
  const exceptions = useStore(face.operation.exceptions);
  const ids = kind ? (exceptions ?? []).filter((one) => kind === 'any' || one.kind === kind).map(({ order_id: id }) => id) : [];
  useEffect(() => { if (kind) list.show([...new Set(ids)]); }, [list, kind, ids.join()]);
  return list;
}

function Filters({ face, status, kind, text, onKind, onText, who }) {
  const go = (value) => face.router.go(value === '' ? '/orders' : `/orders/status/${value}`, { keepsFocus: true });
  return html`<div class="filters">
    <label class="search"><span class="sr">${t('orders.search')}</span><${Icon} name="search" size=${18} /><input type="search" placeholder=${t('orders.search')} value=${text} onInput=${(event) => onText(event.target.value)} /></label>
    ${!who && html`<label>${t('orders.status')}<select value=${status} disabled=${Boolean(kind)} onChange=${(event) => go(event.target.value)}>
      <option value="">${t('filter.all')}</option>${STATUSES.map((one) => html`<option key=${one} value=${one}>${one === 'active' ? t('operation.under_way') : t(`state.${one}`)}</option>`)}</select></label>`}
    ${!who && html`<label>${t('orders.trouble')}<select value=${kind} onChange=${(event) => onKind(event.target.value)}>
      <option value="">${t('filter.all')}</option><option value="any">${t('exception.any')}</option>${KINDS.map((one) => html`<option key=${one} value=${one}>${t(`exception.${one}`)}</option>`)}</select></label>`}
  </div>`;
}

/** `status` and `of` (`{customerId}` or `{partnerId}`) come from the path. */
export function OrdersScreen({ face, status = '', of = {} }) {
  const [kind, setKind] = useState('');
  const [text, setText] = useState('');
  const list = useList(face, { status, ...of }, kind);
  const { items, next, isLoading, error } = useStore(list.state);
  const now = useNow(2000);
  const who = Boolean(of.customerId || of.partnerId);
  const shown = items.filter((order) => found(order, text));
  const [first] = items;
  const name = of.customerId ? first?.customer.name : first?.partner?.name;
  const isEmpty = items.length === 0 && !error;
  return html`<section class="screen wide-screen">
    <header class="screen-head"><h1 tabindex="-1">${who && name ? t('orders.of', { name }) : t('orders.title')}</h1>${who && html`<a class="button quiet" href=${face.router.href('/orders')}>${t('filter.all')}</a>`}</header>
    <${Filters} face=${face} status=${status} kind=${kind} text=${text} onKind=${setKind} onText=${setText} who=${who} />
    ${text.trim() !== '' && html`<p class="muted small-text" role="status">${t(next ? 'orders.found_loaded' : 'orders.found', { count: shown.length, loaded: items.length })}</p>`}
    ${error && html`<${Failed} error=${error} onRetry=${() => list.load()} />`}
    ${isEmpty && isLoading && html`<${Loading} lines=${8} />`}
    ${isEmpty && !isLoading && html`<div class="card"><${Empty} icon="bag" title=${t(kind ? 'exception.none' : 'orders.none')}>${t(kind ? 'exception.none_text' : 'orders.none_text')}</${Empty}></div>`}
    ${items.length > 0 && shown.length === 0 && html`<div class="card"><${Empty} icon="bag" title=${t('orders.not_found')} /></div>`}
    ${shown.length > 0 && html`<${Table} label=${t('orders.title')} columns=${columns(face, now)} rows=${shown} versionOf=${({ version }) => version} kind="orders" />`}
    <${More} list=${list} rows="main .data tbody tr" />
  </section>`;
}
