import assert from 'node:assert/strict';
import test from 'node:test';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { PASSWORD, soon, startServer, startWire } from './support.mjs';

const SHOP = { latitude: 41.3953, longitude: 2.1619 };

/** A server with its pages, a browser, and the people of a story. */
async function stage(t, settings = {}) {
  const server = await startServer(t, { WAYBILL_PAYMENT_PROVIDER: 'test', ...settings });
  const [browser, partner, admin] = [await startChromium(t), await server.user('partner'), await server.user('admin')];
  const { partner_id: partnerId } = await partner.call('GET', '/me');
  t.after(() => assert.deepEqual(browser.complaints, []));
  return { server, browser, partner, admin, partnerId };
}

/** Registers somebody new by the page. */
async function register(server, browser, name, options) {
  const face = await Face.open(browser, `${server.url}/customer`, options);
  await face.press('New here? Create an account');
  await face.write('Name', name);
  await face.write('E-mail', `${name.toLowerCase().replaceAll(' ', '.')}@example.test`);
  await face.write('Password', 'correct horse battery');
  await face.press('Create an account');
  await face.see(`Hello ${name.split(' ')[0]}`);
  return face;
}

/** Fills in an order. */
async function writeOrder(face) {
  await face.until(() => document.querySelector('.map-box')?.dataset.state === 'ready');
  const middle = (part) => face.run((y) => {
    scrollTo(0, 0);
    const box = document.querySelector('.map').getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height * y };
  }, part);
  await face.write('Pick-up', 'Carrer de Provença 261');
  await face.pressAt(await middle(0.5));
  await face.write('Drop-off', 'Carrer de Mallorca 304');
  await face.pressAt(await middle(0.3));
  await face.write('What', 'Soup');
  await face.write('Price of one', '6,50');
}

async function placeByMap(face) {
  await face.press('New order');
  await writeOrder(face);
  const said = await face.until(() => document.querySelector('.facts .sum .amount')?.textContent);
  await face.press('Place the order');
  await face.see('Looking for a partner');
  // It costs what was said before.
  await face.see(said);
  const path = await face.run(() => location.pathname);
  return path.split('/').at(-1);
}

const stepper = ({ partner }, orderId) => (to, more = {}) => partner.call('POST', `/orders/${orderId}/transitions`, { to, ...more });

const locate = ({ partner }, orderId, point) => partner.call('POST', '/partner/locations', {
  points: [{ ...point, timestamp: new Date().toISOString(), order_id: orderId, heading: 45 }],
});

