// An offer: a card over everything, with what one has to know to say yes or no before its time is up.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { whenBack } from '../app/back.js';
import { useStore } from '../app/store.js';
import { timeOf, useServerNow } from '../app/clock.js';
import { countdown, distance, money } from '../app/format.js';
import { explain, t } from '../app/i18n.js';
import { MapView } from '../app/map-view.js';
import { Icon, IconButton, useNow } from '../app/ui.js';
import { metresBetween, ownDot, placesOf } from './places.js';

const ROUND = 2 * Math.PI * 44;
/** From here on it is urgent, milliseconds. */
const SOON = 10_000;
const REASONS = ['far', 'busy', 'break', 'other'];
/** An offer that has only just come to the front is not answered by what was meant for something else, milliseconds. */
const HESITATION = 700;

/** What has the focus because it was pressed, and not because somebody writes. */
const PRESSED = '[type="checkbox"], [type="radio"], [type="range"]';

/** Whether somebody is in the midst of something that a card on top would break into: a dialog, or a field. */
export const isOccupied = () => document.querySelector('dialog[open]:not(.offer)') !== null
  || document.activeElement?.matches(`input:not(${PRESSED}), textarea, select`) === true;

/** Whether the card is on the screen: with an offer, or with what became of one. */
export const isCardOpen = () => document.querySelector('dialog.offer[open]') !== null;

/** What is left, drawn as a ring, and in seconds. Told aloud at the beginning and when it gets urgent. */
function Ring({ left, whole }) {
  const seconds = Math.max(0, Math.ceil(left / 1000));
  const part = Math.min(1, Math.max(0, left / whole));
  const isSoon = left <= SOON;
  return html`<div class=${isSoon ? 'ring soon' : 'ring'} role="timer" aria-label=${t('offer.left', { count: seconds })}>
    <svg viewBox="0 0 100 100" aria-hidden="true"><circle cx="50" cy="50" r="44" /><circle class="ring-left" cx="50" cy="50" r="44" stroke-dasharray=${ROUND} stroke-dashoffset=${ROUND * (1 - part)} /></svg>
    <strong aria-hidden="true">${seconds > 99 ? countdown(left) : seconds}</strong>
    <span class="sr" role="status">${isSoon && seconds > 0 ? t('offer.soon') : ''}</span></div>`;
}

function Decline({ isBusy, onDecline, onBack }) {
  return html`<div class="decline" role="group" aria-label=${t('offer.why')}>
    <h3>${t('offer.why')}</h3>
    <div class="choices">${REASONS.map((reason) => html`<button key=${reason} type="button" class="chip" disabled=${isBusy} onClick=${() => onDecline(t(`offer.because_${reason}`))}>${t(`offer.because_${reason}`)}</button>`)}</div>
    <div class="pair"><button type="button" class="button quiet" onClick=${onBack}>${t('back')}</button>
      <button type="button" class="button quiet" disabled=${isBusy} onClick=${() => onDecline(null)}>${t('offer.no_reason')}</button></div>
  </div>`;
}

function Way({ offer, here }) {
  const { order } = offer;
  // Measured anew while the partner moves.
  const toPickup = here ? metresBetween(here, order.pickup) : offer.pickup_distance;
  const onward = metresBetween(order.pickup, order.dropoff);
  return html`<ol class="way">
    <li><${Icon} name="bag" size=${20} /><span class="row-text"><span class="muted">${t('order.pickup')}</span><strong class="clip-2">${order.pickup.address}</strong></span><span class="amount">${distance(toPickup)}</span></li>
    <li><${Icon} name="pin" size=${20} /><span class="row-text"><span class="muted">${t('order.dropoff')}</span><strong class="clip-2">${order.dropoff.address}</strong></span><span class="amount">${t('offer.onward', { distance: distance(onward) })}</span></li>
  </ol>`;
}

/** `isWanted`: somebody has asked to see it. Whatever comes by itself is heard by its name first, with the answer one step on. */
function Open({ face, offer, count, isWanted, onNext, onAccepted, onHide }) {
  const { queue, clock, sharing } = face;
  const here = useStore(sharing.here);
  const now = useServerNow(clock);
  const minute = useNow(5000);
  const [isDeclining, setDeclining] = useState(false);
  const [busy, setBusy] = useState(null);
  const [problem, setProblem] = useState(null);
  const [accept, title] = [useRef(null), useRef(null)];
  const [isNew, setNew] = useState(true);
  const isAnswering = useRef(false);
  const { order, earnings } = offer;
  const end = Date.parse(offer.expires_at);
  const left = end - now;
  const isOver = left <= 0;
  useEffect(() => {
    (isWanted ? accept : title).current.focus();
    const timer = setTimeout(() => setNew(false), HESITATION);
    return () => clearTimeout(timer);
  }, [offer.id]);
  // That nobody answered is no longer true once somebody does.
  useEffect(() => whenBack(() => setProblem((before) => (before?.code === 'unreachable' ? null : before))), []);
  const goBack = () => {
    setDeclining(false);
    requestAnimationFrame(() => accept.current?.focus());
  };

  const answer = async (how, work) => {
    if (isNew || isAnswering.current) return;
    isAnswering.current = true;
    setBusy(how);
    setProblem(null);
    try {
      await work();
      if (how === 'accept') onAccepted(order);
    } catch (error) {
      setProblem(error);
    }
    isAnswering.current = false;
    setBusy(null);
  };
  const items = order.items.map(({ name, quantity }) => (quantity > 1 ? `${quantity} × ${name}` : name)).join(', ');
  return html`
    <div class="offer-map"><${MapView} label=${t('offer.map')} places=${placesOf(order)} dots=${ownDot(here, minute)} />
      ${count > 1 && html`<button type="button" class="button quiet offer-count" onClick=${onNext}>${t('offer.others', { count: count - 1 })}<${Icon} name="next" size=${18} /></button>`}
      <div class="offer-hide"><${IconButton} icon="close" label=${t('offer.hide')} onClick=${onHide} /></div></div>
    <div class="offer-body">
      <div class="offer-head"><div><h2 id="offer-title" ref=${title} tabindex="-1" autofocus=${!isWanted}>${t('offer.title')}</h2><p class="figure">${money(earnings)}</p><p class="muted">${t(`offer.${order.payment_method}`, { amount: money(order.price) })}</p></div>
        <${Ring} left=${left} whole=${end - timeOf(offer.id)} /></div>
      <${Way} offer=${offer} here=${here} />
      <p class="muted clip-2 offer-items">${items}</p>
      ${problem && html`<p class="error" role="alert">${explain(problem)}</p>`}
      ${isOver && html`<p class="warn" role="status"><${Icon} name="clock" size=${18} />${t('offer.over_now')}</p>`}
      ${isDeclining
        ? html`<${Decline} isBusy=${busy !== null} onBack=${goBack} onDecline=${(reason) => answer('decline', () => queue.decline(offer, reason))} />`
        : html`<div class="offer-answer">
            <button type="button" ref=${accept} autofocus=${isWanted} class="button primary big" disabled=${busy !== null || isOver} aria-disabled=${isNew} aria-busy=${busy === 'accept'} onClick=${() => answer('accept', () => queue.accept(offer))}>
              <${Icon} name="check" />${t('offer.accept')}${busy === 'accept' && html`<span class="spinner" aria-hidden="true"></span>`}</button>
            <button type="button" class="button quiet" disabled=${busy !== null} onClick=${() => setDeclining(true)}>${t('offer.decline')}</button></div>`}
    </div>`;
}

