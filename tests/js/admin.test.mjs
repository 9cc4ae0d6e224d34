import assert from 'node:assert/strict';
import test from 'node:test';
import { SHOP, choose, counted, enter, locate, lookAt, noDialog, open, place, rowOf, short, stage, stepper, two, visit } from './admin-stage.mjs';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { PASSWORD, soon, startWire } from './support.mjs';

test('two admins see an order come, bring it on its way, and see its whole story', async (t) => {
  const story = await stage(t);
  const { server, customer, partner } = story;
  const [olga, max] = await two(t, story);
  for (const one of [olga, max]) await counted(one, 'under_way', 0);
  await olga.see('Max Coll');
  await max.press('Orders');
  await max.see('No orders here');

  const order = await place(customer);
  await counted(olga, 'pending', 1);
  await olga.until(() => document.querySelector('.fleet-map').dataset.orders === '1' && document.querySelector('.fleet-map').dataset.partners === '1');
  await rowOf(max, order, 'Unconfirmed');
  await olga.press('Orders');
  await olga.press(short(order));
  await olga.see(`Order ${short(order)}`);
  await max.until((id) => [...document.querySelectorAll('.data tr')].find((row) => row.innerText.includes(id))?.querySelector('.viewers'), short(order), 'who looks at it');

  await open(olga, 'Confirm');
  await olga.press('Confirm');
  await olga.see('Looking for a partner');
  await rowOf(max, order, 'Looking for a partner');
  await max.until(() => document.querySelector('.data tr.marked'), undefined, 'the row to be marked');
  await open(olga, 'Assign');
  await olga.press('Assign to Pol Ferrer');
  await noDialog(olga);
  await rowOf(max, order, 'Assigned');

  const phone = await visit(story, 'partner', partner);
  await phone.press('Set off');
  await phone.see('On the way to the pick-up');
  const buyer = await visit(story, 'customer', customer, `/orders/${order.id}`);
  await buyer.see('Pol Ferrer is on the way to the pick-up');
  await lookAt(olga);
  const step = stepper(partner, order);
  const way = [[0.010, -0.004], [0.007, -0.003], [0.004, -0.001]];
  for (const [index, [north, east]] of way.entries()) {
    await locate(partner, { latitude: SHOP.latitude + north, longitude: SHOP.longitude + east }, order.id, new Date(Date.now() - 3000 + 1000 * index));
  }
  await olga.until(() => document.querySelector('.story .map-box')?.dataset.dots === '1');
  await max.press(short(order));
  await max.see(`Order ${short(order)}`);
  await olga.until(() => document.querySelector('.story-title .viewers'), undefined, 'Max to look, too');

  await olga.write('Message to Ada Puig and Pol Ferrer', 'The street is closed, please wait');
  await olga.press('Send');
  await max.see('The street is closed, please wait');
  await lookAt(buyer);
  await buyer.see('The street is closed, please wait');
  const { items: [message] } = await customer.call('GET', `/orders/${order.id}/messages`);
  assert.equal(message.sender.party, 'admin');

  for (const to of ['arrived', 'picked_up', 'in_transit']) await step(to);
  await step('delivered', { note: 'at the door' });
  await buyer.press('Yes, all there');
  await lookAt(olga);
  for (const one of [olga, max]) {
    await one.see('at the door');
    await one.until(() => document.querySelector('.story-title .pill').textContent === 'Completed');
  }
  await open(olga, 'Refund');
  await olga.write('Amount in USD', '2.50');
  await olga.write('Reason', 'It was cold');
  await olga.press('Refund $2.50');
  await noDialog(olga);
  await max.see('It was cold');
  const sums = await max.run(() => [...document.querySelectorAll('.entries .sum td')].map(({ textContent }) => textContent));
  assert.ok(sums.length >= 2 && sums.every((sum) => sum === '$0.00'), `${sums}`);
  await max.until(() => document.querySelector('.deliveries li'), undefined, 'what reached whom');

  // The story once more.
  const at = () => olga.run(() => Number(document.querySelector('.replay').dataset.at));
  const end = await at();
  await choose(olga, 'Speed', '1');
  await olga.press('Play');
  await olga.until((last) => Number(document.querySelector('.replay').dataset.at) < last && document.querySelector('.map-hint'), end, 'the replay to begin');
  const first = await at();
  await olga.until((before) => Number(document.querySelector('.replay').dataset.at) > before, first, 'the replay to go on');
  await olga.press('Pause');
  await olga.until(() => performance.getEntriesByType('resource').some(({ name, responseStatus }) => name.endsWith('/track?tolerance=0') && responseStatus === 200), undefined, 'all points of the way');
  for (let count = 0; count < 2; count += 1) await olga.press('To the next step');
  await olga.until(() => document.querySelector('.story-timeline [aria-current="step"]'));
  const before = await at();
  await olga.run(() => document.querySelector('.scrub input').focus());
  await olga.key('ArrowRight');
  await olga.until((last) => Number(document.querySelector('.replay').dataset.at) > last, before, 'the arrow key to go on');
  await olga.press('To the end');
  await olga.until(() => document.querySelector('.replay').dataset.on === 'false');

  await olga.press('Operation');
  await counted(olga, 'under_way', 0);
  await olga.until(() => [...document.querySelectorAll('.stat.good dd')].some(({ textContent }) => textContent === '1'), undefined, 'one that is completed');
  assert.equal(await server.metric('waybill_sessions{endpoint="any"}'), 4, 'one socket each');
});