test('a customer registers, pays in, orders on the map, sees it come, writes, gets it and rates it', async (t) => {
  const story = await stage(t);
  const { server, browser, partner, admin, partnerId } = story;
  const face = await register(server, browser, 'Ada Puig');

  await face.press('Wallet');
  await face.press('Top up');
  await face.press('$50.00');
  await face.press('Top up by $50.00');
  await face.until(() => document.querySelector('.balance .figure')?.textContent === '$50.00');
  await face.press('Orders');

  const orderId = await placeByMap(face);
  const other = await Face.open(browser, `${server.url}/customer/orders/${orderId}`, { width: 1440, height: 900 });
  await other.see('Looking for a partner');
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 1, 'two tabs, one socket');

  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  for (const one of [face, other]) await one.see('partner 1 takes your order');
  const code = await face.run(() => document.querySelector('.code .figure').textContent);
  assert.match(code, /^\d{4}$/);

  const step = stepper(story, orderId);
  await step('en_route');
  await locate(story, orderId, { latitude: SHOP.latitude + 0.01, longitude: SHOP.longitude });
  for (const one of [face, other]) {
    await one.see('partner 1 is on the way to the pick-up');
    await one.until(() => document.querySelector('.eta .figure'));
  }

  await face.press('Chat');
  await face.write('Message to partner 1', 'The bell is broken, call ada@example.test');
  await face.press('Send');
  await face.see('contact details hidden');
  const { items: [message] } = await partner.call('GET', `/orders/${orderId}/messages`);
  assert.equal(message.sender.name, 'Ada Puig');
  await partner.call('POST', `/orders/${orderId}/messages/read`, { up_to: message.id });
  await face.until(() => [...document.querySelectorAll('.message.mine .meta')].some((meta) => meta.textContent.includes('· read')));
  await partner.call('POST', `/orders/${orderId}/messages`, { text: 'I will knock.', client_id: 'one' });
  await face.see('I will knock.');
  await face.key('Escape');
  await face.until(() => !document.querySelector('dialog'));
  // Who goes back from there does not come to the chat again.
  await face.run(() => history.back());
  await face.see('Place the order');
  await face.run(() => history.forward());
  await face.see('partner 1 is on the way to the pick-up');

  for (const to of ['arrived', 'picked_up', 'in_transit']) await step(to);
  await face.see('partner 1 is on the way to you');
  await step('delivered', { code });
  await face.press('Yes, all there');
  await face.see('How was partner 1?');
  await face.press('5 stars');
  // Pressed for as long as it is there: it is sent once, since a second time would be refused.
  const ratings = [];
  browser.listen((method, { request } = {}) => { if (method === 'Network.requestWillBeSent' && request.method === 'POST' && request.url.endsWith('/rating')) ratings.push(request.url); });
  await face.until(() => [...document.querySelectorAll('button')].some((button) => button.textContent === 'Send'));
  await face.run(() => new Promise((resolve) => {
    const send = [...document.querySelectorAll('button')].find((button) => button.textContent === 'Send');
    const pressing = setInterval(() => {
      if (send.isConnected) return send.click();
      clearInterval(pressing);
      resolve();
    });
  }));
  await face.see('Thank you for your rating');
  assert.equal(ratings.length, 1);
  await other.see('Completed');
  await face.tab.reload();
  await face.see('Your rating');
  assert.deepEqual(await face.faults(), [], 'with a rating');
  assert.equal(await face.run(() => document.querySelector('.stars').ariaLabel), '5 stars');

  await face.press('Notifications');
  await face.see('Mark all as read');
  await face.press('Mark all as read');
  await face.until(() => !document.querySelector('.bell .badge'));
  await other.until(() => !document.querySelector('.bell .badge'));
});

test('what an order costs is told before, stays as it was chosen, and what was charged is told after', async (t) => {
  const story = await stage(t);
  const { server, browser, admin, partnerId } = story;
  const face = await register(server, browser, 'Ida Font');
  const { access } = await face.run(() => JSON.parse(localStorage.getItem('waybill.customer')));
  await server.call('POST', '/wallet/topups', { access, body: { amount: 5_00, currency: 'USD' } });

  // Without a price nothing is placed, and why is told.
  await face.tab.send('Network.setBlockedURLs', { urls: ['*/orders/quote*'] });
  await face.press('New order');
  let last;
  const refused = new Promise((resolve) => {
    browser.listen((method, { requestId, request }) => {
      if (method === 'Network.requestWillBeSent' && request.url.includes('goods=650')) last = requestId;
      if (method === 'Network.loadingFailed' && requestId === last) resolve();
    });
  });
  await writeOrder(face);
  await soon(refused, 'the last question not to get through');
  await face.see('The price could not be asked.');
  assert.equal(await face.run(() => document.querySelector('.sticky .button').disabled), true);
  await face.tab.send('Network.setBlockedURLs', { urls: [] });
  await face.press('Try again');

  // The wallet was suggested; that it holds too little is told, and changes nothing.
  await face.see('There is not enough in the wallet');
  assert.match(await face.run(() => document.querySelector('[name="method"]:checked').labels[0].textContent), /Wallet · \$5\.00/);
  await face.press('Place the order');
  await face.until(() => document.querySelector('.sticky .error'));
  assert.deepEqual(await face.faults(), [], 'with a refusal');
  await face.press('Notifications');
  await face.see('Mark all as read');
  await face.run(() => history.back());
  await face.see('There is not enough in the wallet');
  await face.press('Top up');
  await face.press('$25.00');
  await face.press('Top up by $25.00');
  await face.seeNot('There is not enough in the wallet');
  const price = await face.run(() => document.querySelector('.facts .sum .amount').textContent);
  await face.press('Place the order');
  await face.see('Looking for a partner');
  const orderId = (await face.run(() => location.pathname)).split('/').at(-1);

  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  for (const to of ['en_route', 'arrived']) await stepper(story, orderId)(to);
  await face.see('partner 1 is at the pick-up');
  await face.press('Cancel the order');
  await face.see('cancelling costs $3.00');
  await face.press('Cancel the order');
  await face.until(() => document.querySelector('.facts .sum dt')?.textContent === 'Charged for cancelling');
  const told = await face.run(() => document.querySelector('.facts').innerText.split('\n').join(' '));
  assert.match(told, /Not charged -\$7\.30 Charged for cancelling \$3\.00 Paid by Wallet$/);
  // Money comes back without a step of the order.
  await admin.call('POST', `/orders/${orderId}/refund`, { reason: 'the shop was closed' });
  await face.see('Given back');
  assert.deepEqual(await face.faults(), [], 'cancelled');
  await face.press('Orders');
  await face.see('Past orders');
  assert.ok(!(await face.run(() => document.body.innerText)).includes(price), 'no price of what was not carried out');
  await face.press('Soup');
  await face.press('Order again');
  assert.equal(await face.until(() => document.querySelector('.item input')?.value), 'Soup');
});

