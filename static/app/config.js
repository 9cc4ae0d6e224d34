// What differs from server to server.

let asked = null;

/** `{demo: {password, users, shops} | null, tiles: {url, attribution} | null}` */
export function config() {
  asked ??= fetch('/app/config', { cache: 'no-store' }).then((answer) => {
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return answer.json();
  });
  // What failed is asked again the next time.
  asked.catch(() => { asked = null; });
  return asked;
}