test('a story says who looks at the order, also who looked before it was opened', async (t) => {
  const story = await stage(t);
  const order = await place(story.customer);
  const buyer = await visit(story, 'customer', story.customer, `/orders/${order.id}`);
  await buyer.see('Sourdough loaf');
  const olga = await enter(story, 'Olga Roca', `/orders/${order.id}`);
  const there = (isThere) => olga.until((wanted) => document.querySelector('.presence [data-there]')?.dataset.there === wanted, String(isThere), `the customer to be there: ${isThere}`);
  await there(true);
  await buyer.go('/customer');
  await buyer.see('Hello Ada');
  await there(false);
});

test('of two admins one looks after an exception, and the other takes it over on purpose', async (t) => {
  const story = await stage(t);
  const [olga, max] = await two(t, story);
  const order = await place(story.customer);
  await counted(olga, 'pending', 1);
  await olga.press('Orders');
  await olga.press(short(order));
  await open(olga, 'Give up');
  await olga.write('Reason', 'The shop is closed');
  await olga.press('Give up');
  await noDialog(olga);
  await olga.press('Operation');
  for (const one of [olga, max]) await one.until((id) => document.querySelector(`.exception[data-order="${id}"]`), order.id, 'the exception');
  await olga.press('Claim');
  await olga.see('You look after it');
  await max.until(() => document.querySelector('.exception .claim')?.innerText.includes('Olga Roca'));

  await open(max, 'Take over');
  await max.see('Take over from Olga Roca?');
  await max.press('Not now');
  await noDialog(max);
  await open(max, 'Take over');
  await max.press('Take over');
  await max.see('You look after it');
  await olga.see('Max Coll has taken over one of your orders');
  await olga.until(() => document.querySelector('.exception .claim')?.innerText.includes('Max Coll'));
  await max.press('Release');
  for (const one of [olga, max]) await one.see('Nobody looks after it');

  // The table by what is wrong.
  await max.press('Orders');
  await choose(max, 'Exception', 'failed');
  await rowOf(max, order, 'Ada Puig');
  await choose(max, 'Exception', 'late');
  await max.see('Nothing is wrong');
});

