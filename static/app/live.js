// The one connection of a face, and how it is, as a store.

import { WaybillClient } from '../js/waybill.js';
import { isBack } from './back.js';
import { Store } from './store.js';

const storage = {
  get: (key) => localStorage.getItem(key),
  set: (key, value) => localStorage.setItem(key, value),
};

/** Connects in the name of who is logged in: `{client, state, close}`. */
export function connect(session) {
  const { id } = session.user.value;
  const who = `${session.face} ${id}`;
  const client = new WaybillClient({
    token: (options) => session.token(options),
    share: `waybill ${who}`,
    storage,
    storageKey: `waybill.outbox ${who}`,
  });
  const state = new Store(client.state);
  client.on('state', (next) => {
    const wasOpen = state.value.name === 'open';
    state.set(next);
    if (next.name === 'open' && !wasOpen) isBack();
    // The log-in has ended, by a log-out elsewhere say; not that of who has logged in there since.
    if (next.name === 'closed' && next.reason === 'unauthorized' && session.user.value?.id === id) session.logOut();
  });
  client.connect();
  return { client, state, close: () => client.close() };
}
