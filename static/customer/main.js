// The customer's face: order something, see it come, pay for it.

import { html, render, useEffect, useMemo } from '../app/view.js';
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
import { Connection, Icon, Toasts } from '../app/ui.js';
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
  const parts = { session, router, client, live, inbox };
  return {
    ...parts,
    orders: new Orders({ session, group: inbox.group }),
    wallet: new Wallet({ session, group: inbox.group }),
    pending: watchUnsent(client),
    end: () => live.close(),
  };
}

function screen(path, face) {
  const order = Router.match('/orders/:id', path) ?? Router.match('/orders/:id/chat', path);
  if (order) return html`<${Tracking} key=${order.id} face=${face} orderId=${order.id} isChatOpen=${path.endsWith('/chat')} />`;
  switch (path) {
    case '/': return html`<${Home} face=${face} />`;
    case '/new': return html`<${NewOrder} face=${face} />`;
    case '/wallet': return html`<${WalletScreen} face=${face} />`;
    case '/inbox': return html`<${InboxScreen} inbox=${face.inbox} />`;
    case '/settings': return html`<${Settings} session=${session} />`;
    default: return html`<section class="screen"><h1 tabindex="-1">${t('not_found')}</h1><p><a href=${router.href('/')}>${t('customer.home')}</a></p></section>`;
  }
}

function Tab({ path, to, icon, label }) {
  const isHere = path === to;
  return html`<a href=${router.href(to)} class="tab" aria-current=${isHere ? 'page' : undefined}><${Icon} name=${icon} /><span>${label}</span></a>`;
}

function Face() {
  const path = useStore(router.path);
  const face = useMemo(begin, []);
  useEffect(() => face.end, [face]);
  return html`
    <header class="top">
      <a class="brand" href=${router.href('/')}><img src="/static/icon.svg" alt="" width="26" height="26" /><span>waybill</span></a>
      <nav class="tabs" aria-label=${t('navigation')}>
        <${Tab} path=${path} to="/" icon="home" label=${t('customer.home')} />
        <${Tab} path=${path} to="/new" icon="plus" label=${t('customer.new')} />
        <${Tab} path=${path} to="/wallet" icon="wallet" label=${t('wallet.title')} />
        <${Tab} path=${path} to="/settings" icon="person" label=${t('settings.title')} />
      </nav>
      <${Bell} inbox=${face.inbox} href=${router.href('/inbox')} />
    </header>
    <${Connection} state=${face.live.state} onRetry=${() => face.client.connect()} />
    <main>${screen(path, face)}</main>`;
}

function App() {
  const user = useStore(session.user);
  const language = useStore(languageStore);
  // The next one begins at the beginning.
  useEffect(() => { if (!user) router.go('/', { replace: true }); }, [user]);
  useEffect(() => { document.title = user ? `${user.name} – waybill` : 'waybill'; }, [user]);
  return html`${user
    ? html`<${Face} key=${`${user.id} ${language}`} />`
    : html`<${Gate} session=${session} title=${t('customer.title')} canRegister=${true} />`}
    <${Toasts} />`;
}

render(html`<${App} />`, document.getElementById('face'));