test('an announcement reaches a customer who looks', async (t) => {
  const story = await stage(t);
  const olga = await enter(story, 'Olga Roca', '/announce');
  const customer = await visit(story, 'customer', story.customer);
  await customer.see('Hello Ada');
  await lookAt(olga);
  await olga.write('Title', 'Heavy rain tonight');
  await olga.write('Text', 'Everything takes a little longer. Thank you for your patience.');
  await olga.until(() => document.querySelector('.preview').innerText.includes('a little longer'));
  await olga.press('Send');
  await olga.see('Tell everybody?');
  await olga.press('Send to everybody');
  await noDialog(olga);
  await lookAt(customer);
  await customer.until(() => document.querySelector('.bell .badge'));
  await customer.press('Notifications');
  await customer.see('Heavy rain tonight');
  await lookAt(olga);
  await olga.press('Activity');
  await olga.see('announced something to everybody');
});

test('a partner who goes offline is not idle on the map', async (t) => {
  const story = await stage(t);
  const olga = await enter(story, 'Olga Roca');
  await olga.until(() => document.querySelector('.fleet-map').dataset.partners === '1');
  // The only dot, which the map is fitted to.
  const middle = await olga.run(() => {
    const { x, y, width, height } = document.querySelector('.fleet-map').getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2 };
  });
  await olga.pressAt(middle);
  const card = (text) => olga.until((wanted) => document.querySelector('.map-card')?.innerText.includes(wanted), text, `the partner's card to say ${text}`);
  await card('Pol Ferrer');
  await card('Idle');
  await story.partner.call('PUT', '/partner/availability', { online: false });
  await card('Offline');
  assert.ok(!(await olga.run(() => document.querySelector('.map-card').innerText)).includes('Idle'));
});

test('people are found, and seen to come and go', async (t) => {
  const story = await stage(t);
  const { customer, partner, partnerId } = story;
  const olga = await enter(story, 'Olga Roca', '/partners');
  const order = await place(customer);
  await olga.until(() => document.querySelector('.online[data-online="true"]'));
  await olga.see(partner.email);
  await olga.write('Name or e-mail', 'nobody at all');
  await olga.see('No partner fits');
  await olga.write('Name or e-mail', 'POL');
  await olga.see('Pol Ferrer');
  await olga.admin.call('POST', `/orders/${order.id}/transitions`, { to: 'confirmed' });
  await olga.admin.call('POST', `/orders/${order.id}/assign`, { partner_id: partnerId });
  await olga.see(short(order));
  await partner.call('PUT', '/partner/availability', { online: false });
  await olga.until(() => document.querySelector('.online[data-online="false"]'), undefined, 'the partner to be offline');
  await olga.press('Users');
  await choose(olga, 'Role', 'customer');
  await olga.see('Ada Puig');
  await olga.seeNot('Pol Ferrer');
  await choose(olga, 'Online', 'true');
  await olga.see('Nobody fits');
  await choose(olga, 'Role', 'admin');
  await olga.see('Olga Roca');
  await olga.press('Activity');
  await olga.see('went offline');
  await olga.press('Pol Ferrer');
  await olga.see('Of Pol Ferrer');
});

test('a server that is killed in the middle, and what happens meanwhile, leave the screens right', async (t) => {
  const story = await stage(t);
  const { server, customer } = story;
  const wire = await startWire(t, server);
  const olga = await enter({ ...story, url: wire.url }, 'Olga Roca');
  const max = await enter({ ...story, browser: await startChromium(t), url: wire.url }, 'Max Coll', '/health');
  const order = await place(customer);
  await counted(olga, 'pending', 1);
  await max.until(() => document.querySelector('.instance:not(.gone)') && Number(document.querySelector('.charts').dataset.points) > 1, undefined, 'two points of the charts');

  // What happens while nobody can hear it.
  wire.cut({ down: true });
  await olga.see('Not connected');
  const second = await place(customer);
  await olga.admin.call('POST', `/orders/${order.id}/transitions`, { to: 'confirmed' });
  wire.mend();
  await olga.seeNot('Not connected');
  await counted(olga, 'pending', 1);
  await counted(olga, 'confirmed', 1);
  await olga.until(() => document.querySelector('.fleet-map').dataset.orders === '2');

  await server.kill();
  await olga.see('Not connected');
  await max.see('This is how it was at');
  await server.start();
  await olga.seeNot('Not connected');
  await max.until(() => document.querySelectorAll('.instance.gone').length === 1 && document.querySelector('.instance:not(.gone)'), undefined, 'one instance to be gone, and another to be there');
  await customer.call('POST', `/orders/${second.id}/transitions`, { to: 'cancelled' });
  await counted(olga, 'pending', 0);
  await counted(olga, 'confirmed', 1);
});

