// The screen of what was earned, and paying it out.

import { html, useEffect, useState } from '../app/view.js';
import { useKey } from '../app/key.js';
import { useStore } from '../app/store.js';
import { minorUnits, money, moment } from '../app/format.js';
import { t } from '../app/i18n.js';
import { ActionButton, Dialog, Empty, Failed, Icon, Loading, Refusal, toast } from '../app/ui.js';
import { Chart } from './chart.js';
import { useEarned, weekOf } from './earnings.js';

function PayOut({ earnings, view, onClose }) {
  const { balance, currency } = view;
  const [text, setText] = useState(null);
  const [problem, setProblem] = useState(null);
  const amount = text === null ? balance : minorUnits(text, currency);
  const isTooMuch = amount > balance;
  const [tries, setTries] = useState(0);
  // One pay-out, however often it is sent; another one once the bank has refused it, or with another amount.
  const key = useKey([amount, tries]);
  // Of another amount it is not true.
  useEffect(() => setProblem(null), [amount]);
  const press = async () => {
    setProblem(null);
    try {
      const { status, failure } = await earnings.payOut(amount, currency, key);
      if (status === 'failed') {
        setProblem({ code: 'payout_failed', message: failure });
        setTries(tries + 1);
        return;
      }
      toast({ title: t(status === 'pending' ? 'payout.pending' : 'payout.done', { amount: money({ amount, currency }) }) });
      onClose();
    } catch (error) {
      setProblem(error);
    }
  };
  return html`<${Dialog} title=${t('payout.title')} onClose=${onClose}><div class="form">
    <fieldset class="choices"><legend class="sr">${t('payout.how_much')}</legend>
      <label class="chip radio"><input type="radio" name="much" checked=${text === null} onChange=${() => setText(null)} />${t('payout.all', { amount: money({ amount: balance, currency }) })}</label>
      <label class="chip radio"><input type="radio" name="much" checked=${text !== null} onChange=${() => setText('')} />${t('payout.part')}</label></fieldset>
    ${text !== null && html`<label>${t('payout.amount')} (${currency})<input inputmode="decimal" autocomplete="off" autofocus value=${text} aria-invalid=${text !== '' && (!amount || isTooMuch)} onInput=${(event) => setText(event.target.value)} /></label>`}
    ${isTooMuch && html`<p class="warn">${t('payout.too_much', { amount: money({ amount: balance, currency }) })}</p>`}
    ${problem && html`<${Refusal} error=${problem} />`}
    <${ActionButton} kind="primary big" disabled=${!amount || isTooMuch} onPress=${press}>${amount && !isTooMuch ? t('payout.by', { amount: money({ amount, currency }) }) : t('payout.title')}</${ActionButton}>
  </div></${Dialog}>`;
}

const STATUS = { pending: 'clock', succeeded: 'check', failed: 'alert' };

function Entry({ entry, currency, payout, router }) {
  const { kind, amount, created_at: at, order_id: orderId, balance_after: after, transfer_id: transfer } = entry;
  const status = kind === 'pay_out' && payout?.id === transfer ? payout.status : null;
  const words = html`<span class="row-text"><span class="clip">${t(`movement.${kind}`)}</span><span class="muted">${moment(at)}
      ${status && html`<span class="status" data-status=${status}><${Icon} name=${STATUS[status]} size=${16} />${t(`payout.is_${status}`)}</span>`}</span></span>
    <span class="amounts"><span class=${amount > 0 ? 'amount in' : 'amount'}>${amount > 0 ? '+' : ''}${money({ amount, currency })}</span><span class="muted amount">${money({ amount: after, currency })}</span></span>`;
  return html`<li>${orderId ? html`<a class="row" href=${router.href(`/orders/${orderId}`)}>${words}</a>` : html`<div class="row">${words}</div>`}</li>`;
}

export function EarningsScreen({ face: { earnings, router } }) {
  const { view, entries, next, isLoading, error, earned } = useEarned(earnings);
  const payout = useStore(earnings.payout);
  const [isPaying, setPaying] = useState(false);
  useEffect(() => { earnings.load(); }, [earnings]);
  const head = html`<h1 tabindex="-1">${t('earnings.title')}</h1>`;
  if (error && !view) return html`<section class="screen">${head}<${Failed} error=${error} onRetry=${() => earnings.load()} /></section>`;
  if (!view) return html`<section class="screen">${head}<${Loading} lines=${4} /></section>`;
  const { currency, balance, owed } = view;
  const figure = (amount) => money({ amount, currency });
  return html`<section class="screen earnings">
    <header class="screen-head">${head}</header>
    <div class="tiles">
      <div class="card"><span class="muted">${t('earnings.today')}</span><strong class="figure">${figure(earned.today)}</strong></div>
      <div class="card"><span class="muted">${t('earnings.week')}</span><strong class="figure">${figure(earned.week)}</strong></div>
    </div>
    <section class="card"><h2>${t('earnings.chart')}</h2>
      ${earned.days.some((amount) => amount > 0)
        ? html`<${Chart} days=${weekOf().slice(0, -1)} amounts=${earned.days} currency=${currency} today=${(new Date().getDay() + 6) % 7} />`
        : html`<p class="muted">${t('earnings.no_week')}</p>`}</section>
    <div class="card balance"><span class="muted">${t('earnings.balance')}</span><strong class="figure">${figure(balance)}</strong>
      ${owed > 0 && html`<p class="muted">${t('earnings.owed', { amount: figure(owed) })}</p>`}
      <button type="button" class="button primary" disabled=${balance <= 0} onClick=${() => setPaying(true)}><${Icon} name="bank" />${t('payout.title')}</button></div>
    <h2>${t('earnings.entries')}</h2>
    ${error && html`<${Failed} error=${error} onRetry=${() => earnings.load()} />`}
    ${entries.length === 0 && html`<${Empty} icon="wallet" title=${t('earnings.none')}>${t('earnings.none_text')}</${Empty}>`}
    ${entries.length > 0 && html`<ul class="rows card">${entries.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} currency=${currency} payout=${payout} router=${router} />`)}</ul>`}
    ${next && html`<button type="button" class="button quiet wide" disabled=${isLoading} onClick=${() => earnings.more()}>${t('more')}</button>`}
    ${isPaying && html`<${PayOut} earnings=${earnings} view=${view} onClose=${() => setPaying(false)} />`}
  </section>`;
}
