// The partner's face: be online, take offers, carry orders out, see what that brings.

import { html } from '../app/view.js';
import { Store, useStore } from '../app/store.js';
import { addWords, t } from '../app/i18n.js';
import { watchUnsent } from '../app/chat.js';
import { serverClock as clock } from '../app/clock.js';
import { startFace } from '../app/frame.js';
import { Inbox } from '../app/inbox.js';
import { connect } from '../app/live.js';
import { Push } from '../app/push.js';
import { Router } from '../app/router.js';
import { Session } from '../app/session.js';
import { Settings } from '../app/settings.js';
import { aboveDialogs, toast } from '../app/ui.js';
import { Alerts, alertOffer } from './alert.js';
import { Availability } from './availability.js';
import { Drive } from './drive.js';
import { Earnings } from './earnings.js';
import { EarningsScreen } from './earnings-screen.js';
import { Offers, PutAsideAbove, isCardOpen, isOccupied } from './offer.js';
import { OrderScreen } from './order.js';
import { Queue } from './queue.js';
import { Sharing } from './sharing.js';
import de from './words.de.js';
import en from './words.en.js';

addWords({ en, de });

const session = new Session('partner');
const router = new Router('partner');
const push = new Push({ session, router });

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
  clock.follow(client);
  // An offer has a card of its own.
  const isTold = ({ type }) => type === 'assignment_offered';
  const inbox = new Inbox({ session, client, href: hrefOf, screen: router.href('/inbox'), isTold });
  const queue = new Queue({ session, client });
  const availability = new Availability({ session, group: queue.group });
  const sharing = new Sharing({ session, client, queue, availability });
  const earnings = new Earnings({ session, group: queue.group });
  queue.onOffer(alertOffer);
  // Those that are put aside stay there; another one comes to the front. Not over what somebody is at: whoever writes a message would
  // answer it with the next key.
  const arePutAside = new Store(false);
  const areWanted = new Store(false);
  const show = (isWanted) => {
    areWanted.set(isWanted);
    arePutAside.set(false);
  };
  queue.onOffer(() => {
    // Nor from under the finger of whoever looks at one: the card tells that there are others.
    if (isCardOpen()) {
      // What has ended there was asked for, perhaps; what comes in its place was not.
      if (queue.state.value.offers.length === 1) areWanted.set(false);
      return;
    }
    if (isOccupied()) arePutAside.set(true);
    else show(false);
  });
  queue.onLoss((order, status) => toast({ title: t(`over.${status}`), text: order.pickup.address }));
  const end = () => {
    sharing.end();
    availability.end();
    live.close();
    aboveDialogs.set((now) => (now === above ? null : now));
  };
  const pending = watchUnsent(client);
  const showOffers = () => show(true);
  const face = { session, router, push, client, live, pending, clock, inbox, queue, availability, sharing, earnings, arePutAside, areWanted, showOffers, end };
  const above = { Part: () => html`<${PutAsideAbove} face=${face} onShow=${showOffers} />` };
  aboveDialogs.set(above);
  return face;
}

function DriveScreen({ face }) {
  return html`<${Drive} face=${face} arePutAside=${useStore(face.arePutAside)} onShowOffers=${face.showOffers} />`;
}

function OffersOnTop({ face }) {
  return html`<${Offers} face=${face} isHidden=${useStore(face.arePutAside)} isWanted=${useStore(face.areWanted)} onHide=${() => face.arePutAside.set(true)} onAccepted=${() => router.go('/')} />`;
}

function screen(path, face) {
  const order = Router.match('/orders/:id', path) ?? Router.match('/orders/:id/chat', path);
  if (order) return html`<${OrderScreen} key=${order.id} face=${face} orderId=${order.id} isChatOpen=${path.endsWith('/chat')} />`;
  switch (path) {
    case '/': return html`<${DriveScreen} face=${face} />`;
    case '/earnings': return html`<${EarningsScreen} face=${face} />`;
    case '/settings': return html`<${Settings} session=${session} push=${push}><${Alerts} /></${Settings}>`;
    default: return null;
  }
}

const useTabs = () => [
  { to: '/', icon: 'bicycle', label: t('drive.title') },
  { to: '/earnings', icon: 'chart', label: t('earnings.title') },
  { to: '/settings', icon: 'person', label: t('settings.title') },
];

startFace({
  session,
  router,
  begin,
  useTabs,
  screen,
  // The first screen shows them in their place.
  above: (face, path) => path !== '/' && html`<${PutAsideAbove} face=${face} onShow=${face.showOffers} />`,
  beside: (face) => html`<${OffersOnTop} face=${face} />`,
  title: () => t('partner.title'),
  home: () => t('drive.title'),
  canRegister: true,
});
