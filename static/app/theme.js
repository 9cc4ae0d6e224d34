// Light or dark: as the system has it, unless somebody wants otherwise.

const KEY = 'waybill.theme';

export const theme = () => localStorage.getItem(KEY) ?? 'system';

function show(name) {
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

export function setTheme(name) {
  localStorage.setItem(KEY, name);
  show(name);
}

show(theme());
