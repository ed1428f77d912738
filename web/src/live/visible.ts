// A page nobody sees holds no connection: browsers allow six to one host, over all tabs together.
import { signal } from '@preact/signals';

const hidden_ms_max = 5000;

export const page_visible = signal(true);

let timer: ReturnType<typeof setTimeout> | null = null;

if (typeof document !== 'undefined') {
  document.addEventListener('visibilitychange', () => {
    if (timer) clearTimeout(timer);
    timer = null;
    if (document.visibilityState === 'visible') page_visible.value = true;
    else
      timer = setTimeout(() => {
        page_visible.value = false;
      }, hidden_ms_max);
  });
}
