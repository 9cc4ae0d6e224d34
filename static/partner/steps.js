// The next step of an order, as one big button, and what it asks for.

import { html, useEffect, useState } from '../app/view.js';
import { whenBack } from '../app/back.js';
import { useKey } from '../app/key.js';
import { money } from '../app/format.js';
import { explain, explainField, t } from '../app/i18n.js';
import { ActionButton, Dialog, Icon, toast } from '../app/ui.js';

export const NEXT = { assigned: 'en_route', en_route: 'arrived', arrived: 'picked_up', picked_up: 'in_transit', in_transit: 'delivered' };
const ICONS = { en_route: 'route', arrived: 'pin', picked_up: 'bag', in_transit: 'bicycle', delivered: 'check' };
/** The order is not as the page has it. */
const STALE = ['version_conflict', 'illegal_transition', 'not_found'];

/** Says why a step was refused; in words of its own where the code of the hand-over was wrong. */
function refusal(error) {
  const field = error.body?.errors?.find(({ field: name }) => name === 'code');
  if (field) return t('step.wrong_code');
  if (error.code === 'version_conflict') return t('step.changed');
  if (error.code === 'illegal_transition') {
    return t('step.not_now', { status: t(`now.${error.body.current_status}`) });
  }
  const [fault] = error.body?.errors ?? [];
  return fault ? explainField(fault) : explain(error);
}

/** Takes an order a step on: `{take, problem}`. What has changed meanwhile is read anew. */
function useStep({ session, queue }, order, onOrder) {
  // Of one version of the order: another one may be taken on where that could not.
  const [failure, setFailure] = useState(null);
  const clear = () => setFailure(null);
  // That nobody answered is no longer true once somebody does.
  useEffect(() => whenBack(() => setFailure((before) => (before?.code === 'unreachable' ? null : before))), []);
  const take = async (body, key) => {
    clear();
    try {
      const next = await session.post(`/orders/${order.id}/transitions`, { ...body, version: order.version }, { key });
      queue.put(next);
      onOrder(next);
      return true;
    } catch (error) {
      let { version } = order;
      if (STALE.includes(error.code)) {
        await session.get(`/orders/${order.id}`).then((fresh) => { ({ version } = fresh); queue.put(fresh); onOrder(fresh); }, () => {});
      }
      setFailure({ text: refusal(error), code: error.code, version });
      return false;
    }
  };
  return { take, problem: failure?.version === order.version ? failure.text : null, clear };
}

const Problem = ({ problem }) => (problem ? html`<p class="error" role="alert">${problem}</p>` : null);

/** Proof that it was handed over: the customer's code, or words where nobody has it. */
function Deliver({ face, order, onOrder, onClose }) {
  const { take, problem, clear } = useStep(face, order, onOrder);
  const [code, setCode] = useState('');
  const [note, setNote] = useState('');
  const [isNote, setIsNote] = useState(false);
  // One hand-over, however often the button is pressed; another one with other words.
  const key = useKey([code, note, isNote, order.version]);
  const isReady = isNote ? note.trim() !== '' : /^\d{4}$/.test(code);
  const deliver = async () => {
    if (!await take({ to: 'delivered', ...(isNote ? { note: note.trim() } : { code }) }, key)) return;
    toast({ title: t('step.delivered_done'), text: t('step.delivered_text') });
    onClose();
  };
  const submit = (event) => {
    event.preventDefault();
    event.target.querySelector('.button.primary').click();
  };
  return html`<${Dialog} title=${t('deliver.title', { name: order.customer.name })} onClose=${onClose}><form class="form" onSubmit=${submit}>
    ${order.payment_method === 'cash' && html`<p class="collect"><${Icon} name="wallet" size=${20} />${t('deliver.collect', { amount: money(order.price) })}</p>`}
    ${isNote
      ? html`<label>${t('deliver.note')}<textarea rows="3" maxlength="500" autofocus value=${note} placeholder=${t('deliver.note_example')} onInput=${(event) => setNote(event.target.value)}></textarea></label>`
      : html`<label>${t('deliver.code')}<input class="code-field" inputmode="numeric" autocomplete="off" maxlength="4" pattern="[0-9]{4}" autofocus value=${code}
          aria-describedby="code-hint" onInput=${(event) => { const digits = event.target.value.replace(/\D/g, ''); event.target.value = digits; setCode(digits); clear(); }} /></label>
        <p class="muted" id="code-hint">${t('deliver.code_hint', { name: order.customer.name })}</p>`}
    <${Problem} problem=${problem} />
    <${ActionButton} kind="primary big" disabled=${!isReady} onPress=${deliver}><${Icon} name="check" />${t('step.do_delivered')}</${ActionButton}>
    <button type="button" class="link" onClick=${() => { setIsNote(!isNote); clear(); }}>${t(isNote ? 'deliver.with_code' : 'deliver.without_code')}</button>
  </form></${Dialog}>`;
}

/** An order that cannot be carried out goes to somebody else. */
function GiveBack({ face, order, onOrder, onClose }) {
  const { take, problem } = useStep(face, order, onOrder);
  const [reason, setReason] = useState('');
  const key = useKey([reason, order.version]);
  const give = async () => {
    if (!await take({ to: 'confirmed', reason: reason.trim() }, key)) return;
    toast({ title: t('back.done') });
    onClose();
    face.router.go('/');
  };
  return html`<${Dialog} title=${t('back.title')} onClose=${onClose}><div class="form">
    <p>${t('back.text')}</p>
    <label>${t('back.reason')}<textarea rows="2" maxlength="500" autofocus value=${reason} onInput=${(event) => setReason(event.target.value)}></textarea></label>
    <${Problem} problem=${problem} />
    <${ActionButton} kind="danger" disabled=${!reason.trim()} onPress=${give}>${t('back.confirm')}</${ActionButton}>
    <button type="button" class="button quiet" onClick=${onClose}>${t('back.keep')}</button>
  </div></${Dialog}>`;
}

export function Steps({ face, order, onOrder }) {
  const { take, problem } = useStep(face, order, onOrder);
  const [isOpen, setOpen] = useState(false);
  const to = NEXT[order.status];
  if (!to) return null;
  const words = html`<${Icon} name=${ICONS[to]} />${t(`step.do_${to}`)}`;
  return html`<div class="next-step">
    <${Problem} problem=${problem} />
    ${to === 'delivered'
      ? html`<button type="button" class="button primary wide big" onClick=${() => setOpen(true)}>${words}</button>`
      : html`<${ActionButton} key=${to} kind="primary wide big" onPress=${() => take({ to }, `step ${order.id} ${to} ${order.version}`)}>${words}</${ActionButton}>`}
    ${isOpen && html`<${Deliver} face=${face} order=${order} onOrder=${onOrder} onClose=${() => setOpen(false)} />`}
  </div>`;
}

/** While it is not begun, it can be given back. */
export function Return({ face, order, onOrder }) {
  const [isOpen, setOpen] = useState(false);
  return html`<button type="button" class="button quiet wide danger-text" onClick=${() => setOpen(true)}>${t('back.title')}</button>
    ${isOpen && html`<${GiveBack} face=${face} order=${order} onOrder=${onOrder} onClose=${() => setOpen(false)} />`}`;
}
