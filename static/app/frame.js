// The frame of every app: whoever is logged in sees the tabs, the bell and a screen; everybody else the way in.

import { html, render, useEffect, useMemo } from './view.js';
import { useStore } from './store.js';
import { language, languageStore, t } from './i18n.js';
import { Gate } from './gate.js';
import { Bell, InboxScreen } from './inbox.js';
import './theme.js';
import { Connection, Icon, Toasts } from './ui.js';

function Tab({ router, path, to, icon, label, isHere = path === to, kind = '', count = 0, counted }) {
  return html`<a href=${router.href(to)} class="tab ${kind}" title=${label} aria-current=${isHere ? 'page' : undefined}><${Icon} name=${icon} /><span class="tab-label">${label}</span>
    ${count > 0 && html`<span class="tab-count"><span aria-hidden="true">${count > 99 ? '99+' : count}</span><span class="sr">${counted}</span></span>`}</a>`;
}

/** Drawn by itself: what a tab counts changes more often than the rest. */
function Tabs({ face, router, path, useTabs }) {
  const tabs = useTabs(face, path);
  return html`<nav class="tabs" aria-label=${t('navigation')}>${tabs.map((tab) => html`<${Tab} key=${tab.to} router=${router} path=${path} ...${tab} />`)}</nav>`;
}

const NothingHere = ({ router, home }) => html`<section class="screen"><h1 tabindex="-1">${t('not_found')}</h1><p><a href=${router.href('/')}>${home()}</a></p></section>`;

/** The title of the page is that of its screen, by whatever name that has, and of who is logged in. */
function useTitle(name) {
  useEffect(() => {
    const look = () => {
      const heading = document.querySelector('main h1')?.textContent.trim();
      const title = [heading, name, 'waybill'].filter(Boolean).join(' – ');
      if (document.title !== title) document.title = title;
    };
    look();
    // Screens change their own headings, as an order goes on say.
    const observer = new MutationObserver(look);
    observer.observe(document.getElementById('face'), { subtree: true, childList: true, characterData: true });
    return () => observer.disconnect();
  }, [name]);
}

function Face({ router, begin, useTabs, screen, above, beside, home }) {
  const path = useStore(router.path);
  const face = useMemo(begin, []);
  useEffect(() => face.end, [face]);
  const shown = path === '/inbox' ? html`<${InboxScreen} inbox=${face.inbox} />` : screen(path, face);
  return html`
    <header class="top">
      <a class="brand" href=${router.href('/')}><img src="/static/icon.svg" alt="" width="26" height="26" /><span>waybill</span></a>
      <${Tabs} face=${face} router=${router} path=${path} useTabs=${useTabs} />
      <${Bell} inbox=${face.inbox} href=${router.href('/inbox')} />
    </header>
    <${Connection} state=${face.live.state} onRetry=${() => face.client.connect()} />
    ${above?.(face, path)}
    <main>${shown ?? html`<${NothingHere} router=${router} home=${home} />`}</main>
    ${beside?.(face)}`;
}

function App({ session, router, title, canRegister, ...parts }) {
  const user = useStore(session.user);
  // All words are drawn anew with another language; what somebody is at, and where, stays.
  useStore(languageStore);
  useTitle(user?.name);
  // What the server writes is to be in the language of the page, wherever that was chosen; what cannot be told now is told next time.
  useEffect(() => {
    if (user && user.locale !== language()) session.speak(language()).catch(() => {});
  }, [user?.id]);
  useEffect(() => {
    // The next one begins at the beginning; who has come by a link, and logs in, gets there.
    return user ? () => router.go('/', { replace: true }) : undefined;
  }, [user?.id]);
  return html`${user
    ? html`<${Face} key=${user.id} router=${router} ...${parts} />`
    : html`<${Gate} session=${session} title=${title()} canRegister=${canRegister} />`}
    <${Toasts} />`;
}

/**
 * Draws an app. `begin` makes everything of one log-in: `{inbox, live, client, end, …}`, which the others are given as `face`;
 * `useTabs(face, path)` gives the tabs, `screen(path, face)` a screen, or nothing where there is none, `above(face, path)` and
 * `beside(face)` what lies above and beside all screens. `title` and `home` give words, in the language of the moment.
 */
export function startFace({ canRegister = false, ...parts }) {
  render(html`<${App} canRegister=${canRegister} ...${parts} />`, document.getElementById('face'));
}
