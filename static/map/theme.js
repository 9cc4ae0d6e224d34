// Light or dark: as told, or else as the page's <html data-theme> says, or else as the system does.

const NAMES = ['light', 'dark'];
const DARK = '(prefers-color-scheme: dark)';

/** As the page and the system have it. */
export const themeNow = () => (NAMES.includes(document.documentElement.dataset.theme) ? document.documentElement.dataset.theme
  : matchMedia(DARK).matches ? 'dark' : 'light');

/** Calls `onChange(name)` whenever it is another one. */
export class Theme {
  #told = null;
  #query = matchMedia(DARK);
  #observer = new MutationObserver(() => this.#look());
  #off = new AbortController();
  #onChange;
  name;

  constructor(onChange) {
    this.#onChange = onChange;
    this.name = this.#current();
    this.#query.addEventListener('change', () => this.#look(), { signal: this.#off.signal });
    this.#observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }

  /** 'light' or 'dark'; null follows the page and the system again. */
  set(name) {
    this.#told = name;
    this.#look();
  }

  destroy() {
    this.#off.abort();
    this.#observer.disconnect();
  }

  #current() {
    return [this.#told, document.documentElement.dataset.theme].find((one) => NAMES.includes(one))
      ?? (this.#query.matches ? 'dark' : 'light');
  }

  #look() {
    const name = this.#current();
    if (name === this.name) return;
    this.name = name;
    this.#onChange(name);
  }
}
