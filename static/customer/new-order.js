// Placing an order: from where, what, to where, and how it is paid.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { whenBack } from '../app/back.js';
import { useStore } from '../app/store.js';
import { config } from '../app/config.js';
import { minorUnits, money } from '../app/format.js';
import { explain, t } from '../app/i18n.js';
import { MapView } from '../app/map-view.js';
import { itemsTotal } from '../app/order.js';
import { ActionButton, Failed, Icon, IconButton, Loading, Refusal, useLoaded } from '../app/ui.js';
import { NO_ITEM, isShort, isWritten, itemsOf, missingOf, suggested } from './draft.js';
import { TopUp } from './wallet.js';

const ADDRESS = 500;

/** A shop of the demo, with what it sells. */
function Shops({ shops, chosen, onChoose }) {
  return html`<ul class="choice-list" aria-label=${t('new.shop')}>${shops.map((shop) => html`<li key=${shop.name}>
    <button type="button" aria-pressed=${chosen?.name === shop.name} class="choice" onClick=${() => onChoose(shop)}>
      <span class="avatar" aria-hidden="true">${shop.name.slice(0, 1)}</span>
      <span class="row-text"><strong>${shop.name}</strong><span class="muted clip">${shop.menu.map(({ name }) => name).join(', ')}</span></span></button></li>`)}</ul>`;
}

function Menu({ shop, currency, amounts, onChange }) {
  return html`<ul class="rows card">${shop.menu.map(({ name, price }) => {
    const count = amounts[name] ?? 0;
    // From what there is by then: fingers are faster than screens.
    const add = (more) => onChange((before) => ({ ...before, [name]: Math.min(99, Math.max(0, (before[name] ?? 0) + more)) }));
    return html`<li key=${name} class="row"><span class="row-text"><span>${name}</span><span class="muted">${money({ amount: price, currency })}</span></span>
      <span class="stepper"><${IconButton} icon="minus" label=${t('new.less', { name })} disabled=${count === 0} onClick=${() => add(-1)} />
        <output aria-label=${t('new.count_of', { name })}>${count}</output>
        <${IconButton} icon="plus" label=${t('new.more', { name })} onClick=${() => add(1)} /></span></li>`;
  })}</ul>`;
}

/** Items by name and price, where there is no menu. */
function OwnItems({ items, currency, onChange }) {
  const set = (index, change) => onChange((before) => before.map((item, at) => (at === index ? { ...item, ...change } : item)));
  return html`<div class="form">${items.map((item, index) => html`<fieldset key=${index} class="item"><legend class="sr">${t('new.item', { count: index + 1 })}</legend>
      <label>${t('new.what')}<input value=${item.name} maxlength="200" onInput=${(event) => set(index, { name: event.target.value })} /></label>
      <label>${t('new.quantity')}<input type="number" min="1" max="999" value=${item.quantity} onInput=${(event) => set(index, { quantity: event.target.value })} /></label>
      <label>${t('new.price')} (${currency})<input inputmode="decimal" value=${item.price} aria-invalid=${item.price !== '' && minorUnits(item.price, currency) === null} onInput=${(event) => set(index, { price: event.target.value })} /></label>
      ${items.length > 1 && html`<${IconButton} icon="close" label=${t('new.remove')} onClick=${() => onChange((before) => before.filter((_, at) => at !== index))} />`}
    </fieldset>`)}
    <button type="button" class="button quiet" onClick=${() => onChange((before) => [...before, NO_ITEM])}><${Icon} name="plus" />${t('new.another')}</button></div>`;
}

/** A place: on the map, and its address in words. */
function PlaceField({ label, place, isActive, onFocus, onAddress }) {
  // On a phone the map is above, and out of sight by now.
  const pick = () => {
    onFocus();
    scrollTo({ top: 0 });
    document.querySelector('.leaflet-container')?.focus();
  };
  return html`<div class=${isActive ? 'place-field active' : 'place-field'}>
    <label>${label}<input value=${place.address} maxlength=${ADDRESS} placeholder=${t('new.address')} onFocus=${onFocus} onInput=${(event) => onAddress(event.target.value)} /></label>
    <button type="button" class="link" onClick=${pick}>${place.latitude === undefined ? t('new.pick') : t('new.picked')}</button></div>`;
}

/**
 * What the server would ask for the way from one place to the other: `{quote, error, isAsked, retry}`; nothing is asked until both
 * are picked. The last answer stands while another number of goods is asked about, since the way costs the same.
 */
