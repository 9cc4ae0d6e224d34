// Something that everybody is to know.

import { html, useState } from '../app/view.js';
import { t } from '../app/i18n.js';
import { useKey } from '../app/key.js';
import { Icon, toast } from '../app/ui.js';
import { Confirm } from './parts.js';

const TITLE = 60;
const TEXT = 240;

/** As the server counts: an emoji is one. */
const lengthOf = (text) => [...text].length;

function Counted({ label, value, most, onInput, isLong = false }) {
  const length = lengthOf(value.trim());
  const isTooLong = length > most;
  const field = { value, 'aria-invalid': isTooLong, onInput: (event) => onInput(event.target.value) };
  return html`<label>${label}${isLong ? html`<textarea rows="4" ...${field}></textarea>` : html`<input ...${field} />`}
    <span class=${isTooLong ? 'counted too-long' : 'counted'}>${t('announce.left', { length, most })}</span></label>`;
}

export function AnnounceScreen({ face }) {
  const [title, setTitle] = useState('');
  const [text, setText] = useState('');
  const [isAsking, setAsking] = useState(false);
  const body = { title: title.trim(), text: text.trim() };
  const key = useKey(body);
  const isReady = body.title !== '' && body.text !== '' && lengthOf(body.title) <= TITLE && lengthOf(body.text) <= TEXT;
  const send = async () => {
    await face.session.post('/admin/announcements', body, { key });
    setTitle('');
    setText('');
    toast({ title: t('announce.sent'), text: body.title });
  };
  const submit = (event) => {
    event.preventDefault();
    if (isReady) setAsking(true);
  };
  return html`<section class="screen wide-screen narrow">
    <header class="screen-head"><h1 tabindex="-1">${t('announce.title')}</h1></header>
    <p class="muted">${t('announce.about')}</p>
    <div class="announce">
      <form class="card form" onSubmit=${submit}>
        <${Counted} label=${t('announce.headline')} value=${title} most=${TITLE} onInput=${setTitle} />
        <${Counted} label=${t('announce.text')} value=${text} most=${TEXT} onInput=${setText} isLong=${true} />
        <button class="button primary" disabled=${!isReady}><${Icon} name="megaphone" />${t('announce.send')}</button>
      </form>
      <section class="card" aria-labelledby="preview-title"><h2 id="preview-title">${t('announce.preview')}</h2>
        <div class="preview"><span class="note-icon"><${Icon} name="megaphone" size=${20} /></span><span class="note-text">
          <strong>${body.title || t('announce.headline')}</strong><span>${body.text || t('announce.text')}</span></span><span class="muted small-text">${t('just_now')}</span></div></section>
    </div>
    ${isAsking && html`<${Confirm} title=${t('announce.sure')} text=${t('announce.sure_text', { title: body.title })} confirm=${t('announce.send_all')} onConfirm=${send} onClose=${() => setAsking(false)} />`}
  </section>`;
}