test('a server that is killed in the middle costs nothing, and what is written offline is sent once', async (t) => {
  const story = await stage(t);
  const { server, browser, partner, admin, partnerId } = story;
  const face = await register(server, browser, 'Bruno Soler');
  const orderId = await placeByMap(face);
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  await face.see('partner 1 takes your order');

  await server.kill();
  await face.see('Not connected');
  // What is known of the order is shown without a server, too.
  await face.press('Orders');
  await face.press('partner 1 takes your order');
  await face.see('Hand-over code');
  await server.start();
  await stepper(story, orderId)('en_route');
  await face.see('partner 1 is on the way to the pick-up');
  await face.seeNot('Not connected');

  await face.press('Chat');
  await face.see('Write to partner 1');
  await face.tab.setOffline(true);
  await face.see('You are offline');
  await face.write('Message to partner 1', 'Third floor');
  await face.press('Send');
  await face.see('sending');
  await face.tab.setOffline(false);
  await face.seeNot('sending');
  const { items } = await partner.call('GET', `/orders/${orderId}/messages`);
  assert.deepEqual(items.map(({ text }) => text), ['Third floor']);
});

test('a chat beside other apps is closed by itself, as often as one likes', async (t) => {
  const { server, browser, admin, partnerId } = await stage(t);
  const face = await register(server, browser, 'Berta Soler');
  const orderId = await placeByMap(face);
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  await face.see('partner 1 takes your order');
  // Frames have one history in common.
  await face.go('/');
  await face.run((path) => {
    for (const src of [path, '/customer']) document.body.append(Object.assign(document.createElement('iframe'), { src, width: 600, height: 800 }));
  }, `/customer/orders/${orderId}`);
  const press = ([frame, selector]) => {
    const found = document.querySelectorAll('iframe')[frame].contentDocument?.querySelector(selector);
    found?.click();
    return Boolean(found);
  };
  const isChatShown = (wanted) => Boolean(document.querySelector('iframe').contentDocument.querySelector('dialog[open]')) === wanted;
  for (const other of ['/customer/wallet', '/customer/settings']) {
    await face.until(press, [0, 'a[href$="/chat"]'], 'the way to the chat');
    await face.until(isChatShown, true, 'the chat');
    await face.until(press, [1, `a.tab[href="${other}"]`], 'a tab of the other one');
    await face.until(press, [0, 'dialog[open] .dialog-head button'], 'the button that closes it');
    await face.until(isChatShown, false, 'the chat to be closed');
    assert.deepEqual(await face.run(() => [...document.querySelectorAll('iframe')].map(({ contentWindow }) => contentWindow.location.pathname)), [
      `/customer/orders/${orderId}`, other,
    ]);
  }
});