function useQuote(session, { pickup, dropoff, goods, currency }) {
  const [{ way: known, quote, error }, setAnswer] = useState({});
  const [turn, setTurn] = useState(0);
  const retry = () => setTurn((count) => count + 1);
  useEffect(() => whenBack(retry), []);
  const isAsked = pickup.latitude !== undefined && dropoff.latitude !== undefined && Number.isSafeInteger(goods) && goods >= 0;
  const way = JSON.stringify([pickup.latitude, pickup.longitude, dropoff.latitude, dropoff.longitude, currency]);
  useEffect(() => {
    if (!isAsked) return undefined;
    let isCurrent = true;
    const question = new URLSearchParams({
      pickup_latitude: pickup.latitude, pickup_longitude: pickup.longitude, dropoff_latitude: dropoff.latitude, dropoff_longitude: dropoff.longitude, goods, currency,
    });
    const take = (answer) => { if (isCurrent) setAnswer((before) => ({ way, quote: before.way === way ? before.quote : null, ...answer })); };
    take({ error: null });
    session.get(`/orders/quote?${question}`).then((answer) => take({ quote: answer }), (problem) => take({ error: problem }));
    return () => { isCurrent = false; };
  }, [isAsked, way, goods, turn]);
  const isOfThis = isAsked && known === way;
  return { quote: (isOfThis && quote) || null, error: (isOfThis && error) || null, isAsked, retry };
}

/** What it comes to, as far as that is known. */
function Sum({ total, price: { quote, error, isAsked, retry }, currency, method }) {
  const amount = (value) => money({ amount: value, currency });
  const delivery = quote?.delivery.amount;
  return html`<dl class="facts"><div><dt>${t('new.items')}</dt><dd class="amount">${amount(total)}</dd></div>
      <div><dt>${t('new.delivery')}</dt>${quote ? html`<dd class="amount">${amount(delivery)}</dd>` : html`<dd class="muted">${isAsked ? '…' : t('new.delivery_text')}</dd>`}</div>
      ${quote && html`<div class="sum"><dt>${t('order.total')}</dt><dd class="amount">${amount(total + delivery)}</dd></div>`}</dl>
    ${quote && html`<p class="muted">${t(method === 'cash' ? 'new.cancelling_cash' : 'new.cancelling', { fee: money(quote.cancellation_fee) })}</p>`}
    ${error && !quote && html`<p class="error" role="alert">${t('new.no_price')} <span class="line">${explain(error)}</span>
      <button type="button" class="link" onClick=${retry}>${t('try_again')}</button></p>`}`;
}

