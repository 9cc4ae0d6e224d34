// Who is logged in, and REST calls in that name. Each face has a log-in of its own, which all of its tabs share.

import { Store } from './store.js';

/** An answer that is no success; `code` is stable (docs/rest.md). */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `the server answered ${status}`);
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.body = body ?? {};
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor() {
    super('the server cannot be reached');
    this.code = 'unreachable';
  }
}

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

/** A token's end, milliseconds. */
function endOf(token) {
  try {
    const [, payload] = token.split('.');
    return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))).exp * 1000;
  } catch {
    return 0;
  }
}

export class Session {
  #key;
  #tokens = null;

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
    this.#tokens = kept ? { access: kept.access, refresh: kept.refresh } : null;
    const { value: user } = this.user;
    if (user?.id !== kept?.user?.id) this.user.set(kept?.user ?? null);
  }

  #keep(tokens, user) {
    this.#tokens = tokens;
    if (tokens) localStorage.setItem(this.#key, JSON.stringify({ ...tokens, user }));
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

  /** Forgets the log-in, here and on the server. */
  async logOut() {
    const tokens = this.#tokens;
    this.#keep(null, null);
    if (tokens) await send('POST', '/auth/logout', { body: { refresh: tokens.refresh } }).catch(() => {});
  }

  /** An access token for the client; with `fresh` another one than before. */
  async token({ fresh }) {
    if (!this.#tokens) throw Object.assign(new Error('logged out'), { status: 401 });
    const { access } = this.#tokens;
    return fresh || endOf(access) - Date.now() < 30_000 ? this.#renew(access) : access;
  }

  /** A refresh token is good for one use, whichever tab uses it: one of them renews, and the others wait for it. */
  async #renew(old) {
    const renew = async () => {
      this.#read();
      const tokens = this.#tokens;
      if (!tokens) throw Object.assign(new Error('logged out'), { status: 401 });
      if (tokens.access !== old) return tokens.access;
      try {
        const { access, refresh } = await send('POST', '/auth/refresh', { body: { refresh: tokens.refresh } });
        this.#keep({ access, refresh }, this.user.value);
        return access;
      } catch (problem) {
        if (problem.status === 401 || problem.status === 403) this.#keep(null, null);
        throw problem;
      }
    };
    return navigator.locks ? navigator.locks.request(`${this.#key} renewal`, renew) : renew();
  }

  /**
   * A call. With `key`, it is carried out once, however often it is sent.
   * Throws a `Problem`, or `Unreachable`.
   */
  async call(method, path, body, { key } = {}) {
    const access = await this.token({ fresh: false });
    const language = document.documentElement.lang;
    try {
      return await send(method, path, { access, body, key, language });
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      return send(method, path, { access: await this.#renew(access), body, key, language });
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

  delete(path, body) {
    return this.call('DELETE', path, body);
  }
}
