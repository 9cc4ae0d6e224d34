// Whether offers are wanted.

import { html, useState } from '../app/view.js';
import { Store, useStore } from '../app/store.js';
import { explain, t } from '../app/i18n.js';
import { clock } from '../app/format.js';
import { Dialog, Icon, toast } from '../app/ui.js';

export class Availability {
  /** `online` is null while it is not known. */
  state = new Store({ online: null, since: null, error: null });
  #session;

  constructor({ session, group }) {
    this.#session = session;
    // Another device may have changed it, and nothing tells.
    const look = () => { if (document.visibilityState === 'visible') this.load(); };
    document.addEventListener('visibilitychange', look);
    this.end = () => document.removeEventListener('visibilitychange', look);
    group.on('queue', () => this.load());
    this.load();
  }

  async load() {
    try {
      this.state.set({ ...(await this.#session.get('/partner/availability')), error: null });
    } catch (error) {
      this.state.set((state) => ({ ...state, error }));
    }
  }

  async put(online) {
    this.state.set({ ...(await this.#session.put('/partner/availability', { online })), error: null });
  }
}

/** Words first: what the browser is about to ask, and why. */
function Ask({ onAnswer, onClose }) {
  return html`<${Dialog} title=${t('ask.title')} onClose=${onClose}><div class="form">
    <p>${t('ask.text')}</p>
    <ul class="bullets"><li>${t('ask.offers')}</li><li>${t('ask.customer')}</li><li>${t('ask.off')}</li></ul>
    <button type="button" class="button primary big" onClick=${() => onAnswer(true)}><${Icon} name="locate" />${t('ask.yes')}</button>
    <button type="button" class="button quiet" onClick=${() => onAnswer(false)}>${t('ask.no')}</button>
  </div></${Dialog}>`;
}

/** The switch, and what it means. */
export function Duty({ face: { availability, sharing, queue, live } }) {
  const isConnected = useStore(live.state).name === 'open';
  const { kind, pace } = useStore(sharing.state);
  const { online, since, error } = useStore(availability.state);
  const { orders, offers } = useStore(queue.state);
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const put = async (wanted) => {
    setBusy(true);
    try {
      await availability.put(wanted);
    } catch (problem) {
      toast({ kind: 'error', title: explain(problem) });
    }
    setBusy(false);
  };
  const press = async () => {
    if (!online && await sharing.isUnasked()) setAsking(true);
    else {
      if (!online) sharing.allow();
      await put(!online);
    }
  };
  const answer = async (isAllowed) => {
    setAsking(false);
    if (isAllowed) sharing.allow();
    await put(true);
  };
  const known = online !== null;
  const text = !known ? (error ? explain(error) : t('loading'))
    : online && offers.length > 0 ? t('duty.leaves_offers')
    : kind === 'on' && isConnected ? t('sharing.on', { seconds: pace })
    : online ? t('duty.online_text', { time: clock(since) })
    : t(orders.length > 0 ? 'duty.offline_busy' : 'duty.offline_text');
  return html`<div class="duty" data-online=${String(online)}>
    <span class="duty-lamp" aria-hidden="true"></span>
    <span class="row-text"><strong id="duty-state" role="status">${known ? t(online ? 'duty.online' : 'duty.offline') : '…'}</strong><span class="muted" id="duty-text">${text}</span></span>
    ${!known && error
      ? html`<button type="button" class="button quiet" onClick=${() => availability.load()}>${t('try_again')}</button>`
      : html`<button type="button" role="switch" class="toggle" aria-checked=${online === true} aria-label=${t('duty.take_offers')} aria-describedby="duty-text"
          aria-busy=${isBusy} disabled=${isBusy || !known} onClick=${press}><i></i></button>`}
  </div>
  ${isAsking && html`<${Ask} onAnswer=${answer} onClose=${() => setAsking(false)} />`}`;
}
