// The shapes the engine answers with: the fields of src/run/pipeline.h as JSON.

/** A value of a cell. Integers too large for a double arrive as text, so that no digit is lost. */
export type Cell = string | number | boolean | null | Cell[] | { [name: string]: Cell };

export type ApiErrorBody = {
  code: number;
  name: string;
  message: string;
  remedy?: string;
  at?: string;
};

export type NodeStatus = {
  id: string;
  kind: string;
  name: string;
  inputs: string[];
  rows_in: number;
  rows_passed: number;
  rows_filtered: number;
  rows_late: number;
  rows_quarantined: number;
  rows_held: number;
  rows_out: number;
  busy_us: number;
  state_rows: number;
  state_bytes: number;
  watermark_ms: number | null;
};

export type SourceStatus = {
  name: string;
  connector: string;
  records_read: number;
  records_accepted: number;
  records_quarantined: number;
  caught_up: boolean;
  ended: boolean;
  lag_bytes: number | null;
  watermark_ms: number | null;
  splits_paused: number;
  paused_reason: string | null;
};

export type SinkStatus = {
  name: string;
  connector: string;
  rows_written: number;
  committed_epoch: number;
  last_commit_us: number;
};

/** A node as planned: what of it does not change while it runs. `key` counts columns from 0. */
export type PlanNode = {
  id: number | string;
  detail?: string;
  at?: string;
  columns?: { name: string; type: string; role?: string }[];
  changelog?: string;
  key?: number[];
};

export type PipelineStatus = {
  name: string;
  tick: number;
  durable_tick: number;
  epoch: number;
  running: boolean;
  ended: boolean;
  failure: ApiErrorBody | null;
  backpressure: number;
  nodes: NodeStatus[];
  sources: SourceStatus[];
  sinks: SinkStatus[];
};

export type Column = { name: string; type: string };

export type ViewInfo = {
  name: string;
  columns: Column[];
  key: string[];
  changelog: 'append' | 'upsert' | 'retract';
  time_column: string | null;
  rows: number;
};

export type Rows = { columns: Column[]; rows: Cell[][]; tick: number; durable_tick: number };

export type ChangeKind = '+I' | '-U' | '+U' | '-D';
export type Change = [ChangeKind, { [column: string]: Cell }];
/** `snapshot`: these changes are the whole view. `more`: the tick goes on in the next event. */
export type ChangesEvent = {
  tick: number;
  durable_tick: number;
  snapshot?: boolean;
  more?: boolean;
  changes: Change[];
};

export type AlertRow = {
  alert: string;
  key: string;
  state: 'pending' | 'firing' | 'resolved';
  since_us: number;
  fired_us: number;
  resolved_us: number;
  deliveries_failed: number;
};

export type QuarantineRow = {
  id: number;
  source: string;
  origin: string;
  bytes: string;
  code: number;
  name: string;
  reason: string;
  time_us: number;
  late: boolean;
  /** Of a Python function that failed: what it was called with, its state before the call among it. */
  detail: { function: string; file: string; hash: string; arguments: Record<string, unknown> | null } | null;
  /** When it was put back into the pipeline; 0 = not yet. */
  replayed_us: number;
};

export type Replayed = { rows: number; skipped: { id: number; reason: string }[] };

export type Tile = {
  title: string;
  view: string;
  kind: 'line' | 'bar' | 'table' | 'number';
  x?: string;
  y?: string[];
  series?: string;
  limit?: number;
  width?: number;
};

/** As the project's TOML says, where a tile is a [[tile]]. */
export type Dashboard = { name: string; title: string; tile?: unknown; tiles?: unknown };