test('an order can be confirmed, claimed and seen again with the keyboard alone', async (t) => {
  const story = await stage(t);
  const olga = await enter(story, 'Olga Roca');
  const order = await place(story.customer);
  await counted(olga, 'pending', 1);
  await olga.tabTo('Orders');
  await olga.key('Enter');
  await olga.until((id) => document.querySelector('.data')?.innerText.includes(id), short(order));
  await olga.tabTo(short(order));
  await olga.key('Enter');
  await olga.see(`Order ${short(order)}`);
  await olga.tabTo('Confirm');
  await olga.key('Enter');
  await olga.see('Confirm the order?');
  await olga.tabTo('Confirm');
  await olga.key('Enter');
  await noDialog(olga);
  await olga.until(() => document.querySelector('.story-title .pill').textContent === 'Looking for a partner');
  await olga.tabTo('Claim');
  await olga.key('Enter');
  await olga.see('You look after it');
  await olga.tabTo('Play');
  await olga.key(' ');
  await olga.until(() => document.querySelector('.replay').dataset.on === 'true');
  // What can be pressed no more since it was pressed keeps the focus.
  const stays = (name) => olga.until((wanted) => (document.activeElement.ariaLabel ?? document.activeElement.textContent) === wanted && document.activeElement.ariaDisabled === 'true', name, `the focus to stay on "${name}"`);
  await olga.tabTo('Live');
  await olga.key('Enter');
  await olga.until(() => document.querySelector('.replay').dataset.on === 'false');
  await stays('Live');
  await olga.tabTo('To the step before');
  await olga.key('Enter');
  await olga.until(() => document.querySelector('.replay').dataset.on === 'true');
  // Back to the first step it is one more, where time had gone on since the last.
  const isFirst = () => document.querySelector('.replay-time').innerText.includes('Unconfirmed');
  if (!(await olga.run(isFirst))) await olga.key('Enter');
  await olga.until(isFirst);
  await stays('To the step before');
  await olga.tabTo('Release');
  await olga.key('Enter');
  await olga.see('Nobody looks after it');
});