test('a chat is closed, also where the way back is that of a frame within its page', async (t) => {
  const { server, browser, admin, partnerId } = await stage(t);
  const face = await register(server, browser, 'Carme Roig');
  const orderId = await placeByMap(face);
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  for (const path of ['/customer/wallet', '/customer/settings']) {
    await face.press('Chat');
    await face.until(() => document.querySelector('dialog[open]'));
    // As an extension of the browser may put one there.
    await face.run(() => document.body.append(document.querySelector('iframe') ?? Object.assign(document.createElement('iframe'), { src: '/customer' })));
    await face.until((href) => {
      const tab = document.querySelector('iframe').contentDocument?.querySelector(`a.tab[href="${href}"]`);
      tab?.click();
      return Boolean(tab);
    }, path, 'a tab in the frame');
    await face.run(() => document.querySelector('dialog[open] .dialog-head button').click());
    await face.until(() => !document.querySelector('dialog[open]'), undefined, 'the chat to be closed');
    assert.equal(await face.run(() => location.pathname), `/customer/orders/${orderId}`);
  }
});

test('a page outlives its token, and a log-out on one tab is one on all', async (t) => {
  const { server, browser } = await stage(t, { WAYBILL_ACCESS_LIFETIME_SECS: '4' });
  const face = await register(server, browser, 'Carla Vidal');
  const first = await face.run(() => JSON.parse(localStorage.getItem('waybill.customer')).access);
  await face.until((access) => JSON.parse(localStorage.getItem('waybill.customer')).access !== access, first, 'another token');

  // The server has exchanged the token, and the page does not hear of it.
  const lost = new Promise((resolve) => {
    browser.listen((method, { requestId }) => { if (method === 'Fetch.requestPaused') resolve(requestId); });
  });
  const before = await face.run(() => JSON.parse(localStorage.getItem('waybill.customer')).refresh);
  await face.tab.send('Fetch.enable', { patterns: [{ urlPattern: '*/auth/refresh', requestStage: 'Response' }] });
  await face.tab.send('Fetch.failRequest', { requestId: await soon(lost, 'a renewal'), errorReason: 'ConnectionReset' });
  await face.tab.send('Fetch.disable');
  await face.until((refresh) => JSON.parse(localStorage.getItem('waybill.customer')).refresh !== refresh, before, 'the renewal after all');
  await face.press('Wallet');
  await face.see('No movements yet');
  const other = await Face.open(browser, `${server.url}/customer/settings`);
  await other.press('Log out');
  await other.see('Log in');
  await face.see('Log in');
});

test('two tabs that renew at once, where there are no locks, both stay logged in', async (t) => {
  const { server, browser } = await stage(t, { WAYBILL_ACCESS_LIFETIME_SECS: '4' });
  const url = `http://lan.test:${server.port}`;
  const face = await register({ url }, browser, 'Dolors Mas');
  const tabs = [face, await Face.open(browser, `${url}/customer`)];
  await tabs[1].see('Hello Dolors');
  assert.equal(await face.run(() => navigator.locks), undefined);
  const kept = () => JSON.parse(localStorage.getItem('waybill.customer'))?.refresh;
  // Both are answered, and neither hears of it before the other one has been.
  const answers = tabs.map(({ tab }) => new Promise((resolve) => {
    tab.listen((method, { requestId }) => { if (method === 'Fetch.requestPaused') resolve(requestId); });
  }));
  for (const { tab } of tabs) await tab.send('Fetch.enable', { patterns: [{ urlPattern: '*/auth/refresh', requestStage: 'Response' }] });
  const ids = await soon(Promise.all(answers), 'both to renew');
  const before = await face.run(kept);
  for (const [index, { tab }] of tabs.entries()) {
    await tab.send('Fetch.continueRequest', { requestId: ids[index] });
    await tab.send('Fetch.disable');
    await tabs[index].until(`(refresh) => ![undefined, refresh].includes((${kept})())`, before, 'the renewed log-in');
  }
  const renewed = await face.run(kept);
  await face.until(`(refresh) => ![undefined, refresh].includes((${kept})())`, renewed, 'the next renewal');
  for (const one of tabs) {
    await one.press('Wallet');
    await one.see('No movements yet');
  }
});

