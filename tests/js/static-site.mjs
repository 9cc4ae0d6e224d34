// The real static folder, and pages of the tests, under the policy that the pages of the server have.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { extname } from 'node:path';

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'";
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.svg': 'image/svg+xml' };
const FOLDERS = { static: new URL('../../static/', import.meta.url), pages: new URL('./pages/', import.meta.url) };

/** Serves `/static/…` and `/pages/…`; `t` (or whatever has `after`) ends it. */
export async function startStaticSite(t) {
  const site = http.createServer(async (request, answer) => {
    const [, folder, name] = /^\/(static|pages)\/([\w./-]+)(\?.*)?$/.exec(request.url) ?? [];
    const type = name && !name.includes('..') && TYPES[extname(name)];
    const body = type ? await readFile(new URL(name, FOLDERS[folder])).catch(() => null) : null;
    answer.writeHead(body === null ? 404 : 200, {
      'Content-Type': `${type || 'text/plain'}; charset=utf-8`, 'Content-Security-Policy': POLICY,
    });
    answer.end(body);
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => {
    site.closeAllConnections();
    site.close();
  });
  return `http://127.0.0.1:${site.address().port}`;
}
