// The pipeline's status as it comes in, and rates made from its counters.
import { computed, signal } from '@preact/signals';
import { api, sign_in_needed } from '../api/client.ts';
import { EventStream } from '../api/events.ts';
import { parse_json } from '../api/json.ts';
import { apply_status, type JsonObject, list_of } from '../api/merge.ts';
import type { NodeStatus, PipelineStatus, PlanNode, SinkStatus, SourceStatus } from '../api/types.ts';
import { on_next_frame } from './frame.ts';
import { page_visible } from './visible.ts';

export type Link = { state: 'connecting' | 'live' | 'lost'; lost_since_ms: number | null; retry_at_ms: number | null };

export const status = signal<PipelineStatus | null>(null);
export const link = signal<Link>({ state: 'connecting', lost_since_ms: null, retry_at_ms: null });
/** By node id; read once per connection, because a running plan does not change. */
export const plan = signal<ReadonlyMap<string, PlanNode>>(new Map());
export const tick = computed(() => status.value?.tick ?? 0);
/** True once the engine has answered at least once. */
export const ever_connected = signal(false);

const node_zero = {
  kind: '',
  name: '',
  rows_in: 0,
  rows_passed: 0,
  rows_filtered: 0,
  rows_late: 0,
  rows_quarantined: 0,
  rows_held: 0,
  rows_out: 0,
  busy_us: 0,
  state_rows: 0,
  state_bytes: 0,
  watermark_ms: null,
};
const source_zero = {
  connector: '',
  records_read: 0,
  records_accepted: 0,
  records_quarantined: 0,
  caught_up: false,
  ended: false,
  lag_bytes: null,
  watermark_ms: null,
  splits_paused: 0,
  paused_reason: null,
};
const sink_zero = { connector: '', rows_written: 0, committed_epoch: 0, last_commit_us: 0 };
const status_zero = {
  name: '',
  tick: 0,
  durable_tick: 0,
  epoch: 0,
  running: false,
  ended: false,
  failure: null,
  backpressure: 0,
};

/** Fills what a merge patch has deleted (null) and makes ids text, whatever the engine numbers nodes with. */
export function status_of(document: JsonObject): PipelineStatus {
  const nodes = list_of(document, 'nodes').map((node) => {
    const inputs = Array.isArray(node.inputs) ? node.inputs.map(String) : [];
    return { ...node_zero, ...node, inputs } as NodeStatus;
  });
  const sources = list_of(document, 'sources').map((source) => ({ ...source_zero, ...source }) as SourceStatus);
  const sinks = list_of(document, 'sinks').map((sink) => ({ ...sink_zero, ...sink }) as SinkStatus);
  return { ...status_zero, ...document, nodes, sources, sinks } as PipelineStatus;
}

// ---- rates -------------------------------------------------------------------------------------------------------------

export type NodeRate = { rows_in_per_s: number; rows_out_per_s: number; busy_share: number; history: number[] };

const samples_max = 60;
const rate_window_ms = 3000;

type Sample = { at_ms: number; rows_in: number; rows_out: number; busy_us: number };

/** Rates of one node over the last seconds, and a minute of them for its sparkline. */
export class RateMeter {
  private samples: Sample[] = [];
  private history: number[] = [];

  add(node: Pick<NodeStatus, 'rows_in' | 'rows_out' | 'busy_us'>, at_ms: number): NodeRate {
    const last = this.samples.at(-1);
    // Counters that went back belong to an engine that was started anew.
    if (last && (node.rows_in < last.rows_in || node.rows_out < last.rows_out)) this.samples = [];
    this.samples.push({ at_ms, rows_in: node.rows_in, rows_out: node.rows_out, busy_us: node.busy_us });
    while (this.samples.length > 2 && (this.samples[1]?.at_ms ?? at_ms) <= at_ms - rate_window_ms) this.samples.shift();
    const first = this.samples[0];
    const seconds = first ? (at_ms - first.at_ms) / 1000 : 0;
    const per_second = (now: number, then: number) => (seconds > 0 ? Math.max(0, now - then) / seconds : 0);
    const rate = {
      rows_in_per_s: per_second(node.rows_in, first?.rows_in ?? 0),
      rows_out_per_s: per_second(node.rows_out, first?.rows_out ?? 0),
      busy_share: per_second(node.busy_us, first?.busy_us ?? 0) / 1e6,
    };
    if (seconds > 0) this.history = [...this.history.slice(1 - samples_max), rate.rows_out_per_s];
    return { ...rate, history: this.history };
  }
}

const meters = new Map<string, RateMeter>();
export const rates = signal<ReadonlyMap<string, NodeRate>>(new Map());
export const backpressure_history = signal<number[]>([]);

function sample(): void {
  const current = status.value;
  if (!current || link.value.state !== 'live' || !page_visible.value) return;
  const now_ms = performance.now();
  const next = new Map<string, NodeRate>();
  for (const node of current.nodes) {
    const meter = meters.get(node.id) ?? new RateMeter();
    meters.set(node.id, meter);
    next.set(node.id, meter.add(node, now_ms));
  }
  for (const id of meters.keys()) if (!next.has(id)) meters.delete(id);
  rates.value = next;
  backpressure_history.value = [...backpressure_history.value.slice(1 - samples_max), current.backpressure];
}

// ---- the stream --------------------------------------------------------------------------------------------------------

let stream: EventStream | null = null;
let document_now: JsonObject | null = null;

function show(): void {
  if (document_now) status.value = status_of(document_now);
}

/** Follows the engine until the page is closed; pauses while the page is hidden. */
export function follow_pipeline(): void {
  setInterval(sample, 1000);
  page_visible.subscribe((visible) => {
    stream?.close();
    stream = visible ? open_stream() : null;
  });
  sign_in_needed.subscribe((needed) => {
    if (!needed) stream?.retry_now();
  });
}

export function retry_now(): void {
  stream?.retry_now();
}

async function read_plan(): Promise<void> {
  try {
    plan.value = new Map((await api.plan()).map((node) => [String(node.id), node]));
  } catch {
    // The stream is open, so this is a passing trouble; definitions are missing until the next connection.
  }
}

function open_stream(): EventStream {
  return new EventStream(() => '/v1/pipeline/changes', {
    on_event: ({ event, data }) => {
      if (event !== 'status') return;
      document_now = apply_status(document_now, parse_json(data) as JsonObject);
      on_next_frame(show);
    },
    on_state: (state, retry_at_ms) => {
      if (state === 'live') {
        document_now = null; // The first event of a connection is the whole document.
        ever_connected.value = true;
        sign_in_needed.value = false;
        link.value = { state, lost_since_ms: null, retry_at_ms: null };
        void read_plan();
      } else if (state === 'lost') {
        link.value = { state, lost_since_ms: link.value.lost_since_ms ?? Date.now(), retry_at_ms };
      } else if (link.value.state !== 'lost') {
        link.value = { ...link.value, state };
      }
    },
  });
}
