// A client in a process of its own, which a test can put to sleep.

import { WaybillClient } from '../../static/js/waybill.js';

const { URL: url, GROUP: group } = process.env;
let [access, refresh] = [process.env.ACCESS, process.env.REFRESH];

async function token({ fresh }) {
  if (!fresh) return access;
  const answer = await fetch(`${url}/api/v1/auth/refresh`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ refresh }),
  });
  if (!answer.ok) throw Object.assign(new Error('refused'), { status: answer.status });
  ({ access, refresh } = await answer.json());
  process.send({ renewed: true });
  return access;
}

const client = new WaybillClient({ url, token, backoff: { first: 50, longest: 400 } });
client.on('state', (state) => process.send({ state }));
const subscription = client.subscribe(group);
subscription.on('frame', (frame) => process.send({ frame }));
subscription.on('snapshot', () => process.send({ ready: true }));
client.connect();
process.on('message', () => {
  client.close();
  process.disconnect();
});
