// Notifications while no page is open: what this browser can and may do, and asking for it at a sensible moment.

import { html, useState } from './view.js';
import { Store, useStore } from './store.js';
import { explain, t } from './i18n.js';
import { ActionButton, Icon, toast } from './ui.js';

/** For how long nobody is asked who did not want it, milliseconds. */
const LEFT_ALONE = 30 * 24 * 3600 * 1000;

const canPush = () => 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;

function bytesOf(text) {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

const isSame = (buffer, bytes) => {
  const own = new Uint8Array(buffer ?? []);
  return own.length === bytes.length && own.every((byte, index) => byte === bytes[index]);
};

/** Does `work`. What a browser itself says of a failure is English, and no code of ours. */
async function inWords(work) {
  try {
    await work();
  } catch (error) {
    if (typeof error.code === 'string') throw error;
    throw Object.assign(new Error('the browser failed', { cause: error }), { code: 'browser_failed' });
  }
}

/** The pushes of this browser to one app. */
export class Push {
  /** `unsupported`, `denied`, `off` or `on`; null while it is not known. */
  state = new Store(null);
  #session;
  #router;
  #registration = null;
  /** Whose this is, and all that is done about it, one after the other: a log-out takes a while, and the next one may be in by then. */
  #userId = null;
  #work = Promise.resolve();
  #asked = new Store(0);

  constructor({ session, router }) {
    this.#session = session;
    this.#router = router;
    if (!canPush()) {
      this.state.set('unsupported');
      return;
    }
    navigator.serviceWorker.addEventListener('message', ({ data }) => this.#hear(data));
    navigator.serviceWorker.startMessages();
    session.user.watch(() => this.#begin());
    this.#begin();
  }

  #begin() {
    const [before, userId] = [this.#userId, this.#session.user.value?.id ?? null];
    this.#userId = userId;
    // Of the same one something else has changed.
    if (userId !== null && userId === before) return;
    if (before !== null) this.state.set(null);
    const whose = before ?? this.#owner;
    if (userId === null || (whose !== null && whose !== userId)) this.#after(() => this.#forget(whose)).catch(() => {});
    if (userId !== null) this.#after(() => this.#start(userId)).catch(() => this.#look(userId));
  }

  /** Does `work` when all before it is done, and gives what it does. */
  #after(work) {
    const done = this.#work.then(work);
    this.#work = done.catch(() => {});
    return done;
  }

  /** Nothing is done in the name of who has come since. */
  #mustBe(userId) {
    if (userId === null || this.#session.user.value?.id !== userId) throw Object.assign(new Error('another user'), { code: 'unknown' });
  }

  // Only if there is one: a page that nobody has asked for pushes leaves nothing behind in the browser.
  async #find() {
    this.#registration ??= await navigator.serviceWorker.getRegistration(`/${this.#session.face}`) ?? null;
    // One for a wider scope is another app's.
    if (this.#registration && !this.#registration.scope.endsWith(`/${this.#session.face}`)) this.#registration = null;
    return this.#registration;
  }

  async #subscription() {
    return (await this.#find())?.pushManager.getSubscription() ?? null;
  }

  async #look(userId) {
    const isOn = Notification.permission === 'granted' && await this.#subscription().catch(() => null);
    if (userId === this.#userId) this.state.set(Notification.permission === 'denied' ? 'denied' : isOn ? 'on' : 'off');
  }

  async #start(userId) {
    this.#mustBe(userId);
    this.#asked.set(Number(localStorage.getItem(this.#key)) || 0);
    await this.#markClicked();
    const found = await this.#find();
    // As it is served now.
    found?.update().catch(() => {});
    const subscription = await found?.pushManager.getSubscription();
    // The server is told at each start: it forgets those who do not come back.
    if (subscription && Notification.permission === 'granted') await this.#subscribe(userId);
    await this.#look(userId);
  }

  /** Whose the subscription is, as all tabs know it; null where there is none, or it was not noted. */
  get #owner() {
    return localStorage.getItem(this.#ownerKey);
  }

  get #ownerKey() {
    return `waybill.push.${this.#session.face}`;
  }

  /** Whoever logs in next at this browser sees nothing of who was here before. The server forgets it with the log-in. */
  async #forget(whose) {
    const found = await this.#find();
    // A tab may hear late of a log-out: the next one has logged in elsewhere, and wants what is there by now.
    const isAnothers = () => this.#owner !== null && (this.#owner !== whose || this.#owner === this.#session.user.value?.id);
    if (!found || isAnothers()) return;
    for (const shown of await found.getNotifications()) shown.close();
    await navigator.clearAppBadge?.().catch(() => {});
    const subscription = await found.pushManager.getSubscription();
    if (isAnothers()) return;
    localStorage.removeItem(this.#ownerKey);
    await subscription?.unsubscribe();
  }

  async #subscribe(userId) {
    this.#mustBe(userId);
    const { key } = await this.#session.get('/push/key');
    const applicationServerKey = bytesOf(key);
    await navigator.serviceWorker.register('/sw.js', { scope: `/${this.#session.face}` });
    this.#registration = null;
    const { pushManager } = await this.#ready();
    let subscription = await pushManager.getSubscription();
    // One for another key cannot be used, and stands in the way.
    if (subscription && !isSame(subscription.options.applicationServerKey, applicationServerKey)) {
      await subscription.unsubscribe();
      subscription = null;
    }
    this.#mustBe(userId);
    subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    this.#mustBe(userId);
    localStorage.setItem(this.#ownerKey, userId);
    await this.#session.post('/push/subscriptions', subscription.toJSON());
  }

  /** The registration, once its worker runs. */
  async #ready() {
    const found = await this.#find();
    const worker = found.active ?? found.waiting ?? found.installing;
    if (worker.state !== 'activated') {
      await new Promise((resolve, reject) => {
        worker.addEventListener('statechange', () => {
          if (worker.state === 'activated') resolve();
          else if (worker.state === 'redundant') reject(new Error('another worker has taken its place'));
        });
      });
    }
    return found;
  }

  /** Asks the browser, which asks the user. To be called when something was pressed. */
  async turnOn() {
    const userId = this.#userId;
    await inWords(async () => {
      const isGranted = await Notification.requestPermission() === 'granted';
      await this.#after(async () => {
        if (isGranted) await this.#subscribe(userId);
        await this.#look(userId);
      });
    });
  }

  turnOff() {
    const userId = this.#userId;
    return inWords(() => this.#after(async () => {
      this.#mustBe(userId);
      const subscription = await this.#subscription();
      if (subscription) {
        await this.#session.delete('/push/subscriptions', { endpoint: subscription.endpoint });
        await subscription.unsubscribe();
        localStorage.removeItem(this.#ownerKey);
      }
      await this.#look(userId);
    }));
  }

  get #key() {
    return `waybill.push.${this.#session.face}.${this.#session.user.value?.id}`;
  }

  /** When the user said "not now". */
  get asked() {
    return this.#asked;
  }

  leaveAlone() {
    localStorage.setItem(this.#key, String(Date.now()));
    this.#asked.set(Date.now());
  }

  #hear(data) {
    if (data?.type === 'open') {
      this.#router.go(data.path);
      this.#markRead(data.id);
    } else if (data?.type === 'renewed' && this.#userId !== null) {
      const userId = this.#userId;
      this.#after(() => this.#subscribe(userId)).catch(() => {});
    }
  }

  // A tab that was opened for one.
  async #markClicked() {
    const id = new URLSearchParams(location.search).get('notification');
    if (!id) return;
    history.replaceState(history.state, '', location.pathname + location.hash);
    await this.#markRead(id);
  }

  async #markRead(id) {
    await this.#session.post(`/notifications/${encodeURIComponent(id)}/read`).catch(() => {});
  }
}

