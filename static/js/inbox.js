// The bell, its exact number, and the list behind it.

import { byId, clock, make } from './dom.js';

const LISTED = 30;

/**
 * `markRead(id)` and `markAllRead()` tell the server what was read; `read(path, use)` reads and hands the answer over.
 */
export class Inbox {
  #markRead;
  #read;
  #items = [];
  #unread = 0;
  #timer;

  constructor({ markRead, markAllRead, read }) {
    this.#markRead = markRead;
    this.#read = read;
    byId('bell').addEventListener('click', () => this.#open(byId('inbox').hidden));
    byId('read-all').addEventListener('click', () => markAllRead());
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || byId('inbox').hidden) return;
      this.#open(false);
      byId('bell').focus();
    });
  }

  clear() {
    clearTimeout(this.#timer);
    this.#items = [];
    this.#unread = 0;
    this.#open(false);
    this.#show();
  }

  /** Reads the list anew. */
  refresh() {
    this.#read(`/notifications?limit=${LISTED}`, ({ items }) => {
      this.#items = items;
      this.#show();
    });
  }

  add(notification) {
    this.#items = [notification, ...this.#items.filter(({ id }) => id !== notification.id)].slice(0, LISTED);
    this.#show();
  }

  /** The number is the server's to say. Which ones were read, here or on another device, the list tells. */
  count(unread) {
    const isLess = unread < this.#unread;
    this.#unread = unread;
    this.#show();
    if (!isLess) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), 300);
  }

  #open(open) {
    byId('inbox').hidden = !open;
    byId('bell').setAttribute('aria-expanded', String(open));
  }

  #show() {
    byId('unread').textContent = this.#unread;
    byId('unread').dataset.some = String(this.#unread > 0);
    byId('read-all').disabled = this.#unread === 0;
    byId('no-notifications').hidden = this.#items.length > 0;
    const focused = document.activeElement?.dataset?.notification;
    byId('notifications').replaceChildren(...this.#items.map((item) => this.#entry(item)));
    if (focused) byId('notifications').querySelector(`[data-notification="${focused}"]`)?.focus();
  }

  #entry(item) {
    const entry = make('li', { className: item.read_at ? '' : 'unread' },
      make('p', { className: 'title' },
        make('strong', {}, item.title),
        make('time', { className: 'muted', dateTime: item.created_at }, clock(item.created_at))),
      make('p', {}, item.message));
    if (item.read_at) return entry;
    const button = make('button', { type: 'button', className: 'quiet', onclick: () => this.#markRead(item.id) }, 'Mark as read');
    button.setAttribute('aria-label', `Mark as read: ${item.title}`);
    button.dataset.notification = item.id;
    entry.append(button);
    return entry;
  }
}
