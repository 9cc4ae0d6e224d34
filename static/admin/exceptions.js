// Orders that somebody should look at, and who does.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { explain, t } from '../app/i18n.js';
import { ActionButton, Empty, Icon, Loading, toast, useKeptFocus, useNow } from '../app/ui.js';
import { Avatar, Confirm, Status, Viewers, duration, shortId } from './parts.js';

/** How long it has lasted by now, seconds: as the server said, and the time since. How late an order will be does not grow by itself. */
export function lasting({ kind, seconds, heardAt }, now) {
  return kind === 'late' ? seconds : seconds + Math.max(0, (now - heardAt) / 1000);
}

/** Who looks after an order, and what one may do about that. */
export function ClaimLine({ face, orderId, isOver = false }) {
  const { claims } = face;
  const claim = useStore(claims.state).get(orderId);
  const [from, setFrom] = useState(null);
  const box = useRef(null);
  useKeptFocus(box);
  const attempt = async (what) => {
    try {
      await what();
    } catch (problem) {
      // It is said who was faster; the rest is as with all that does not work.
      if (problem.code !== 'already_claimed') throw problem;
      toast({ kind: 'error', title: t('claim.was_faster', { name: problem.body.claim?.name ?? '' }) });
    }
  };
  if (isOver) return null;
  return html`<div class="claim" ref=${box}>
    ${!claim && html`<span class="claim-who muted">${t('claim.nobody')}</span>
      <${ActionButton} kind="small primary" aria-label=${`${t('claim.claim')} ${shortId(orderId)}`} onPress=${() => attempt(() => claims.claim(orderId))}>${t('claim.claim')}</${ActionButton}>`}
    ${claim && claims.isMine(claim) && html`<span class="claim-who"><${Avatar} name=${claim.name} kind="mine" />${t('claim.mine')}</span>
      <${ActionButton} kind="small quiet" aria-label=${`${t('claim.release')} ${shortId(orderId)}`} onPress=${() => attempt(() => claims.release(orderId))}>${t('claim.release')}</${ActionButton}>`}
    ${claim && !claims.isMine(claim) && html`<span class="claim-who"><${Avatar} name=${claim.name} /><span class="clip">${claim.name}</span></span>
      <button type="button" class="button small quiet" aria-label=${`${t('claim.take_over')} ${shortId(orderId)}`} onClick=${() => setFrom(claim)}>${t('claim.take_over')}</button>`}
    ${from && html`<${Confirm} title=${t('claim.take_over_title', { name: from.name })} text=${t('claim.take_over_text', { name: from.name, order: shortId(orderId) })} confirm=${t('claim.take_over')}
      onClose=${() => setFrom(null)} onConfirm=${() => attempt(() => claims.claim(orderId, from.user_id))} />`}
  </div>`;
}

/** What is wrong, in words. */
export const ExceptionTag = ({ exception, now }) => html`<span class="trouble" data-kind=${exception.kind}><${Icon} name="alert" size=${16} />${t(`exception.${exception.kind}`)}
  <span class="trouble-time">${duration(lasting(exception, now))}</span></span>`;

function Exception({ face, exception, now }) {
  const { order_id: id, kind, customer, partner, status } = exception;
  return html`<li class="exception" data-order=${id}>
    <div class="exception-head"><${ExceptionTag} exception=${exception} now=${now} />${status !== kind && html`<${Status} status=${status} />`}</div>
    <div class="exception-line"><a class="exception-order" href=${face.router.href(`/orders/${id}`)}>
      <strong>${shortId(id)}</strong> <span class="clip">${customer.name}${partner ? ` → ${partner.name}` : ''}</span></a><${Viewers} face=${face} orderId=${id} /></div>
    <${ClaimLine} face=${face} orderId=${id} />
  </li>`;
}

/** The server tells of no more than these. */
const MOST = 200;

/** A count of some of these; there may be more than are told of. */
export const orMore = (count, exceptions) => (exceptions.length >= MOST ? `${count}+` : count);

/**
 * What somebody should look at first: what nobody else looks after, and what can still be saved. The oldest first, as they come, but
 * for what has failed, of which the latest can most likely be made good. What I look after stays where it was when I said so.
 */
export function byUrgency(exceptions, claims, isMine) {
  const isOthers = ({ order_id: id }) => claims.has(id) && !isMine(claims.get(id));
  const rank = (one) => (isOthers(one) ? 2 : 0) + (one.kind === 'failed' ? 1 : 0);
  const since = ({ since: at, kind }) => (kind === 'failed' ? -Date.parse(at) : Date.parse(at));
  return exceptions.toSorted((one, other) => rank(one) - rank(other) || since(one) - since(other));
}

/** The first of them, and the newest that nobody looks after in any case: it may be that nobody has seen it yet. */
export function firstOf(exceptions, count, claims) {
  const first = exceptions.slice(0, count);
  const [newest] = exceptions.filter(({ order_id: id }) => !claims.has(id)).sort((one, other) => (one.since < other.since ? 1 : -1));
  return !newest || first.includes(newest) ? first : [...first.slice(0, -1), newest];
}

/** More than these are shown when somebody wants to see them: there is other news, too. */
const FIRST = 10;

/** The list of the first screen. */
export function Exceptions({ face }) {
  const [isWhole, setWhole] = useState(false);
  const exceptions = useStore(face.operation.exceptions);
  const error = useStore(face.operation.error);
  const claims = useStore(face.claims.state);
  const now = useNow(1000);
  const list = useRef(null);
  // The button has gone: on with the first that it has shown.
  useEffect(() => { if (isWhole) list.current?.children[FIRST]?.querySelector('a')?.focus(); }, [isWhole]);
  if (error) return html`<p class="error" role="alert">${explain(error)}</p>`;
  if (!exceptions) return html`<${Loading} lines=${3} />`;
  if (exceptions.length === 0) return html`<${Empty} icon="check" title=${t('exception.none')}>${t('exception.none_text')}</${Empty}>`;
  const all = byUrgency(exceptions, claims, (claim) => face.claims.isMine(claim));
  const shown = isWhole ? all : firstOf(all, FIRST, claims);
  const hidden = exceptions.length - shown.length;
  return html`<ul class="exceptions" ref=${list}>${shown.map((exception) => html`<${Exception} key=${`${exception.order_id} ${exception.kind}`} face=${face} exception=${exception} now=${now} />`)}</ul>
    ${hidden > 0 && html`<button type="button" class="button small quiet" onClick=${() => setWhole(true)}>${t('exception.others', { count: orMore(hidden, exceptions) })}</button>`}`;
}
