// The wallet: what is in it, what went in and out, and putting more into it.

import { html, useEffect, useState } from '../app/view.js';
import { Store, useStore } from '../app/store.js';
import { minorUnits, money, moment } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useKey } from '../app/key.js';
import { Paged } from '../app/paged.js';
import { ActionButton, Dialog, Empty, Failed, Icon, IconButton, Loading, toast } from '../app/ui.js';

/** What is offered at a press, major units of a currency that has hundredths. */
const AMOUNTS = [10, 25, 50];

export class Wallet {
  /** What it holds; null before that is known. */
  account = new Store(null);
  entries;
  /** Top-ups that this browser has asked for and that have not come, oldest first: under way, or failed and not put aside yet. */
  pending;
  #session;
  #key;
  #hear;
  /** How often those under way were looked at. */
  #looks = 0;

  constructor({ session, group }) {
    this.#session = session;
    this.#key = `waybill.topups ${session.user.value.id}`;
    this.pending = new Store(kept(this.#key));
    this.pending.watch((all) => localStorage.setItem(this.#key, JSON.stringify(all)));
    // Another tab knows of another one, or that one has come.
    this.#hear = ({ key }) => { if (key === this.#key) this.pending.set(kept(key)); };
    addEventListener('storage', this.#hear);
    this.entries = new Paged(async (query) => {
      const [account, page] = await Promise.all([session.get('/wallet'), session.get(`/wallet/entries?limit=30${query}`)]);
      this.account.set(account);
      return page;
    });
    group.on('wallet_update', ({ wallet, entry }) => {
      this.#take(wallet, entry);
      if (entry.kind === 'top_up') this.#follow();
    });
    group.on('snapshot', () => {
      if (this.entries.isAsked) this.load();
      this.#follow();
    });
    // One that fails moves nothing: it is told in the inbox alone.
    group.on('notification', ({ notification }) => { if (notification.type === 'payment_failed') this.#follow(); });
  }

  #take(wallet, entry) {
    if (wallet.currency !== this.account.value?.currency) return;
    this.account.set((account) => ({ ...account, ...wallet }));
    this.entries.put(entry);
    // What is set aside changes with it.
    this.load();
  }

  load(options) {
    return this.entries.load(options);
  }

  /** What it holds, without its entries. */
  async look() {
    this.account.set(await this.#session.get('/wallet'));
  }

  /** Asks the payment provider for money. */
  async topUp(amount, currency, key) {
    const looks = this.#looks;
    const topUp = await this.#session.post('/wallet/topups', { amount, currency }, { key });
    if (topUp.status === 'pending') {
      this.pending.set((all) => [...all.filter(({ id }) => id !== topUp.id), topUp]);
      // What told of its end, perhaps, came before the answer, and did not find it.
      if (looks !== this.#looks) this.#follow();
    }
    await this.load();
    return topUp;
  }

  /** Looks how those stand that are under way. */
  async #follow() {
    this.#looks += 1;
    const open = this.pending.value.filter(({ status }) => status === 'pending');
    await Promise.all(open.map(async ({ id }) => {
      const now = await this.#session.get(`/wallet/topups/${id}`).catch((problem) => (problem.status === 404 ? null : undefined));
      if (now === undefined) return;
      const isLeft = now !== null && now.status !== 'succeeded';
      this.pending.set((all) => all.flatMap((one) => (one.id !== id ? one : isLeft ? now : [])));
    }));
  }

  close() {
    removeEventListener('storage', this.#hear);
  }

  putAside(id) {
    this.pending.set((all) => all.filter((one) => one.id !== id));
  }
}

function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}

/** Why one failed; a provider's own words, where there are no better ones. */
const why = (failure) => (failure === 'declined' ? t('wallet.declined') : failure ?? '');

/** How much of a currency is offered in place of one that has hundredths: yen and forints are small. */
const wholeOf = (currency) => (minorUnits('1', currency) === 1 ? 100 : 1);

export function TopUp({ wallet, currency, onClose }) {
  const [text, setText] = useState('');
  const amount = minorUnits(text, currency);
  const key = useKey({ amount, currency });
  const press = async () => {
    const { status, failure } = await wallet.topUp(amount, currency, key);
    if (status === 'failed') {
      toast({ kind: 'error', title: t('wallet.topup_failed'), text: why(failure) });
    } else {
      toast({ title: t(status === 'pending' ? 'wallet.topup_pending' : 'wallet.topup_done', { amount: money({ amount, currency }) }) });
    }
    onClose();
  };
  return html`<${Dialog} title=${t('wallet.top_up')} onClose=${onClose}>
    <div class="form">
      <div class="choices" role="group" aria-label=${t('wallet.amount')}>
        ${AMOUNTS.map((whole) => whole * wholeOf(currency)).map((whole) => html`<button key=${whole} type="button" class="chip" aria-pressed=${text === String(whole)} onClick=${() => setText(String(whole))}>
          ${money({ amount: minorUnits(String(whole), currency), currency })}</button>`)}
      </div>
      <label>${t('wallet.amount')} (${currency})
        <input inputmode="decimal" value=${text} onInput=${(event) => setText(event.target.value)} autocomplete="off" aria-invalid=${text !== '' && amount === null} /></label>
      <${ActionButton} onPress=${press} disabled=${!amount}>${amount ? t('wallet.top_up_by', { amount: money({ amount, currency }) }) : t('wallet.top_up')}</${ActionButton}>
    </div>
  </${Dialog}>`;
}

/** Money that is on its way, or did not come. */
function Pending({ wallet }) {
  const all = useStore(wallet.pending);
  if (all.length === 0) return null;
  return html`<ul class="rows card" aria-label=${t('wallet.pending')}>${all.map(({ id, amount, currency, status, failure, created_at: at }) => html`<li key=${id} class="row">
    <${Icon} name=${status === 'failed' ? 'alert' : 'clock'} />
    <span class="row-text"><span>${t(status === 'failed' ? 'wallet.topup_failed' : 'wallet.under_way')}</span><span class="muted">${moment(at)}${status === 'failed' && failure ? ` · ${why(failure)}` : ''}</span></span>
    <span class="muted amount">${money({ amount, currency })}</span>
    ${status === 'failed' && html`<${IconButton} icon="close" label=${t('dismiss')} onClick=${() => wallet.putAside(id)} />`}</li>`)}</ul>`;
}

export function WalletScreen({ face: { wallet, router } }) {
  const known = useStore(wallet.account);
  const { items: entries, next, isLoading, error } = useStore(wallet.entries.state);
  const [isTopUp, setTopUp] = useState(false);
  useEffect(() => { wallet.load(); }, [wallet]);
  if (error && !known) return html`<section class="screen"><h1 tabindex="-1">${t('wallet.title')}</h1><${Failed} error=${error} onRetry=${() => wallet.load()} /></section>`;
  if (!known) return html`<section class="screen"><h1 tabindex="-1">${t('wallet.title')}</h1><${Loading} lines=${4} /></section>`;
  const { currency } = known;
  return html`<section class="screen">
    <header class="screen-head"><h1 tabindex="-1">${t('wallet.title')}</h1></header>
    <div class="card balance">
      <span class="muted">${t('wallet.balance')}</span>
      <strong class="figure">${money({ amount: known.balance, currency })}</strong>
      ${known.held > 0 && html`<span class="muted">${t('wallet.held', { amount: money({ amount: known.held, currency }) })}</span>`}
      <button type="button" class="button primary" onClick=${() => setTopUp(true)}><${Icon} name="plus" />${t('wallet.top_up')}</button>
    </div>
    <${Pending} wallet=${wallet} />
    <h2>${t('wallet.entries')}</h2>
    ${entries.length === 0 && !isLoading && html`<${Empty} icon="wallet" title=${t('wallet.no_entries')} />`}
    ${entries.length > 0 && html`<ul class="rows card">${entries.map(({ id, kind, amount, created_at: at, order_id: orderId, balance_after: after }) => {
      const words = html`<span class="row-text"><span>${t(`movement.${kind}`)}</span><span class="muted">${moment(at)}</span></span>
        <span class="amounts"><span class=${amount > 0 ? 'amount in' : 'amount'}>${amount > 0 ? '+' : ''}${money({ amount, currency })}</span><span class="muted amount">${money({ amount: after, currency })}</span></span>`;
      return html`<li key=${id}>${orderId ? html`<a class="row" href=${router.href(`/orders/${orderId}`)}>${words}</a>` : html`<div class="row">${words}</div>`}</li>`;
    })}</ul>`}
    ${next && html`<button type="button" class="button quiet wide" disabled=${isLoading} onClick=${() => wallet.load({ more: true })}>${t('more')}</button>`}
    ${isTopUp && html`<${TopUp} wallet=${wallet} currency=${currency} onClose=${() => setTopUp(false)} />`}
  </section>`;
}
