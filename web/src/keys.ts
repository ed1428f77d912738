// Keyboard shortcuts. The help sheet is made from this table, so that it cannot lie.
import { signal } from '@preact/signals';
import { go, href } from './router.ts';
import { toggle_theme } from './theme.ts';

export const help_open = signal(false);

export type Shortcut = { keys: string[]; says: string; run?: () => void };

const page_keys: [string, string, string][] = [
  ['p', 'pipeline', 'Pipeline'],
  ['d', 'dashboards', 'Dashboards'],
  ['v', 'views', 'Views'],
  ['s', 'sql', 'SQL'],
  ['a', 'alerts', 'Alerts'],
  ['q', 'quarantine', 'Quarantine'],
  ['f', 'functions', 'Functions'],
];

export const shortcuts: { title: string; items: Shortcut[] }[] = [
  {
    title: 'Go to',
    items: page_keys.map(([key, page, name]) => ({ keys: ['g', key], says: name, run: () => go(href(page)) })),
  },
  {
    title: 'Everywhere',
    items: [
      { keys: ['?'], says: 'This sheet', run: () => (help_open.value = !help_open.value) },
      { keys: ['t'], says: 'Light or dark', run: toggle_theme },
      { keys: ['/'], says: 'To the filter of the page', run: focus_filter },
      { keys: ['Esc'], says: 'Close a sheet or panel, leave a field' },
    ],
  },
  {
    title: 'Pipeline graph',
    items: [
      { keys: ['←', '→'], says: 'Along the flow' },
      { keys: ['↑', '↓'], says: 'To the neighbour in the same stage' },
      { keys: ['Enter'], says: 'Open the node' },
    ],
  },
  {
    title: 'Tables',
    items: [
      { keys: ['↑', '↓'], says: 'Row by row (Page Up, Page Down, Home, End too)' },
      { keys: ['Enter'], says: 'Open the row' },
      { keys: ['c'], says: 'Copy the row as JSON' },
    ],
  },
  {
    title: 'SQL',
    items: [
      { keys: ['Ctrl', 'Enter'], says: 'Run' },
      { keys: ['Ctrl', 'Space'], says: 'Complete' },
      { keys: ['Esc', 'Tab'], says: 'Leave the editor' },
    ],
  },
];

function focus_filter(): void {
  document.querySelector<HTMLElement>('[data-filter]')?.focus();
}

function is_typing(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable], .editor') !== null;
}

const chord_ms_max = 1500;

export function listen_for_shortcuts(): void {
  let begun: { key: string; at_ms: number } | null = null;
  window.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === 'Escape' && is_typing(event.target) && event.target instanceof HTMLElement) {
      event.target.blur();
      return;
    }
    if (is_typing(event.target)) return;
    const prefix = begun && Date.now() - begun.at_ms < chord_ms_max ? begun.key : null;
    begun = null;
    for (const { items } of shortcuts) {
      for (const { keys, run } of items) {
        if (!run) continue;
        const [first, second] = keys;
        if (prefix ? second && first === prefix && second === event.key : !second && first === event.key) {
          event.preventDefault();
          run();
          return;
        }
      }
    }
    if (event.key === 'g') begun = { key: 'g', at_ms: Date.now() };
  });
}
