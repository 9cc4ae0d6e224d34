// What happened to an order, once more: a clock that runs faster than time, and where the partner was by it.

import { html } from '../app/view.js';
import { Store, useStore } from '../app/store.js';
import { t } from '../app/i18n.js';
import { Icon } from '../app/ui.js';
import { following } from '../app/watched.js';
import { positionAt } from './geo.js';
import { exactly } from './parts.js';

const DOT = 'replay';
const SPEEDS = [1, 10, 30, 60, 120, 300];
/** What is read changes no more often than this, milliseconds; the dot moves with each frame. */
const TOLD_EVERY = 100;
/** An arrow key moves on by so much of the whole. */
const STEPS = 200;

/** The step that an order had taken last at a time. */
export const stepAt = (steps, time) => steps.findLast((step) => Date.parse(step.at) <= time) ?? null;

export class Replay {
  /** `at` is null while the present is shown. */
  state = new Store({ at: null, isPlaying: false, speed: 30 });
  /** From and to, milliseconds since 1970. */
  bounds = [0, 0];
  #read;
  #turn = 0;
  #map = null;
  #points = [];
  #trail = [];
  /** The way as it is known by now, whatever is shown. */
  #known = [];
  #drawnAt = null;
  #isTrailShown = false;
  #frame = 0;

  /** `read()` gives all points of the way: that of a live map has fewer, since they need not tell when somebody was where. */
  constructor(read) {
    this.#read = read;
  }

  attach(map) {
    this.#map = map;
    return () => {
      this.pause();
      this.#map = null;
    };
  }

  get isOn() {
    return this.state.value.at !== null;
  }

  /** What there is to show. While it is shown, it stays as it is. */
  set(trail, steps, until) {
    const times = [...steps.map(({ at }) => Date.parse(at)), ...trail.map(({ timestamp }) => Date.parse(timestamp)).filter(Number.isFinite), ...(until ? [until] : [])];
    if (times.length > 0) this.bounds = [Math.min(...times), Math.max(...times)];
    this.#known = trail;
    if (!this.isOn) this.#take(trail);
  }

