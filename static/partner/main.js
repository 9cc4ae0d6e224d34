// The partner's face: be online, take offers, carry orders out, see what that brings.

import { html, render, useEffect, useMemo, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { addWords, languageStore, t } from '../app/i18n.js';
import { watchUnsent } from '../app/chat.js';
import { Gate } from '../app/gate.js';
import { Bell, Inbox, InboxScreen } from '../app/inbox.js';
import { connect } from '../app/live.js';
import { Router } from '../app/router.js';
import { Session } from '../app/session.js';
import { Settings } from '../app/settings.js';
import '../app/theme.js';
import { Connection, Icon, Toasts, toast } from '../app/ui.js';
import { Alerts, alertOffer } from './alert.js';
import { Availability } from './availability.js';
import { ServerClock } from './clock.js';
import { Drive } from './drive.js';
import { Earnings } from './earnings.js';
import { EarningsScreen } from './earnings-screen.js';
import { Offers } from './offer.js';
import { OrderScreen } from './order.js';
import { Queue } from './queue.js';
import { Sharing } from './sharing.js';
import de from './words.de.js';
import en from './words.en.js';

addWords({ en, de });

const session = new Session('partner');
const router = new Router('partner');

/** Where a notification leads. */
function hrefOf({ data }) {
  const url = data?.url ?? '';
  if (url.startsWith('/orders/')) return router.href(url.replace('#chat', '/chat'));
  if (url === '/partner/offers') return router.href('/');
  if (url === '/partner/earnings') return router.href('/earnings');
  if (url === '/account') return router.href('/settings');
  return null;
}

/** Everything of one log-in. */
function begin() {
  const live = connect(session);
  const { client } = live;
  const clock = new ServerClock(client);
  const inbox = new Inbox({ session, client, href: hrefOf, screen: router.href('/inbox') });
  const queue = new Queue({ session, client });
  const availability = new Availability({ session, group: queue.group });
  const sharing = new Sharing({ session, client, queue, availability });
  const earnings = new Earnings({ session, group: queue.group });
  queue.onOffer(alertOffer);
  queue.onLoss((order, status) => toast({ title: t(`over.${status}`), text: order.pickup.address }));
  const end = () => {
    sharing.end();
    availability.end();
    live.close();
  };
  const pending = watchUnsent(client);
  return { session, router, client, live, pending, clock, inbox, queue, availability, sharing, earnings, end };
}

function screen(path, face, offers) {
  const order = Router.match('/orders/:id', path) ?? Router.match('/orders/:id/chat', path);
  if (order) return html`<${OrderScreen} key=${order.id} face=${face} orderId=${order.id} isChatOpen=${path.endsWith('/chat')} />`;
  switch (path) {
    case '/': return html`<${Drive} face=${face} ...${offers} />`;
    case '/earnings': return html`<${EarningsScreen} face=${face} />`;
    case '/inbox': return html`<${InboxScreen} inbox=${face.inbox} />`;
    case '/settings': return html`<${Settings} session=${session}><${Alerts} /></${Settings}>`;
    default: return html`<section class="screen"><h1 tabindex="-1">${t('not_found')}</h1><p><a href=${router.href('/')}>${t('drive.title')}</a></p></section>`;
  }
}

function Tab({ path, to, icon, label }) {
  const isHere = path === to;
  return html`<a href=${router.href(to)} class="tab" aria-current=${isHere ? 'page' : undefined}><${Icon} name=${icon} /><span>${label}</span></a>`;
}

function Face() {
  const path = useStore(router.path);
  const face = useMemo(begin, []);
  const [isHidden, setHidden] = useState(false);
  useEffect(() => face.end, [face]);
  // One that is put aside stays there; another one comes to the front.
  useEffect(() => face.queue.onOffer(() => setHidden(false)), [face]);
  return html`
    <header class="top">
      <a class="brand" href=${router.href('/')}><img src="/static/icon.svg" alt="" width="26" height="26" /><span>waybill</span></a>
      <nav class="tabs" aria-label=${t('navigation')}>
        <${Tab} path=${path} to="/" icon="bicycle" label=${t('drive.title')} />
        <${Tab} path=${path} to="/earnings" icon="chart" label=${t('earnings.title')} />
        <${Tab} path=${path} to="/settings" icon="person" label=${t('settings.title')} />
      </nav>
      <${Bell} inbox=${face.inbox} href=${router.href('/inbox')} />
    </header>
    <${Connection} state=${face.live.state} onRetry=${() => face.client.connect()} />
    <main>${screen(path, face, { arePutAside: isHidden, onShowOffers: () => setHidden(false) })}</main>
    <${Offers} face=${face} isHidden=${isHidden} onHide=${() => setHidden(true)} onAccepted=${() => router.go('/')} />`;
}

function App() {
  const user = useStore(session.user);
  const language = useStore(languageStore);
  useEffect(() => { document.title = user ? `${user.name} – waybill` : 'waybill'; }, [user]);
  return html`${user
    ? html`<${Face} key=${`${user.id} ${language}`} />`
    : html`<${Gate} session=${session} title=${t('partner.title')} canRegister=${true} />`}
    <${Toasts} />`;
}

render(html`<${App} />`, document.getElementById('face'));