export function NewOrder({ face }) {
  const { session, router, orders, wallet, draft: kept } = face;
  const draft = useStore(kept.state);
  const { shop, pickup, dropoff, amounts, own, notes } = draft;
  const { value: settings, error, isLoading, reload } = useLoaded(async () => {
    const [told] = await Promise.all([config(), wallet.look()]);
    // Chosen once: an order is not paid in another way because of what it comes to.
    kept.change(({ method }) => ({ method: method ?? suggested(wallet.account.value) }));
    return told;
  }, 'new order');
  const account = useStore(wallet.account);
  const shops = settings?.demo?.shops ?? [];
  const [problem, setProblem] = useState(null);
  const [isTopUp, setTopUp] = useState(false);
  const form = useRef(null);
  const heading = useRef(null);
  const currency = settings?.currencies[0].code ?? 'USD';
  const active = draft.active ?? (settings && shops.length === 0 ? 'pickup' : 'dropoff');

  const items = itemsOf(draft, currency);
  const total = itemsTotal(items);
  const price = useQuote(session, { pickup, dropoff, goods: total, currency });
  const isTooMuch = isShort(draft, account, price.quote && total + price.quote.delivery.amount);
  const missing = settings ? [...missingOf(draft, items), ...(price.error && !price.quote ? ['price'] : [])] : [];
  const body = { items, pickup, dropoff, notes: notes.trim() || null, payment_method: draft.method, currency };
  const asked = JSON.stringify(body);
  // What was refused is another order by now, or what it lacked is there.
  useEffect(() => setProblem(null), [asked, account?.balance]);
  useEffect(() => whenBack(() => setProblem((now) => (now?.code === 'unreachable' ? null : now))), []);

  const change = (name) => (value) => kept.change((before) => ({ [name]: typeof value === 'function' ? value(before[name]) : value }));
  const focus = (name) => () => change('active')(name);
  const setAddress = (name) => (address) => change(name)((before) => ({ ...before, address }));
  const choose = (next) => kept.change({ shop: next, amounts: {}, pickup: next.place, active: 'dropoff' });
  const pick = ({ latitude, longitude }) => change(active)((before) => ({ address: before.address, latitude, longitude }));
  const place = async () => {
    setProblem(null);
    try {
      const order = await session.post('/orders', body, { key: kept.key(body) });
      orders.put(order);
      kept.clear();
      router.go(`/orders/${order.id}`);
    } catch (failure) {
      setProblem(failure);
      if (failure.code === 'insufficient_funds') wallet.look().catch(() => {});
    }
  };
  const endTopUp = () => {
    setTopUp(false);
    // What had the focus may have gone with what was missing.
    requestAnimationFrame(() => { if (document.activeElement === document.body) form.current?.querySelector('[name="method"]:checked')?.focus(); });
  };
  const startOver = () => {
    kept.startOver();
    heading.current.focus();
  };
  const topUp = html`<button type="button" class="link" onClick=${() => setTopUp(true)}>${t('wallet.top_up')}</button>`;
  const places = [
    ...(pickup.latitude === undefined ? [] : [{ id: 'pickup', kind: 'pickup', ...pickup, label: t('order.pickup') }]),
    ...(dropoff.latitude === undefined ? [] : [{ id: 'dropoff', kind: 'dropoff', ...dropoff, label: t('order.dropoff') }]),
  ];
  const fitTo = places.length > 0 ? places : shops.map((one) => one.place);
  // What is to be done next: all of it would hide the page.
  const what = missing.slice(0, 2).map((name) => t(`missing.${name}`)).join(', ') + (missing.length > 2 ? ' …' : '');

  return html`<div class="with-map">
    <div class="map-pane"><${MapView} label=${t('new.map')} places=${places} onPick=${pick} fitTo=${fitTo} />
      <p class="map-hint">${t(active === 'pickup' ? 'new.tap_pickup' : 'new.tap_dropoff')}</p></div>
    <section class="pane" ref=${form}>
      <header class="pane-head"><a class="icon-button" href=${router.href('/')} aria-label=${t('back')} title=${t('back')}><${Icon} name="back" /></a><h1 tabindex="-1" ref=${heading}>${t('customer.new_order')}</h1>
        ${isWritten(draft) && html`<button type="button" class="link start-over" onClick=${startOver}>${t('new.start_over')}</button>`}</header>
      ${isLoading && html`<${Loading} />`}
      ${error && html`<${Failed} error=${error} onRetry=${reload} />`}
      ${shops.length > 0 && html`<h2>${t('new.from')}</h2><${Shops} shops=${shops} chosen=${shop} onChoose=${choose} />`}
      ${settings && shops.length === 0 && html`<h2>${t('new.from')}</h2><${PlaceField} label=${t('order.pickup')} place=${pickup} isActive=${active === 'pickup'} onFocus=${focus('pickup')} onAddress=${setAddress('pickup')} />`}
      ${(shop || (settings && shops.length === 0)) && html`<h2>${t('new.what_title')}</h2>
        ${shop ? html`<${Menu} shop=${shop} currency=${currency} amounts=${amounts} onChange=${change('amounts')} />` : html`<${OwnItems} items=${own} currency=${currency} onChange=${change('own')} />`}
        <h2>${t('new.to')}</h2>
        <${PlaceField} label=${t('order.dropoff')} place=${dropoff} isActive=${active === 'dropoff'} onFocus=${focus('dropoff')} onAddress=${setAddress('dropoff')} />
        <label>${t('new.notes')}<textarea rows="2" maxlength="1000" value=${notes} onInput=${(event) => change('notes')(event.target.value)}></textarea></label>
        <fieldset class="choices"><legend>${t('order.paid_by')}</legend>${['wallet', 'cash'].map((name) => html`<label key=${name} class="chip radio"><input type="radio" name="method" checked=${draft.method === name} onChange=${() => change('method')(name)} />
          ${t(`payment.${name}`)}${name === 'wallet' && account ? ` · ${money({ amount: account.balance, currency })}` : ''}</label>`)}</fieldset>
        ${isTooMuch && html`<p class="warn" role="status">${t('error.insufficient_funds')} ${topUp}</p>`}
        <${Sum} total=${total} price=${price} currency=${currency} method=${draft.method} />
        <div class="sticky">
          ${what && html`<p class="muted" id="missing">${t('new.missing', { what })}</p>`}
          ${problem && html`<${Refusal} error=${problem}>${problem.code === 'insufficient_funds' && !isTooMuch && topUp}</${Refusal}>`}
          <${ActionButton} kind="primary wide big" disabled=${missing.length > 0 || !price.quote} aria-describedby=${what ? 'missing' : undefined} onPress=${place}>${t('new.place')}</${ActionButton}></div>`}
    </section>
    ${isTopUp && html`<${TopUp} wallet=${wallet} currency=${currency} onClose=${endTopUp} />`}
  </div>`;
}
