// Light or dark: as the system has it, unless the user chose.

const key = 'im.theme';

export const theme = () => localStorage.getItem(key) ?? 'system';

export function setTheme(value) {
  if (value === 'system') localStorage.removeItem(key);
  else localStorage.setItem(key, value);
  apply();
}

export function apply() {
  document.documentElement.dataset.theme = theme();
}
