// One clock for everything that moves: changes are applied as they come, but shown at most 15 times a second.

const frame_ms_min = 1000 / 15;

const waiting = new Set<() => void>();
let scheduled = false;
let last_frame_ms = 0;

function run(now_ms: number): void {
  if (now_ms - last_frame_ms < frame_ms_min - 2) {
    requestAnimationFrame(run);
    return;
  }
  last_frame_ms = now_ms;
  scheduled = false;
  const due = [...waiting];
  waiting.clear();
  for (const show of due) show();
}

/** Calls `show` in the next frame, once, however often it is asked for until then. */
export function on_next_frame(show: () => void): void {
  waiting.add(show);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(run);
}
