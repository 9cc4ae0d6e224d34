// A small face for a page that shows notifications: a bell with a number. The client does the work.

import { WaybillClient, WaybillError, tokenClaims } from './waybill.js';

/**
 * Override `showNotification`, `updateBadge`, `updateUnreadCount` and the `on…` methods, or set them.
 *
 * `token` is an access token, or a function that fetches one, which alone lets the connection outlast the token.
 * `options` are those of `WaybillClient`.
 */
export class NotificationWebSocket {
  /** The client beneath, once `connect` was called. */
  ws = null;
  #options;

  constructor(token, options = {}) {
    this.token = token;
    this.#options = options;
  }

  connect() {
    if (this.ws === null) this.#open();
    this.ws.connect();
  }

  close() {
    this.ws?.close();
    this.ws = null;
  }

  /** Marks a notification as read: at once, or when there is a connection again. */
  markAsRead(notificationId) {
    if (this.ws === null) throw new WaybillError('not_connected', 'connect first');
    return this.ws.markRead(notificationId);
  }

  /** Called with every frame of the user's group. */
  handleMessage(data) {
    switch (data.type) {
      case 'notification':
        this.showNotification(data.notification);
        this.updateUnreadCount();
        break;
      case 'unread_count':
        this.updateBadge(data.count);
        break;
      default:
    }
  }

  showNotification(_notification) {}

  /** A notification has come. The server tells the new number by itself, so that nothing needs to be asked. */
  updateUnreadCount() {}

  updateBadge(_count) {}

  onConnected() {}

  onDisconnected(_state) {}

  /** The token is not taken, and no fresh one was to be had. */
  onUnauthorized(_error) {}

  #open() {
    const { token } = this;
    const client = new WaybillClient({ ...this.#options, token: typeof token === 'function' ? token : () => token });
    this.ws = client;
    let subscription = null;
    let wasOpen = false;
    const listen = (userId) => {
      subscription = client.subscribe(`user_${userId}`);
      subscription.on('frame', (frame) => this.handleMessage(frame));
    };
    const { user_id: known } = typeof token === 'string' ? tokenClaims(token) : {};
    if (known) listen(known);
    client.on('state', (state) => {
      if (state.name === 'open') {
        if (subscription === null) listen(state.user);
        this.onConnected();
      } else if (wasOpen) {
        this.onDisconnected(state);
      }
      wasOpen = state.name === 'open';
      if (state.reason === 'unauthorized') this.onUnauthorized(state.error);
    });
  }
}
