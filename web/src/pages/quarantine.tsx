// The quarantine: every refused or late record with its bytes, its origin and the reason.
import { effect, signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, as_error_body } from '../api/client.ts';
import type { ApiErrorBody, QuarantineRow, Replayed } from '../api/types.ts';
import { link, status, tick } from '../live/pipeline.ts';
import { href, route, set_query } from '../router.ts';
import { Select } from '../ui/chart.tsx';
import { csv, instant, whole_number } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { announce, Choice, CopyButton, download, Empty, ErrorBox, Pill } from '../ui/parts.tsx';
import { DataTable, type TableRow } from '../ui/table.tsx';

const page_rows = 500;
const step_rows = 5000;
const read_ms_min = 1000;

const rows = signal<QuarantineRow[] | null>(null);
const error = signal<ApiErrorBody | null>(null);
/** True when the engine has more than has been read, and the user has not asked for it. */
const more = signal(false);

let after = 0;
let budget = step_rows;
let reading = false;

/** Reads on from the last id, page by page, up to the budget. Ids grow, so nothing is read twice. */
async function read_on(): Promise<void> {
  if (reading) return;
  reading = true;
  try {
    for (;;) {
      const answer = await api.quarantine(after, page_rows);
      const last = answer.rows.at(-1);
      if (last) {
        after = last.id;
        rows.value = [...(rows.value ?? []), ...answer.rows];
      } else {
        rows.value ??= [];
      }
      more.value = answer.next !== null && answer.rows.length > 0;
      if (!more.value || (rows.value?.length ?? 0) >= budget) break;
    }
    error.value = null;
  } catch (problem) {
    error.value = as_error_body(problem);
  }
  reading = false;
}

const busy = signal(false);
/** Of the last request: what was not put back, and why. */
const skipped = signal<Replayed['skipped']>([]);

function can_go_back(row: QuarantineRow): boolean {
  return !row.late && row.replayed_us === 0;
}

/** Puts records back into the pipeline; the engine answers when that is durable. Asking twice changes nothing. */
async function put_back(ids: number[]): Promise<void> {
  busy.value = true;
  try {
    const answer = await api.replay(ids);
    const left = new Set(answer.skipped.map(({ id }) => id));
    const now_us = Date.now() * 1000;
    rows.value = (rows.value ?? []).map((row) =>
      ids.includes(row.id) && !left.has(row.id) ? { ...row, replayed_us: now_us } : row,
    );
    skipped.value = answer.skipped;
    error.value = null;
    announce(`${whole_number(answer.rows)} put back${left.size > 0 ? `, ${whole_number(left.size)} not` : ''}`);
  } catch (problem) {
    error.value = as_error_body(problem);
  }
  busy.value = false;
}

/** Reads while the page is open: at once, then whenever the tick has moved. */
function follow(): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const stop = effect(() => {
    void tick.value;
    if (link.value.state !== 'live' || timer || more.peek()) return;
    timer = setTimeout(
      () => {
        timer = null;
        void read_on();
      },
      rows.peek() === null ? 0 : read_ms_min,
    );
  });
  return () => {
    stop();
    if (timer) clearTimeout(timer);
  };
}

const columns = [
  { name: 'time', type: 'VARCHAR' },
  { name: 'source', type: 'VARCHAR' },
  { name: 'error', type: 'VARCHAR' },
  { name: 'reason', type: 'VARCHAR' },
  { name: 'origin', type: 'VARCHAR' },
  { name: 'bytes', type: 'VARCHAR' },
];

const late_label = 'late';
const states = ['', 'waiting', 'put back', 'late'];

function state_of(row: QuarantineRow): string {
  return row.late ? 'late' : row.replayed_us > 0 ? 'put back' : 'waiting';
}

function error_label(row: QuarantineRow): string {
  return row.late ? late_label : `${row.name} ${row.code}`;
}

