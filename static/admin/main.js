// The admins' face: the whole operation, live, and what to do about it.

import { html } from '../app/view.js';
import { useStore } from '../app/store.js';
import { addWords, t } from '../app/i18n.js';
import { watchUnsent } from '../app/chat.js';
import { serverClock } from '../app/clock.js';
import { startFace } from '../app/frame.js';
import { Inbox } from '../app/inbox.js';
import { connect } from '../app/live.js';
import { Router } from '../app/router.js';
import { Session } from '../app/session.js';
import { Settings } from '../app/settings.js';
import { Icon } from '../app/ui.js';
import { ActiveOrders } from './active-orders.js';
import { ActivityScreen } from './activity.js';
import { AnnounceScreen } from './announce.js';
import { Claims } from './claims.js';
import { orMore } from './exceptions.js';
import { Fleet } from './fleet.js';
import { HealthScreen } from './health-screen.js';
import { Health } from './health.js';
import { OperationScreen } from './operation-screen.js';
import { Operation } from './operation.js';
import { OrdersScreen } from './orders-screen.js';
import { PartnersScreen, UsersScreen } from './people.js';
import { StoryScreen } from './story.js';
import { Team } from './team.js';
import de from './words.de.js';
import en from './words.en.js';

addWords({ en, de });

const session = new Session('admin');
const router = new Router('admin');

/** Where a notification leads. */
function hrefOf({ data }) {
  const url = data?.url ?? '';
  if (url.startsWith('/orders/')) return router.href(url.replace(/#.*$/, ''));
  if (url === '/account') return router.href('/settings');
  return null;
}

/** Everything of one log-in. */
function begin() {
  const live = connect(session);
  const { client } = live;
  serverClock.follow(client);
  const inbox = new Inbox({ session, client, href: hrefOf, screen: router.href('/inbox') });
  const operation = new Operation({ session, client });
  const { group } = operation;
  const claims = new Claims({ session, group, href: (orderId) => router.href(`/orders/${orderId}`) });
  const team = new Team({ session, client, group });
  const fleet = new Fleet({ session, group });
  const activeOrders = new ActiveOrders({ session, group });
  const health = new Health({ group, session });
  const end = () => {
    for (const part of [claims, team, fleet, operation]) part.end();
    live.close();
  };
  return { session, router, client, live, inbox, operation, claims, team, fleet, activeOrders, health, pending: watchUnsent(client), end };
}

const MINOR = [
  { to: '/users', icon: 'people', label: () => t('users.title') },
  { to: '/activity', icon: 'list', label: () => t('activity.title') },
  { to: '/announce', icon: 'megaphone', label: () => t('announce.short') },
  { to: '/settings', icon: 'person', label: () => t('settings.title') },
];

/** On a phone, what there is no room for. */
const MoreScreen = () => html`<section class="screen"><header class="screen-head"><h1 tabindex="-1">${t('admin.more')}</h1></header>
  <ul class="rows card">${MINOR.map(({ to, icon, label }) => html`<li key=${to}><a class="row" href=${router.href(to)}>
    <${Icon} name=${icon} /><span class="row-text">${label()}</span><${Icon} name="next" size=${18} /></a></li>`)}</ul></section>`;

function screen(path, face) {
  const by = (pattern) => Router.match(pattern, path);
  const [status, customer, partner] = [by('/orders/status/:status'), by('/orders/customer/:id'), by('/orders/partner/:id')];
  if (status) return html`<${OrdersScreen} face=${face} status=${status.status} />`;
  if (customer) return html`<${OrdersScreen} key=${path} face=${face} of=${{ customerId: customer.id }} />`;
  if (partner) return html`<${OrdersScreen} key=${path} face=${face} of=${{ partnerId: partner.id }} />`;
  const order = by('/orders/:id');
  if (order) return html`<${StoryScreen} key=${order.id} face=${face} orderId=${order.id} />`;
  const [ofUser, ofOrder] = [by('/activity/user/:id'), by('/activity/order/:id')];
  if (ofUser) return html`<${ActivityScreen} key=${path} face=${face} of=${{ user_id: ofUser.id }} />`;
  if (ofOrder) return html`<${ActivityScreen} key=${path} face=${face} of=${{ order_id: ofOrder.id }} />`;
  switch (path) {
    case '/': return html`<${OperationScreen} face=${face} />`;
    case '/orders': return html`<${OrdersScreen} face=${face} />`;
    case '/partners': return html`<${PartnersScreen} face=${face} />`;
    case '/users': return html`<${UsersScreen} face=${face} />`;
    case '/health': return html`<${HealthScreen} face=${face} />`;
    case '/activity': return html`<${ActivityScreen} key=${path} face=${face} />`;
    case '/announce': return html`<${AnnounceScreen} face=${face} />`;
    case '/more': return html`<${MoreScreen} />`;
    case '/settings': return html`<${Settings} session=${session} />`;
    default: return null;
  }
}

function useTabs(face, path) {
  const exceptions = useStore(face.operation.exceptions) ?? [];
  const claims = useStore(face.claims.state);
  const open = exceptions.filter(({ order_id: id }) => !claims.has(id)).length;
  const isBelow = (to) => path === to || path.startsWith(`${to}/`);
  return [
    { to: '/', icon: 'map', label: t('operation.short'), count: open, counted: t('exception.open', { count: orMore(open, exceptions) }) },
    { to: '/orders', icon: 'bag', label: t('orders.title'), isHere: isBelow('/orders') },
    { to: '/partners', icon: 'bicycle', label: t('partners.title') },
    { to: '/health', icon: 'pulse', label: t('health.short') },
    ...MINOR.map(({ to, icon, label }) => ({ to, icon, label: label(), isHere: isBelow(to), kind: 'minor' })),
    { to: '/more', icon: 'dots', label: t('admin.more'), kind: 'more', isHere: path === '/more' || MINOR.some(({ to }) => isBelow(to)) },
  ];
}

startFace({ session, router, begin, useTabs, screen, title: () => t('admin.title'), home: () => t('operation.title') });