test('the keyboard alone logs in, finds an order by filters, opens its story, claims it, and announces', async (t) => {
  const story = await stage(t);
  const { server, browser, customer } = story;
  const admin = await server.user('admin', 'Olga Roca');
  const [sought, other] = [await place(customer), await place(customer, { items: [{ name: 'Rye rolls', quantity: 6, unit_price: 90 }] })];
  await admin.call('POST', `/orders/${other.id}/transitions`, { to: 'confirmed' });
  const olga = await Face.open(browser, `${server.url}/admin`, { width: 1440, height: 900 });
  const type = async (name, text) => {
    await olga.tabTo(name);
    await olga.tab.send('Input.insertText', { text });
  };
  const focus = (name) => olga.until((wanted) => document.activeElement.matches('button, h1, a') && document.activeElement.textContent.trim() === wanted, name, `the focus to be on "${name}"`);
  await type('E-mail', admin.email);
  await type('Password', PASSWORD);
  await olga.key('Enter');
  await olga.tabTo('Orders');
  await olga.key('Enter');
  for (const order of [sought, other]) await rowOf(olga, order, 'Ada Puig');
  // Down the list of states, without being sent elsewhere on the way: under way, unconfirmed.
  await olga.tabTo('Status');
  for (const path of ['active', 'pending']) {
    await olga.key('ArrowDown');
    await olga.until((wanted) => location.pathname.endsWith(`/orders/status/${wanted}`), path, `the path of ${path}`);
  }
  await olga.until((id) => !document.querySelector('.data').innerText.includes(id), short(other), 'the other order to go');
  await type('Id, name or address', 'loaf');
  await olga.see('1 of 1 orders');
  await olga.tabTo(short(sought));
  await olga.key('Enter');
  await focus(`Order ${short(sought)}`);
  await olga.tabTo('Claim');
  await olga.key('Enter');
  await olga.see('You look after it');
  // What had the focus has gone, and the focus has not gone with it.
  await focus('Release');
  await olga.tabTo('Cancel');
  await olga.key('Enter');
  await olga.see('Cancel the order?');
  await olga.key('Escape');
  await noDialog(olga);
  await focus('Cancel');
  await olga.tabTo('Confirm');
  await olga.key('Enter');
  await olga.see('Confirm the order?');
  await olga.tabTo('Confirm');
  await olga.key('Enter');
  await noDialog(olga);
  await olga.until(() => document.querySelector('.story-title .pill').textContent === 'Looking for a partner');
  await focus('Assign');
  await olga.tabTo('Announce');
  await olga.key('Enter');
  await type('Title', 'Heavy rain tonight');
  await type('Text', 'Everything takes a little longer.');
  await olga.tabTo('Send');
  await olga.key('Enter');
  await olga.see('Tell everybody?');
  await olga.tabTo('Send to everybody');
  await olga.key('Enter');
  await noDialog(olga);
  const told = async () => {
    while (!(await customer.call('GET', '/notifications')).items.some(({ title }) => title === 'Heavy rain tonight'));
  };
  await soon(told(), 'the customer to be told');
});

