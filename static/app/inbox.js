// The inbox: notifications as they come, the exact number of unread ones, and the bell.

import { html, useEffect } from './view.js';
import { Store, useStore } from './store.js';
import { explain, t } from './i18n.js';
import { Paged } from './paged.js';
import { ago } from './format.js';
import { Empty, Failed, Icon, Loading, toast, useNow } from './ui.js';

/** What was read stays so. */
const isRead = ({ read_at: readAt }) => Boolean(readAt);

/** Resolves once the page is in front. */
function whenVisible() {
  if (document.visibilityState === 'visible') return undefined;
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== 'visible') return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
  });
}

/** What a user has been told, kept up to date by the user's group. */
export class Inbox {
  unread = new Store(0);
  list;
  #session;
  #client;
  #href;

  /** `href` gives the link of a notification within the face; `screen` is the path of the inbox; what `isTold` is said in another way. */
  constructor({ session, client, href, screen, isTold = () => false }) {
    this.#session = session;
    this.#client = client;
    this.#href = href;
    this.list = new Paged((query) => session.get(`/notifications?limit=30${query}`), isRead);
    const group = client.subscribe(`user_${session.user.value.id}`);
    this.group = group;
    group.on('unread_count', ({ count }) => this.unread.set(count));
    group.on('notification', ({ notification }) => {
      this.list.put(notification);
      const target = href(notification);
      // Who looks at what it is about sees it there.
      const isSeen = [target, screen].includes(location.pathname) && document.visibilityState === 'visible';
      if (!isSeen && !isTold(notification)) toast({ title: notification.title, text: notification.message, href: target ?? undefined });
      // It counts as shown, and is not pushed to this or another device, once somebody can have seen it.
      return whenVisible();
    });
    // What came before the joining is in the list alone.
    group.on('snapshot', () => { if (this.list.isAsked) this.list.load(); });
  }

  href(notification) {
    return this.#href(notification);
  }

  markRead(notification) {
    if (notification.read_at) return;
    const at = new Date().toISOString();
    this.list.change((one) => (one.id === notification.id ? { ...one, read_at: at } : one));
    // Kept until it is done, also while there is no connection.
    this.#client.markRead(notification.id).catch(() => {});
  }

  async markAllRead() {
    const { count } = await this.#session.post('/notifications/read_all');
    const at = new Date().toISOString();
    this.list.change((one) => ({ ...one, read_at: one.read_at ?? at }));
    this.unread.set(count);
  }
}

/** The names that the server gives, where the picture has another one. */
const ICON_OF = {
  receipt: 'list', cross: 'close', warning: 'alert', offer: 'box', coins: 'wallet', account: 'person',
};

/** The bell, with how many are unread. */
export function Bell({ inbox, href }) {
  const unread = useStore(inbox.unread);
  const label = unread === 0 ? t('inbox.none_unread') : t('inbox.unread', { count: unread });
  return html`<a class="icon-button bell" href=${href} aria-label=${label} title=${label}><${Icon} name="bell" />
    ${unread > 0 && html`<span class="badge" aria-hidden="true">${unread > 99 ? '99+' : unread}</span>`}</a>`;
}

function Notification({ inbox, notification, now }) {
  const { title, message, created_at: at, read_at: readAt, data } = notification;
  const href = inbox.href(notification);
  const words = html`<span class="note-icon"><${Icon} name=${ICON_OF[data?.icon] ?? data?.icon ?? 'bell'} size=${20} /></span>
    <span class="note-text"><strong>${title}</strong><span>${message}</span></span>
    <time datetime=${at} title=${new Date(at).toLocaleString()}>${ago(at, now)}</time>
    ${!readAt && html`<span class="dot"><span class="sr">${t('inbox.is_unread')}</span></span>`}`;
  const read = () => inbox.markRead(notification);
  return html`<li class=${readAt ? 'note' : 'note unread'}>
    ${href ? html`<a href=${href} onClick=${read}>${words}</a>` : html`<button type="button" onClick=${read}>${words}</button>`}</li>`;
}

/** All of them. */
export function InboxScreen({ inbox }) {
  const { items, next, isLoading, error } = useStore(inbox.list.state);
  const unread = useStore(inbox.unread);
  const now = useNow(30_000);
  useEffect(() => { inbox.list.load(); }, [inbox]);
  return html`<section class="screen">
    <header class="screen-head"><h1 tabindex="-1">${t('inbox.title')}</h1>
      <button type="button" class="button quiet" disabled=${unread === 0} onClick=${() => inbox.markAllRead().catch((problem) => toast({ kind: 'error', title: explain(problem) }))}>${t('inbox.read_all')}</button></header>
    ${error && html`<${Failed} error=${error} onRetry=${() => inbox.list.load()} />`}
    ${!error && items.length === 0 && (isLoading ? html`<${Loading} lines=${5} />` : html`<${Empty} icon="bell" title=${t('inbox.empty')} />`)}
    <ul class="notes">${items.map((one) => html`<${Notification} key=${one.id} inbox=${inbox} notification=${one} now=${now} />`)}</ul>
    ${next && html`<button type="button" class="button quiet wide" disabled=${isLoading} onClick=${() => inbox.list.load({ more: true })}>${t('more')}</button>`}
  </section>`;
}