test('an order can be placed with the keyboard alone', async (t) => {
  const story = await stage(t);
  const { server, browser, admin, partnerId } = story;
  const face = await register(server, browser, 'Dora Mas', { width: 1440, height: 900 });
  const type = async (name, text) => {
    await face.tabTo(name);
    await face.tab.send('Input.insertText', { text });
  };
  const pickMiddle = async () => {
    await face.tabTo('Pick on the map');
    await face.key('Enter');
    await face.until(() => document.activeElement.matches('.leaflet-container'));
    await face.key('Enter');
  };
  await face.tabTo('New order');
  await face.key('Enter');
  await face.until(() => document.querySelector('.map-box')?.dataset.state === 'ready');
  await type('Pick-up', 'Carrer de Provença 261');
  await pickMiddle();
  await face.see('On the map');
  await type('Drop-off', 'Carrer de Mallorca 304');
  await pickMiddle();
  await face.until(() => !document.body.innerText.includes('Pick on the map'));
  await type('What', 'Soup');
  await type('Price of one', '6.50');
  await face.tabTo('Cash');
  await face.key(' ');
  await face.see('it costs up to $3.00, from your wallet');
  await face.tabTo('Place the order');
  await face.key('Enter');
  await face.see('Looking for a partner');

  // Nor is more said to be taken than there is.
  const orderId = (await face.run(() => location.pathname)).split('/').at(-1);
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  for (const to of ['en_route', 'arrived']) await stepper(story, orderId)(to);
  await face.see('partner 1 is at the pick-up');
  await face.tabTo('Cancel the order');
  await face.key('Enter');
  await face.see('Cancelling is free now.');
  // Whose answer is lost on the way asks for the same again, not for something else.
  await face.tabTo('Why?');
  await face.tab.send('Input.insertText', { text: 'Not hungry any more' });
  await face.tab.loseAnswer('/transitions', async () => {
    await face.tabTo('Cancel the order');
    await face.key('Enter');
  });
  await face.see('No answer came');
  assert.equal(await face.run(() => document.querySelector('dialog textarea').readOnly), true);
  await face.tabTo('Cancel the order');
  await face.key('Enter');
  await face.until(() => !document.querySelector('dialog'));
  await face.see('Cancelled');
});

test('no screen has a fault that axe-core knows of, in light and dark, in English and German', async (t) => {
  const story = await stage(t);
  const { server, browser, admin, partnerId } = story;
  const face = await register(server, browser, 'Eva Roig');
  const orderId = await placeByMap(face);
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  await stepper(story, orderId)('en_route');
  await locate(story, orderId, SHOP);
  const screens = {
    '/': 'Hello', '/new': 'Place the order', '/wallet': 'To spend', '/inbox': 'Mark all as read', '/settings': 'What you are told',
    [`/orders/${orderId}`]: 'Hand-over code', [`/orders/${orderId}/chat`]: 'Write to',
  };
  for (const [path, text] of Object.entries(screens)) {
    await face.go(`/customer${path}`);
    await face.see(text);
    await face.until(() => !document.querySelector('.loading') && document.querySelector('.bell .badge'));
    for (const scheme of ['light', 'dark']) {
      await face.prefer(scheme);
      assert.deepEqual(await face.faults(), [], `${path} in ${scheme}`);
    }
  }
  await face.run(() => localStorage.setItem('waybill.language', 'de'));
  await face.go('/customer');
  await face.see('Hallo Eva');
  assert.equal(await face.run(() => document.documentElement.lang), 'de');
  assert.deepEqual(await face.faults(), [], 'in German');
});

