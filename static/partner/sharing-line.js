// What is going on with the partner's position, in words.

import { html } from '../app/view.js';
import { useStore } from '../app/store.js';
import { ago } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Icon, useNow } from '../app/ui.js';

const BAD = ['denied', 'insecure', 'impossible', 'lost', 'ask'];

export function SharingLine({ face: { sharing, live } }) {
  const { kind } = useStore(sharing.state);
  const here = useStore(sharing.here);
  const kept = useStore(sharing.kept);
  const connection = useStore(live.state);
  const now = useNow(5000);
  const isBad = BAD.includes(kind);
  const isCut = connection.name !== 'open';
  const text = {
    on: isCut ? t('sharing.keeping') : t('sharing.sending'),
    lost: here ? t('sharing.lost_since', { ago: ago(here.timestamp, now) }) : t('sharing.lost'),
  }[kind] ?? t(`sharing.${kind}`);
  // Where all is well, the line about availability says so.
  if (kept === 0 && (kind === 'off' || (kind === 'on' && !isCut))) return null;
  return html`<div class="sharing" data-kind=${kind === 'on' && isCut ? 'keeping' : kind}>
    <${Icon} name=${isBad ? 'alert' : 'locate'} size=${18} />
    <div><p role="status">${text}</p>
      ${kind === 'denied' && html`<details><summary>${t('sharing.how')}</summary><p>${t('sharing.how_text')}</p></details>`}
      ${kept > 0 && html`<p class="kept"><strong>${t('sharing.kept', { count: kept })}</strong></p>`}
      ${kind === 'ask' && html`<button type="button" class="button" onClick=${() => sharing.allow()}>${t('ask.yes')}</button>`}
    </div></div>`;
}
