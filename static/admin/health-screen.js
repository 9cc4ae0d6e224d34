// The instances: what each does, what it needs, and how its database and Redis are.

import { html, useState } from '../app/view.js';
import { useStore } from '../app/store.js';
import { clock } from '../app/format.js';
import { t } from '../app/i18n.js';
import { Icon, Loading, useNow } from '../app/ui.js';
import { HealthChart } from './health-chart.js';
import { figuresOf, figuresOfAll } from './health.js';
import { duration, number } from './parts.js';

/** What is older than this is not how it is, milliseconds. */
const OLD = 8_000;
const MEGA = 1024 * 1024;
/** Between the ticks of an axis, so that each is a number that is written as it is. */
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];
const PARTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, ...COUNTS];
const BYTES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1024, 2048, 5120, 10_240, 51_200].map((count) => count * MEGA);

const none = '–';
const whole = (value) => number(value, 0);
const rate = (value) => number(value, value > 0 && value < 10 ? 1 : 0);
const milliseconds = (value) => `${number(value, value > 0 && value < 10 ? 1 : 0)} ms`;
const memory = (value) => (value >= 1024 * MEGA ? `${number(value / (1024 * MEGA), 1)} GB` : `${number(value / MEGA)} MB`);
const cores = (value) => number(value, 2);
const or = (write) => (value) => (value === null || value === undefined || Number.isNaN(value) ? none : write(value));

const CHARTS = [
  { key: 'connections', lines: [{ name: 'connections', colour: 'accent' }], format: whole, increments: COUNTS },
  { key: 'deliveries', lines: [{ name: 'deliveries', colour: 'accent' }], format: rate },
  { key: 'latency', lines: [{ name: 'p50', colour: 'accent' }, { name: 'p99', colour: 'warn', dash: [5, 4] }], format: milliseconds },
  { key: 'queue', lines: [{ name: 'queue', colour: 'accent' }], format: whole, increments: COUNTS },
  { key: 'cpu', lines: [{ name: 'cpu', colour: 'accent' }], format: cores, increments: PARTS },
  { key: 'memory', lines: [{ name: 'memory', colour: 'accent' }], format: memory, increments: BYTES },
];

function Chart({ chart, ring, figures, version }) {
  const { key, lines, format, increments } = chart;
  const label = t(`health.${key}`);
  return html`<figure class="card chart-card"><figcaption><span>${label}</span>${lines.length === 1
    ? html`<strong>${or(format)(figures?.[lines[0].name])}</strong>`
    : html`<span class="chart-keys">${lines.map(({ name, colour }) => html`<span key=${name}><i data-colour=${colour} aria-hidden="true">
      </i>${t(`health.${name}`)} <strong>${or(format)(figures?.[name])}</strong></span>`)}</span>`}</figcaption>
    <${HealthChart} ring=${ring} lines=${lines} version=${version} format=${format} increments=${increments} label=${label} /></figure>`;
}

/** The database and Redis, in words. */
function Parts({ instance: { database, redis, goneSince } }) {
  if (goneSince !== null) return null;
  return html`<ul class="parts">
    <li data-good=${database.ok}><i aria-hidden="true"></i>${t(`database.${database.kind}`)}: ${t(database.ok ? 'database.ok' : 'database.failing')}${database.latency ? ` · p99 ${milliseconds(database.latency.p99)}` : ''}${database.queue > 0 ? ` · ${t('database.queue', { count: database.queue })}` : ''}</li>
    <li data-good=${redis === 'none' ? 'none' : redis === 'up'}><i aria-hidden="true"></i>${t(`redis.${redis}`)}</li></ul>`;
}

function Instance({ instance, isChosen, onChoose }) {
  const { id, name, version, uptime, goneSince, publishes } = instance;
  const figures = figuresOf(instance);
  const isGone = goneSince !== null;
  return html`<li class=${isGone ? 'card instance gone' : 'card instance'} data-instance=${id}>
    <div class="instance-head"><button type="button" class="instance-name" aria-pressed=${isChosen} onClick=${onChoose}><strong class="clip">${name}</strong></button>
      ${isGone ? html`<span class="pill" data-status="failed">${t('health.gone', { time: clock(goneSince) })}</span>` : html`<span class="pill" data-status="completed">${t('health.up', { time: duration(uptime) })}</span>`}
      ${publishes && !isGone && html`<span class="pill" title=${t('health.publishes_text')}>${t('health.publishes')}</span>`}<span class="muted small-text">${version}</span></div>
    ${!isGone && html`<dl class="stats">${[['connections', whole], ['deliveries', rate], ['p99', milliseconds], ['queue', whole], ['cpu', cores], ['memory', memory]].map(([key, format]) => html`<div class="stat" key=${key}>
      <dt>${t(`health.${key}`)}</dt><dd>${or(format)(figures[key])}</dd></div>`)}</dl>`}
    <${Parts} instance=${instance} /></li>`;
}

export function HealthScreen({ face }) {
  const health = useStore(face.health.state);
  const connection = useStore(face.live.state);
  const [chosen, setChosen] = useState('all');
  const [heard, setHeard] = useState({ at: null, now: 0 });
  const now = useNow(1000);
  // By when it came: this clock may be wrong.
  if (health && heard.at !== health.at) setHeard({ at: health.at, now: Date.now() });
  if (!health) return html`<section class="screen wide-screen"><h1 tabindex="-1">${t('health.title')}</h1><${Loading} lines=${5} /></section>`;
  const scope = face.health.rings.has(chosen) ? chosen : 'all';
  const instance = health.instances.find(({ id }) => id === scope);
  const there = health.instances.filter(({ goneSince }) => goneSince === null);
  const figures = scope === 'all' ? figuresOfAll({ ...health, instances: there }) : instance?.goneSince === null ? figuresOf(instance) : null;
  const isOld = connection.name !== 'open' || now - heard.now > OLD;
  return html`<section class="screen wide-screen">
    <header class="screen-head"><h1 tabindex="-1">${t('health.title')}</h1>${isOld && html`<p class="warn"><${Icon} name="alert" size=${18} />${t('health.old', { time: clock(health.at) })}</p>`}</header>
    <ul class="instances">${health.instances.map((one) => html`<${Instance} key=${one.id} instance=${one} isChosen=${scope === one.id} onChoose=${() => setChosen(scope === one.id ? 'all' : one.id)} />`)}</ul>
    <div class="chart-head"><h2>${t('health.last')}</h2>${health.instances.length > 1 && html`<div class="choices" role="group" aria-label=${t('health.of')}>
      <button type="button" class="chip" aria-pressed=${scope === 'all'} onClick=${() => setChosen('all')}>${t('health.all', { count: there.length })}</button>
      ${health.instances.map(({ id, name }) => html`<button type="button" key=${id} class="chip" aria-pressed=${scope === id} onClick=${() => setChosen(id)}><span class="clip">${name}</span></button>`)}</div>`}</div>
    ${scope === 'all' && there.length > 1 && html`<p class="muted small-text">${t('health.slowest')}</p>`}
    <div class="charts" data-points=${face.health.rings.get(scope).length}>${CHARTS.map((chart) => html`<${Chart} key=${chart.key} chart=${chart} ring=${face.health.rings.get(scope)} figures=${figures} version=${health.at} />`)}</div>
  </section>`;
}