test('the language that is chosen is that of what the server writes, and what is wrong is told in it', async (t) => {
  const { server, browser } = await stage(t);
  const face = await register(server, browser, 'Fina Soler');
  await face.press('Account');
  await face.press('Language');
  await face.run(() => {
    const choice = document.activeElement;
    choice.value = 'de';
    choice.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await face.see('Konto');
  const { access } = await face.run(() => JSON.parse(localStorage.getItem('waybill.customer')));
  const me = async () => (await fetch(`${server.url}/api/v1/me`, { headers: { Authorization: `Bearer ${access}` } })).json();
  const chosen = async () => { while ((await me()).locale !== 'de'); };
  await soon(chosen(), 'the account to speak German');

  await face.press('Abmelden');
  await face.press('Neu hier?');
  await face.write('Name', '  ');
  await face.write('E-Mail', 'spaces@example.test');
  await face.write('Passwort', 'correct horse battery');
  await face.press('Konto anlegen');
  await face.see('Name: mindestens 1 Zeichen');
});

test('who looks at the demo is somebody at one press, and orders from a shop', async (t) => {
  const server = await startServer(t, {}, ['--demo', '--demo-idle']);
  const browser = await startChromium(t);
  const face = await Face.open(browser, `${server.url}/customer`);
  await face.see('Be Ada Puig');
  assert.deepEqual(await face.faults(), [], 'the gate');
  await face.press('Be Ada Puig');
  await face.see('No orders yet');
  await face.press('New order');
  await face.press('Ramen Nit');
  await face.press('One Miso ramen more');
  await face.press('One Miso ramen more');
  await face.write('Drop-off', 'Carrer de València 250');
  await face.until(() => document.querySelector('.map-box')?.dataset.state === 'ready');
  await face.press('Pick on the map');
  const middle = await face.until(() => {
    const box = document.querySelector('.map').getBoundingClientRect();
    const spot = { x: box.x + box.width / 2, y: box.y + box.height * 0.4 };
    return document.activeElement.matches('.leaflet-container') && document.elementFromPoint(spot.x, spot.y)?.closest('.map') ? spot : null;
  });
  await face.pressAt(middle);
  await face.see('On the map');
  await face.see('$25.60');
  assert.deepEqual(await face.faults(), [], 'a shop');
  await face.press('Place the order');
  await face.see('Looking for a partner');
  await face.press('Cancel the order');
  await face.see('Cancelling is free now.');
  assert.deepEqual(await face.faults(), [], 'the dialog');
  await face.press('Cancel the order');
  await face.until(() => document.querySelector('h1').textContent === 'Cancelled');
  await face.press('Wallet');
  await face.until(() => document.activeElement.matches('main h1') && document.activeElement.textContent === 'Wallet');
  // By the keyboard: what is told of the order may come to lie over the button at any moment.
  await face.tabTo('Top up');
  await face.key('Enter');
  await face.until(() => document.querySelector('dialog[open]'));
  assert.deepEqual(await face.faults(), [], 'another dialog');
  // What the demo's provider does with such an amount.
  await face.write('Amount (USD)', '12,02');
  await face.press('Top up by $12.02');
  await face.see('The top-up did not work');
});

test('when an order is over, or is given back, nothing is left of where its partner was', async (t) => {
  const story = await stage(t);
  const { server, browser, partner, admin, partnerId } = story;
  const face = await register(server, browser, 'Hana Lis');
  const orderId = await placeByMap(face);
  const dots = () => face.until(() => document.querySelector('.map-box')?.dataset.dots ?? 'none');
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  const step = stepper(story, orderId);
  await step('en_route');
  await locate(story, orderId, { latitude: SHOP.latitude + 0.01, longitude: SHOP.longitude });
  await face.until(() => document.querySelector('.map-box').dataset.dots === '1');
  for (const to of ['arrived', 'picked_up', 'in_transit']) await step(to);
  await partner.call('POST', `/orders/${orderId}/transitions`, { to: 'delivered', note: 'at the door' });
  await face.see('Delivered');
  await face.until(() => document.querySelector('.map-box').dataset.dots === '0');
  assert.equal(await dots(), '0');
});

test('long names and large sums have room, on a phone and on a desk', async (t) => {
  const { server, browser } = await stage(t);
  const customer = await server.user('customer', 'Maximiliana Bartholomäus-Wolfenbüttel von Hohenlohe');
  const order = await customer.call('POST', '/orders', {
    pickup: { ...SHOP, address: 'Pastisseria i Forn de Pa Artesà Aurora i Germans, Carrer de Mallorca 228, entresòl' },
    dropoff: { latitude: 41.3978, longitude: 2.1702, address: 'Carrer de Provença 261, escala B, principal segona' },
    items: [{ name: 'Sourdough loaf with walnuts, dried figs and a crust of toasted sesame', quantity: 12, unit_price: 128_650 }, { name: 'W'.repeat(60), quantity: 999, unit_price: 99_999 }],
    payment_method: 'cash',
  });
  const face = await Face.open(browser, `${server.url}/customer/orders/${order.id}`);
  await face.write('E-mail', customer.email);
  await face.write('Password', PASSWORD);
  await face.press('Log in');
  await face.see('Payment');
  for (const width of [390, 1440]) {
    await face.tab.send('Emulation.setDeviceMetricsOverride', { width, height: 844, deviceScaleFactor: 1, mobile: false });
    const wide = await face.run(() => [document.documentElement, ...document.querySelectorAll('.pane, .pane .card, .pane dl')]
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ tagName, className, scrollWidth, clientWidth }) => `${tagName} ${className}: ${scrollWidth} in ${clientWidth}`));
    assert.deepEqual(wide, [], `${width}`);
  }
});

