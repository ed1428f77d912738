// Questions to the running views: editor, answer as table or chart, and what was asked before.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { api, as_error_body } from '../api/client.ts';
import type { ApiErrorBody, Rows } from '../api/types.ts';
import { views } from '../live/views.ts';
import { route, set_query } from '../router.ts';
import { ChartBench } from '../ui/chart.tsx';
import { csv, duration, whole_number } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { lazy } from '../ui/lazy.tsx';
import { Choice, CopyButton, download, ErrorBox } from '../ui/parts.tsx';
import { DataTable, row_count, type Sort } from '../ui/table.tsx';

const Editor = lazy(() => import('../ui/editor.tsx'));

// ---- what was asked before ---------------------------------------------------------------------------------------------

type Asked = { sql: string; at_ms: number; took_ms: number; rows: number | null };

const history_key = 'headrace.sql.history';
const history_max = 50;

function read_history(): Asked[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(history_key) ?? '[]');
    return Array.isArray(list) ? (list as Asked[]) : [];
  } catch {
    return [];
  }
}

const asked = signal<Asked[]>(read_history());

function remember(entry: Asked): void {
  asked.value = [entry, ...asked.value.filter((old) => old.sql !== entry.sql)].slice(0, history_max);
  try {
    localStorage.setItem(history_key, JSON.stringify(asked.value));
  } catch {
    // Without storage the history lasts as long as the page.
  }
}

// ---- the question and its answer: kept while other pages are open ------------------------------------------------------

const text = signal('');
const answer = signal<(Rows & { took_ms: number }) | null>(null);
const error = signal<ApiErrorBody | null>(null);
const running = signal<AbortController | null>(null);
const sort = signal<Sort | null>(null);
const error_at = signal<{ line: number; column: number } | null>(null);

/** The place of an error: the engine's `at` (file:line:column), else the caret line of DuckDB's message. */
export function error_place(body: ApiErrorBody): { line: number; column: number } | null {
  const at = /(\d+):(\d+)$/.exec(body.at ?? '');
  if (at) return { line: Number(at[1]), column: Number(at[2]) };
  const caret = /LINE (\d+): (.*)\n( *)\^/.exec(body.message);
  if (!caret) return null;
  const prefix = `LINE ${caret[1]}: `.length;
  return { line: Number(caret[1]), column: Math.max(1, (caret[3]?.length ?? 0) - prefix + 1) };
}

async function run(): Promise<void> {
  const sql = text.value.trim();
  if (!sql) return;
  running.value?.abort();
  const abort = new AbortController();
  running.value = abort;
  error.value = null;
  error_at.value = null;
  set_query({ q: text.value });
  const begun_ms = performance.now();
  try {
    // The text is sent as it stands, so that the engine's line and column are those of the editor.
    const rows = await api.sql(text.value, abort.signal);
    const took_ms = performance.now() - begun_ms;
    answer.value = { ...rows, took_ms };
    sort.value = null;
    remember({ sql, at_ms: Date.now(), took_ms, rows: rows.rows.length });
  } catch (problem) {
    if (abort.signal.aborted) return;
    answer.value = null;
    error.value = as_error_body(problem);
    error_at.value = error_place(error.value);
    remember({ sql, at_ms: Date.now(), took_ms: performance.now() - begun_ms, rows: null });
  } finally {
    if (running.value === abort) running.value = null;
  }
}

function stop(): void {
  running.value?.abort();
  running.value = null;
}

// ---- the page ----------------------------------------------------------------------------------------------------------

