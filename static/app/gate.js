// The way in: log in, register where that is for everybody, or be one of the demo's people.

import { html, useEffect, useRef, useState } from './view.js';
import { config } from './config.js';
import { language, t } from './i18n.js';
import { ActionButton, Icon, Refusal } from './ui.js';

function Demo({ session, demo }) {
  const people = demo.users.filter(({ role }) => role === session.face);
  return html`<section class="card">
    <h2>${t('gate.demo')}</h2>
    <p class="muted">${t('gate.demo_text')}</p>
    <ul class="people">
      ${people.map(({ name, email }) => html`<li key=${email}>
        <${ActionButton} kind="quiet wide" data-person=${email} onPress=${() => session.logIn(email, demo.password)}>
          <span class="avatar" aria-hidden="true">${name.slice(0, 1)}</span><span>${t('gate.be', { name })}</span><${Icon} name="next" /></${ActionButton}></li>`)}
    </ul>
  </section>`;
}

function Form({ session, isNew, onSwitch }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const isAtWork = useRef(false);
  const submit = async (event) => {
    event.preventDefault();
    // The button is drawn a moment later than it is pressed.
    if (isAtWork.current) return;
    isAtWork.current = true;
    const { email, password, name } = Object.fromEntries(new FormData(event.target));
    setBusy(true);
    setError(null);
    try {
      await (isNew ? session.register({ email, password, name, locale: language() }) : session.logIn(email, password));
    } catch (problem) {
      setError(problem);
      setBusy(false);
      isAtWork.current = false;
    }
  };
  const other = error?.code === 'other_face' && error.role;
  return html`<form class="card form" onSubmit=${submit}>
    <h2>${t(isNew ? 'gate.register' : 'gate.log_in')}</h2>
    ${isNew && html`<label>${t('gate.name')}<input name="name" autocomplete="name" required maxlength="100" /></label>`}
    <label>${t('gate.email')}<input name="email" type="email" autocomplete="username" required /></label>
    <label>${t('gate.password')}<input name="password" type="password" autocomplete=${isNew ? 'new-password' : 'current-password'} required minlength=${isNew ? 8 : 1} /></label>
    ${other && html`<p class="error" role="alert">${t('gate.other_face', { role: t(`role.${other}`) })} <a href="/">${t('gate.start')}</a></p>`}
    ${error && !other && html`<${Refusal} error=${error} />`}
    <button class="button primary" disabled=${isBusy} aria-busy=${isBusy}>${t(isNew ? 'gate.register' : 'gate.log_in')}</button>
    ${onSwitch && html`<button type="button" class="link" onClick=${onSwitch}>${t(isNew ? 'gate.have_account' : 'gate.no_account')}</button>`}
  </form>`;
}

/** Shown until somebody is logged in. */
export function Gate({ session, title, canRegister = false }) {
  const [demo, setDemo] = useState(null);
  const [isNew, setNew] = useState(false);
  useEffect(() => {
    let isThere = true;
    config().then((found) => { if (isThere) setDemo(found.demo); }, () => {});
    return () => { isThere = false; };
  }, []);
  return html`<main class="gate">
    <h1 tabindex="-1"><img src="/static/icon.svg" alt="" width="32" height="32" />${title}</h1>
    ${demo && html`<${Demo} session=${session} demo=${demo} />`}
    <${Form} key=${isNew} session=${session} isNew=${isNew} onSwitch=${canRegister ? () => setNew(!isNew) : null} />
    <p class="muted"><a href="/">${t('gate.start')}</a></p>
  </main>`;
}