/** The offer to be told, where it may be taken. `text` says what for. */
export function PushCard({ push, text }) {
  const state = useStore(push.state);
  const asked = useStore(push.asked);
  if (state !== 'off' || Date.now() - asked < LEFT_ALONE) return null;
  return html`<section class="card form push-card" aria-labelledby="push-card">
    <h2 id="push-card"><${Icon} name="bell" size=${20} /> ${t('push.title')}</h2>
    <p class="muted">${text}</p>
    <div class="push-answers"><${ActionButton} onPress=${() => push.turnOn()}>${t('push.yes')}</${ActionButton}>
      <button type="button" class="button quiet" onClick=${() => push.leaveAlone()}>${t('push.no')}</button></div>
  </section>`;
}

/** The switch for this browser, and how that is. */
export function PushSwitch({ push }) {
  const state = useStore(push.state);
  const [isBusy, setBusy] = useState(false);
  const change = async ({ target }) => {
    setBusy(true);
    try {
      await (target.checked ? push.turnOn() : push.turnOff());
    } catch (problem) {
      toast({ kind: 'error', title: t('push.failed'), text: problem.code && explain(problem) });
    }
    target.checked = push.state.value === 'on';
    setBusy(false);
  };
  const isFree = state === 'on' || state === 'off';
  return html`<section class="card form"><h2>${t('push.device')}</h2>
    <label class="check"><input type="checkbox" class="switch" checked=${state === 'on'} disabled=${!isFree || isBusy} aria-describedby="push-state" onChange=${change} />
      <${Icon} name="bell" size=${20} />${t('push.switch')}</label>
    <p class="muted" id="push-state" role="status">${state ? t(`push.state.${state}`) : t('loading')}</p></section>`;
}
