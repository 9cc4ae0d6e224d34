// The page at `/`: log in, then see orders, notifications and every frame as it comes.

import { Api, config } from './api.js';
import { byId, clock, make } from './dom.js';
import { FrameLog, watched } from './frames.js';
import { Inbox } from './inbox.js';
import { CityMap } from './map.js';
import { WaybillClient } from './waybill.js';

const STEPS = ['pending', 'confirmed', 'assigned', 'en_route', 'arrived', 'picked_up', 'in_transit', 'delivered', 'completed'];
const ENDS = ['completed', 'cancelled', 'failed'];
const MOVING = ['en_route', 'arrived', 'picked_up', 'in_transit'];
const LISTED = 20;
// How long an order that has come to rest is still shown, milliseconds.
const REST = 4000;
const LIVE_SECONDS = 20;
const STALE_SECONDS = 120;

const words = (name) => name.replaceAll('_', ' ');
const shortId = (id) => id.slice(-8);

function money({ amount, currency }) {
  const format = new Intl.NumberFormat([], { style: 'currency', currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

const map = new CityMap(byId('map'));
const log = new FrameLog();
const inbox = new Inbox({
  markRead: (id) => session?.client.markRead(id),
  markAllRead: () => session?.client.send({ type: 'mark_all_read' }),
  read: (path, use) => session && read(path, use),
});
let isDemo = false;
let session = null; // Everything of one log-in; log-out drops it whole.

// ---------------------------------------------------------------- the gate

async function openGate() {
  const { demo } = await config();
  if (!demo) {
    byId('login-form').hidden = false;
    return;
  }
  isDemo = true;
  const { password, users } = demo;
  byId('demo-gate').hidden = false;
  byId('gate-title').textContent = 'Have a look around';
  byId('demo-password').textContent = password;
  const button = (user, id, text) => make('button', { type: 'button', id, onclick: () => logIn(user.email, password) }, ...text);
  for (const role of ['customer', 'partner', 'admin']) {
    const user = users.find((candidate) => candidate.role === role);
    if (!user) continue;
    byId('demo-roles').append(button(user, `login-${role}`, [make('strong', {}, role), make('span', {}, user.name)]));
  }
  for (const user of users) {
    const open = button(user, `login-${user.email.split('@')[0]}`, [`Log in as ${user.name}`]);
    open.className = 'quiet';
    byId('demo-people').append(make('li', {}, make('span', { className: 'mono' }, user.email), make('span', { className: 'tag' }, user.role), open));
  }
  // A reload comes back as the same person; the password is public anyway.
  const again = users.find((user) => user.email === decodeURIComponent(location.hash.slice(1)));
  if (again) await logIn(again.email, password);
}

async function logIn(email, password) {
  byId('gate-error').textContent = '';
  try {
    const api = await Api.logIn(email, password);
    if (isDemo) history.replaceState(null, '', `#${encodeURIComponent(email)}`);
    begin(api);
  } catch (problem) {
    byId('gate-error').textContent = `That did not work: ${problem.message}`;
  }
}

async function logOut() {
  const { api } = session;
  end();
  await api.logOut().catch(() => {}); // The tokens are forgotten either way.
}

// ---------------------------------------------------------------- a log-in

function begin(api) {
  const client = new WaybillClient({
    token: (asked) => api.token(asked),
    WebSocket: watched((entry) => session?.client === client && log.add(entry)),
  });
  session = {
    api, client, orders: new Map(), selected: null, order: null, location: null, followTimer: null,
  };
  const { user } = api;
  byId('me-name').textContent = user.name;
  byId('me-role').textContent = user.role;
  byId('orders-title').textContent = { customer: 'Your orders', partner: 'Your queue', admin: 'All orders' }[user.role];
  byId('activity-panel').hidden = user.role !== 'admin';
  for (const id of ['desk', 'account', 'connection']) byId(id).hidden = false;
  byId('gate').hidden = true;
  document.title = `${user.name} – waybill`;

  client.on('state', (state) => session?.client === client && showState(state));
  client.on('frame', (frame) => session?.client === client && take(frame));
  listen(`user_${user.id}`);
  if (user.partner_id) listen(`partner_${user.partner_id}`);
  if (user.role === 'admin') listen('admin_dashboard').on('order_update', ({ update: step }) => showStep(step));
  client.connect();
}

/** Listens to a group, and reads the lists anew where not everything that was missed will follow. */
function listen(group) {
  const subscription = session.client.subscribe(group);
  subscription.ready.then(() => subscription.isEnded || refresh(group), () => {}); // Refused: there is nothing to read.
  subscription.on('resync', () => refresh(group));
  return subscription;
}

function end() {
  clearTimeout(session?.followTimer);
  const client = session?.client;
  session = null;
  client?.close();
  log.clear();
  inbox.clear();
  map.clear();
  for (const id of ['desk', 'account', 'connection', 'order']) byId(id).hidden = true;
  for (const id of ['orders', 'activity']) byId(id).replaceChildren();
  for (const id of ['no-order', 'no-activity']) byId(id).hidden = false;
  byId('follow').checked = true;
  byId('gate').hidden = false;
  document.title = 'waybill';
  history.replaceState(null, '', location.pathname);
}

function showState({ name, reason, error, retryAt }) {
  switch (name) {
    case 'open':
      showConnection({ state: 'open', text: 'connected' });
      break;
    case 'waiting': {
      const wait = Math.max(retryAt - Date.now(), 0) / 1000;
      showConnection({ state: 'waiting', text: `${why(error)}; again in ${wait.toFixed(1)} s` });
      break;
    }
    case 'offline':
      showConnection({ state: 'waiting', text: 'no network' });
      break;
    case 'closed':
      if (reason === 'unauthorized') {
        end();
        byId('gate-error').textContent = 'This log-in has ended.';
      } else {
        showConnection({ state: 'closed', text: reason === 'replaced' ? 'replaced by a newer session' : 'not connected' });
      }
      break;
    default:
      showConnection({ state: name, text: name });
  }
}

function why({ code, message }) {
  if (code === 'closed_1006') return 'connection lost';
  if (code === 'closed_1012') return 'the server restarts';
  return message;
}

function showConnection({ state, text }) {
  byId('connection').dataset.state = state;
  byId('connection-text').textContent = text;
}

/** Runs a read whose answer is of use only to the log-in that asked. */
async function read(path, use) {
  const asking = session;
  try {
    const answer = await asking.api.get(path);
    if (session === asking) use(answer);
  } catch (problem) {
    if (session === asking && problem.status !== 404) showConnection({ state: 'waiting', text: problem.message });
  }
}

function take(frame) {
  switch (frame.type) {
    case 'unread_count':
      inbox.count(frame.count);
      break;
    case 'notification':
      inbox.add(frame.notification);
      break;
    case 'order_status':
      know([frame.order]);
      break;
    case 'order_created':
      know([frame.order]);
      showActivity(frame.order.created_at, [frame.order.customer?.name, 'ordered', frame.order.id]);
      break;
    case 'queue':
      know(frame.orders);
      break;
    case 'queue_update':
      if (frame.order) know([frame.order]);
      break;
    case 'dashboard':
      know(frame.dashboard?.recent ?? []);
      break;
    case 'order_update':
      update(frame.update);
      break;
    case 'location':
      if (frame.group === `order_${session.selected}`) locate(frame);
      break;
    case 'activity':
      showActivity(frame.activity.at, [frame.activity.role, words(frame.activity.action), frame.activity.order_id]);
      break;
    default: // Shown among the frames; nothing else to do about it.
  }
}

function refresh(group) {
  if (group.startsWith('user_')) inbox.refresh();
  // A customer's orders are told to the user, a partner's to the partner, all of them to the dashboard.
  const own = session.api.user.role === 'customer' ? 'user_' : 'partner_';
  if (group.startsWith(own) || group === 'admin_dashboard') {
    read(`/orders?limit=${LISTED}`, ({ items }) => know(items));
  }
}

// ---------------------------------------------------------------- orders

function know(orders) {
  for (const order of orders) {
    const known = session.orders.get(order.id);
    if (known && known.version > order.version) continue;
    // What is for one viewer only, such as the code, is not in every copy of an order.
    session.orders.set(order.id, { ...known, ...order });
  }
  showOrders();
  const selected = orders.find(({ id }) => id === session.selected);
  if (!selected) return;
  if (selected.location) locate(selected.location);
  showOrder();
}

function update(change) {
  const order = session.orders.get(change.order_id);
  if (!order) {
    read(`/orders/${change.order_id}`, (found) => know([found]));
    return;
  }
  if (change.version <= order.version) return;
  const { status, version, updated_at, partner } = change;
  Object.assign(order, { status, version, updated_at, partner });
  showOrders();
  if (order.id === session.selected) showOrder();
}

/** Most interesting first: what moves, then what is open, then the latest. */
function rank(order) {
  if (MOVING.includes(order.status)) return 0;
  return ENDS.includes(order.status) ? 2 : 1;
}

function sortedOrders() {
  const newestFirst = [...session.orders.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  return newestFirst.sort((a, b) => rank(a) - rank(b));
}

function showOrders() {
  const orders = sortedOrders();
  orders.splice(LISTED).forEach(({ id }) => session.orders.delete(id));
  if (byId('follow').checked) follow(orders);
  const focused = document.activeElement?.dataset?.order;
  byId('orders').replaceChildren(...orders.map((order) => make('li', {}, orderButton(order))));
  if (focused) byId('orders').querySelector(`[data-order="${focused}"]`)?.focus();
  byId('no-orders').hidden = orders.length > 0;
}

/** Turns to the most interesting order: at once where none is shown, else when the shown one has come to rest. */
function follow([best]) {
  const shown = session.orders.get(session.selected);
  if (!best || best.id === session.selected) return;
  if (!shown) {
    select(best.id);
  } else if (rank(best) < rank(shown)) {
    session.followTimer ??= setTimeout(() => {
      session.followTimer = null;
      const [now] = sortedOrders();
      if (byId('follow').checked && now && rank(now) < rank(session.orders.get(session.selected) ?? now)) select(now.id);
    }, REST);
  }
}

function orderButton(order) {
  const who = session.api.user.role === 'customer' ? order.partner?.name ?? 'no partner yet' : order.customer?.name;
  const button = make('button', { type: 'button', onclick: () => { byId('follow').checked = false; select(order.id); } },
    make('span', { className: 'pill' }, words(order.status)),
    make('span', { className: 'what' }, order.items?.map((item) => `${item.quantity} × ${item.name}`).join(', ') ?? ''),
    make('span', { className: 'muted' }, `${who} · ${clock(order.created_at)}`));
  button.dataset.order = order.id;
  button.firstChild.dataset.status = order.status;
  button.setAttribute('aria-pressed', String(order.id === session.selected));
  return button;
}

function select(id) {
  session.order?.close();
  session.order = null;
  session.selected = id;
  session.location = null;
  const order = session.orders.get(id);
  byId('order').hidden = !order;
  byId('no-order').hidden = Boolean(order);
  showOrders();
  if (!order) return;
  map.show(order);
  const watching = session.client.subscribe(`order_${id}`);
  session.order = watching;
  watching.on('ended', (error) => {
    // Without an error, it was asked for.
    if (!error || session?.order !== watching) return;
    session.orders.delete(id);
    select(null);
  });
  if (order.location) locate(order.location);
  showOrder();
}

function showOrder() {
  const order = session.orders.get(session.selected);
  byId('order-title').textContent = order.items?.map((item) => item.name).join(', ') ?? 'Order';
  byId('order-id').textContent = `…${shortId(order.id)}, version ${order.version}`;
  showSteps(order);
  if (!MOVING.includes(order.status)) {
    session.location = null;
    map.forget();
  }
  const facts = [
    ['Pick-up', order.pickup.address], ['Drop-off', order.dropoff.address], ['Customer', order.customer?.name],
    ['Partner', order.partner?.name ?? '–'], ['Price', `${money(order.price)}, ${order.payment_method}`],
    ['Hand-over code', order.code], ['Notes', order.notes],
  ];
  byId('facts').replaceChildren(...facts.filter(([, value]) => value)
    .map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
  showLive();
}

function showSteps(order) {
  const at = STEPS.indexOf(order.status);
  const steps = STEPS.map((step, index) => {
    const item = make('li', { className: index < at ? 'done' : '' }, make('span', {}, words(step)));
    if (index === at) item.setAttribute('aria-current', 'step');
    return item;
  });
  byId('steps').hidden = at < 0;
  byId('steps').replaceChildren(...steps);
  const since = `since ${clock(order.updated_at)}`;
  byId('order-line').replaceChildren(make('strong', { id: 'order-status' }, words(order.status)), ` ${since}`);
}

// ---------------------------------------------------------------- the live dot

function locate(location) {
  if (session.location && session.location.timestamp >= location.timestamp) return;
  const order = session.orders.get(session.selected);
  if (!order || !MOVING.includes(order.status)) return;
  // From here on this page counts: its clock need not agree with the server's.
  session.location = { ...location, received: Date.now() };
  map.move(location);
  showLive();
}

function showLive() {
  const here = session?.location;
  const age = here ? here.age + Math.floor((Date.now() - here.received) / 1000) : null;
  const freshness = age === null ? 'none' : age <= LIVE_SECONDS ? 'live' : age <= STALE_SECONDS ? 'stale' : 'lost';
  const set = (id, value, unit = '') => {
    byId(id).textContent = value === null || value === undefined ? '–' : `${value}${unit}`;
  };
  byId('freshness').textContent = freshness;
  byId('freshness').dataset.freshness = freshness;
  byId('map').dataset.freshness = freshness;
  set('age', age, ' s');
  set('latitude', here?.latitude.toFixed(6));
  set('longitude', here?.longitude.toFixed(6));
  set('speed', here?.speed?.toFixed(1), ' m/s');
  set('heading', here?.heading?.toFixed(0), '°');
  set('accuracy', here?.accuracy?.toFixed(0), ' m');
}

// ---------------------------------------------------------------- activity

function showStep({ order_id, status, previous_status, partner, reason, updated_at }) {
  const why = reason ? `“${reason}”` : null;
  showActivity(updated_at, [`${words(previous_status)} → ${words(status)}`, partner?.name, why, order_id]);
}

/** `what` is words, some of which may be missing, and last the id of an order. */
function showActivity(at, what) {
  const id = what.pop();
  const text = [...what, id && `…${shortId(id)}`].filter(Boolean).join(' · ');
  const entry = make('li', {}, make('time', { className: 'muted mono', dateTime: at }, clock(at)), ` ${text}`);
  byId('activity').prepend(entry);
  while (byId('activity').children.length > 30) byId('activity').lastChild.remove();
  byId('no-activity').hidden = true;
}

// ---------------------------------------------------------------- wiring

byId('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  logIn(byId('email').value, byId('password').value);
});
byId('log-out').addEventListener('click', logOut);
byId('follow').addEventListener('change', showOrders);
setInterval(() => session && showLive(), 1000);
openGate().catch((problem) => { byId('gate-error').textContent = problem.message; });
