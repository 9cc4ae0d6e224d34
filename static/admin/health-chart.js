// One line, or two, over the last ten minutes.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { whenBack } from '../app/back.js';
import { locale, t } from '../app/i18n.js';
import { loadPlot, watchTheme } from '../app/plot.js';

const HEIGHT = 150;
const SPAN = 600;
const FONT = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

function options({ width, lines, format, increments, label }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const time = new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' });
  const axis = { stroke: colour('muted'), font: FONT, ticks: { show: false }, grid: { stroke: colour('line'), width: 1 } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 8, 0, 0],
    scales: {
      x: { time: true, range: (_, __, to) => [to - SPAN, to] },
      y: { range: (_, __, to) => [0, Math.max(to ?? 0, 0) * 1.15 || 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 30, gap: 9, space: 90, values: (_, splits) => splits.map((seconds) => time.format(seconds * 1000)) },
      { ...axis, size: 62, gap: 6, space: 40, ...(increments && { incrs: increments }), values: (_, splits) => splits.map((value) => format(value)) },
    ],
    series: [{}, ...lines.map(({ colour: name, dash }, index) => ({
      stroke: colour(name), width: 2, dash, spanGaps: false, points: { show: false }, fill: index === 0 && lines.length === 1 ? `${colour(name)}22` : undefined, label: `${label} ${index}`,
    }))],
  };
}

/** `lines` are `{name, colour, dash?}`, of the columns of `ring`; drawn anew when `version` changes. */
export function HealthChart({ ring, lines, version, format, increments, label }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [isFailed, setFailed] = useState(false);
  const latest = useRef(null);
  latest.current = ring;
  const data = () => [latest.current.times, ...lines.map(({ name }) => Array.from(latest.current.of(name), (value) => (Number.isNaN(value) ? null : value)))];

  useEffect(() => {
    let isThere = true;
    const draw = async () => {
      const Plot = await loadPlot();
      if (!isThere || !box.current) return;
      plot.current?.destroy();
      plot.current = new Plot(options({ width: Math.max(200, box.current.clientWidth), lines, format, increments, label }), data(), box.current);
      setFailed(false);
    };
    const again = () => draw().catch(() => { if (isThere) setFailed(true); });
    again();
    const size = new ResizeObserver(() => {
      if (box.current && plot.current && plot.current.width !== box.current.clientWidth) plot.current.setSize({ width: Math.max(200, box.current.clientWidth), height: HEIGHT });
    });
    size.observe(box.current);
    const unwatch = watchTheme(again);
    // What could not be loaded is tried again once the connection is back.
    const unback = whenBack(() => { if (!plot.current) again(); });
    return () => {
      isThere = false;
      size.disconnect();
      unwatch();
      unback();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [ring, label]);
  useEffect(() => { plot.current?.setData(data()); }, [version, ring]);
  // What it shows is said by the figure above it.
  return html`<div class="health-chart"><div ref=${box} class="chart-box" aria-hidden="true"></div>${isFailed && html`<p class="muted small-text">${t('health.no_chart')}</p>`}</div>`;
}
