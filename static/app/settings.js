// What somebody may set: language, colours, and which notifications come by which way.

import { html, useState } from './view.js';
import { useStore } from './store.js';
import { language, languageStore, languages, setLanguage, t } from './i18n.js';
import { PushSwitch } from './push.js';
import { theme, setTheme } from './theme.js';
import { ActionButton, Failed, Loading, toast, useLoaded } from './ui.js';

/** The ways on which something goes out. */
const sentTo = (push) => (push ? ['in_app', 'push'] : ['in_app']);

function Preferences({ session, push }) {
  const { value, error, reload, set } = useLoaded(() => session.get('/notifications/preferences'), 'preferences');
  if (error) return html`<${Failed} error=${error} onRetry=${reload} />`;
  if (!value) return html`<${Loading} lines=${6} />`;
  const kinds = [...new Set(value.preferences.map(({ type }) => type))];
  const channels = sentTo(push).filter((channel) => value.preferences.some((one) => one.channel === channel));
  const find = (type, channel) => value.preferences.find((one) => one.type === type && one.channel === channel);
  const change = async (type, channel, enabled) => {
    const put = (is) => set((table) => ({ ...table, preferences: table.preferences.map((one) => (one.type === type && one.channel === channel ? { ...one, enabled: is } : one)) }));
    put(enabled);
    try {
      await session.put('/notifications/preferences', { preferences: [{ type, channel, enabled }] });
    } catch {
      put(!enabled);
      toast({ kind: 'error', title: t('settings.not_saved') });
    }
  };
  return html`<div class="table-box" tabindex="0" role="region" aria-label=${t('settings.notifications')}><table class="preferences">
    <thead><tr><th scope="col">${t('settings.what')}</th>${channels.map((channel) => html`<th key=${channel} scope="col">${t(`channel.${channel}`)}</th>`)}</tr></thead>
    <tbody>${kinds.map((type) => html`<tr key=${type}><th scope="row">${t(`kind.${type}`)}</th>${channels.map((channel) => {
      const one = find(type, channel);
      return html`<td key=${channel}>${one && html`<input type="checkbox" class="switch" aria-label=${`${t(`kind.${type}`)}, ${t(`channel.${channel}`)}`} checked=${one.enabled}
        disabled=${one.enabled && !one.can_switch_off} onChange=${(event) => change(type, channel, event.target.checked)} />`}</td>`;
    })}</tr>`)}</tbody></table></div>`;
}

/** `children` is what a face has to be set of its own; `push` what it has of pushes, if anything. */
export function Settings({ session, push, children }) {
  const user = useStore(session.user);
  useStore(languageStore);
  const [shown, setShown] = useState(theme());
  // What the server writes is to be in it, too.
  const speak = async (name) => {
    setLanguage(name);
    try {
      await session.speak(name);
    } catch {
      toast({ kind: 'error', title: t('settings.not_saved') });
    }
  };
  return html`<section class="screen">
    <header class="screen-head"><h1 tabindex="-1">${t('settings.title')}</h1></header>
    <div class="card person-card"><span class="avatar" aria-hidden="true">${user.name.slice(0, 1)}</span>
      <span class="row-text"><strong>${user.name}</strong><span class="muted clip">${user.email}</span></span>
      <${ActionButton} kind="quiet" onPress=${() => session.logOut()}>${t('settings.log_out')}</${ActionButton}></div>
    <div class="card form">
      <label>${t('settings.language')}<select value=${language()} onChange=${(event) => speak(event.target.value)}>
        ${Object.entries(languages).map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}</select></label>
      <label>${t('settings.theme')}<select value=${shown} onChange=${(event) => { setTheme(event.target.value); setShown(event.target.value); }}>
        ${['system', 'light', 'dark'].map((name) => html`<option key=${name} value=${name}>${t(`theme.${name}`)}</option>`)}</select></label>
    </div>
    ${children}
    ${push && html`<${PushSwitch} push=${push} />`}
    <h2>${t('settings.notifications')}</h2>
    <${Preferences} session=${session} push=${push} />
  </section>`;
}
