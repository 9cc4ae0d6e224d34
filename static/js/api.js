// REST with a log-in that renews itself.

/** An answer that is no success. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `the server answered ${status}`);
    this.status = status;
    this.code = body?.code ?? '';
  }
}

async function call(method, path, access, body) {
  const headers = { Accept: 'application/json' };
  if (access) headers.Authorization = `Bearer ${access}`;
  if (body) headers['Content-Type'] = 'application/json';
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: 'no-store' });
  const parsed = await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, parsed);
  return parsed;
}

/** What differs from server to server. */
export const config = () => call('GET', '/app/config');

/** A logged-in user. The tokens live in this object and nowhere else. */
export class Api {
  #tokens;
  #renewing = null;

  static async logIn(email, password) {
    const api = new Api();
    const answer = await call('POST', '/api/v1/auth/login', null, { email, password });
    api.#tokens = { access: answer.access, refresh: answer.refresh };
    api.user = answer.user;
    return api;
  }

  /** A fresh access token. A refresh token is good for one use, so all who need one wait for the same. */
  renew() {
    this.#renewing ??= call('POST', '/api/v1/auth/refresh', null, { refresh: this.#tokens.refresh })
      .then((tokens) => {
        this.#tokens = tokens;
        return tokens.access;
      })
      .finally(() => { this.#renewing = null; });
    return this.#renewing;
  }

  async get(path) {
    try {
      return await call('GET', `/api/v1${path}`, this.#tokens.access);
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      return call('GET', `/api/v1${path}`, await this.renew());
    }
  }

  /** An access token, as the client asks for it. */
  token({ fresh }) {
    return fresh ? this.renew() : this.#tokens.access;
  }

  async logOut() {
    await call('POST', '/api/v1/auth/logout', null, { refresh: this.#tokens.refresh });
  }
}
