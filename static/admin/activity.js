// What people do, as they do it.

import { html, useEffect, useMemo } from '../app/view.js';
import { useStore } from '../app/store.js';
import { t } from '../app/i18n.js';
import { Paged } from '../app/paged.js';
import { Empty, Failed, Icon, Loading } from '../app/ui.js';
import { Ago, Avatar, More, named, shortId } from './parts.js';

/** However long the page is left open, milliseconds and rows. */
const MOST = 200;
const PAGE = 50;

/** By what the server calls an action. */
export const ICONS = {
  registered: 'person', logged_in: 'person', announced: 'megaphone', went_online: 'power', went_offline: 'power', refunded: 'undo', claimed: 'shield', released: 'shield',
  confirmed_order: 'check', assigned_order: 'swap', took_back_order: 'undo', cancelled_order: 'close', failed_order: 'alert', changed_order: 'list',
};

const isSame = () => false;

/** `of` is `{user_id}`, `{order_id}` or nothing; what comes by the connection is kept if it fits. */
export class Activities extends Paged {
  #offs;

  constructor({ session, group }, of = {}) {
    const query = Object.entries(of).map(([key, value]) => `&${key}=${value}`).join('');
    super((more) => session.get(`/admin/activity?limit=${PAGE}${query}${more}`), isSame, { most: MOST });
    const fits = (one) => Object.entries(of).every(([key, value]) => one[key] === value);
    this.#offs = [
      group.on('activity', ({ activity }) => { if (fits(activity)) this.put({ ...activity, isLive: true }); }),
      group.on('snapshot', () => this.load()),
    ];
    this.load();
  }

  end() {
    this.#offs.forEach((off) => off());
  }
}

function Entry({ face, entry }) {
  const { user_id: userId, name, role, action, order_id: orderId, at } = entry;
  const who = name ?? (role ? t(`role.${role}`) : t('activity.server'));
  return html`<li class="activity"><span class="note-icon"><${Icon} name=${ICONS[action] ?? 'list'} size=${18} /></span>
    <span class="activity-text"><span>${userId ? html`<a class="plain" href=${face.router.href(`/activity/user/${userId}`)}><strong>${who}</strong></a>` : html`<strong>${who}</strong>`} ${named(`action.${action}`)}
      ${orderId && html` <a href=${face.router.href(`/orders/${orderId}`)}>${shortId(orderId)}</a>`}</span>
      <span class="muted">${role ? `${t(`role.${role}`)} · ` : ''}<${Ago} at=${at} /></span></span></li>`;
}

function List({ face, list, most = Infinity }) {
  const { items, isLoading, error } = useStore(list.state);
  if (error && items.length === 0) return html`<${Failed} error=${error} onRetry=${() => list.load()} />`;
  if (items.length === 0) return isLoading ? html`<${Loading} lines=${4} />` : html`<${Empty} icon="list" title=${t('activity.none')} />`;
  return html`<ol class="activities">${items.slice(0, most).map((entry) => html`<${Entry} key=${entry.id} face=${face} entry=${entry} />`)}</ol>
    ${most === Infinity && html`<${More} list=${list} rows=".activities > li" />`}`;
}

function useActivities(face, of) {
  const list = useMemo(() => new Activities({ session: face.session, group: face.operation.group }, of), [face, JSON.stringify(of)]);
  useEffect(() => () => list.end(), [list]);
  return list;
}

/** The latest, beside other things. */
export const LiveFeed = ({ face }) => html`<${List} face=${face} list=${useActivities(face, {})} most=${30} />`;

/** All, or of one user or order. */
export function ActivityScreen({ face, of = {} }) {
  const list = useActivities(face, of);
  const { items } = useStore(list.state);
  const { user_id: userId, order_id: orderId } = of;
  const name = userId && (items.find((one) => one.name)?.name ?? shortId(userId));
  return html`<section class="screen wide-screen narrow">
    <header class="screen-head"><h1 tabindex="-1">${t('activity.title')}</h1></header>
    ${(userId || orderId) && html`<p class="filter-line"><span class="chip">${userId ? html`<${Avatar} name=${name} />${t('activity.of', { name })}` : t('activity.of', { name: shortId(orderId) })}</span>
      <a href=${face.router.href('/activity')}>${t('filter.all')}</a>${orderId && html`<a href=${face.router.href(`/orders/${orderId}`)}>${t('story.open')}</a>`}</p>`}
    <div class="card flush"><${List} face=${face} list=${list} /></div>
  </section>`;
}
