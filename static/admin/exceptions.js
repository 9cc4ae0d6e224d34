// Orders that somebody should look at, and who does.

import { html, useRef, useState } from '../app/view.js';
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

/** More than these are shown when somebody wants to see them: there is other news, too. */
const FIRST = 10;

/** The list of the first screen. */
export function Exceptions({ face }) {
  const [isWhole, setWhole] = useState(false);
  const exceptions = useStore(face.operation.exceptions);
  const error = useStore(face.operation.error);
  const now = useNow(1000);
  if (error) return html`<p class="error" role="alert">${explain(error)}</p>`;
  if (!exceptions) return html`<${Loading} lines=${3} />`;
  if (exceptions.length === 0) return html`<${Empty} icon="check" title=${t('exception.none')}>${t('exception.none_text')}</${Empty}>`;
  const shown = isWhole ? exceptions : exceptions.slice(0, FIRST);
  const hidden = exceptions.length - shown.length;
  return html`<ul class="exceptions">${shown.map((exception) => html`<${Exception} key=${`${exception.order_id} ${exception.kind}`} face=${face} exception=${exception} now=${now} />`)}</ul>
    ${hidden > 0 && html`<button type="button" class="button small quiet" onClick=${() => setWhole(true)}>${t('exception.others', { count: hidden })}</button>`}`;
}
