// Alerts, read again whenever the pipeline's tick has moved, at most once a second.
import { computed, effect, signal } from '@preact/signals';
import { api, as_error_body } from '../api/client.ts';
import type { AlertRow, ApiErrorBody } from '../api/types.ts';
import { link, tick } from './pipeline.ts';

export const alerts = signal<AlertRow[] | null>(null);
export const alerts_error = signal<ApiErrorBody | null>(null);
export const firing = computed(() => alerts.value?.filter((alert) => alert.state === 'firing').length ?? 0);

const read_ms_min = 1000;

export function follow_alerts(): void {
  let last_ms = 0;
  let waiting = false;
  const read = async () => {
    waiting = false;
    last_ms = Date.now();
    try {
      alerts.value = await api.alerts();
      alerts_error.value = null;
    } catch (error) {
      alerts_error.value = as_error_body(error);
    }
  };
  effect(() => {
    void tick.value;
    if (link.value.state !== 'live' || waiting) return;
    waiting = true;
    setTimeout(read, Math.max(0, last_ms + read_ms_min - Date.now()));
  });
}