/** What became of it, until that is known. */
function Ended({ offer, reason, onClose }) {
  const button = useRef(null);
  useEffect(() => { button.current.focus(); }, []);
  return html`<div class="offer-body offer-ended">
    <span class="note-icon"><${Icon} name=${reason === 'expired' ? 'clock' : 'alert'} /></span>
    <h2 id="offer-title" role="alert">${t(`ended.${reason}`)}</h2>
    <p class="muted">${t(`ended.${reason}_text`)}</p>
    <p class="muted clip-2">${offer.order.pickup.address} · ${money(offer.earnings)}</p>
    <button type="button" ref=${button} autofocus class="button primary big" onClick=${onClose}>${t('ended.ok')}</button>
  </div>`;
}

/** All that are open, one at a time, the one that ends first before the others; and those that ended meanwhile. */
export function Offers({ face, isHidden, isWanted, onHide, onAccepted }) {
  const { queue } = face;
  const { offers } = useStore(queue.state);
  const ended = useStore(queue.ended);
  const [chosen, setChosen] = useState(null);
  const dialog = useRef(null);
  const sorted = offers.toSorted((one, other) => (one.expires_at < other.expires_at ? -1 : 1));
  const index = Math.max(0, sorted.findIndex(({ id }) => id === chosen));
  const shown = isHidden ? null : sorted[index];
  const last = shown || isHidden ? null : ended[0];
  const isShown = Boolean(shown ?? last);
  // One that ended while another one is looked at, or none, is not worth a card.
  useEffect(() => { if (shown ?? isHidden) ended.forEach(({ offer }) => queue.dismiss(offer.id)); }, [shown, isHidden, ended]);
  useEffect(() => {
    if (!isShown) return undefined;
    const element = dialog.current;
    const before = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      const next = () => (document.querySelector('dialog[open]') ?? document).querySelector('.put-aside') ?? (before.isConnected && before !== document.body ? before : document.querySelector('main h1'));
      requestAnimationFrame(() => next()?.focus());
    };
  }, [isShown]);
  if (!isShown) return null;
  const close = () => (shown ? onHide() : queue.dismiss(last.offer.id));
  return html`<dialog ref=${dialog} class="dialog offer" aria-labelledby="offer-title" onCancel=${(event) => { event.preventDefault(); close(); }}>
    ${shown
      ? html`<${Open} key=${shown.id} face=${face} offer=${shown} count=${sorted.length} isWanted=${isWanted || chosen === shown.id} onHide=${onHide} onAccepted=${onAccepted}
          onNext=${() => setChosen(sorted[(index + 1) % sorted.length].id)} />`
      : html`<${Ended} key=${last.offer.id} offer=${last.offer} reason=${last.reason} onClose=${close} />`}
  </dialog>`;
}

/** The same where something else is at hand: said aloud once, and to be pressed there. */
export function PutAsideAbove({ face, onShow }) {
  const { offers } = useStore(face.queue.state);
  const arePutAside = useStore(face.arePutAside);
  const isSaid = arePutAside && offers.length > 0;
  return html`<div class="put-aside-above"><span class="sr" role="status">${isSaid ? t('offer.waiting', { count: offers.length }) : ''}</span>
    ${isSaid && html`<${PutAside} face=${face} onShow=${onShow} />`}</div>`;
}

/** What is left of offers that were put aside. */
export function PutAside({ face: { queue, clock }, onShow }) {
  const { offers } = useStore(queue.state);
  const now = useServerNow(clock, 500);
  if (offers.length === 0) return null;
  const left = Math.min(...offers.map(({ expires_at: end }) => Date.parse(end) - now));
  return html`<button type="button" class="put-aside" onClick=${onShow}><${Icon} name="clock" /><span class="row-text"><strong>${t('offer.waiting', { count: offers.length })}</strong><span>${t('offer.look')}</span></span>
    <span class="amount">${countdown(left)}</span></button>`;
}
