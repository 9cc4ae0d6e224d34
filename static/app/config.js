// What differs from server to server.

import { Problem, Unreachable } from './problem.js';

let asked = null;

/** Digits after the decimal point, by currency: browsers differ from ISO 4217, and from each other, in some. */
export const digitsOf = new Map();

/** `{demo: {password, users, shops} | null, tiles: {url, attribution} | null, currencies: [{code, digits}]}` */
export function config() {
  asked ??= fetch('/app/config', { cache: 'no-store' }).catch(() => { throw new Unreachable(); }).then((answer) => {
    if (!answer.ok) throw new Problem(answer.status);
    return answer.json();
  }).then((told) => {
    told.currencies.forEach(({ code, digits }) => digitsOf.set(code, digits));
    return told;
  });
  // What failed is asked again the next time.
  asked.catch(() => { asked = null; });
  return asked;
}