test('a page that is left open for 10,000 positions does not grow', async (t) => {
  const story = await stage(t);
  const { server, browser, admin, partnerId } = story;
  const wire = await startWire(t, server);
  const face = await register({ url: wire.url }, browser, 'Fina Pons');
  const orderId = await placeByMap(face);
  await admin.call('POST', `/orders/${orderId}/assign`, { partner_id: partnerId });
  await stepper(story, orderId)('en_route');
  await face.see('partner 1 is on the way to the pick-up');
  await face.until(() => document.querySelector('.map-box')?.dataset.state === 'ready');

  const group = `order_${orderId}`;
  const begin = Date.now();
  let count = 0;
  const envelope = () => ({ group, id: crypto.randomUUID(), at: new Date().toISOString() });
  // A partner's own are shown once a second; these come as fast as the page takes them.
  const positions = async (number, minutes) => {
    for (const end = count + number; count < end; count += 1) {
      wire.say({
        type: 'location', ...envelope(), timestamp: new Date(begin + count).toISOString(), age: 0, freshness: 'live', heading: count % 360, speed: 5,
        accuracy: 5, latitude: SHOP.latitude + (count % 1000) / 1e5, longitude: SHOP.longitude + (count % 77) / 1e5,
      });
    }
    const arrives = new Date(Date.now() + minutes * 60_000 + 20_000).toISOString();
    wire.say({
      type: 'eta', ...envelope(),
      eta: { arrives_at: arrives, promised_at: arrives, seconds: minutes * 60 + 20, distance: 500, age: 0, freshness: 'live', late_risk: 'none', source: 'estimate', to: 'pickup' },
    });
    await face.see(`${minutes} min`);
  };
  // What is kept for the trail is bounded, and full by then.
  await positions(3_000, 31);
  const before = await face.tab.heap();
  await positions(10_000, 42);
  const grown = (await face.tab.heap()) - before;
  assert.ok(grown < 1_000_000, `it grew by ${grown} bytes`);

  // Where nothing says when the partner comes, an old position is one all the same.
  await stepper(story, orderId)('arrived');
  await face.see('partner 1 is at the pick-up');
  wire.say({ type: 'location', ...envelope(), timestamp: new Date(begin + count).toISOString(), age: 50, freshness: 'stale', latitude: SHOP.latitude, longitude: SHOP.longitude });
  await face.see('Last seen 5');
});

test('a customer can use the page before 150 KB have come, and the map comes after', async (t) => {
  const { server, browser } = await stage(t);
  const face = await register(server, browser, 'Gina Valls');
  const sizes = new Map();
  const names = new Map();
  browser.listen((method, params) => {
    if (method === 'Network.responseReceived') names.set(params.requestId, new URL(params.response.url).pathname);
    if (method === 'Network.loadingFinished') sizes.set(params.requestId, params.encodedDataLength);
  });
  await face.tab.send('Network.setCacheDisabled', { cacheDisabled: true });
  await face.go('/customer');
  await face.see('No orders yet');
  const loaded = [...sizes].map(([id, size]) => [names.get(id) ?? '', size]);
  const total = loaded.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(loaded.length > 10 && total > 20_000 && total < 150_000, `${total} bytes: ${JSON.stringify(loaded)}`);
  assert.ok(!loaded.some(([name]) => /leaflet\.js|map\/map\.js/.test(name)), 'the map is not among them');
});
