// Which screen of a face is shown: by the path, so that each has a URL, and the browser's back button works.

import { Store } from './store.js';

/** Going back takes no longer than this, milliseconds. */
const BACK = 1000;

/** Links to `/<face>/…` are followed without a new page. */
export class Router {
  #base;
  #leaving = null;

  constructor(face) {
    this.#base = `/${face}`;
    this.path = new Store(this.#read());
    addEventListener('popstate', () => {
      this.#left();
      this.path.set(this.#read());
    });
    document.addEventListener('click', (event) => {
      const link = event.target.closest?.('a[href]');
      const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
      if (!link || !isPlain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
      if (link.pathname !== this.#base && !link.pathname.startsWith(`${this.#base}/`)) return;
      event.preventDefault();
      this.go(link.pathname.slice(this.#base.length));
    });
  }

  #read() {
    return location.pathname.slice(this.#base.length).replace(/\/+$/, '') || '/';
  }

  /** The URL of a screen. */
  href(path) {
    return path === '/' ? this.#base : `${this.#base}${path}`;
  }

  /** Where `keepsFocus`, somebody is at a field of that screen already, and goes on there. */
  go(path, { replace = false, keepsFocus = false } = {}) {
    const next = path.replace(/\/+$/, '') || '/';
    if (next === this.path.value) return;
    this.#left();
    // Each entry knows which screen is the one before it.
    if (replace) history.replaceState(history.state, '', this.href(next));
    else history.pushState({ from: this.path.value }, '', this.href(next));
    this.path.set(next);
    if (keepsFocus) return;
    scrollTo(0, 0);
    // A reader of screens hears of the new screen by its heading.
    requestAnimationFrame(() => document.querySelector('main h1, main h2')?.focus?.());
  }

  #left() {
    clearTimeout(this.#leaving);
    this.#leaving = null;
  }

  /** Closes what lies on top of the screen `path`: goes back where it was opened from there, so that "back" does not open it again. */
  leave(path) {
    // It takes a moment, and is done once.
    if (this.#leaving !== null) return;
    // All frames of a page have one history in common: "back" might be another one's.
    if (window !== top || history.state?.from !== path) {
      this.go(path, { replace: true });
      return;
    }
    this.#leaving = setTimeout(() => {
      this.#leaving = null;
      // It was that of a frame within this page, a browser extension's say.
      this.go(path, { replace: true });
    }, BACK);
    history.back();
  }

  /** What stands for each `:name` of `pattern` in a path; null where it does not fit. */
  static match(pattern, path) {
    const [wanted, parts] = [pattern.split('/'), path.split('/')];
    if (wanted.length !== parts.length) return null;
    const found = {};
    for (const [index, part] of wanted.entries()) {
      if (part.startsWith(':')) {
        try {
          found[part.slice(1)] = decodeURIComponent(parts[index]);
        } catch {
          // Half of a character, say: there is nothing of that name.
          return null;
        }
      } else if (part !== parts[index]) return null;
    }
    return found;
  }
}
