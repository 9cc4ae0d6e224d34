// The parts that all faces are made of.

import { html, useEffect, useLayoutEffect, useRef, useState } from './view.js';
import { Store, useStore } from './store.js';
import { whenBack } from './back.js';
import { explain, explainField, t } from './i18n.js';
import { Toasts, toast } from './toasts.js';

export { Toasts, toast };

/** Drawn on a grid of 24 by 24, in the colour of the text around it. */
const ICONS = {
  bell: 'M12 3a6 6 0 0 0-6 6v4l-2 4h16l-2-4V9a6 6 0 0 0-6-6Zm-2.5 15.5a2.6 2.6 0 0 0 5 0',
  back: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
  close: 'M6 6l12 12M18 6L6 18',
  chat: 'M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2Z',
  wallet: 'M4 7a2 2 0 0 1 2-2h11v3M4 7v10a2 2 0 0 0 2 2h13a1 1 0 0 0 1-1V9a1 1 0 0 0-1-1H6a2 2 0 0 1-2-1Zm12.5 6.5h.01',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 8c1.3-3.3 4.4-5 8-5s6.700 1.700 8 5',
  box: 'M12 3l8 4.500v9L12 21l-8-4.500v-9L12 3Zm-8 4.500l8 4.500 8-4.500M12 12v9',
  pin: 'M12 21s7-6.200 7-11.500A7 7 0 0 0 5 9.500C5 14.800 12 21 12 21Zm0-9a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z',
  home: 'M4 11l8-7 8 7v8a1 1 0 0 1-1 1h-4.500v-5.500h-5V20H5a1 1 0 0 1-1-1v-8Z',
  list: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  send: 'M4 12l16-8-5 16-3.500-6.500L4 12Z',
  star: 'M12 3.500l2.600 5.400 5.900.800-4.300 4.100 1 5.900-5.200-2.800-5.200 2.800 1-5.900L3.500 9.700l5.900-.800L12 3.500Z',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-14v5.500l3.500 2',
  alert: 'M12 4l9 16H3L12 4Zm0 6v4.500m0 2.500h.01',
  settings: 'M4 7h10m4 0h2M4 17h2m4 0h10M16 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM8 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z',
  chart: 'M4 20V4m0 16h16M8 16v-4m4 4V8m4 8v-6',
  locate: 'M12 3v3m0 12v3M3 12h3m12 0h3m-9 5a5 5 0 1 0 0-10 5 5 0 0 0 0 10Z',
  power: 'M12 4v8m-5-5.500a8 8 0 1 0 10 0',
  bicycle: 'M6 19a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Zm12 0a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM6 15.500L9.500 8H14l4 7.500M9.500 8L12 13.500h-2.500M14 5h2',
  bag: 'M6 8h12l1 12H5L6 8Zm3 0V6.500a3 3 0 0 1 6 0V8',
  gift: 'M4 11h16v9H4v-9Zm-1-4h18v4H3V7Zm9 0v13M12 7S10.500 3 8.500 3.500 8 7 12 7Zm0 0s1.500-4 3.500-3.500S16 7 12 7Z',
  swap: 'M4 8h14l-3.500-3.500M20 16H6l3.500 3.500',
  card: 'M4 6h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1Zm-1 4h18M6.500 15H10',
  megaphone: 'M4 10v4h3l8 4V6l-8 4H4Zm14.500-1a4.500 4.500 0 0 1 0 6M8 14.500V19h2.500',
  shield: 'M12 3l7.500 3v5.500c0 4.500-3 7.800-7.500 9.500-4.500-1.700-7.500-5-7.500-9.500V6L12 3Zm-3 9l2.200 2.200L15.500 10',
  bank: 'M4 20h16M5 9h14L12 4 5 9Zm1.500 0v8m4-8v8m3.500-8v8m4-8v8',
  search: 'M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13Zm4.700-1.800L20 20',
  play: 'M8 5.500v13l11-6.500-11-6.500Z',
  pause: 'M8 5v14M16 5v14',
  people: 'M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Zm-6.500 8c.800-3.200 3.300-5 6.500-5s5.700 1.800 6.500 5M15.500 5a3.300 3.300 0 0 1 0 6.300m2 3.700c2 .700 3.400 2.200 4 4.500',
  pulse: 'M3 12h4l2.500-6.500 5 13L17 12h4',
  map: 'M9 4L3 6.500v13.500l6-2.500 6 2.500 6-2.500V4l-6 2.500L9 4Zm0 0v13.500m6-11V20',
  dots: 'M5.500 12h.01M12 12h.01M18.500 12h.01',
  eye: 'M2.500 12C4.500 8 8 6 12 6s7.500 2 9.500 6c-2 4-5.500 6-9.500 6s-7.500-2-9.500-6Zm9.500 2.800a2.800 2.800 0 1 0 0-5.600 2.800 2.800 0 0 0 0 5.600Z',
  undo: 'M8 5L4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3',
  route: 'M6 20a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Zm12-11a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Zm-9.500 8.500H16a3.500 3.500 0 0 0 0-7H8a3.500 3.500 0 0 1 0-7h7.500',
  star_full: 'M12 3.500l2.600 5.400 5.900.800-4.300 4.100 1 5.900-5.200-2.800-5.200 2.800 1-5.900L3.500 9.700l5.900-.800L12 3.500Z',
};

