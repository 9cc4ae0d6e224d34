import assert from 'node:assert/strict';
import test from 'node:test';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { soon, startServer } from './support.mjs';

/** A browser that may show notifications, and has no push service: none can be reached from here. */
async function stage(t, permission = 'granted') {
  const server = await startServer(t, { WAYBILL_PUSH_TO_PRIVATE: 'on' });
  const browser = await startChromium(t);
  const permissions = permission === 'granted' ? ['notifications'] : [];
  await browser.send('Browser.grantPermissions', { origin: server.url, permissions });
  t.after(() => assert.deepEqual(browser.complaints, []));
  return { server, browser };
}

/**
 * In place of the browser's own push service: a subscription whose endpoint is of `/push/`, the same one in all tabs.
 * All else, the key and the worker among it, is real.
 */
const PUSH_SERVICE = `(() => {
  const place = 'push service';
  const find = () => {
    const kept = JSON.parse(localStorage.getItem(place));
    return kept && {
      endpoint: kept.endpoint, options: { userVisibleOnly: true, applicationServerKey: Uint8Array.from(kept.key).buffer },
      unsubscribe: async () => { localStorage.removeItem(place); return true; },
      toJSON: () => ({ endpoint: kept.endpoint, expirationTime: null, keys: kept.keys }),
    };
  };
  const point = async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
    return new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  };
  const text = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  PushManager.prototype.getSubscription = async () => find();
  PushManager.prototype.subscribe = async (options) => {
    if (options.applicationServerKey.length !== 65 || !options.userVisibleOnly) throw new TypeError('no key');
    const endpoint = 'https://127.0.0.1:9/push/' + crypto.randomUUID();
    const keys = { p256dh: text(await point()), auth: text(crypto.getRandomValues(new Uint8Array(16))) };
    localStorage.setItem(place, JSON.stringify({ endpoint, keys, key: [...options.applicationServerKey] }));
    return find();
  };
})();`;

async function open(server, browser, app) {
  const face = await Face.open(browser, `${server.url}/${app}`);
  await face.tab.send('Page.addScriptToEvaluateOnNewDocument', { source: PUSH_SERVICE });
  await face.tab.reload();
  await face.see('Log in');
  return face;
}

async function register(face, name) {
  await face.press('New here? Create an account');
  await face.write('Name', name);
  await face.write('E-mail', `${name.toLowerCase()}@example.test`);
  await face.write('Password', 'correct horse battery');
  await face.press('Create an account');
  await face.seeNot('Password');
}

async function turnOn(face) {
  await face.press('Account');
  await face.see('This device is told while the app is open.');
  // The last of what moves the others as it appears.
  await face.see('Account changed');
  await face.press('Notifications while the app is closed');
  await face.see('This device is told, also while the app is closed.');
}

