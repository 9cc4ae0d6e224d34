// How an offer makes itself heard: by a sound or by shaking the phone, if the partner wants that and the browser can.

import { html, useState } from '../app/view.js';
import { t } from '../app/i18n.js';
import { Icon } from '../app/ui.js';

const KEY = 'waybill.partner.alerts';
export const canShake = typeof navigator.vibrate === 'function' && matchMedia('(pointer: coarse)').matches;
const canSound = 'AudioContext' in window;

function read() {
  try {
    return { sound: false, shake: false, ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { sound: false, shake: false };
  }
}

let context = null;

/** Browsers let a page be heard once somebody has touched it. */
function wake() {
  if (!read().sound) return;
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume().catch(() => {});
}

addEventListener('pointerdown', wake, { passive: true });
addEventListener('keydown', wake, { passive: true });

/** Two notes, the second one higher. */
function play() {
  if (context?.state !== 'running') return;
  [[0, 660], [0.18, 880]].forEach(([after, pitch]) => {
    const [from, tone, volume] = [context.currentTime + after, context.createOscillator(), context.createGain()];
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(0.25, from + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, from + 0.4);
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + 0.45);
  });
}

export function alertOffer() {
  const { sound, shake } = read();
  if (sound) play();
  if (shake && canShake) navigator.vibrate([200, 100, 200]);
}

/** Where it is turned on. */
export function Alerts() {
  const [wanted, setWanted] = useState(read());
  const change = (name, is) => {
    const next = { ...wanted, [name]: is };
    localStorage.setItem(KEY, JSON.stringify(next));
    setWanted(next);
    if (!is) return;
    wake();
    if (name === 'shake') navigator.vibrate(200);
    else context.resume().then(play, () => {});
  };
  if (!canSound && !canShake) return null;
  return html`<fieldset class="card form"><legend class="sr">${t('alert.title')}</legend><h2 aria-hidden="true">${t('alert.title')}</h2>
    ${[['sound', canSound], ['shake', canShake]].filter(([, can]) => can).map(([name]) => html`<label key=${name} class="check">
      <input type="checkbox" class="switch" checked=${wanted[name]} onChange=${(event) => change(name, event.target.checked)} />
      <${Icon} name=${name === 'sound' ? 'bell' : 'swap'} size=${20} />${t(`alert.${name}`)}</label>`)}
  </fieldset>`;
}
