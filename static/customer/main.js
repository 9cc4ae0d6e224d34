// The customer's face: order something, see it come, pay for it.

import { html } from '../app/view.js';
import { addWords, t } from '../app/i18n.js';
import { watchUnsent } from '../app/chat.js';
import { startFace } from '../app/frame.js';
import { Inbox } from '../app/inbox.js';
import { connect } from '../app/live.js';
import { Push } from '../app/push.js';
import { Router } from '../app/router.js';
import { Session } from '../app/session.js';
import { Settings } from '../app/settings.js';
import { Draft } from './draft.js';
import { Home } from './home.js';
import { NewOrder } from './new-order.js';
import { Orders } from './orders.js';
import { Tracking } from './tracking.js';
import { Wallet, WalletScreen } from './wallet.js';
import de from './words.de.js';
import en from './words.en.js';

addWords({ en, de });

const session = new Session('customer');
const router = new Router('customer');
const push = new Push({ session, router });

/** Where a notification leads. */
function hrefOf({ data }) {
  const url = data?.url ?? '';
  if (url.startsWith('/orders/')) return router.href(url.replace('#chat', '/chat'));
  if (url === '/wallet') return router.href('/wallet');
  if (url === '/account') return router.href('/settings');
  return null;
}

/** Everything of one log-in. */
function begin() {
  const live = connect(session);
  const { client } = live;
  const inbox = new Inbox({ session, client, href: hrefOf, screen: router.href('/inbox') });
  const parts = { session, router, client, live, inbox, push };
  const wallet = new Wallet({ session, group: inbox.group });
  return {
    ...parts,
    orders: new Orders({ session, group: inbox.group }),
    wallet,
    draft: new Draft(),
    pending: watchUnsent(client),
    end: () => {
      wallet.close();
      live.close();
    },
  };
}

function screen(path, face) {
  const order = Router.match('/orders/:id', path) ?? Router.match('/orders/:id/chat', path);
  if (order) return html`<${Tracking} key=${order.id} face=${face} orderId=${order.id} isChatOpen=${path.endsWith('/chat')} />`;
  switch (path) {
    case '/': return html`<${Home} face=${face} />`;
    case '/new': return html`<${NewOrder} face=${face} />`;
    case '/wallet': return html`<${WalletScreen} face=${face} />`;
    case '/settings': return html`<${Settings} session=${session} push=${push} />`;
    default: return null;
  }
}

const useTabs = () => [
  { to: '/', icon: 'home', label: t('customer.home') },
  { to: '/new', icon: 'plus', label: t('customer.new') },
  { to: '/wallet', icon: 'wallet', label: t('wallet.title') },
  { to: '/settings', icon: 'person', label: t('settings.title') },
];

startFace({
  session, router, begin, useTabs, screen, title: () => t('customer.title'), home: () => t('customer.home'), canRegister: true,
});
