// Small parts that several screens of the dashboard are made of.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { serverClock, useServerNow } from '../app/clock.js';
import { has, locale, t } from '../app/i18n.js';
import { ago, moment } from '../app/format.js';
import { ActionButton, Dialog } from '../app/ui.js';
import { viewersOf } from './team.js';

/** How long a row that has changed is marked, milliseconds. */
const MARKED = 4000;

/** Ids begin with the time; what tells two of the same minute apart is at the end. */
export const shortId = (id) => `#${id.slice(-6)}`;

/** The words for a name of the server's; a later one may have names without words, which are shown as they are. */
export const named = (key) => (has(key) ? t(key) : key.slice(key.indexOf('.') + 1).replaceAll('_', ' '));

const NUMBERS = new Map();
export function number(value, digits = 0) {
  const key = `${locale()} ${digits}`;
  if (!NUMBERS.has(key)) NUMBERS.set(key, new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: digits }));
  return NUMBERS.get(key).format(value);
}

/** How long, in two parts at most: `45 s`, `12 min`, `3 h 20 min`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return t('time.seconds', { count: whole });
  const [minutes, hours] = [Math.round(whole / 60), Math.floor(whole / 3600)];
  if (minutes < 90) return t('time.minutes', { count: minutes });
  if (hours < 48) return t('time.hours', { hours, minutes: Math.floor((whole % 3600) / 60) });
  return t('time.days', { count: Math.round(whole / 86_400) });
}

export const Status = ({ status }) => html`<span class="pill" data-status=${status}>${t(`state.${status}`)}</span>`;

export const Time = ({ at }) => html`<time datetime=${at} title=${new Date(at).toLocaleString(locale())}>${moment(at)}</time>`;

/** To the second: steps of an order may follow quickly on each other. */
export const exactly = (time) => new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(time));

export function ExactTime({ at }) {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return html`<time datetime=${at} title=${new Date(at).toLocaleString(locale())}>${isToday ? exactly(at) : moment(at)}</time>`;
}

/** How long ago by the server's clock, kept true. */
export function Ago({ at }) {
  const now = useServerNow(serverClock, 10_000);
  return html`<time datetime=${at} title=${new Date(at).toLocaleString(locale())}>${ago(at, now)}</time>`;
}

export const initials = (name) => name.split(/\s+/).filter(Boolean).slice(0, 2).map((word) => word[0]).join('').toUpperCase();

export const Avatar = ({ name, kind = '' }) => html`<span class="avatar small ${kind}" title=${name} aria-hidden="true">${initials(name)}</span>`;

/** Who else has this order on the screen. */
export function Viewers({ face, orderId }) {
  const viewing = useStore(face.team.viewing);
  const viewers = viewersOf(viewing, orderId, face.session.user.value?.id);
  if (viewers.length === 0) return null;
  const names = viewers.map(({ name }) => name).join(', ');
  return html`<span class="viewers" title=${t('team.looks', { names })}>${viewers.slice(0, 3).map(({ userId, name }) => html`<${Avatar} key=${userId} name=${name} kind="looks" />`)}
    <span class="sr">${t('team.looks', { names })}</span></span>`;
}

/** Whether something has changed within the last moments; what is there at first has not, unless it came `live`. */
export function useMark(version, isLive = false) {
  const [isMarked, setMarked] = useState(isLive);
  const before = useRef(version);
  useEffect(() => {
    const isChanged = before.current !== version;
    before.current = version;
    if (!isChanged && !isLive) return undefined;
    setMarked(true);
    const timer = setTimeout(() => setMarked(false), MARKED);
    return () => clearTimeout(timer);
  }, [version]);
  return isMarked;
}

function Row({ columns, row, version, isLive }) {
  const isMarked = useMark(version, isLive);
  return html`<tr role="row" class=${isMarked ? 'marked' : ''}>${columns.map(({ key, label, kind = '', cell }, index) => html`<${index === 0 ? 'th' : 'td'} key=${key} role=${index === 0 ? 'rowheader' : 'cell'}
    scope=${index === 0 ? 'row' : undefined} class="cell ${kind}" data-label=${label}>${cell(row)}</${index === 0 ? 'th' : 'td'}>`)}</tr>`;
}

/**
 * A table, and on a phone a card for each row. `columns` are `{key, label, cell(row), kind?}`; `versionOf(row)` tells a row that has
 * changed. The roles are what a phone's cards would lose.
 */
export function Table({ label, columns, rows, versionOf = ({ id }) => id, idOf = ({ id }) => id, kind = '' }) {
  return html`<div class="table-box ${kind}" tabindex="0" role="region" aria-label=${label}><table role="table" class=${`data of-${kind}`} aria-label=${label}>
    <thead role="rowgroup"><tr role="row">${columns.map(({ key, label: head, kind: type = '' }) => html`<th key=${key} role="columnheader" scope="col" class=${type}>${head}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<${Row} key=${idOf(row)} columns=${columns} row=${row} version=${versionOf(row)} isLive=${row.isLive} />`)}</tbody></table></div>`;
}

/**
 * The button for the next page. It keeps the focus while that is read; once there is no more of it, the first row that has come by it
 * gets that. `rows` selects them.
 */
export function More({ list, rows }) {
  const { next, isLoading } = useStore(list.state);
  const before = useRef(null);
  useEffect(() => {
    if (before.current === null || isLoading) return;
    const row = document.querySelectorAll(rows)[before.current];
    before.current = null;
    if (!next && document.activeElement === document.body) (row?.querySelector('a, button') ?? document.querySelector('main h1'))?.focus();
  });
  const press = async () => {
    if (isLoading) return;
    const count = document.querySelectorAll(rows).length;
    await list.load({ more: true });
    // What has come is drawn after this.
    before.current = count;
  };
  return next && html`<button type="button" class="button quiet wide" aria-disabled=${isLoading} aria-busy=${isLoading} onClick=${press}>${t('more')}</button>`;
}

/** What is not to happen by mistake. `onConfirm` gives a promise. */
export function Confirm({ title, text, confirm, kind = 'primary', onConfirm, onClose, children, isReady = true }) {
  const press = async () => {
    await onConfirm();
    onClose();
  };
  return html`<${Dialog} title=${title} onClose=${onClose}><div class="form">
    ${text && html`<p>${text}</p>`}${children}
    <${ActionButton} kind=${kind} disabled=${!isReady} onPress=${press}>${confirm}</${ActionButton}>
    <button type="button" class="button quiet" onClick=${onClose}>${t('confirm.not')}</button>
  </div></${Dialog}>`;
}

/** What is typed, once nobody has typed for a moment. */
export function useCalm(value, milliseconds = 300) {
  const [calm, setCalm] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setCalm(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value]);
  return calm;
}
