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

/** The pushes of this browser to one app. */
export class Push {
  /** `unsupported`, `denied`, `off` or `on`; null while it is not known. */
  state = new Store(null);
  #session;
  #router;
  #registration = null;
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
    const start = this.#session.user.value ? this.#start() : this.#forget();
    start.catch(() => this.#look());
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

  async #look() {
    const isOn = Notification.permission === 'granted' && await this.#subscription().catch(() => null);
    this.state.set(Notification.permission === 'denied' ? 'denied' : isOn ? 'on' : 'off');
  }

  async #start() {
    this.#asked.set(Number(localStorage.getItem(this.#key)) || 0);
    await this.#markClicked();
    const found = await this.#find();
    // As it is served now.
    found?.update().catch(() => {});
    const subscription = await found?.pushManager.getSubscription();
    // The server is told at each start: it forgets those who do not come back.
    if (subscription && Notification.permission === 'granted') await this.#subscribe();
    await this.#look();
  }

  /** Whoever logs in next at this browser sees nothing of who was here before. The server forgets it with the log-in. */
  async #forget() {
    const found = await this.#find();
    if (!found) return;
    for (const shown of await found.getNotifications()) shown.close();
    await navigator.clearAppBadge?.().catch(() => {});
    await (await found.pushManager.getSubscription())?.unsubscribe();
    this.state.set(null);
  }

  async #subscribe() {
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
    subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    await this.#session.post('/push/subscriptions', subscription.toJSON());
  }

  /** The registration, once its worker runs. */
  async #ready() {
    const found = await this.#find();
    const worker = found.active ?? found.waiting ?? found.installing;
    if (worker.state !== 'activated') {
      await new Promise((resolve) => {
        worker.addEventListener('statechange', () => { if (worker.state === 'activated') resolve(); });
      });
    }
    return found;
  }

  /** Asks the browser, which asks the user. To be called when something was pressed. */
  async turnOn() {
    if (await Notification.requestPermission() !== 'granted') {
      await this.#look();
      return;
    }
    await this.#subscribe();
    await this.#look();
  }

  async turnOff() {
    const subscription = await this.#subscription();
    if (subscription) {
      await this.#session.delete('/push/subscriptions', { endpoint: subscription.endpoint });
      await subscription.unsubscribe();
    }
    await this.#look();
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
    } else if (data?.type === 'renewed' && this.#session.user.value) {
      this.#subscribe().catch(() => {});
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
