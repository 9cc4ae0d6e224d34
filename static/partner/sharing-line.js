// What is going on with the partner's position, in words.

import { html } from '../app/view.js';
import { useStore } from '../app/store.js';
import { ago } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Icon, useNow } from '../app/ui.js';

const BAD = ['denied', 'insecure', 'impossible', 'lost', 'ask'];

export function SharingLine({ face: { sharing, live } }) {
  const { kind, pace } = useStore(sharing.state);
  const here = useStore(sharing.here);
  const kept = useStore(sharing.kept);
  const connection = useStore(live.state);
  const now = useNow(5000);
  const isBad = BAD.includes(kind);
  const isCut = connection.name !== 'open';
  const text = {
    on: isCut ? t('sharing.keeping') : t('sharing.on', { seconds: pace, metres: Math.round(here?.accuracy ?? 0) }),
    lost: here ? t('sharing.lost_since', { ago: ago(here.timestamp, now) }) : t('sharing.lost'),
  }[kind] ?? t(`sharing.${kind}`);
  if (kind === 'off' && kept === 0) return null;
  return html`<div class="sharing" data-kind=${kind}>
    <${Icon} name=${isBad ? 'alert' : 'locate'} size=${18} />
    <div><p role="status">${text}</p>
      ${kind === 'denied' && html`<details><summary>${t('sharing.how')}</summary><p>${t('sharing.how_text')}</p></details>`}
      ${kept > 0 && html`<p class="kept"><strong>${t('sharing.kept', { count: kept })}</strong></p>`}
      ${kind === 'ask' && html`<button type="button" class="button" onClick=${() => sharing.allow()}>${t('ask.yes')}</button>`}
    </div></div>`;
}
