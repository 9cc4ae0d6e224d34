// Amounts, times and distances, as their reader writes them and in the reader's time zone.

import { digitsOf } from './config.js';
import { locale, t } from './i18n.js';

const made = new Map();

/** Formats are slow to make. */
function format(kind, options) {
  const key = `${locale()} ${kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(locale(), options));
  return made.get(key);
}

/** As the server counts them; before it has told, as the browser does. */
function currencyFormat(currency) {
  const digits = digitsOf.get(currency);
  const fixed = digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return format(Intl.NumberFormat, { style: 'currency', currency, ...fixed });
}

/** Digits after the decimal point. */
export const fractionDigits = (currency) => currencyFormat(currency).resolvedOptions().maximumFractionDigits;

export function money({ amount, currency }) {
  return currencyFormat(currency).format(amount / 10 ** fractionDigits(currency));
}

/** Minor units of what somebody has typed, or null. A comma is as good as a point. */
export function minorUnits(text, currency) {
  const digits = fractionDigits(currency);
  const [, whole, part = ''] = /^\s*(\d{1,9})(?:[.,](\d*))?\s*$/.exec(text) ?? [];
  if (whole === undefined || part.length > digits) return null;
  return Number(whole + part.padEnd(digits, '0'));
}

export const clock = (time) => format(Intl.DateTimeFormat, { hour: '2-digit', minute: '2-digit' }).format(new Date(time));

const isToday = (time) => new Date(time).toDateString() === new Date().toDateString();

/** A time of day, and the day unless it is today. */
export function moment(time) {
  if (isToday(time)) return clock(time);
  return format(Intl.DateTimeFormat, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }).format(new Date(time));
}

/** How long ago, in words. */
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - new Date(time)) / 1000));
  const relative = format(Intl.RelativeTimeFormat, { numeric: 'auto', style: 'short' });
  if (seconds < 45) return t('just_now');
  if (seconds < 3600) return relative.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 86_400) return relative.format(-Math.round(seconds / 3600), 'hour');
  return relative.format(-Math.round(seconds / 86_400), 'day');
}

export function distance(metres) {
  if (metres < 1000) {
    return format(Intl.NumberFormat, { style: 'unit', unit: 'meter', maximumFractionDigits: 0 }).format(Math.round(metres / 10) * 10);
  }
  return format(Intl.NumberFormat, { style: 'unit', unit: 'kilometer', maximumFractionDigits: 1 }).format(metres / 1000);
}

/** Whole minutes, at least one. */
export const minutes = (seconds) => format(Intl.NumberFormat, { style: 'unit', unit: 'minute', unitDisplay: 'short' })
  .format(Math.max(1, Math.round(seconds / 60)));

/** `1:05` */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
