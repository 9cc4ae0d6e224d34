import assert from 'node:assert/strict';
import test from 'node:test';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { startServer } from './support.mjs';

/** The demo goes about as fast as life does, milliseconds. */
const DEMO = 90_000;

async function stage(t, options = ['--demo']) {
  const server = await startServer(t, { WAYBILL_DISPATCH: 'on' }, options);
  const browser = await startChromium(t);
  t.after(() => assert.deepEqual(browser.complaints, []));
  return { server, browser };
}

test('one click makes a visitor one of the people of the demo, in each of the three apps', async (t) => {
  const { server, browser } = await stage(t);
  for (const [name, path] of [['Ada Puig', '/customer'], ['Pol Ferrer', '/partner'], ['Olga Roca', '/admin']]) {
    const face = await Face.open(browser, `${server.url}/`, { width: 1440, height: 900 });
    await face.press(`Be ${name}`);
    await face.arrive(path);
    await face.until(() => document.querySelector('.tabs') !== null, undefined, `${name} is in`);
    await face.until((who) => document.title.includes(` – ${who} – `), name, 'the title of a screen');
  }
});

test('another person of the demo takes the place of the first', async (t) => {
  const { server, browser } = await stage(t);
  const face = await Face.open(browser, `${server.url}/`);
  await face.press('Be Ada Puig');
  await face.arrive('/customer');
  await face.see('Hello Ada');
  await face.go('/');
  await face.press('Bruno Soler');
  await face.arrive('/customer');
  await face.see('Hello Bruno');
  // A look at all three ends nobody's log-in, and tells whose it is.
  await face.go('/');
  await face.see('Go on as Bruno Soler');
  await face.press('See all three at once');
  const app = () => document.querySelector('.pane[data-role="customer"] iframe')?.contentDocument?.body?.innerText.includes('Hello Bruno');
  await face.until(app, undefined, 'Bruno still to be in');
  assert.deepEqual(await face.run(() => [...document.querySelectorAll('.pane > h2')].map((heading) => heading.textContent.trim())), [
    'Customer: Bruno Soler', 'Partner: Pol Ferrer', 'Admin: Olga Roca',
  ]);
  // On a phone an app has all the room below the head.
  assert.equal(await face.run(() => Math.round(document.querySelector('.pane[data-role="customer"] iframe').getBoundingClientRect().bottom) - innerHeight), 0);
});

test('all three apps are alive side by side', async (t) => {
  const { server, browser } = await stage(t);
  const face = await Face.open(browser, `${server.url}/`, { width: 1440, height: 900 });
  await face.press('See all three at once');
  await face.until((look) => document.querySelectorAll('.pane').length === 3, undefined, 'three apps');
  for (const role of ['customer', 'partner', 'admin']) {
    await face.until((pane) => document.querySelector(`.pane[data-role="${pane}"] iframe`).contentDocument?.querySelector('.tabs'), role, `somebody is in as ${role}`);
  }
  // The simulator carries on an order of Ada's, in front of her, and places others, which the dashboard counts.
  const order = await face.until(() => {
    const card = document.querySelector('.pane[data-role="customer"] iframe').contentDocument.querySelector('.order-card');
    return card && { href: card.getAttribute('href'), said: card.innerText };
  }, undefined, 'an order of Ada\'s', DEMO);
  await face.until(({ href, said }) => {
    const row = document.querySelector('.pane[data-role="customer"] iframe').contentDocument.querySelector(`.screen a[href="${href}"]`);
    return row && row.innerText !== said;
  }, order, 'that order to move', DEMO);
  const placed = () => Number(document.querySelector('.pane[data-role="admin"] iframe').contentDocument.querySelector('.counter-card.day .stat dd')?.textContent);
  const before = await face.until(placed, undefined, 'the dashboard to count orders', DEMO);
  await face.until({ toString: () => `(count) => (${placed})() > count` }, before, 'another order on the dashboard', DEMO);
  assert.deepEqual(await face.faults(), []);
  await face.press('Leave');
  await face.see('Be Ada Puig');
});

test('without a demo the page leads to the apps', async (t) => {
  const { server, browser } = await stage(t, []);
  const face = await Face.open(browser, `${server.url}/`);
  await face.until(() => document.querySelectorAll('.role a').length === 3, undefined, 'three apps');
  assert.ok(!(await face.run(() => document.body.innerText)).includes('at once'));
  assert.deepEqual(await face.run(() => [...document.querySelectorAll('.role a')].map((link) => link.getAttribute('href'))), ['/customer', '/partner', '/admin']);
  await face.press('Open');
  await face.arrive('/customer');
});

test('the page can be used with the keyboard, and axe finds no fault with it', async (t) => {
  const { server, browser } = await stage(t);
  for (const scheme of ['light', 'dark']) {
    for (const [width, height] of [[390, 844], [1440, 900]]) {
      const face = await Face.open(browser, `${server.url}/`, { width, height, scheme });
      await face.see('Be Ada Puig');
      assert.deepEqual(await face.faults(), [], `${scheme}, ${width}`);
    }
  }
  const face = await Face.open(browser, `${server.url}/`);
  await face.see('Be Pol Ferrer');
  await face.tabTo('Be Pol Ferrer');
  await face.key('Enter');
  await face.arrive('/partner');
  await face.until(() => document.querySelector('.tabs') !== null);
});
