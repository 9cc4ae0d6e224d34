// Who is logged in, and REST calls in that name. Each face has a log-in of its own, which all of its tabs share.

import { tokenClaims } from '../js/waybill.js';
import { uuid } from '../js/waybill-parts.js';
import { Problem, Unreachable } from './problem.js';
import { clearToasts } from './toasts.js';
import { Store } from './store.js';

/** How long an answer may take, milliseconds. */
const PATIENCE = 20_000;

async function send(method, path, { access, body, key, language } = {}) {
  const headers = { Accept: 'application/json' };
  if (access) headers.Authorization = `Bearer ${access}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  if (language) headers['Accept-Language'] = language;
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Unreachable();
  }
  const parsed = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, parsed);
  return parsed;
}

/** Sooner than this before its end a token is renewed, and after half of its life at the latest, milliseconds. */
const MARGIN = 30_000;

/** Whether a token that came at `at` is to be renewed. By how long it lasts, since this clock may be wrong. */
function isStale(token, at) {
  const { iat, exp } = tokenClaims(token);
  const life = (exp - iat) * 1000;
  const age = Date.now() - at;
  return !(age >= 0 && age < Math.max(life - MARGIN, life / 2));
}

export class Session {
  #key;
  #tokens = null;
  #renewing = null;

  /** The user, or null. */
  user = new Store(null);

  constructor(face) {
    this.face = face;
    this.#key = `waybill.${face}`;
    this.#read();
    // Another tab has logged in, out, or renewed.
    addEventListener('storage', ({ key }) => {
      if (key === this.#key) this.#read();
    });
  }

  #read() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this.#key));
    } catch {
      // What is there is not ours.
    }
    this.#tokens = kept ? { access: kept.access, refresh: kept.refresh, attempt: kept.attempt, at: kept.at ?? 0 } : null;
    const { value: user } = this.user;
    if (user?.id !== kept?.user?.id) this.user.set(kept?.user ?? null);
  }

  #keep(tokens, user) {
    // By this name a renewal can be asked for again, by any tab and after a reload, when its answer was lost.
    this.#tokens = tokens && { ...tokens, attempt: uuid(), at: Date.now() };
    if (tokens) localStorage.setItem(this.#key, JSON.stringify({ ...this.#tokens, user }));
    else localStorage.removeItem(this.#key);
    this.user.set(user);
  }

  async logIn(email, password) {
    const { access, refresh, user } = await send('POST', '/auth/login', { body: { email, password } });
    if (user.role !== this.face) {
      // Of another face: that log-in is not needed.
      await send('POST', '/auth/logout', { body: { refresh } }).catch(() => {});
      throw Object.assign(new Error(user.role), { code: 'other_face', role: user.role });
    }
    this.#keep({ access, refresh }, user);
  }

  async register({ email, password, name, locale }) {
    const { access, refresh, user } = await send('POST', '/auth/register', { body: { email, password, name, locale, role: this.face } });
    this.#keep({ access, refresh }, user);
  }

  /** Tells the server which language its user reads: what it writes is to be in that one. */
  async speak(locale) {
    const { locale: known, id } = await this.patch('/me', { locale });
    this.#read();
    const { value: user } = this.user;
    if (user?.id !== id) return;
    const next = { ...user, locale: known };
    localStorage.setItem(this.#key, JSON.stringify({ ...this.#tokens, user: next }));
    this.user.set(next);
  }

  /** Forgets the log-in, here and on the server. */
  async logOut() {
    clearToasts();
    const tokens = this.#tokens;
    this.#keep(null, null);
    if (tokens) await send('POST', '/auth/logout', { body: { refresh: tokens.refresh } }).catch(() => {});
  }

  /** An access token for the client; with `fresh` another one than before. */
  async token({ fresh }) {
    if (!this.#tokens) throw Object.assign(new Error('logged out'), { status: 401 });
    const { access, at } = this.#tokens;
    return fresh || isStale(access, at) ? this.#renew(access) : access;
  }

  /** A refresh token is good for one use, whichever tab uses it: one of them renews, and the others wait for it. */
  #renew(old) {
    this.#renewing ??= this.#renewOnce(old).finally(() => { this.#renewing = null; });
    return this.#renewing;
  }

  #renewOnce(old) {
    const loggedOut = () => Object.assign(new Error('logged out'), { status: 401 });
    const renew = async () => {
      this.#read();
      const tokens = this.#tokens;
      const { id } = this.user.value ?? {};
      if (!tokens) throw loggedOut();
      if (tokens.access !== old) return tokens.access;
      // Somebody may log out, or another one in, while the answer is under way.
      const isStill = () => {
        this.#read();
        return this.#tokens?.refresh === tokens.refresh;
      };
      try {
        const { access, refresh } = await send('POST', '/auth/refresh', { body: { refresh: tokens.refresh, attempt: tokens.attempt } });
        if (isStill()) {
          this.#keep({ access, refresh }, this.user.value);
          return access;
        }
      } catch (problem) {
        const isRefused = problem.status === 401 || problem.status === 403;
        if (!isRefused) throw problem;
        if (isStill()) {
          this.#keep(null, null);
          throw problem;
        }
      }
      // Where there are no locks another tab may have been faster: what it has kept is as good.
      if (!this.#tokens || this.user.value?.id !== id) throw loggedOut();
      return this.#tokens.access;
    };
    // Pages that are no secure context have no locks; there, two tabs may still renew at once.
    return navigator.locks ? navigator.locks.request(`${this.#key} renewal`, renew) : renew();
  }

  /**
   * A call. With `key`, it is carried out once, however often it is sent.
   * Throws a `Problem`, or `Unreachable`.
   */
  async call(method, path, body, { key } = {}) {
    const { id } = this.user.value ?? {};
    const access = await this.token({ fresh: false });
    const language = document.documentElement.lang;
    try {
      return await send(method, path, { access, body, key, language });
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      const fresh = await this.#renew(access);
      // Not in another one's name.
      if (this.user.value?.id !== id) throw problem;
      return send(method, path, { access: fresh, body, key, language });
    }
  }

  get(path) {
    return this.call('GET', path);
  }

  post(path, body = {}, options = undefined) {
    return this.call('POST', path, body, options);
  }

  put(path, body) {
    return this.call('PUT', path, body);
  }

  patch(path, body) {
    return this.call('PATCH', path, body);
  }

  delete(path, body) {
    return this.call('DELETE', path, body);
  }
}
