// The address is the state: #/page/name?setting=value. A link shows another person the same thing.
import { computed, signal } from '@preact/signals';

export type Route = { page: string; name: string | null; query: URLSearchParams };

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Typed by hand, with a % that begins nothing.
  }
}

export function parse_route(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', name] = path.split('/').map(decoded);
  return { page: page || 'pipeline', name: name || null, query: new URLSearchParams(query) };
}

export function href(page: string, name?: string | null, query?: Record<string, string | null | undefined>): string {
  const settings = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value) settings.set(key, value);
  const text = settings.toString();
  return `#/${page}${name ? `/${encodeURIComponent(name)}` : ''}${text ? `?${text}` : ''}`;
}

const hash = signal(typeof location === 'undefined' ? '' : location.hash);
if (typeof window !== 'undefined') {
  window.addEventListener('hashchange', () => {
    hash.value = location.hash;
  });
}

export const route = computed(() => parse_route(hash.value));

export function go(to: string): void {
  location.hash = to;
}

/** Changes settings of the current page without a step in the history. */
export function set_query(changes: Record<string, string | null>): void {
  const { page, name, query } = route.peek();
  const settings: Record<string, string | null> = { ...Object.fromEntries(query), ...changes };
  const to = href(page, name, settings);
  if (to === location.hash) return;
  history.replaceState(null, '', to);
  hash.value = to;
}
