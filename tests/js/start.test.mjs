import assert from 'node:assert/strict';
import test from 'node:test';
import { startChromium } from './chromium.mjs';
import { Face } from './face.mjs';
import { startServer } from './support.mjs';

/** What of the three apps side by side can be read, by app. */
const panes = () => Object.fromEntries([...document.querySelectorAll('.pane')].map((pane) => [
  pane.dataset.role, pane.querySelector('iframe').contentDocument?.body?.innerText ?? '',
]));

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
    assert.ok((await face.run(() => document.title)).startsWith(name));
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
});

test('all three apps are alive side by side', async (t) => {
  const { server, browser } = await stage(t);
  const face = await Face.open(browser, `${server.url}/`, { width: 1440, height: 900 });
  await face.press('See all three at once');
  await face.until((look) => document.querySelectorAll('.pane').length === 3, undefined, 'three apps');
  for (const role of ['customer', 'partner', 'admin']) {
    await face.until((pane) => document.querySelector(`.pane[data-role="${pane}"] iframe`).contentDocument?.querySelector('.tabs'), role, `somebody is in as ${role}`);
  }
  // The simulator places orders and carries them out: the figures of the dashboard go on by themselves.
  const before = (await face.run(panes)).admin;
  await face.until((earlier) => {
    const { contentDocument } = document.querySelector('.pane[data-role="admin"] iframe');
    return contentDocument.body.innerText !== earlier;
  }, before, 'the dashboard goes on');
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
