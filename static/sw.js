// The service worker: shows what is pushed while no page is open, closes it once it was read elsewhere, and leads to it.
// One for each app, by its scope, so that a customer and a partner can be logged in side by side in one browser.

const ICON = '/static/icon.png';
const BADGE = '/static/badge.png';

/** The app: `/customer` or `/partner`. */
const base = () => new URL(self.registration.scope).pathname.replace(/\/$/, '');

/** Where a notification leads within the app; the server names places, whichever app shows them. */
function pathOf(url) {
  if (url.startsWith('/orders/')) return url.replace('#chat', '/chat');
  if (url === '/wallet') return '/wallet';
  if (url === '/account') return '/settings';
  if (url === '/partner/offers') return '/';
  if (url === '/partner/earnings') return '/earnings';
  return '/inbox';
}

const hrefOf = (path) => (path === '/' ? base() : `${base()}${path}`);

async function tabs() {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const isOfApp = (path) => path === base() || path.startsWith(`${base()}/`);
  return all.filter(({ url }) => isOfApp(new URL(url).pathname));
}

// A number on the app's icon, where there are such.
async function count(unread) {
  try {
    if (unread > 0) await navigator.setAppBadge?.(unread);
    else await navigator.clearAppBadge?.();
  } catch {
    // It is an ornament.
  }
}

async function show({ id, title, message, url, tag, created_at: createdAt, unread }) {
  await count(unread);
  await self.registration.showNotification(title, {
    body: message,
    icon: ICON,
    badge: BADGE,
    tag,
    // A newer one about the same is news, too.
    renotify: true,
    timestamp: Date.parse(createdAt),
    data: { id, url, createdAt },
  });
}

async function close(isMeant, unread) {
  await count(unread);
  for (const shown of await self.registration.getNotifications()) {
    if (shown.data && isMeant(shown.data)) shown.close();
  }
}

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('push', (event) => {
  let told;
  try {
    told = event.data.json();
  } catch {
    // Not from this server.
    return;
  }
  if (told.type === 'read') event.waitUntil(close(({ id }) => told.ids.includes(id), told.unread));
  else if (told.type === 'read_all') event.waitUntil(close(({ createdAt }) => createdAt <= told.at, told.unread));
  else event.waitUntil(show(told));
});

// In a tab that is open, else in a new one; the page marks it as read.
async function lead({ id, url }) {
  const path = pathOf(url ?? '');
  const open = await tabs();
  const wanted = new URL(hrefOf(path), self.location.origin).href;
  const tab = open.find((one) => one.url === wanted) ?? open.find(({ focused }) => focused) ?? open[0];
  if (!tab) return self.clients.openWindow(`${hrefOf(path)}?notification=${encodeURIComponent(id)}`);
  const shown = await tab.focus().catch(() => tab);
  (shown ?? tab).postMessage({ type: 'open', id, path });
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  if (event.notification.data) event.waitUntil(lead(event.notification.data));
});

// The browser has ended the subscription. It is renewed here; whoever is logged in is known to the pages alone, and so they
// tell the server, now if one is open and else when the next one is.
self.addEventListener('pushsubscriptionchange', (event) => {
  const renew = async () => {
    const options = event.oldSubscription?.options;
    if (!event.newSubscription && options) {
      await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: options.applicationServerKey });
    }
    for (const tab of await tabs()) tab.postMessage({ type: 'renewed' });
  };
  event.waitUntil(renew());
});
