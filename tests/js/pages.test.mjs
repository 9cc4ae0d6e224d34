import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';

const APPS = ['customer', 'partner', 'admin'];

/** A page without what is its app's own: what it says of itself, what it is once it is installed, its style sheet, its script. */
async function common(app) {
  const text = await readFile(new URL(`../../static/${app}/index.html`, import.meta.url), 'utf8');
  const own = [/^ *<meta name="description" content="[^"]+">\n/m, new RegExp(`^ *<link rel="manifest" href="/static/${app}/app\\.webmanifest">\n *<link rel="apple-touch-icon" href="/static/icon\\.png">\n`, 'm'), new RegExp(`^ *<link rel="stylesheet" href="/static/css/${app}\\.css">\n`, 'm'), new RegExp(`^ *<script type="module" src="/static/${app}/main\\.js"></script>\n`, 'm')];
  return own.reduce((page, part) => page.replace(part, ''), text);
}

test('the pages of the apps are one page but for what is their own', async () => {
  const [first, ...others] = await Promise.all(APPS.map(common));
  assert.ok(!first.includes('/static/customer/'));
  for (const other of others) assert.equal(other, first);
});