export function QuarantinePage(): JSX.Element {
  useEffect(follow, []);
  const { query } = route.value;
  const all = rows.value;
  if (error.value && !all) return <ErrorBox error={error.value} />;
  if (!all) return <div class="loading" aria-busy="true" />;
  const counted =
    (status.value?.sources.reduce((sum, source) => sum + source.records_quarantined, 0) ?? 0) +
    (status.value?.nodes.reduce((sum, node) => sum + node.rows_quarantined, 0) ?? 0);
  if (all.length === 0) {
    return (
      <Empty icon="quarantine" title={counted > 0 ? 'Nothing has been kept' : 'Nothing was refused'}>
        A record that cannot be read, a row whose expression fails and a row that comes too late are kept here with
        their bytes and their origin. None of them stops the pipeline; none of them vanishes.
      </Empty>
    );
  }
  const source = query.get('source') ?? '';
  const code = query.get('code') ?? '';
  const state = query.get('state') ?? '';
  const text = (query.get('filter') ?? '').toLowerCase();
  const shown = all.filter(
    (row) =>
      (!source || row.source === source) &&
      (!code || error_label(row) === code) &&
      (!state || state_of(row) === state) &&
      (!text || `${row.reason}\n${row.bytes}\n${row.origin}`.toLowerCase().includes(text)),
  );
  const waiting = shown.filter(can_go_back);
  const opened = all.find((row) => String(row.id) === query.get('id')) ?? null;
  const table_rows: TableRow[] = shown
    .map((row) => ({
      id: String(row.id),
      cells: [instant(Math.floor(row.time_us / 1000)), row.source, error_label(row), row.reason, row.origin, row.bytes],
      ...(row.late || row.replayed_us > 0 ? { tone: 'late' } : {}),
    }))
    .reverse();
  const sources = ['', ...new Set(all.map((row) => row.source))];
  const codes = ['', ...new Set(all.map(error_label))];
  return (
    <div class={`page quarantine-page ${opened ? 'with-panel' : ''}`}>
      <div class="pipeline-main">
        <div class="toolbar">
          <Select
            label="source"
            value={source}
            options={sources}
            on_change={(to) => set_query({ source: to || null })}
          />
          <Select label="error" value={code} options={codes} on_change={(to) => set_query({ code: to || null })} />
          <Select label="state" value={state} options={states} on_change={(to) => set_query({ state: to || null })} />
          <input
            type="search"
            data-filter
            placeholder="Search reason, bytes, origin"
            aria-label="Search reason, bytes and origin"
            value={query.get('filter') ?? ''}
            onInput={(event) => set_query({ filter: event.currentTarget.value || null })}
          />
          <span class="spacer" />
          <span class="note">
            {whole_number(shown.length)}
            {shown.length !== all.length && ` of ${whole_number(all.length)}`} records
          </span>
          {waiting.length > 0 && (
            <button
              type="button"
              class="primary"
              disabled={busy.value}
              title="Each goes once into the node or source that refused it, in the order of refusal"
              onClick={() => void put_back(waiting.map((row) => row.id))}
            >
              <Icon name="again" size={14} /> Put {whole_number(waiting.length)} back
            </button>
          )}
          {more.value && (
            <button
              type="button"
              onClick={() => {
                budget += step_rows;
                void read_on();
              }}
            >
              Read on
            </button>
          )}
          <button
            type="button"
            onClick={() =>
              download(
                'quarantine.csv',
                'text/csv',
                csv(
                  columns,
                  table_rows.map((row) => row.cells),
                ),
              )
            }
          >
            <Icon name="down" size={14} /> CSV
          </button>
        </div>
        {error.value && <ErrorBox error={error.value} />}
        {skipped.value.length > 0 && <Skipped />}
        {shown.length === 0 ? (
          <p class="note centred">No record matches. {source && 'This source has refused nothing that was kept.'}</p>
        ) : (
          <DataTable
            label="Quarantined records"
            columns={columns}
            rows={table_rows}
            open_id={opened ? String(opened.id) : null}
            on_open={(row) => set_query({ id: row.id === query.get('id') ? null : row.id })}
          />
        )}
      </div>
      {opened && <RecordPanel row={opened} on_close={() => set_query({ id: null })} />}
    </div>
  );
}

