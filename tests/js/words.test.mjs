import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import test from 'node:test';

const STATIC = new URL('../../static/', import.meta.url);
const shared = { en: 'app/words/en.js', de: 'app/words/de.js' };

const words = async (path) => (await import(new URL(path, STATIC))).default;

const scripts = async (folder) => {
  const names = (await readdir(new URL(folder, STATIC))).filter((name) => name.endsWith('.js') && !name.startsWith('words'));
  return Promise.all(names.map((name) => readFile(new URL(folder + name, STATIC), 'utf8')));
};

/** The apps: folders with words of their own. */
async function apps() {
  const found = [];
  for (const entry of await readdir(STATIC, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const names = await readdir(new URL(`${entry.name}/`, STATIC));
    if (names.includes('words.en.js')) found.push(entry.name);
  }
  return found;
}

const values = (text) => (typeof text === 'string' ? [text] : Object.values(text))
  .flatMap((form) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));

test('whatever is said is said in every language, with the same values in it', async () => {
  const pairs = [shared, ...(await apps()).map((app) => ({ en: `${app}/words.en.js`, de: `${app}/words.de.js` }))];
  assert.ok(pairs.length > 1);
  for (const { en, de } of pairs) {
    const [english, german] = [await words(en), await words(de)];
    assert.deepEqual(Object.keys(german), Object.keys(english), de);
    for (const [key, text] of Object.entries(english)) {
      assert.deepEqual([...new Set(values(german[key]))].sort(), [...new Set(values(text))].sort(), `${de}: ${key}`);
      assert.equal(typeof german[key], typeof text, `${de}: ${key}`);
    }
  }
});

test('there are words for whatever an app wants to say, and it says all that there are words for', async () => {
  const common = await words(shared.en);
  const commonTexts = await scripts('app/');
  const used = new Set();
  for (const app of await apps()) {
    const own = await words(`${app}/words.en.js`);
    const texts = [...commonTexts, ...(await scripts(`${app}/`))];
    const known = { ...common, ...own };
    const source = texts.join('\n');
    // Any text that looks like a key counts as used, since some are chosen first and said later.
    for (const [, key] of source.matchAll(/['"]([a-z_]+(?:\.[a-z_]+)*)['"]/g)) used.add(key);
    for (const [, key] of source.matchAll(/\bt\('([^']+)'/g)) assert.ok(key in known, `${app} has no words for ${key}`);
    for (const [, prefix] of source.matchAll(/`([a-z_]+\.[a-z_.]*)\$\{/g)) {
      Object.keys(known).filter((key) => key.startsWith(prefix)).forEach((key) => used.add(key));
    }
    const ownSource = texts.slice(commonTexts.length).join('\n');
    for (const [, prefix] of ownSource.matchAll(/\bt\(`([a-z_]+\.[a-z_.]*)\$\{/g)) {
      assert.ok(Object.keys(known).some((key) => key.startsWith(prefix)), `${app} has no words for ${prefix}…`);
    }
    for (const key of Object.keys(own)) assert.ok(used.has(key), `${app} never says ${key}`);
  }
  for (const key of Object.keys(common)) assert.ok(used.has(key), `nobody says ${key}`);
});