/** Calls as whoever is logged in on the page. */
const call = (face, app, method, path, body) => face.run(async ([own, how, where, what]) => {
  const { access } = JSON.parse(localStorage.getItem(`waybill.${own}`));
  const headers = { Authorization: `Bearer ${access}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`/api/v1${where}`, { method: how, headers, body: what && JSON.stringify(what) });
  return answer.status === 204 ? null : answer.json();
}, [app, method, path, body ?? null]);

const AN_ORDER = {
  pickup: { latitude: 41.3953, longitude: 2.1619, address: 'Carrer de Provença 261' },
  dropoff: { latitude: 41.3983, longitude: 2.1619, address: 'Carrer de Mallorca 304' },
  items: [{ name: 'Soup', quantity: 1, unit_price: 650 }],
  payment_method: 'cash',
};

async function order(face) {
  const { id } = await call(face, 'customer', 'POST', '/orders', AN_ORDER);
  return id;
}

/** The worker, and what is pushed to it as the server writes it. */
async function worker(browser, face, app) {
  const scope = await face.run(() => location.origin);
  const found = new Promise((resolve) => {
    browser.listen((method, params) => {
      if (method !== 'ServiceWorker.workerRegistrationUpdated') return;
      const own = params.registrations.find(({ scopeURL }) => scopeURL === `${scope}/${app}`);
      if (own) resolve(own.registrationId);
    });
  });
  await face.tab.send('ServiceWorker.enable');
  const registrationId = await soon(found, 'the registration of the worker');
  // One that is still being installed gets no pushes.
  const isActive = () => face.run(async (own) => (await navigator.serviceWorker.getRegistration(`/${own}`))?.active?.state === 'activated', app);
  const active = async () => {
    while (!(await isActive()));
  };
  await soon(active(), 'the worker to be active');
  const push = (payload) => face.tab.send('ServiceWorker.deliverPushMessage', {
    origin: scope, registrationId, data: JSON.stringify(payload),
  });
  return { push };
}

/** What is shown: the ids of notifications. */
const shown = (face, app) => face.run(async (own) => {
  const registration = await navigator.serviceWorker.getRegistration(`/${own}`);
  return (await registration.getNotifications()).map(({ data, title, body, tag }) => ({ id: data.id, title, body, tag }));
}, app);

/** Between two looks, milliseconds: Chromium takes one that is looked for while it is about to be shown for one that was closed. */
const LOOK_AGAIN = 250;

async function untilShown(face, app, count) {
  const look = async () => {
    let all = await shown(face, app);
    while (all.length !== count) {
      await new Promise((resolve) => { setTimeout(resolve, LOOK_AGAIN); });
      all = await shown(face, app);
    }
    return all;
  };
  return soon(look(), `${count} notifications to be shown`, 30_000);
}

async function untilRead(face, id) {
  const look = async () => {
    let one;
    do one = (await call(face, 'customer', 'GET', '/notifications')).items.find((item) => item.id === id); while (!one.read_at);
  };
  await soon(look(), `${id} to be read`);
}

/**
 * A click on a notification that is shown. Without a screen nothing can click on what the system shows: the worker is told of
 * it instead, with that very notification, and does what it does. What else a click brings is not to be had: the right to
 * bring a tab to the front, and to open one. So what would be opened is written down, and given.
 */
async function click(browser, app, id) {
  const find = async () => {
    let found;
    do {
      const { targetInfos } = await browser.send('Target.getTargets');
      found = targetInfos.find(({ type, url }) => type === 'service_worker' && url.endsWith('/sw.js'));
    } while (!found);
    return found.targetId;
  };
  const targetId = await soon(find(), 'the worker to run');
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const told = async ([scope, own]) => {
    if (!self.registration.scope.endsWith(scope)) throw new Error(`the worker of ${self.registration.scope}`);
    const notification = (await self.registration.getNotifications()).find(({ data }) => data.id === own);
    const opened = [];
    self.clients.openWindow = async (url) => { opened.push(url); };
    const event = new NotificationEvent('notificationclick', { notification });
    let done;
    event.waitUntil = (promise) => { done = promise; };
    self.dispatchEvent(event);
    await done;
    return opened;
  };
  const expression = `(${told})(${JSON.stringify([`/${app}`, id])})`;
  const asked = browser.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId);
  const { result, exceptionDetails } = await soon(asked, 'the worker to lead there');
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

/** A notification of the inbox as it is pushed. */
const payloadOf = ({ id, type, title, message, data, created_at: createdAt }, unread) => ({
  id, type, title, message, icon: data.icon, url: data.url, tag: `order-${data.order_id}`, created_at: createdAt, unread,
});

test('a customer is asked once something is ordered, is shown what is pushed, and has it closed once it is read', async (t) => {
  const { server, browser } = await stage(t);
  const face = await open(server, browser, 'customer');
  await register(face, 'Ada');
  await face.see('Hello Ada');
  assert.equal(await face.run(async () => (await navigator.serviceWorker.getRegistrations()).length), 0, 'nobody has asked for it');
  assert.ok(!(await face.run(() => document.body.innerText.includes('Notify me'))), 'not at the beginning');

  const orderId = await order(face);
  await face.run((path) => document.querySelector('a.brand').setAttribute('href', path), `/customer/orders/${orderId}`);
  await face.press('waybill');
  await face.see('You can close this page');
  assert.deepEqual(await face.faults(), []);
  await face.press('Notify me');
  await face.seeNot('You can close this page');
  assert.equal(await face.run(async () => (await navigator.serviceWorker.getRegistration('/customer')).scope), `${server.url}/customer`);

  // As the server pushes it, and as it lies in the inbox.
  const { push } = await worker(browser, face, 'customer');
  const { items } = await call(face, 'customer', 'GET', '/notifications?type=order_confirmed');
  await push(payloadOf(items[0], 2));
  const [notification] = await untilShown(face, 'customer', 1);
  assert.deepEqual(notification, { id: items[0].id, title: items[0].title, body: items[0].message, tag: `order-${orderId}` });
  // Another one takes its own place.
  await push({ ...payloadOf(items[0], 3), id: 'another', tag: 'another' });
  await untilShown(face, 'customer', 2);
  await push({ type: 'read', ids: [items[0].id], unread: 1 });
  assert.deepEqual((await untilShown(face, 'customer', 1)).map(({ id }) => id), ['another']);
  // A push service keeps no order: what comes after its closing was closed all the same.
  await push({ type: 'read', ids: ['late', 'another'], unread: 1 });
  await untilShown(face, 'customer', 0);
  await push({ ...payloadOf(items[0], 3), id: 'late', tag: 'late' });
  await push({ ...payloadOf(items[0], 4), id: 'last', tag: 'last' });
  assert.deepEqual((await untilShown(face, 'customer', 1)).map(({ id }) => id), ['last']);
});

test('a click leads to the order in the tab that is open, and marks it as read', async (t) => {
  const { server, browser } = await stage(t);
  const face = await open(server, browser, 'customer');
  await register(face, 'Bea');
  const orderId = await order(face);
  await turnOn(face);
  const { push } = await worker(browser, face, 'customer');
  const { items } = await call(face, 'customer', 'GET', '/notifications?type=order_confirmed');
  await push(payloadOf(items[0], 2));
  await untilShown(face, 'customer', 1);
  const opened = await click(browser, 'customer', items[0].id);
  assert.deepEqual(opened, [], 'there is a tab already');
  await face.until((path) => location.pathname === path, `/customer/orders/${orderId}`);
  await untilShown(face, 'customer', 0);
  await untilRead(face, items[0].id);
});

test('a click while no tab is open opens one with the order, and marks it as read', async (t) => {
  const { server, browser } = await stage(t);
  const face = await open(server, browser, 'customer');
  await register(face, 'Cleo');
  const orderId = await order(face);
  await turnOn(face);
  const { push } = await worker(browser, face, 'customer');
  const { items } = await call(face, 'customer', 'GET', '/notifications?type=order_confirmed');
  await push(payloadOf(items[0], 2));
  await untilShown(face, 'customer', 1);
  // Another app of the same server is not the one that was meant.
  await face.go('/partner');
  const opened = await click(browser, 'customer', items[0].id);
  const path = `/customer/orders/${orderId}?notification=${items[0].id}`;
  assert.deepEqual(opened, [path]);
  await untilShown(face, 'customer', 0);
  const fresh = await Face.open(browser, `${server.url}${path}`);
  await fresh.see('Looking for a partner');
  await fresh.until(() => location.search === '');
  await untilRead(fresh, items[0].id);
});

test('who does not want it now is left alone, and the switch says how it is', async (t) => {
  const { server, browser } = await stage(t);
  const face = await open(server, browser, 'customer');
  await register(face, 'Dora');
  const orderId = await order(face);
  await face.go(`/customer/orders/${orderId}`);
  await face.see('You can close this page');
  await face.press('Not now');
  await face.seeNot('You can close this page');
  await face.tab.reload();
  await face.see('Looking for a partner');
  assert.ok(!(await face.run(() => document.body.innerText.includes('Notify me'))));

  await face.go('/customer/settings');
  await face.see('This device is told while the app is open.');
  await face.press('Notifications while the app is closed');
  await face.see('This device is told, also while the app is closed.');
  await face.press('Notifications while the app is closed');
  await face.see('This device is told while the app is open.');
  assert.deepEqual(await face.faults(), []);
});

test('where the browser does not allow it nobody is asked, and the settings say so', async (t) => {
  const { server, browser } = await stage(t, 'none');
  const face = await open(server, browser, 'customer');
  await register(face, 'Edda');
  const orderId = await order(face);
  await face.go(`/customer/orders/${orderId}`);
  await face.see('Looking for a partner');
  assert.ok(!(await face.run(() => document.body.innerText.includes('Notify me'))));
  await face.go('/customer/settings');
  await face.see('Your browser does not allow notifications of this page.');
});

test('a partner is asked when going online, and logging out closes what is shown', async (t) => {
  const { server, browser } = await stage(t);
  const face = await open(server, browser, 'partner');
  await register(face, 'Finn');
  await face.see('Offline');
  assert.ok(!(await face.run(() => document.body.innerText.includes('Notify me'))));
  await call(face, 'partner', 'PUT', '/partner/availability', { online: true });
  await face.tab.reload();
  await face.see('You hear of offers');
  // What moves the card as it appears, so that a press would miss.
  await face.see('How to allow it');
  await face.press('Notify me');
  await face.seeNot('You hear of offers');
  const { push } = await worker(browser, face, 'partner');
  const orderId = crypto.randomUUID();
  await push({
    id: 'one', type: 'assignment_offered', title: 'An offer', message: 'Near you', icon: 'offer', url: '/partner/offers',
    tag: `offer-${orderId}`, created_at: new Date().toISOString(), unread: 1,
  });
  await untilShown(face, 'partner', 1);
  await face.press('Account');
  await face.press('Log out');
  await face.see('Password');
  await untilShown(face, 'partner', 0);
});

test('a tab that hears late who has logged in leaves the pushes of that one alone', async (t) => {
  const { server, browser } = await stage(t);
  const [face, late] = [await open(server, browser, 'customer'), await open(server, browser, 'customer')];
  // A tab that nobody looks at is slow.
  await face.tab.send('Page.bringToFront');
  await register(face, 'Gina');
  await turnOn(face);
  await late.tab.reload();
  await late.press('Account');
  await late.see('This device is told, also while the app is closed.');
  await late.tab.stop();
  await face.press('Log out');
  await face.see('Password');
  await face.run(async () => {
    const registration = await navigator.serviceWorker.getRegistration('/customer');
    while (await registration.pushManager.getSubscription()) await new Promise((resolve) => { setTimeout(resolve); });
  });
  await register(face, 'Hugo');
  await turnOn(face);
  await late.tab.goOn();
  await late.see('Hello Hugo');
  await late.press('Account');
  await late.see('This device is told, also while the app is closed.');
  const { endpoint } = await face.run(async () => (await (await navigator.serviceWorker.getRegistration('/customer')).pushManager.getSubscription())?.toJSON() ?? {});
  assert.ok(endpoint, 'it is subscribed still');
});

test('what the browser says of a push service that it does not reach is said in the words of the page', async (t) => {
  const { server, browser } = await stage(t);
  const face = await open(server, browser, 'customer');
  // As Chromium does where it cannot reach its push service.
  await face.run(() => {
    PushManager.prototype.subscribe = () => Promise.reject(new DOMException('Registration failed - push service error', 'AbortError'));
  });
  await register(face, 'Ines');
  await face.see('Hello Ines');
  await face.press('Account');
  await face.see('Account changed');
  await face.run(() => {
    const select = [...document.querySelectorAll('select')].find(({ options }) => [...options].some(({ value }) => value === 'de'));
    select.value = 'de';
    select.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await face.press('Mitteilungen bei geschlossener App');
  await face.see('Das hat nicht geklappt');
  await face.see('Ihr Browser hat das nicht geschafft; versuchen Sie es später noch einmal');
});