export function SqlPage(): JSX.Element {
  const { query } = route.value;
  const from_address = query.get('q');
  const taken = useRef<string | null>(null);
  useEffect(() => {
    if (from_address === null || from_address === taken.current) return;
    taken.current = from_address;
    if (from_address.trim() !== text.peek().trim()) text.value = from_address;
  }, [from_address]);
  const list = views.value ?? [];
  useEffect(() => {
    const first = list[0];
    if (text.peek() === '' && from_address === null && first) text.value = `SELECT *\nFROM ${first.name}\nLIMIT 100`;
  }, [list, from_address]);
  return (
    <div class="page sql-page">
      <div class="sql-main">
        <div class="editor-box">
          <Editor text={text} views={list} error_at={error_at.value} on_run={() => void run()} />
        </div>
        <div class="toolbar">
          {running.value ? (
            <button type="button" class="primary" onClick={stop}>
              Stop
            </button>
          ) : (
            <button type="button" class="primary" onClick={() => void run()}>
              <Icon name="play" size={14} /> Run <kbd>Ctrl Enter</kbd>
            </button>
          )}
          <CopyButton text={text.value} label="Copy the SQL" />
          <span class="spacer" />
          {running.value && <span class="note">running…</span>}
        </div>
        {error.value && <ErrorBox error={error.value} />}
        {answer.value && <Answer answer={answer.value} />}
        {!answer.value && !error.value && !running.value && (
          <p class="note centred">
            A query reads all views at one tick, so that a join of two views is never torn. The answer says which tick
            it was.
          </p>
        )}
      </div>
      <aside class="sql-side">
        <SchemaTree />
        <History />
      </aside>
    </div>
  );
}

function Answer({ answer: shown }: { answer: Rows & { took_ms: number } }): JSX.Element {
  const tab = route.value.query.get('tab') === 'chart' ? 'chart' : 'table';
  const { columns, rows } = shown;
  // Ids by place: an answer does not change, it is replaced.
  const table_rows = rows.map((cells, i) => ({ id: String(i), cells }));
  return (
    <section class="answer" aria-label="Answer">
      <div class="toolbar">
        <Choice
          label="Show as"
          value={tab}
          options={[
            { value: 'table', label: 'Table', icon: 'table' },
            { value: 'chart', label: 'Chart', icon: 'chart' },
          ]}
          on_change={(to) => set_query({ tab: to === 'table' ? null : to })}
        />
        <span class="note" role="status">
          {row_count(rows.length)} in {duration(shown.took_ms)} · tick {whole_number(shown.tick)}
          {shown.durable_tick < shown.tick && `, durable ${whole_number(shown.durable_tick)}`}
        </span>
        <span class="spacer" />
        <button type="button" onClick={() => download('answer.csv', 'text/csv', csv(columns, rows))}>
          <Icon name="down" size={14} /> CSV
        </button>
      </div>
      {tab === 'chart' ? (
        <ChartBench columns={columns} rows={rows} label="Answer" />
      ) : rows.length === 0 ? (
        <p class="note centred">No rows: {columns.map((column) => column.name).join(', ')}</p>
      ) : (
        <DataTable
          label="Answer"
          columns={columns}
          rows={table_rows}
          sort={sort.value}
          on_sort={(next) => {
            sort.value = next;
          }}
        />
      )}
    </section>
  );
}

function SchemaTree(): JSX.Element | null {
  const list = views.value;
  if (!list || list.length === 0) return null;
  return (
    <section>
      <h3>Views</h3>
      {list.map((view) => (
        <details key={view.name}>
          <summary>{view.name}</summary>
          <ul>
            {view.columns.map((column) => (
              <li key={column.name}>
                <code>{column.name}</code> <small>{column.type}</small>
              </li>
            ))}
          </ul>
        </details>
      ))}
    </section>
  );
}

function History(): JSX.Element | null {
  if (asked.value.length === 0) return null;
  return (
    <section>
      <h3>
        Asked before
        <button
          type="button"
          class="link"
          onClick={() => {
            asked.value = [];
            localStorage.removeItem(history_key);
          }}
        >
          forget
        </button>
      </h3>
      <ul class="history">
        {asked.value.map((entry) => (
          <li key={entry.sql}>
            <button
              type="button"
              title={entry.sql}
              onClick={() => {
                text.value = entry.sql;
                set_query({ q: entry.sql });
              }}
            >
              <code>{entry.sql.replace(/\s+/g, ' ').slice(0, 90)}</code>
              <small class={entry.rows === null ? 'failed' : ''}>
                {entry.rows === null ? 'failed' : row_count(entry.rows)} · {duration(entry.took_ms)}
              </small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
