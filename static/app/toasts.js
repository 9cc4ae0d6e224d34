// What is said for a few seconds.

import { html } from './view.js';
import { Store, useStore } from './store.js';
import { t } from './i18n.js';

const toasts = new Store([]);
let count = 0;
const SHOWN = 5000;
const AT_ONCE = 2;

/** Says something for a few seconds: `{kind: 'info' | 'error', title, text?, href?}`. */
export function toast(what) {
  const id = ++count;
  toasts.set((all) => [...all, { ...what, id }].slice(-AT_ONCE));
  setTimeout(() => dismiss(id), SHOWN);
}

const dismiss = (id) => toasts.set((all) => all.filter((one) => one.id !== id));

/** What was said to one user is nothing for the next. */
export const clearToasts = () => toasts.set([]);

/**
 * Where they appear, announced to those who hear the page: once in each face, and in each dialog, since what lies outside of
 * one can be neither seen nor pressed meanwhile.
 */
export function Toasts({ isInDialog = false }) {
  const all = useStore(toasts);
  return html`<div class=${isInDialog ? 'toasts in-dialog' : 'toasts'} role="status" aria-live="polite">
    ${all.map(({ id, kind = 'info', title, text, href }) => html`
      <div key=${id} class="toast ${kind}">
        <div class="toast-text">
          ${href ? html`<a href=${href} onClick=${() => dismiss(id)}><strong>${title}</strong></a>` : html`<strong>${title}</strong>`}
          ${text && html`<span>${text}</span>`}
        </div>
        <button type="button" class="icon-button" aria-label=${t('dismiss')} title=${t('dismiss')} onClick=${() => dismiss(id)}>
          <svg class="icon" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"><path d="M6 6l12 12M18 6L6 18" /></svg></button>
      </div>`)}
  </div>`;
}
