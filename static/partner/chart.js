// Bars for the days of a week, and the same as a table.

import { html, useEffect, useRef, useState } from '../app/view.js';
import { locale, t } from '../app/i18n.js';
import { fractionDigits, money } from '../app/format.js';
import { loadPlot, watchTheme } from '../app/plot.js';

const HEIGHT = 220;
const FONT = '600 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const nameOf = (day, weekday) => new Intl.DateTimeFormat(locale(), { weekday }).format(day);

/** Whole amounts once they are long, so that they fit side by side; the table has them exactly. */
function short(value, currency) {
  const digits = value < 100 ? fractionDigits(currency) : 0;
  return new Intl.NumberFormat(locale(), {
    style: 'currency', currency, currencyDisplay: 'narrowSymbol', minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(value);
}

function options({ Plot, width, days, values, today, currency }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const bars = Plot.paths.bars({ size: [0.62, 56], radius: 0.18 });
  const top = Math.max(...values, 1);
  const write = (plot) => {
    const { ctx } = plot;
    ctx.save();
    Object.assign(ctx, { fillStyle: colour('ink'), textAlign: 'center', textBaseline: 'bottom', font: FONT.replace('13px', `${13 * devicePixelRatio}px`) });
    values.forEach((value, index) => {
      if (value > 0) ctx.fillText(short(value, currency), plot.valToPos(index, 'x', true), plot.valToPos(value, 'y', true) - 5 * devicePixelRatio);
    });
    ctx.restore();
  };
  const series = (name) => ({ fill: colour(name), stroke: colour(name), width: 0, paths: bars, points: { show: false } });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [22, 4, 0, 4],
    scales: { x: { time: false, range: [-0.5, days.length - 0.5] }, y: { range: [0, top * 1.08] } },
    axes: [
      { stroke: colour('muted'), font: FONT, grid: { show: false }, ticks: { show: false }, size: 30, gap: 6,
        splits: () => days.map((_, index) => index), values: (_, splits) => splits.map((index) => nameOf(days[index], 'short')) },
      { show: false },
    ],
    series: [{}, series('chart-other'), series(today >= 0 ? 'accent' : 'chart-other')],
    hooks: { draw: [write] },
  };
}

/** `days` are midnights, `amounts` minor units. */
export function Chart({ days, amounts, currency, today }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [isFailed, setFailed] = useState(false);
  const values = amounts.map((amount) => amount / 10 ** fractionDigits(currency));
  const key = JSON.stringify([values, currency, today, locale()]);

  useEffect(() => {
    let isThere = true;
    const draw = async () => {
      const Plot = await loadPlot();
      if (!isThere || !box.current) return;
      plot.current?.destroy();
      const data = [
        values.map((_, index) => index), values.map((value, index) => (index === today ? null : value)), values.map((value, index) => (index === today ? value : null)),
      ];
      const width = Math.max(240, box.current.clientWidth);
      plot.current = new Plot(options({ Plot, width, days, values, today, currency }), data, box.current);
    };
    const again = () => draw().catch(() => { if (isThere) setFailed(true); });
    again();
    const size = new ResizeObserver(() => { if (box.current && plot.current && plot.current.width !== box.current.clientWidth) again(); });
    size.observe(box.current);
    const unwatch = watchTheme(again);
    return () => {
      isThere = false;
      size.disconnect();
      unwatch();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [key]);

  const said = days.map((day, index) => `${nameOf(day, 'long')} ${money({ amount: amounts[index], currency })}`).join(', ');
  return html`<figure class="chart">
    ${!isFailed && html`<div ref=${box} class="chart-box" role="img" aria-label=${`${t('earnings.chart')}: ${said}`}></div>`}
    <details open=${isFailed}><summary>${t('earnings.as_table')}</summary><table>
      <thead><tr><th scope="col">${t('earnings.day')}</th><th scope="col" class="amount">${t('earnings.earned')}</th></tr></thead>
      <tbody>${days.map((day, index) => html`<tr key=${index}><th scope="row">${nameOf(day, 'long')}</th><td class="amount">${money({ amount: amounts[index], currency })}</td></tr>`)}</tbody>
    </table></details></figure>`;
}
