// A face in a real browser, used as people do: by what they read, with mouse and keyboard.

import { readFile } from 'node:fs/promises';
import { soon } from './support.mjs';

const AXE = new URL('./vendor/axe.js', import.meta.url);

/** Runs in the page: the first element that can be used and is called `name`, or null. */
function find(name) {
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
  const nameOf = (element) => element.getAttribute('aria-label') ?? ([...(element.labels ?? [])].map((label) => label.textContent).join(' ') || element.textContent);
  const dialog = [...document.querySelectorAll('dialog[open]')].at(-1);
  const all = [...(dialog ?? document).querySelectorAll('a[href], button, input, textarea, select, summary, [role="radio"], .map')];
  const plain = (text) => text.trim().replaceAll(/\s+/g, ' ');
  const fits = (is) => all.find((element) => isShown(element) && is(plain(nameOf(element))));
  return fits((text) => text === name) ?? fits((text) => text.startsWith(name)) ?? fits((text) => text.includes(name)) ?? null;
}

export class Face {
  constructor(tab) {
    this.tab = tab;
  }

  /** Opens `path` of a server in a tab of its own. */
  static async open(browser, url, { width = 390, height = 844, scheme = 'light' } = {}) {
    const tab = await browser.open(url);
    const face = new Face(tab);
    await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await face.prefer(scheme);
    return face;
  }

  prefer(scheme, motion = 'reduce') {
    const features = [{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: motion }];
    return this.tab.send('Emulation.setEmulatedMedia', { features });
  }

  run(what, argument) {
    return this.tab.run(what, argument);
  }

  /** Waits until `look(argument)` gives something in the page, and gives that. */
  async until(look, argument, what = `${look}`, patience = 20_000) {
    const expression = `new Promise((resolve) => {
      const look = ${look}, argument = ${JSON.stringify(argument) ?? 'undefined'};
      const again = () => {
        const found = look(argument);
        if (found) { resolve(found); observer.disconnect(); clearInterval(timer); }
      };
      const observer = new MutationObserver(again);
      // What a canvas or a timer changes is no mutation.
      const timer = setInterval(again, 200);
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      again();
    })`;
    const asked = this.tab.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    try {
      const { result } = await soon(asked, what, patience);
      return result.value;
    } catch (error) {
      const shown = await this.run(() => document.body.innerText).catch(() => 'nothing');
      throw new Error(`${error.message}\n--- shown:\n${shown}`);
    }
  }

  /** Waits until this can be read on the page. */
  see(text) {
    return this.until((wanted) => document.body.innerText.includes(wanted), text, `to read "${text}"`);
  }

  /** Waits until this cannot be read any more. */
  seeNot(text) {
    return this.until((wanted) => !document.body.innerText.includes(wanted), text, `to read no "${text}"`);
  }

  /** Where the middle of what is called `name` is, once it is there and can be pressed. */
  async #spot(name) {
    const look = `(name) => {
      const element = (${find})(name);
      if (!element || element.disabled || element.ariaDisabled === 'true') return null;
      element.scrollIntoView({ block: 'center', behavior: 'instant' });
      const { x, y, width, height } = element.getBoundingClientRect();
      const spot = { x: x + width / 2, y: y + height / 2 };
      // Not while something else lies on top of it.
      const top = document.elementFromPoint(spot.x, spot.y);
      const label = top?.closest('label');
      return element.contains(top) || [...(element.labels ?? [])].includes(label) ? spot : null;
    }`;
    // Nor while it is on its way to another place, where the press would come too late.
    for (let before = null, count = 0; ; count += 1) {
      const spot = await this.until({ toString: () => look }, name, `something called "${name}" to press`);
      if ((spot.x === before?.x && spot.y === before.y) || count === 50) return spot;
      before = spot;
      await this.run(() => new Promise((resolve) => {
        requestAnimationFrame(resolve);
        // A tab that is not looked at draws nothing.
        setTimeout(resolve, 100);
      }));
    }
  }

  /** Presses what is called `name`. */
  async press(name) {
    await this.pressAt(await this.#spot(name));
  }

  async pressAt({ x, y }) {
    for (const type of ['mousePressed', 'mouseReleased']) {
      await this.tab.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
    }
  }

  /** Writes into the field that is called `name`, in place of what was there. */
  async write(name, text) {
    await this.press(name);
    await this.run(() => document.activeElement.select?.());
    await this.tab.send('Input.insertText', { text });
  }

  /** A key, such as `Tab`. */
  async key(key, modifiers = 0) {
    const codes = { Tab: 9, Enter: 13, Escape: 27, ' ': 32, ArrowRight: 39, ArrowDown: 40 };
    const text = { Enter: '\r', ' ': ' ' }[key];
    const shared = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: codes[key], modifiers };
    await this.tab.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...shared });
    await this.tab.send('Input.dispatchKeyEvent', { type: 'keyUp', ...shared });
  }

  /** Goes with the Tab key to what is called `name`. */
  async tabTo(name) {
    for (let count = 0; count < 120; count += 1) {
      const isThere = await this.run({ toString: () => `(name) => (${find})(name) === document.activeElement` }, name);
      if (isThere) return;
      await this.key('Tab');
    }
    throw new Error(`the Tab key does not come to "${name}"`);
  }

  /** What axe-core finds fault with, in short; in the dialog that is open, where there is one. */
  async faults() {
    const isThere = await this.run(() => globalThis.axe !== undefined);
    if (!isThere) await this.tab.send('Runtime.evaluate', { expression: await readFile(AXE, 'utf8') });
    return this.run(async () => {
      const dialog = [...document.querySelectorAll('dialog[open]')].at(-1);
      const { violations } = await globalThis.axe.run(dialog ?? document, { resultTypes: ['violations'] });
      return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary.split('\n').slice(1, 3).join(' ')}`));
    });
  }

  /** Waits until the browser has come to `path` by a page's own doing. */
  async arrive(path) {
    const there = async () => {
      const isThere = (wanted) => location.pathname === wanted && document.readyState === 'complete';
      while (!(await this.run(isThere, path).catch(() => false)));
    };
    await soon(there(), `to be at ${path}`, 20_000);
  }

  /** Goes to a page of its own accord, as by typing its address. */
  async go(path) {
    await this.run((to) => {
      globalThis.isOld = true;
      location.assign(to);
    }, path).catch(() => {});
    const fresh = async () => {
      while (await this.run(() => globalThis.isOld === true || document.readyState !== 'complete').catch(() => true));
    };
    await soon(fresh(), `the page ${path}`);
  }
}
