// Partners and users as tables: the server searches, and what people do is seen as it happens.

import { html, useEffect, useMemo, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { t } from '../app/i18n.js';
import { Paged } from '../app/paged.js';
import { Empty, Failed, Icon, Loading } from '../app/ui.js';
import { Ago, Avatar, More, Table, Time, number, shortId, useCalm } from './parts.js';

/** Accounts are read again so long after something has happened that changes them, for each page of them, milliseconds. */
const SOON = 2_000;
const PAGE = 50;
const MOST = 500;

/** A list that is read again, from the beginning, when one of `actions` is heard of; `steps` where orders count, too. */
export class PeopleList extends Paged {
  #offs;
  #timer = 0;
  /** Whether something has happened while nobody looked. */
  #isMissed = false;

  constructor({ session, group }, path, query, { actions, steps = false }) {
    super((more) => session.get(`${path}?limit=${PAGE}${query}${more}`), undefined, { most: MOST, isDeep: true });
    const later = () => {
      this.#isMissed ||= document.hidden;
      if (this.#timer || document.hidden) return;
      this.#timer = setTimeout(() => {
        this.#timer = 0;
        this.load();
      }, SOON * Math.max(1, Math.ceil(this.state.value.items.length / PAGE)));
    };
    const look = () => {
      if (document.hidden || !this.#isMissed) return;
      this.#isMissed = false;
      later();
    };
    document.addEventListener('visibilitychange', look);
    this.#offs = [
      () => document.removeEventListener('visibilitychange', look),
      group.on('activity', ({ activity }) => { if (actions.includes(activity.action)) later(); }),
      group.on('snapshot', () => this.load()),
      ...(steps ? [group.on('order_update', ({ update: { status } }) => { if (['assigned', 'confirmed', 'delivered', 'cancelled', 'failed'].includes(status)) later(); })] : []),
    ];
    this.load();
  }

  end() {
    clearTimeout(this.#timer);
    this.#offs.forEach((off) => off());
  }
}

function useList(face, path, query, when) {
  const list = useMemo(() => new PeopleList({ session: face.session, group: face.operation.group }, path, query, when), [face, path, query]);
  useEffect(() => () => list.end(), [list]);
  return list;
}

const queryOf = (fields) => Object.entries(fields).filter(([, value]) => value !== '').map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join('');

function Online({ isOnline, at, words }) {
  return html`<span class="online" data-online=${isOnline}><i aria-hidden="true"></i>${t(isOnline ? words[0] : words[1])}${at && html` <span class="muted small-text"><${Ago} at=${at} /></span>`}</span>`;
}

function OnlineFilter({ value, onChange }) {
  return html`<label>${t('filter.online')}<select value=${value} onChange=${(event) => onChange(event.target.value)}>
    <option value="">${t('filter.all')}</option><option value="true">${t('filter.yes')}</option><option value="false">${t('filter.no')}</option></select></label>`;
}

function Search({ label, value, onChange }) {
  return html`<label class="search"><span class="sr">${label}</span><${Icon} name="search" size=${18} /><input type="search" placeholder=${label} value=${value} onInput=${(event) => onChange(event.target.value)} /></label>`;
}

function List({ list, label, columns, versionOf, icon, none, kind }) {
  const { items, isLoading, error } = useStore(list.state);
  const isEmpty = items.length === 0 && !error;
  return html`${error && html`<${Failed} error=${error} onRetry=${() => list.load()} />`}
    ${isEmpty && isLoading && html`<${Loading} lines=${6} />`}
    ${isEmpty && !isLoading && html`<div class="card"><${Empty} icon=${icon} title=${none} /></div>`}
    ${items.length > 0 && html`<${Table} label=${label} columns=${columns} rows=${items} versionOf=${versionOf} kind=${kind} />`}
    <${More} list=${list} rows="main .data tbody tr" />`;
}

const person = (name, email, href) => html`<a class="row-link person-cell" href=${href}><${Avatar} name=${name} /><span class="row-text">
  <strong class="clip" title=${name}>${name}</strong><span class="muted clip" title=${email}>${email}</span></span></a>`;

export function PartnersScreen({ face }) {
  const [text, setText] = useState('');
  const [online, setOnline] = useState('');
  const q = useCalm(text.trim());
  const list = useList(face, '/admin/partners', queryOf({ q, online }), { actions: ['went_online', 'went_offline', 'registered'], steps: true });
  const { router } = face;
  const columns = [
    { key: 'name', label: t('role.partner'), kind: 'main', cell: ({ id, name, email }) => person(name, email, router.href(`/orders/partner/${id}`)) },
    { key: 'online', label: t('partners.state'), cell: ({ online: isOnline, online_changed_at: at }) => html`<${Online} isOnline=${isOnline} at=${at} words=${['partner.online', 'partner.offline']} />` },
    { key: 'orders', label: t('partners.in_hand'), kind: 'wide-cell', cell: ({ orders }) => (orders.length === 0 ? html`<span class="muted">–</span>` : html`<span class="links">${orders.map((id) => html`<a key=${id} href=${router.href(`/orders/${id}`)}>${shortId(id)}</a>`)}</span>`) },
    { key: 'seen', label: t('partners.seen'), kind: 'time', cell: ({ position }) => (position ? html`<${Ago} at=${position.timestamp} />` : html`<span class="muted">${t('partners.unseen')}</span>`) },
    { key: 'rating', label: t('partners.rating'), kind: 'amount', cell: ({ rating }) => (rating ? html`<span class="rating">
      <${Icon} name="star_full" size=${16} />${number(rating.average, 1)} <span class="muted">(${number(rating.count)})</span></span>` : html`<span class="muted">${t('partners.unrated')}</span>`) },
  ];
  return html`<section class="screen wide-screen">
    <header class="screen-head"><h1 tabindex="-1">${t('partners.title')}</h1></header>
    <div class="filters"><${Search} label=${t('partners.search')} value=${text} onChange=${setText} /><${OnlineFilter} value=${online} onChange=${setOnline} /></div>
    <${List} list=${list} label=${t('partners.title')} columns=${columns} icon="bicycle" none=${t('partners.none')} kind="people" versionOf=${({ online: isOnline, orders }) => `${isOnline} ${orders.join()}`} />
  </section>`;
}

const ROLES = ['customer', 'partner', 'admin'];

export function UsersScreen({ face }) {
  const [text, setText] = useState('');
  const [online, setOnline] = useState('');
  const [role, setRole] = useState('');
  const q = useCalm(text.trim());
  const list = useList(face, '/admin/users', queryOf({ q, role, online }), { actions: ['registered', 'logged_in'] });
  const { router } = face;
  const columns = [
    { key: 'name', label: t('users.name'), kind: 'main', cell: ({ id, name, email }) => person(name, email, router.href(`/activity/user/${id}`)) },
    { key: 'role', label: t('users.role'), cell: ({ role: one }) => html`<span class="pill" data-role=${one}>${t(`role.${one}`)}</span>` },
    { key: 'online', label: t('users.session'), cell: ({ online: isOnline }) => html`<${Online} isOnline=${isOnline} words=${['users.online', 'users.offline']} />` },
    { key: 'orders', label: t('users.orders'), cell: ({ id, role: one, partner_id: partnerId }) => (one === 'admin' ? html`<span class="muted">–</span>` : html`<a href=${router.href(one === 'partner' ? `/orders/partner/${partnerId}` : `/orders/customer/${id}`)}>${t('partners.orders')}</a>`) },
    { key: 'locale', label: t('users.locale'), cell: ({ locale }) => html`<span class="upper">${locale}</span>` },
    { key: 'created', label: t('users.since'), kind: 'time', cell: ({ created_at: at }) => html`<${Time} at=${at} />` },
  ];
  return html`<section class="screen wide-screen">
    <header class="screen-head"><h1 tabindex="-1">${t('users.title')}</h1></header>
    <div class="filters"><${Search} label=${t('users.search')} value=${text} onChange=${setText} />
      <label>${t('users.role')}<select value=${role} onChange=${(event) => setRole(event.target.value)}>
        <option value="">${t('filter.all')}</option>${ROLES.map((one) => html`<option key=${one} value=${one}>${t(`role.${one}`)}</option>`)}</select></label>
      <${OnlineFilter} value=${online} onChange=${setOnline} /></div>
    <${List} list=${list} label=${t('users.title')} columns=${columns} icon="person" none=${t('users.none')} kind="people" versionOf=${({ online: isOnline }) => isOnline} />
  </section>`;
}
