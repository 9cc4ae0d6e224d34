// The library of charts, loaded with its style sheet where there is one.

const dark = matchMedia('(prefers-color-scheme: dark)');

let asked = null;

export function loadPlot() {
  asked ??= new Promise((resolve, reject) => {
    const sheet = document.createElement('link');
    sheet.rel = 'stylesheet';
    sheet.href = new URL('../vendor/uplot.css', import.meta.url).href;
    sheet.onload = resolve;
    sheet.onerror = (problem) => {
      sheet.remove();
      reject(problem);
    };
    document.head.append(sheet);
  }).then(() => import('../vendor/uplot.js')).then(({ default: Plot }) => Plot);
  asked.catch(() => { asked = null; });
  return asked;
}

/** Colours on a canvas do not change by themselves: calls `again` when the theme does. Gives what ends that. */
export function watchTheme(again) {
  const theme = new MutationObserver(again);
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  dark.addEventListener('change', again);
  return () => {
    theme.disconnect();
    dark.removeEventListener('change', again);
  };
}