test('no screen has a fault that axe-core knows of, in light and dark, on desks and phones, in English and German', async (t) => {
  const story = await stage(t);
  const { customer, partner, partnerId } = story;
  const olga = await enter(story, 'Olga Roca');
  const [order, failed] = [await place(customer), await place(customer)];
  const asAdmin = (path, body) => olga.admin.call('POST', `/orders/${path}`, body);
  await asAdmin(`${failed.id}/transitions`, { to: 'failed', reason: 'The shop is closed' });
  await asAdmin(`${order.id}/transitions`, { to: 'confirmed' });
  await asAdmin(`${order.id}/assign`, { partner_id: partnerId });
  await stepper(partner, order)('en_route');
  await locate(partner, { latitude: SHOP.latitude + 0.01, longitude: SHOP.longitude }, order.id);
  const screens = {
    '': ['The operation at a glance', '.exception'], '/orders': ['Orders', '.data'], [`/orders/${order.id}`]: ['Why it went to whom', '.movements'], '/partners': ['Partners', '.data'],
    '/users': ['Users', '.data'], '/health': ['Health of the instances', '.health-chart canvas'], '/activity': ['Activity', '.activity'], '/announce': ['How it looks', '.preview'],
    '/more': ['More', '.rows'], '/inbox': ['Notifications', '.screen'], '/settings': ['Account', '.preferences'],
  };
  // In the dark on a phone, and in the light on a desk.
  const look = async (what) => {
    for (const [width, scheme] of [[390, 'dark'], [1440, 'light']]) {
      await olga.tab.send('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: false });
      await olga.run((name) => { document.documentElement.dataset.theme = name; }, scheme);
      assert.deepEqual(await olga.faults(), [], `${what} at ${width} in ${scheme}`);
    }
  };
  for (const [path, [, there]] of Object.entries(screens)) {
    await olga.go(`/admin${path}`);
    await olga.until((selector) => document.querySelector(selector) && !document.querySelector('.loading'), there, `${path} to be there`);
    await look(path);
  }
  await olga.go(`/admin/orders/${order.id}`);
  for (const dialog of ['Cancel', 'Give up']) {
    await open(olga, dialog);
    await look(dialog);
    await olga.key('Escape');
    await noDialog(olga);
  }
  await olga.press('Play');
  await olga.until(() => document.querySelector('.replay').dataset.on === 'true');
  await look('the replay');
  await olga.run(() => localStorage.setItem('waybill.language', 'de'));
  await olga.go('/admin');
  await olga.see('Ausnahmen');
  await olga.see('Gezeichnete Demo-Stadt');
  await look('in German');
});

test('a page that is left open for 10,000 frames does not grow, and 500 partners are 500 dots', async (t) => {
  const story = await stage(t);
  const wire = await startWire(t, story.server);
  const olga = await enter({ ...story, url: wire.url }, 'Olga Roca');
  await olga.until(() => document.querySelector('.fleet-map .map-box')?.dataset.state === 'ready');
  await olga.see('Nothing is wrong');
  const placed = await olga.admin.call('GET', `/orders/${(await place(story.customer)).id}`);
  const partners = Array.from({ length: 500 }, () => crypto.randomUUID());
  const envelope = () => ({ group: 'admin_dashboard', id: crypto.randomUUID(), at: new Date().toISOString() });
  const begin = Date.now();
  let count = 0;
  const say = (ids) => {
    count += 1;
    const timestamp = new Date(begin - 60_000 + count).toISOString();
    const positions = ids.map((id, index) => ({ partner_id: id, latitude: SHOP.latitude + ((index * 37 + count) % 900) / 1e5, longitude: SHOP.longitude + ((index * 91 + count) % 1100) / 1e5, timestamp, accuracy: 5 }));
    wire.say({ type: 'positions', ...envelope(), positions });
  };
  /** What somebody does, and an order that comes and goes: three frames. */
  const happen = () => {
    const order = { ...placed, id: crypto.randomUUID() };
    const at = new Date().toISOString();
    wire.say({ type: 'activity', ...envelope(), activity: { id: crypto.randomUUID(), user_id: order.customer.id, name: 'Ada Puig', role: 'customer', action: 'logged_in', order_id: null, at } });
    wire.say({ type: 'order_created', ...envelope(), order });
    wire.say({ type: 'order_update', ...envelope(), update: { order_id: order.id, status: 'completed', previous_status: 'pending', version: 2, partner: null, updated_at: at } });
  };
  // Frames are short here: parts of the 500 by turns.
  const some = () => partners.slice((count % 25) * 20, (count % 25) * 20 + 20);
  for (let part = 0; part < 25; part += 1) say(some());
  await olga.until(() => Number(document.querySelector('.fleet-map').dataset.partners) >= 500, undefined, '500 dots');
  const frames = async (number, name) => {
    for (let turn = 0; turn < number; turn += 1) {
      if (turn % 8 < 5) say(some());
      else if (turn % 8 === 5) happen();
      // Not more at once than a socket holds.
      if (turn % 500 === 0) await olga.run(() => true);
    }
    // What comes after all of them. Said again until it is seen, since the page may have connected anew meanwhile.
    const viewing = { type: 'viewing', user_id: crypto.randomUUID(), name, order_id: crypto.randomUUID() };
    const told = async () => {
      do wire.say({ ...viewing, ...envelope() }); while (!(await olga.run((wanted) => document.body.innerText.includes(wanted), name)));
    };
    await soon(told(), `to read ${name}`, 60_000);
  };
  await frames(2_000, 'Before Warming');
  const before = await olga.tab.heap();
  await frames(10_000, 'After All');
  const grown = (await olga.tab.heap()) - before;
  assert.ok(grown < 1_500_000, `it grew by ${grown} bytes`);
});
