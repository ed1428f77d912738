// Light or dark: the system's preference until the user chooses. Charts listen, because a canvas knows no CSS variables.
import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const storage_key = 'headrace.theme';
const prefers_dark = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal<Theme>(document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light');

function stored(): string | null {
  try {
    return localStorage.getItem(storage_key);
  } catch {
    return null;
  }
}

function show(next: Theme): void {
  document.documentElement.dataset.theme = next;
  theme.value = next;
}

export function toggle_theme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  show(next);
  try {
    localStorage.setItem(storage_key, next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

prefers_dark.addEventListener('change', () => {
  if (!stored()) show(prefers_dark.matches ? 'dark' : 'light');
});
