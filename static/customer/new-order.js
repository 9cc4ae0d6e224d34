// Placing an order: from where, what, to where, and how it is paid.

import { html, useEffect, useState } from '../app/view.js';
import { config } from '../app/config.js';
import { minorUnits, money } from '../app/format.js';
import { t } from '../app/i18n.js';
import { useKey } from '../app/key.js';
import { MapView } from '../app/map-view.js';
import { itemsTotal } from '../app/order.js';
import { ActionButton, Failed, Icon, IconButton, Loading, Refusal, useLoaded } from '../app/ui.js';

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
    <button type="button" class="button quiet" onClick=${() => onChange((before) => [...before, { name: '', quantity: '1', price: '' }])}><${Icon} name="plus" />${t('new.another')}</button></div>`;
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
 * What the server would ask for the way from one place to the other: `{quote, delivery}`, both null until both are picked. The
 * last answer stands while another number of goods is asked about, since the way costs the same.
 */
function useQuote(session, { pickup, dropoff, goods, currency }) {
  const [quote, setQuote] = useState(null);
  const isAsked = pickup.latitude !== undefined && dropoff.latitude !== undefined && Number.isSafeInteger(goods) && goods >= 0;
  const way = JSON.stringify([pickup.latitude, pickup.longitude, dropoff.latitude, dropoff.longitude, currency]);
  useEffect(() => {
    if (!isAsked) return undefined;
    let isCurrent = true;
    const question = new URLSearchParams({
      pickup_latitude: pickup.latitude, pickup_longitude: pickup.longitude, dropoff_latitude: dropoff.latitude, dropoff_longitude: dropoff.longitude, goods, currency,
    });
    // Without an answer the order can be placed all the same.
    session.get(`/orders/quote?${question}`).then((answer) => { if (isCurrent) setQuote({ ...answer, way }); }, () => {});
    return () => { isCurrent = false; };
  }, [isAsked, way, goods]);
  const known = isAsked && quote?.way === way ? quote : null;
  return { quote: known, delivery: known ? known.delivery.amount : null };
}

/** What it comes to, as far as that is known. */
function Sum({ total, quote, delivery, currency }) {
  const amount = (value) => money({ amount: value, currency });
  return html`<dl class="facts"><div><dt>${t('new.items')}</dt><dd class="amount">${amount(total)}</dd></div>
      <div><dt>${t('new.delivery')}</dt>${delivery === null ? html`<dd class="muted">${t('new.delivery_text')}</dd>` : html`<dd class="amount">${amount(delivery)}</dd>`}</div>
      ${delivery !== null && html`<div class="sum"><dt>${t('order.total')}</dt><dd class="amount">${amount(total + delivery)}</dd></div>`}</dl>
    ${quote && html`<p class="muted">${t('new.cancelling', { fee: money(quote.cancellation_fee) })}</p>`}`;
}

const nothing = { address: '' };

export function NewOrder({ face }) {
  const { session, router, orders } = face;
  const { value, error, isLoading, reload } = useLoaded(() => Promise.all([config(), session.get('/wallet')]), 'new order');
  const [settings, wallet] = value ?? [];
  const shops = settings?.demo?.shops ?? [];
  const [shop, setShop] = useState(null);
  const [pickup, setPickup] = useState(nothing);
  const [dropoff, setDropoff] = useState(nothing);
  const [active, setActive] = useState('dropoff');
  const [amounts, setAmounts] = useState({});
  const [own, setOwn] = useState([{ name: '', quantity: '1', price: '' }]);
  const [notes, setNotes] = useState('');
  const [wanted, setMethod] = useState(null);
  const [problem, setProblem] = useState(null);
  const currency = settings?.currencies[0].code ?? 'USD';
  useEffect(() => { if (settings && shops.length === 0) setActive('pickup'); }, [settings]);

  const items = shop
    ? shop.menu.filter(({ name }) => amounts[name] > 0).map(({ name, price }) => ({ name, quantity: amounts[name], unit_price: price }))
    : own.filter(({ name }) => name.trim()).map(({ name, quantity, price }) => ({ name: name.trim(), quantity: Number(quantity), unit_price: minorUnits(price, currency) }));
  const total = itemsTotal(items);
  const { quote, delivery } = useQuote(session, { pickup, dropoff, goods: total, currency });
  const price = total + (delivery ?? 0);
  const method = wanted ?? (wallet && wallet.balance > 0 && wallet.balance >= price ? 'wallet' : 'cash');
  const isPriced = items.length > 0 && items.every(({ unit_price: price, quantity }) => price !== null && Number.isInteger(quantity) && quantity > 0);
  const isPlaced = (place) => place.latitude !== undefined && place.address.trim() !== '';
  const body = { items, pickup, dropoff, notes: notes.trim() || null, payment_method: method, currency };
  // One order, however often the button is pressed or the connection breaks; another one once something is changed.
  const key = useKey(body);
  const isReady = isPriced && isPlaced(pickup) && isPlaced(dropoff);

  const choose = (next) => {
    setShop(next);
    setAmounts({});
    setPickup(next.place);
    setActive('dropoff');
  };
  const pick = ({ latitude, longitude }) => {
    const [set, label] = active === 'pickup' ? [setPickup, 'new.point'] : [setDropoff, 'new.point'];
    set((before) => ({ address: before.address || t(label), latitude, longitude }));
  };
  const place = async () => {
    setProblem(null);
    try {
      const order = await session.post('/orders', body, { key });
      orders.put(order);
      router.go(`/orders/${order.id}`);
    } catch (failure) {
      setProblem(failure);
    }
  };
  const places = [
    ...(pickup.latitude === undefined ? [] : [{ id: 'pickup', kind: 'pickup', ...pickup, label: t('order.pickup') }]),
    ...(dropoff.latitude === undefined ? [] : [{ id: 'dropoff', kind: 'dropoff', ...dropoff, label: t('order.dropoff') }]),
  ];
  const fitTo = places.length > 0 ? places : shops.map((one) => one.place);

  return html`<div class="with-map">
    <div class="map-pane"><${MapView} label=${t('new.map')} places=${places} onPick=${pick} fitTo=${fitTo} />
      <p class="map-hint">${t(active === 'pickup' ? 'new.tap_pickup' : 'new.tap_dropoff')}</p></div>
    <section class="pane">
      <header class="pane-head"><a class="icon-button" href=${router.href('/')} aria-label=${t('back')} title=${t('back')}><${Icon} name="back" /></a><h1 tabindex="-1">${t('customer.new_order')}</h1></header>
      ${isLoading && html`<${Loading} />`}
      ${error && html`<${Failed} error=${error} onRetry=${reload} />`}
      ${shops.length > 0 && html`<h2>${t('new.from')}</h2><${Shops} shops=${shops} chosen=${shop} onChoose=${choose} />`}
      ${settings && shops.length === 0 && html`<h2>${t('new.from')}</h2><${PlaceField} label=${t('order.pickup')} place=${pickup} isActive=${active === 'pickup'} onFocus=${() => setActive('pickup')}
        onAddress=${(address) => setPickup((before) => ({ ...before, address }))} />`}
      ${(shop || (settings && shops.length === 0)) && html`<h2>${t('new.what_title')}</h2>
        ${shop ? html`<${Menu} shop=${shop} currency=${currency} amounts=${amounts} onChange=${setAmounts} />` : html`<${OwnItems} items=${own} currency=${currency} onChange=${setOwn} />`}
        <h2>${t('new.to')}</h2>
        <${PlaceField} label=${t('order.dropoff')} place=${dropoff} isActive=${active === 'dropoff'} onFocus=${() => setActive('dropoff')} onAddress=${(address) => setDropoff((before) => ({ ...before, address }))} />
        <label>${t('new.notes')}<textarea rows="2" maxlength="1000" value=${notes} onInput=${(event) => setNotes(event.target.value)}></textarea></label>
        <fieldset class="choices"><legend>${t('order.paid_by')}</legend>${['wallet', 'cash'].map((name) => html`<label key=${name} class="chip radio"><input type="radio" name="method" checked=${method === name} onChange=${() => setMethod(name)} />
          ${t(`payment.${name}`)}${name === 'wallet' && wallet ? ` · ${money({ amount: wallet.balance, currency })}` : ''}</label>`)}</fieldset>
        <${Sum} total=${total} quote=${quote} delivery=${delivery} currency=${currency} />
        ${problem && html`<${Refusal} error=${problem}>${problem.code === 'insufficient_funds' && html`<a href=${router.href('/wallet')}>${t('wallet.top_up')}</a>`}</${Refusal}>`}
        <div class="sticky"><${ActionButton} kind="primary wide big" disabled=${!isReady} onPress=${place}>${t('new.place')}</${ActionButton}></div>`}
    </section>
  </div>`;
}
