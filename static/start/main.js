// The page at `/`: leads to the three apps. Where there is a demo, one click makes one of its people of the visitor, and another
// shows all three apps side by side.

import { html, render, useEffect, useMemo, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { config } from '../app/config.js';
import { addWords, language, languageStore, languages, setLanguage, t } from '../app/i18n.js';
import { Session } from '../app/session.js';
import '../app/theme.js';
import { ActionButton, Icon, Loading } from '../app/ui.js';
import { Together } from './together.js';
import de from './words.de.js';
import en from './words.en.js';

addWords({ en, de });

/** The apps, in the order in which an order goes through them. */
const ROLES = [
  { role: 'customer', icon: 'bag', points: ['order', 'track', 'write'] },
  { role: 'partner', icon: 'bicycle', points: ['offer', 'step', 'earn'] },
  { role: 'admin', icon: 'shield', points: ['see', 'claim', 'replay'] },
];

/** Logs in to the app of one of the demo's people. */
async function become({ role, email }, password) {
  const session = new Session(role);
  if (session.user.value?.email === email) return;
  // Whoever was there before is logged out by the server, too.
  await session.logOut();
  await session.logIn(email, password);
}

/** Whose log-in an app has, or null; without one that the server has ended meanwhile. */
async function whoIsIn(role) {
  const session = new Session(role);
  if (!session.user.value) return null;
  await session.get('/me').catch((problem) => { if (problem.status !== 401) throw problem; });
  return session.user.value;
}

/** Logs in to an app where nobody is, and gives who is there then: nobody's log-in is ended by a look at all three apps. */
async function enter(person, password) {
  const there = await whoIsIn(person.role);
  if (there) return there;
  await become(person, password);
  return person;
}

function Card({ role, icon, points, people, password }) {
  const [first, ...others] = people;
  const there = useMemo(() => new Session(role).user.value, []);
  const be = async (person) => {
    await become(person, password);
    location.assign(`/${role}`);
  };
  return html`<li class="card role" data-role=${role}>
    <h2><span class="role-icon"><${Icon} name=${icon} size=${26} /></span>${t(`start.${role}`)}</h2>
    <p>${t(`start.${role}.text`)}</p>
    <ul class="points">${points.map((point) => html`<li key=${point}><${Icon} name="check" size=${18} />${t(`start.${role}.${point}`)}</li>`)}</ul>
    <div class="ways">
      ${first
        ? html`<${ActionButton} kind="primary wide" data-be=${first.email} onPress=${() => be(first)}>${t('start.be', { name: first.name })}</${ActionButton}>`
        : html`<a class="button primary wide" href=${`/${role}`}>${t('start.open')}</a>`}
      ${others.length > 0 && html`<p class="others muted">${t('start.or')} ${others.map((person) => html`
        <${ActionButton} key=${person.email} kind="link" data-be=${person.email} onPress=${() => be(person)}>${person.name}</${ActionButton}>`)}</p>`}
      ${first && html`<p class="muted own"><a href=${`/${role}`}>${there ? t('start.go_on', { name: there.name }) : t('start.own_account')}</a></p>`}
    </div>
  </li>`;
}

function Start() {
  useStore(languageStore);
  const [demo, setDemo] = useState(undefined);
  const [together, setTogether] = useState(location.hash === '#together');
  useEffect(() => {
    config().then((found) => setDemo(found.demo), () => setDemo(null));
    const follow = () => setTogether(location.hash === '#together');
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const of = (role) => demo?.users.filter((user) => user.role === role) ?? [];
  if (demo && together) {
    const enterAll = () => Promise.all(ROLES.map(({ role }) => enter(of(role)[0], demo.password)));
    return html`<${Together} roles=${ROLES} enter=${enterAll} />`;
  }
  return html`
    <header class="top start-top">
      <a class="brand" href="/" aria-label="waybill"><img src="/static/icon.svg" alt="" width="26" height="26" /><span>waybill</span></a>
      <nav class="start-links" aria-label=${t('start.documents')}><a href="/docs">${t('start.rest')}</a><a href="/docs/frames">${t('start.frames')}</a></nav>
      <label><span class="sr">${t('settings.language')}</span><select value=${language()} onChange=${(event) => setLanguage(event.target.value)}>
        ${Object.entries(languages).map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}</select></label>
    </header>
    <main class="start">
      <div class="hero">
        <h1>${t('start.title')}</h1>
        <p>${t('start.text')}</p>
        ${demo && html`<a class="button primary big" href="#together"><${Icon} name="swap" />${t('start.together')}</a>`}
      </div>
      ${demo === undefined
        ? html`<${Loading} lines=${6} />`
        : html`<ul class="roles">${ROLES.map((role) => html`<${Card} key=${role.role} ...${role} people=${of(role.role)} password=${demo?.password} />`)}</ul>`}
      ${demo && html`<p class="muted note">${t('start.demo')}</p>`}
    </main>`;
}

document.title = 'waybill';
render(html`<${Start} />`, document.getElementById('face'));
