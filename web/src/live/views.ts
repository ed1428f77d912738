// Live views, shared by everything that shows them. Each view is one stream of changes; where a page shows more views than
// there are connections to spend, the others are read again when the pipeline's tick has moved.
import { effect, type Signal, signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { api, as_error_body, sign_in_needed } from '../api/client.ts';
import { EventStream, type ServerEvent } from '../api/events.ts';
import { parse_json } from '../api/json.ts';
import type { ApiErrorBody, ChangesEvent, ViewInfo } from '../api/types.ts';
import { on_next_frame } from './frame.ts';
import { link, tick } from './pipeline.ts';
import { ViewRows } from './rows.ts';
import { page_visible } from './visible.ts';

// ---- the list of views -------------------------------------------------------------------------------------------------

export const views = signal<ViewInfo[] | null>(null);
export const views_error = signal<ApiErrorBody | null>(null);

export async function load_views(): Promise<void> {
  try {
    views.value = await api.views();
    views_error.value = null;
  } catch (error) {
    views_error.value = as_error_body(error);
  }
}

// ---- one live view -----------------------------------------------------------------------------------------------------

const rows_max = 5000;
const streams_max = 3; // With the status stream that makes four of the browser's six connections.
const poll_ms_min = 1000;

let streams_open = 0;

export type LiveState = 'loading' | 'live' | 'polled' | 'lost' | 'error';

export class LiveView {
  readonly rows: ViewRows;
  /** Counts shown frames: reading it subscribes to the rows. */
  readonly version: Signal<number> = signal(0);
  readonly state: Signal<LiveState> = signal('loading');
  readonly error: Signal<ApiErrorBody | null> = signal(null);
  readonly shown_tick: Signal<number> = signal(0);
  readonly durable_tick: Signal<number> = signal(0);
  /** Changes of the last event, for the live region and the change counter. */
  readonly changes_seen: Signal<number> = signal(0);
  users = 0;
  private readonly view: ViewInfo;
  private stream: EventStream | null = null;
  private stop_polling: (() => void) | null = null;
  private loaded_tick = -1;
  private since: number | null = null;
  private unfinished: ChangesEvent[] = [];
  private generation = 0;
  private changes = 0;
  private tick = 0;
  private durable = 0;

  constructor(view: ViewInfo) {
    this.view = view;
    this.rows = new ViewRows(view, rows_max);
  }

  open(): void {
    this.generation++;
    if (streams_open < streams_max) this.open_stream();
    else this.poll();
  }

  close(): void {
    this.generation++;
    if (this.stream) {
      this.stream.close();
      this.stream = null;
      streams_open--;
    }
    this.stop_polling?.();
    this.stop_polling = null;
  }

  /** Small views come whole through the stream. Of a large one a part is read first, and the stream begins after it. */
  private open_stream(): void {
    streams_open++;
    const generation = this.generation;
    this.loaded_tick = -1;
    this.since = null;
    this.unfinished = [];
    const start = () => {
      if (generation === this.generation) this.stream = this.connect();
    };
    if (this.view.rows <= rows_max) start();
    else void this.load().then(start);
  }

  private connect(): EventStream {
    return new EventStream(() => api.view_changes_path(this.view.name, this.since), {
      on_event: (event) => this.on_event(event),
      on_state: (state, _retry, problem) => {
        if (state === 'connecting') this.unfinished = [];
        if (state === 'live') this.state.value = 'live';
        else if (state === 'lost') {
          this.state.value = 'lost';
          this.error.value = problem ? as_error_body(problem) : null;
        }
      },
    });
  }

  private on_event(event: ServerEvent): void {
    if (event.event !== 'changes' && event.event !== 'reset') return;
    const part = parse_json(event.data) as ChangesEvent;
    this.unfinished.push(part);
    if (part.more) return; // A tick is shown whole or not at all.
    const parts = this.unfinished;
    this.unfinished = [];
    this.durable = part.durable_tick;
    const snapshot = parts.some((one) => one.snapshot);
    if (!snapshot && part.tick <= this.loaded_tick) return;
    if (snapshot) this.rows.clear();
    const changes = parts.length === 1 ? part.changes : parts.flatMap((one) => one.changes);
    this.rows.apply(changes, snapshot ? 0 : performance.now());
    if (!snapshot) this.changes += changes.length;
    this.tick = part.tick;
    on_next_frame(this.show);
  }

  private readonly show = (): void => {
    this.shown_tick.value = this.tick;
    this.durable_tick.value = this.durable;
    this.changes_seen.value = this.changes;
    this.error.value = null;
    this.version.value++;
  };

  private async load(): Promise<void> {
    const generation = this.generation;
    try {
      const answer = await api.view_rows(this.view.name, rows_max);
      if (generation !== this.generation) return;
      this.rows.load(answer.rows);
      this.loaded_tick = answer.tick;
      this.since = answer.tick;
      this.tick = answer.tick;
      this.durable = answer.durable_tick;
      on_next_frame(this.show);
    } catch (error) {
      this.state.value = 'error';
      this.error.value = as_error_body(error);
    }
  }

  private poll(): void {
    let last_ms = 0;
    let timer: ReturnType<typeof setTimeout> | null = null;
    this.state.value = 'polled';
    const stop = effect(() => {
      void tick.value;
      if (link.value.state !== 'live' || timer) return;
      const wait_ms = Math.max(0, last_ms + poll_ms_min - Date.now());
      timer = setTimeout(() => {
        timer = null;
        last_ms = Date.now();
        void this.load();
      }, wait_ms);
    });
    this.stop_polling = () => {
      stop();
      if (timer) clearTimeout(timer);
    };
  }
}

const open_views = new Map<string, LiveView>();
const linger_ms = 1500; // A page change that asks for the same view again keeps its stream.

function acquire(view: ViewInfo): LiveView {
  const existing = open_views.get(view.name);
  if (existing) {
    existing.users++;
    return existing;
  }
  const live = new LiveView(view);
  live.users = 1;
  open_views.set(view.name, live);
  if (page_visible.peek()) live.open();
  return live;
}

function release(view: ViewInfo, live: LiveView): void {
  live.users--;
  const drop = () => {
    if (live.users > 0 || open_views.get(view.name) !== live) return;
    open_views.delete(view.name);
    live.close();
  };
  // While connections are short, the next page needs them at once.
  if (streams_open >= streams_max) drop();
  else setTimeout(drop, linger_ms);
}

/** The live rows of the view `name`; undefined until the list of views is there, null if there is no such view. */
export function use_live_view(name: string): LiveView | null | undefined {
  const list = views.value;
  const view = list?.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  const [live, set_live] = useState<LiveView | undefined>(undefined);
  const shape = view && JSON.stringify([view.name, view.columns, view.key]);
  // a new row count is no reason to subscribe anew, a new shape is.
  useEffect(() => {
    if (!view) return;
    const acquired = acquire(view);
    set_live(acquired);
    return () => release(view, acquired);
  }, [shape]);
  if (list && !view) return null;
  return view ? live : undefined;
}

/** Follows what concerns all views: the list when the engine comes back, and pausing with the page. */
export function follow_views(): void {
  effect(() => {
    if (link.value.state === 'live' && !sign_in_needed.value) void load_views();
  });
  let first = true;
  page_visible.subscribe((visible) => {
    if (first) {
      first = false;
      return;
    }
    for (const live of open_views.values()) {
      if (visible) live.open();
      else live.close();
    }
  });
}