export function Icon({ name, size = 22 }) {
  const filled = name.endsWith('_full');
  return html`<svg class="icon" viewBox="0 0 24 24" width=${size} height=${size} aria-hidden="true"
    fill=${filled ? 'currentColor' : 'none'} stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"
    ><path d=${ICONS[name] ?? ICONS.box} /></svg>`;
}

/** A button with nothing but an icon in it has its words for those who hear it. */
export const IconButton = ({ icon, label, ...rest }) => html`
  <button type="button" class="icon-button" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;

/**
 * A button whose work takes a while: it cannot be pressed twice, and says why it did not work. `onPress` gives a promise. It is not
 * disabled meanwhile: that would take the focus from it, and who uses the keyboard could not press it again.
 */
export function ActionButton({ onPress, children, kind = 'primary', disabled = false, ...rest }) {
  // Odd while it is at work.
  const [turn, setTurn] = useState(0);
  const isBusy = turn % 2 === 1;
  const [error, setError] = useState(null);
  const isThere = useRef(true);
  const isAtWork = useRef(false);
  useEffect(() => () => { isThere.current = false; }, []);
  const work = async () => {
    try {
      if (!disabled) await onPress();
    } catch (problem) {
      if (isThere.current) setError(problem);
    } finally {
      if (isThere.current) setTurn((before) => before + 1);
    }
  };
  // With what was typed last, which is drawn a moment after it is typed. And it is free again once what has come of it is drawn: until
  // then the button may be one that is to go.
  useLayoutEffect(() => {
    isAtWork.current = isBusy;
    if (isBusy) work();
  }, [turn]);
  // That nobody answered is no longer true once somebody does.
  useEffect(() => whenBack(() => setError((before) => (before?.code === 'unreachable' ? null : before))), []);
  const press = () => {
    if (isAtWork.current) return;
    isAtWork.current = true;
    setError(null);
    setTurn((before) => before + 1);
  };
  return html`<button type="button" class="button ${kind}" disabled=${disabled && !isBusy} aria-disabled=${isBusy} aria-busy=${isBusy} onClick=${press} ...${rest}>
    ${children}${isBusy && html`<span class="spinner" aria-hidden="true"></span>`}
  </button>${error && html`<${Refusal} error=${error} />`}`;
}

// ---------------------------------------------------------------- what lies on top

/** What a face has to show above whatever is in a dialog, `{Part}` or null: what lies outside of one can be neither seen nor pressed. */
export const aboveDialogs = new Store(null);

/** A dialog by the browser's own means: it holds the focus, and Escape closes it. */
export function Dialog({ title, onClose, children, wide = false }) {
  const dialog = useRef(null);
  // Closed while it is still in the page, it gives the focus back to what had it.
  useLayoutEffect(() => {
    const element = dialog.current;
    element.showModal();
    return () => element.close();
  }, []);
  const above = useStore(aboveDialogs);
  // A press beside it is one on the dialog itself, which lies over the whole page. Who began within, to select words say, and ended
  // beside it, wants to keep it.
  const beganBeside = useRef(false);
  const begin = (event) => { beganBeside.current = event.target === dialog.current; };
  const press = (event) => { if (event.target === dialog.current && beganBeside.current) onClose(); };
  return html`<dialog ref=${dialog} class=${wide ? 'dialog wide' : 'dialog'} aria-labelledby="dialog-title"
      onCancel=${(event) => { event.preventDefault(); onClose(); }} onPointerDown=${begin} onClick=${press}>
    <div class="dialog-box">
      <header class="dialog-head"><h2 id="dialog-title" class="clip-2">${title}</h2><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></header>
      ${above && html`<${above.Part} />`}
      ${children}
    </div>
    <${Toasts} isInDialog=${true} />
  </dialog>`;
}

// ---------------------------------------------------------------- what stands for what is not there

export const Loading = ({ lines = 3 }) => html`<div class="loading" role="status"><span class="sr">${t('loading')}</span>
  ${Array.from({ length: lines }, (_, index) => html`<span key=${index} class="bone" aria-hidden="true"></span>`)}</div>`;

export const Empty = ({ icon = 'box', title, children }) => html`<div class="empty"><${Icon} name=${icon} size=${32} />
  <p><strong>${title}</strong></p>${children && html`<div class="muted">${children}</div>`}</div>`;

/** Another try by itself, once the connection is back. */
export function useRetry(onRetry) {
  const retry = useRef(onRetry);
  retry.current = onRetry;
  useEffect(() => whenBack(() => retry.current()), []);
}

/** What could not be loaded, and another try: by whoever presses, and by itself. */
export function Failed({ error, onRetry }) {
  useRetry(onRetry);
  return html`<div class="empty" role="alert"><${Icon} name="alert" size=${32} />
    <p><strong>${explain(error)}</strong></p><button type="button" class="button quiet" onClick=${onRetry}>${t('try_again')}</button></div>`;
}

/** That nobody knows what has become of what was asked for. Nothing else can be asked for until that is known: it would come on top. */
export const Unanswered = () => html`<p class="warn" role="status">${t('unanswered')}</p>`;

/** Why something was refused: each field that is wrong, or what else it was. */
export function Refusal({ error, children }) {
  const fields = error.body?.errors ?? [];
  const words = useRef(null);
  useEffect(() => words.current.scrollIntoView({ block: 'nearest' }), [error]);
  return html`<p class="error" role="alert" ref=${words}>${fields.length > 0
    ? fields.map((fault) => html`<span key=${fault.field} class="line">${explainField(fault)}</span>`)
    : explain(error)} ${children}</p>`;
}

/**
 * What a call gives: `{value, error, isLoading, reload, set}`. Asked again when `key` changes; a late answer to an earlier
 * question is passed over. What was given stays when it is reloaded, also when that fails: then there are both, `value` and `error`.
 */
export function useLoaded(load, key) {
  const [state, setState] = useState({ isLoading: true });
  const turn = useRef(0);
  const reload = async () => {
    const own = ++turn.current;
    setState((before) => ({ ...before, isLoading: true }));
    const next = await load().then((value) => ({ value }), (error) => ({ error }));
    if (own === turn.current) setState(({ value }) => ({ value, ...next, isLoading: false }));
  };
  useEffect(() => {
    setState({ isLoading: true });
    reload();
    return () => { turn.current += 1; };
  }, [key]);
  const set = (change) => setState((before) => (before.value === undefined ? before : { ...before, value: change(before.value) }));
  return { ...state, reload, set };
}

/**
 * Where what had the focus in `box` has gone, the first that can be pressed there gets it, or the heading where nothing is left: who
 * uses the keyboard, or hears the page, would otherwise begin anew at its top.
 */
export function useKeptFocus(box) {
  const last = useRef(null);
  useEffect(() => {
    const look = ({ target }) => { last.current = box.current?.contains(target) ? target : null; };
    document.addEventListener('focusin', look);
    return () => document.removeEventListener('focusin', look);
  }, []);
  useEffect(() => {
    if (!last.current || last.current.isConnected || document.activeElement !== document.body) return;
    last.current = null;
    (box.current?.querySelector('button:not(:disabled), a[href]') ?? document.querySelector('main h1'))?.focus({ preventScroll: true });
  });
}

/** Now, anew every `milliseconds`. */
export function useNow(milliseconds = 1000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
  return now;
}

/** A connection that is made in less than this is not worth a word, milliseconds. */
const QUICK = 1000;

/**
 * How the connection is, where that is worth a word. It lies on top, where nothing is to be read or pressed: nothing moves when it
 * comes and goes.
 */
export function Connection({ state, onRetry }) {
  const { name, retryAt, reason } = useStore(state);
  const since = useRef(Date.now());
  const now = useNow(500);
  useEffect(() => { if (name === 'open') since.current = Infinity; else since.current = Math.min(since.current, Date.now()); }, [name]);
  const isQuick = name === 'connecting' || reason === 'new' ? now - since.current < QUICK || since.current === Infinity : false;
  if (name === 'open' || isQuick) return null;
  const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
  const key = name === 'closed' ? `connection.${reason}` : `connection.${name}`;
  const canRetry = name === 'waiting' || (name === 'closed' && reason !== 'unauthorized');
  return html`<p class="connection" data-state=${name}><span class="lamp" aria-hidden="true"></span>
    <span role="status">${t(key)}</span>${name === 'waiting' && html`<span>${t('connection.again', { seconds })}</span>`}
    ${canRetry && html`<button type="button" class="link" onClick=${onRetry}>${t('try_now')}</button>`}</p>`;
}
