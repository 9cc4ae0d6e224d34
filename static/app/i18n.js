// Words in the language of whoever reads them.

import de from './words/de.js';
import en from './words/en.js';
import { Store } from './store.js';

const LANGUAGES = { en, de };
const KEY = 'waybill.language';
/** Faults that are told with their bounds. */
const BOUNDED = ['out_of_range', 'too_long', 'too_short'];

function first() {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages].filter(Boolean);
  return wanted.map((name) => name.slice(0, 2)).find((name) => name in LANGUAGES) ?? 'en';
}

const chosen = new Store(first());
document.documentElement.lang = chosen.value;

/** A store: faces are drawn anew when it changes. */
export const languageStore = chosen;
export const languages = { en: 'English', de: 'Deutsch' };
export const language = () => chosen.value;
/** As the reader's system writes numbers and times, where that is set to this language. */
export const locale = () => navigator.languages.find((name) => name.slice(0, 2) === chosen.value) ?? chosen.value;

export function setLanguage(name) {
  localStorage.setItem(KEY, name);
  document.documentElement.lang = name;
  chosen.set(name);
}

/** Adds the words of a face: `{en: {…}, de: {…}}`. */
export function addWords(words) {
  for (const [name, own] of Object.entries(words)) Object.assign(LANGUAGES[name], own);
}

/** The words for `key`, with `{name}` replaced by values. Of several forms (`{one, other}`) the one for `values.count`. */
export function t(key, values = {}) {
  let text = LANGUAGES[chosen.value][key] ?? LANGUAGES.en[key];
  if (text === undefined) return key;
  if (typeof text === 'object') text = text[new Intl.PluralRules(chosen.value).select(values.count)] ?? text.other;
  return text.replaceAll(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Whether there are words for `key`. */
export const has = (key) => key in LANGUAGES.en;

/** What went wrong, for people: by its code where that has words of its own. */
export const explain = (error) => (has(`error.${error?.code}`) ? t(`error.${error.code}`, error.body) : error?.message ?? t('error.unknown'));

/** What is wrong with a field, for people: in the server's own words, which are English, where there are none for its code. */
export function explainField({ field, code, message }) {
  const [part] = field.split(/[.[]/);
  const name = has(`field.${part}`) ? t(`field.${part}`) : field;
  // "expected at least 8 characters": the bounds are the same in every language.
  const [low, high] = message.match(/-?\d+/g) ?? [];
  const isSaid = has(`fault.${code}`) && (low !== undefined || !BOUNDED.includes(code));
  return `${name}: ${isSaid ? t(`fault.${code}`, { count: Number(low), low, high }) : message}`;
}