  #take(trail) {
    this.#trail = trail;
    this.#points = trail.map(({ latitude, longitude, timestamp }) => ({ latitude, longitude, time: Date.parse(timestamp) })).filter(({ time }) => Number.isFinite(time));
  }

  /** When it is first shown; what is known does until then. */
  async #begin() {
    const own = ++this.#turn;
    const points = await this.#read().catch(() => null);
    if (!points || own !== this.#turn || !this.isOn) return;
    this.#take(following(points, this.#known));
    this.#drawnAt = null;
    this.#draw(this.state.value.at);
  }

  seek(time) {
    if (!this.isOn) this.#begin();
    const [from, to] = this.bounds;
    const at = Math.min(to, Math.max(from, time));
    this.state.set((state) => ({ ...state, at }));
    this.#draw(at);
  }

  setSpeed(speed) {
    this.state.set((state) => ({ ...state, speed }));
  }

  toggle() {
    if (this.state.value.isPlaying) this.pause();
    else this.#play();
  }

  #play() {
    const [from, to] = this.bounds;
    let { at } = this.state.value;
    if (at === null) this.#begin();
    if (at === null || at >= to) at = from;
    this.state.set((state) => ({ ...state, at, isPlaying: true }));
    let [before, told] = [performance.now(), 0];
    const on = (now) => {
      at = Math.min(this.bounds[1], at + (now - before) * this.state.value.speed);
      before = now;
      this.#draw(at);
      const isOver = at >= this.bounds[1];
      if (now - told >= TOLD_EVERY || isOver) {
        told = now;
        this.state.set((state) => ({ ...state, at, isPlaying: !isOver }));
      }
      if (!isOver) this.#frame = requestAnimationFrame(on);
    };
    this.#frame = requestAnimationFrame(on);
  }

  pause() {
    cancelAnimationFrame(this.#frame);
    this.state.set((state) => (state.isPlaying ? { ...state, isPlaying: false } : state));
  }

  /** Back to the present. */
  leave() {
    this.pause();
    this.#map?.removeDot(DOT);
    this.#take(this.#known);
    this.#map?.setTrail(this.#trail, 'partner');
    this.#drawnAt = null;
    this.#isTrailShown = false;
    this.state.set((state) => ({ ...state, at: null }));
  }

  #draw(at) {
    const map = this.#map;
    if (!map) return;
    const position = positionAt(this.#points, at);
    // A dot takes no older sample for a newer one: it is another one each time.
    map.removeDot(DOT);
    if (position) map.setDot(DOT, { ...position, timestamp: at, freshness: position.isLost ? 'lost' : 'live', kind: 'mine' });
    const isBack = this.#drawnAt === null || at < this.#drawnAt;
    if (isBack || Boolean(position) !== this.#isTrailShown) map.setTrail(position ? this.#trail : [], DOT);
    this.#isTrailShown = Boolean(position);
    this.#drawnAt = at;
  }
}

/**
 * The scrubber: play and pause, the speed, from step to step, and back to the present. What can be pressed no more by its being pressed
 * keeps the focus.
 */
export function ReplayBar({ replay, steps, isOver }) {
  const { at, isPlaying, speed } = useStore(replay.state);
  const [from, to] = replay.bounds;
  const length = Math.max(1, to - from);
  const shown = at ?? to;
  const step = stepAt(steps, shown);
  const goTo = (which) => { if (which) { replay.pause(); replay.seek(Date.parse(which.at)); } };
  const before = steps.findLast((one) => Date.parse(one.at) < shown - 500);
  const after = steps.find((one) => Date.parse(one.at) > shown);
  const said = `${exactly(shown)}${step ? `, ${t(`state.${step.to}`)}` : ''}`;
  return html`<div class="replay" role="group" aria-label=${t('replay.title')} data-at=${Math.round(shown)} data-on=${at !== null}>
    <button type="button" class="icon-button filled" aria-label=${t(isPlaying ? 'replay.pause' : 'replay.play')} title=${t(isPlaying ? 'replay.pause' : 'replay.play')} onClick=${() => replay.toggle()}>
      <${Icon} name=${isPlaying ? 'pause' : 'play'} /></button>
    <button type="button" class="icon-button" aria-label=${t('replay.before')} title=${t('replay.before')} aria-disabled=${!before} onClick=${() => goTo(before)}><${Icon} name="back" size=${18} /></button>
    <div class="scrub"><input type="range" min="0" max=${length} step=${Math.max(1, Math.round(length / STEPS))} value=${shown - from} aria-label=${t('replay.time')} aria-valuetext=${said}
        onInput=${(event) => { replay.pause(); replay.seek(from + Number(event.target.value)); }} />
      <div class="ticks" aria-hidden="true">${steps.map((one) => html`<i key=${one.version} data-status=${one.to} style=${{ left: `${((Date.parse(one.at) - from) / length) * 100}%` }}></i>`)}</div></div>
    <button type="button" class="icon-button" aria-label=${t('replay.after')} title=${t('replay.after')} aria-disabled=${!after} onClick=${() => goTo(after)}><${Icon} name="next" size=${18} /></button>
    <span class="replay-time"><strong>${exactly(shown)}</strong><span class="muted clip">${step ? t(`state.${step.to}`) : ''}</span></span>
    <label class="speed"><span class="sr">${t('replay.speed')}</span>
      <select value=${speed} onChange=${(event) => replay.setSpeed(Number(event.target.value))}>${SPEEDS.map((one) => html`<option key=${one} value=${one}>${one} ×</option>`)}</select></label>
    <button type="button" class="button small quiet" aria-disabled=${at === null} onClick=${() => { if (at !== null) replay.leave(); }}>${t(isOver ? 'replay.end' : 'replay.live')}</button>
  </div>`;
}