function Skipped(): JSX.Element {
  return (
    <div class="skipped" role="alert">
      <strong>{whole_number(skipped.value.length)} not put back</strong>
      <ul>
        {skipped.value.slice(0, 5).map(({ id, reason }) => (
          <li key={id}>
            <a href={href('quarantine', null, { id: String(id) })}>Record {id}</a>: {reason}
          </li>
        ))}
      </ul>
      <button
        type="button"
        class="ghost icon-button"
        aria-label="Close"
        onClick={() => {
          skipped.value = [];
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

function hex_dump(text: string): string {
  const data = new TextEncoder().encode(text);
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const part = [...data.slice(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join('\n');
}

function pretty(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

type Form = 'raw' | 'json' | 'hex';

/** What a function was called with, and how to have the call as a test. */
function Call({ id, detail }: { id: number; detail: NonNullable<QuarantineRow['detail']> }): JSX.Element {
  const given = detail.arguments === null ? null : JSON.stringify(detail.arguments, null, 2);
  const command = `headrace repro ${id}`;
  return (
    <section>
      <h3>
        Call of <a href={href('functions', detail.function)}>{detail.function}</a>
        <span class="spacer" />
        <small>{detail.file}</small>
      </h3>
      {given === null ? (
        <p class="note">The arguments were larger than 1 MiB and were not kept.</p>
      ) : (
        <>
          <pre class="detail">{given}</pre>
          <p class="note">
            As a failing test: <code>{command}</code> <CopyButton text={command} label="Copy the command" />
          </p>
        </>
      )}
    </section>
  );
}

function RecordPanel({ row, on_close }: { row: QuarantineRow; on_close: () => void }): JSX.Element {
  const [form, set_form] = useState<Form>('raw');
  const json = pretty(row.bytes);
  const shown = form === 'hex' ? hex_dump(row.bytes) : form === 'json' && json ? json : row.bytes;
  return (
    <aside class="panel" aria-label={`Record ${row.id}`}>
      <header>
        <Icon name="quarantine" />
        <h2>Record {row.id}</h2>
        <button type="button" class="ghost icon-button" aria-label="Close" onClick={on_close}>
          <Icon name="close" />
        </button>
      </header>
      <p class="panel-kind">
        <Pill tone={row.late ? 'info' : 'warn'}>{error_label(row)}</Pill>
        {row.replayed_us > 0 && <Pill tone="good">put back</Pill>}
        <span class="spacer" />
        {can_go_back(row) && (
          <button type="button" class="primary" disabled={busy.value} onClick={() => void put_back([row.id])}>
            <Icon name="again" size={14} /> Put back
          </button>
        )}
      </p>
      <pre class="error-message">{row.reason}</pre>
      <dl class="pairs">
        <dt>Refused by</dt>
        <dd>{row.source}</dd>
        <dt>Origin</dt>
        <dd>{row.origin}</dd>
        <dt>When</dt>
        <dd>{instant(Math.floor(row.time_us / 1000))}</dd>
        {row.replayed_us > 0 && (
          <>
            <dt>Put back</dt>
            <dd>{instant(Math.floor(row.replayed_us / 1000))}</dd>
          </>
        )}
      </dl>
      {row.detail && <Call id={row.id} detail={row.detail} />}
      <section>
        <h3>
          Bytes <CopyButton text={row.bytes} label="Copy the bytes" />
          <span class="spacer" />
          <Choice<Form>
            label="Show bytes as"
            value={form}
            options={[
              { value: 'raw', label: 'raw' },
              ...(json ? [{ value: 'json' as const, label: 'JSON' }] : []),
              { value: 'hex', label: 'hex' },
            ]}
            on_change={set_form}
          />
        </h3>
        <pre class={`detail bytes ${form}`}>{shown || '(empty)'}</pre>
      </section>
    </aside>
  );
}
