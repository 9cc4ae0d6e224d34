// All three apps of the demo side by side, each in a frame of its own; where there is no room for that, one after the other.

import { html, useEffect, useState } from '../app/view.js';
import { t } from '../app/i18n.js';
import { Failed, Icon, Loading } from '../app/ui.js';

/** `enter` logs in to all of them, and gives a promise of who is in, in the order of the roles. */
export function Together({ roles, enter }) {
  const [state, setState] = useState({ name: 'entering' });
  const [shown, setShown] = useState(roles[0].role);
  const begin = () => {
    setState({ name: 'entering' });
    enter().then((people) => setState({ name: 'in', people }), (error) => setState({ name: 'failed', error }));
  };
  useEffect(begin, []);
  return html`
    <header class="top start-top">
      <a class="brand" href="/" aria-label="waybill"><img src="/static/icon.svg" alt="" width="26" height="26" /><span>waybill</span></a>
      <nav class="switch-role" aria-label=${t('start.together')}>${roles.map(({ role, icon }) => html`
        <button key=${role} type="button" class="tab" aria-label=${t(`start.${role}`)} aria-pressed=${shown === role} onClick=${() => setShown(role)}><${Icon} name=${icon} /><span>${t(`start.${role}`)}</span></button>`)}</nav>
      <a class="button quiet" href="#">${t('start.leave')}</a>
    </header>
    <main class="together">
      <h1 class="sr">${t('start.together')}</h1>
      ${state.name === 'entering' && html`<${Loading} lines=${4} />`}
      ${state.name === 'failed' && html`<${Failed} error=${state.error} onRetry=${begin} />`}
      ${state.name === 'in' && roles.map(({ role, icon }, index) => html`<section key=${role} class="pane" data-role=${role} data-shown=${shown === role}>
        <h2><${Icon} name=${icon} size=${18} /><span class="clip">${t('start.as', { role: t(`start.${role}`), name: state.people[index].name })}</span> <a href=${`/${role}`} target="_blank" aria-label=${t('start.alone', { role: t(`start.${role}`) })} title=${t('start.alone', { role: t(`start.${role}`) })}><${Icon} name="next" size=${18} /></a></h2>
        <iframe src=${`/${role}`} title=${t(`start.${role}`)}></iframe></section>`)}
    </main>`;
}
