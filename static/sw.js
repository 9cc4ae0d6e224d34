// The service worker: shows what is pushed while no page is open, closes it once it was read elsewhere, and leads to it.
// One for each app, by its scope, so that a customer and a partner can be logged in side by side in one browser.

const ICON = '/static/icon.png';
const BADGE = '/static/badge.png';
/** As many are remembered that were closed. */
const MOST_CLOSED = 300;

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

// What was closed, so that a push that comes after its closing shows nothing: a push service keeps no order, and a device that
// saves power takes what is not urgent later. In a cache, since a worker that has nothing to do is ended.
const MEMORY = '/closed';
const memory = () => self.caches.open(`closed ${base()}`);

async function closed() {
  const kept = await (await memory()).match(MEMORY);
  return kept ? kept.json() : [];
}

async function remember(ids) {
  const all = [...new Set([...ids, ...await closed()])].slice(0, MOST_CLOSED);
  await (await memory()).put(MEMORY, new Response(JSON.stringify(all)));
}

async function show({ id, title, message, url, tag, created_at: createdAt, unread }) {
  if ((await closed()).includes(id)) return;
  await count(unread);
  const shown = await self.registration.getNotifications({ tag });
  await self.registration.showNotification(title, {
    body: message,
    icon: ICON,
    badge: BADGE,
    tag,
    // A newer one about the same is news, too; the same once more is not.
    renotify: !shown.some(({ data }) => data?.id === id),
    timestamp: Date.parse(createdAt),
    data: { id, url },
  });
}

async function close({ ids, unread }) {
  await count(unread);
  await remember(ids);
  for (const shown of await self.registration.getNotifications()) {
    if (ids.includes(shown.data?.id)) shown.close();
  }
}

// One after the other, as they came: a closing does not look before what it closes is shown.
let turn = Promise.resolve();
function inTurn(event, job) {
  turn = turn.catch(() => {}).then(job);
  event.waitUntil(turn);
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
  inTurn(event, () => (told.type === 'read' ? close(told) : show(told)));
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
