// A tab that can be killed: a client in a thread of its own. It asks the main thread for locks, as tabs ask a browser.

import { parentPort, workerData } from 'node:worker_threads';
import { WaybillClient } from '../../static/js/waybill.js';

const { url, access, share, groups } = workerData;
const callbacks = new Map();
let count = 0;

const locks = {
  request(name, ...rest) {
    const id = ++count;
    const { signal } = rest.length > 1 ? rest[0] : {};
    return new Promise((resolve, reject) => {
      callbacks.set(id, async () => {
        resolve(await rest.at(-1)({ name, mode: 'exclusive' }));
        parentPort.postMessage({ release: name, id });
      });
      signal?.addEventListener('abort', () => {
        reject(signal.reason);
        if (callbacks.delete(id)) parentPort.postMessage({ release: name, id });
      });
      parentPort.postMessage({ lock: name, id });
    });
  },
};

const client = new WaybillClient({
  url, locks, share, token: () => access, backoff: { first: 20, longest: 100 },
});
client.on('state', (state) => parentPort.postMessage({ type: 'state', state, isLeader: client.isLeader }));
for (const group of groups) {
  const subscription = client.subscribe(group);
  subscription.on('frame', (frame) => parentPort.postMessage({ type: 'frame', frame }));
  subscription.on('resync', (resync) => parentPort.postMessage({ type: 'resync', resync }));
  subscription.on('ended', (error) => parentPort.postMessage({ type: 'ended', code: error?.code }));
}
client.connect();

parentPort.on('message', ({ granted, chat }) => {
  if (granted !== undefined) {
    const callback = callbacks.get(granted);
    callbacks.delete(granted);
    callback?.();
  } else if (chat) {
    client.chat(chat.orderId, chat.text).then((message) => parentPort.postMessage({ type: 'written', message }));
  }
});
