// Views: the list, and one view as a live table or chart.
import { Fragment, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ViewInfo } from '../api/types.ts';
import { link } from '../live/pipeline.ts';
import type { LiveView } from '../live/views.ts';
import { load_views, use_live_view, views, views_error } from '../live/views.ts';
import { href, route, set_query } from '../router.ts';
import { ChartBench } from '../ui/chart.tsx';
import { cell_text, csv, short_number, whole_number } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Choice, CopyButton, download, Empty, ErrorBox, Pill } from '../ui/parts.tsx';
import { DataTable, row_count, row_json, type Sort, type TableRow } from '../ui/table.tsx';

const first_view_example =
  "CREATE MATERIALIZED VIEW per_minute AS\nSELECT window_start, count(*) AS n\nFROM TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)\nGROUP BY window_start, window_end;";

const counts_read_ms = 2000;

export function ViewsPage(): JSX.Element {
  const list = views.value;
  const { name } = route.value;
  const follows_counts = name === null && link.value.state === 'live';
  useEffect(() => {
    if (!follows_counts) return;
    void load_views();
    const timer = setInterval(() => void load_views(), counts_read_ms);
    return () => clearInterval(timer);
  }, [follows_counts]);
  if (views_error.value && !list) return <ErrorBox error={views_error.value} />;
  if (!list) return <div class="loading" aria-busy="true" />;
  if (list.length === 0) {
    return (
      <Empty icon="views" title="No materialized views" example={first_view_example}>
        A materialized view is kept up to date by the engine. You can query it, watch it here and subscribe to its
        changes.
      </Empty>
    );
  }
  if (name === null) return <ViewList list={list} />;
  return <ViewPage key={name} name={name} />;
}

function ViewList({ list }: { list: ViewInfo[] }): JSX.Element {
  return (
    <div class="page">
      <ul class="cards">
        {list.map((view) => (
          <li key={view.name}>
            <a class="card" href={href('views', view.name)}>
              <span class="card-head">
                <Icon name="views" />
                <strong>{view.name}</strong>
                <Pill tone="quiet">{view.changelog}</Pill>
              </span>
              <span class="card-number">
                {whole_number(view.rows)} <small>{view.rows === 1 ? 'row' : 'rows'}</small>
              </span>
              <span class="card-columns">
                {view.columns.map((column) => (
                  <code key={column.name} class={view.key.includes(column.name) ? 'key' : ''} title={column.type}>
                    {column.name}
                  </code>
                ))}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function LiveMark({ live }: { live: LiveView }): JSX.Element {
  const state = live.state.value;
  if (state === 'live') return <Pill tone="good">live</Pill>;
  if (state === 'polled') return <Pill tone="info">every second</Pill>;
  if (state === 'lost') return <Pill tone="bad">not connected</Pill>;
  if (state === 'error') return <Pill tone="bad">{live.error.value?.name ?? 'error'}</Pill>;
  return <Pill tone="quiet">loading</Pill>;
}

function parse_sort(text: string | null, columns: ViewInfo['columns']): Sort | null {
  if (!text) return null;
  const descending = text.startsWith('-');
  const column = columns.findIndex((candidate) => candidate.name === text.replace(/^-/, ''));
  return column < 0 ? null : { column, descending };
}

function ViewPage({ name }: { name: string }): JSX.Element {
  const live = use_live_view(name);
  const view = views.value?.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  const frozen = useRef<TableRow[] | null>(null);
  const [paused, set_paused] = useState(false);
  const [opened, set_opened] = useState<TableRow | null>(null);
  if (live === null) {
    return (
      <Empty icon="views" title={`There is no view named ${name}`}>
        It may have been renamed. <a href={href('views')}>See all views.</a>
      </Empty>
    );
  }
  if (!live || !view) return <div class="loading" aria-busy="true" />;
  const { query } = route.value;
  const tab = query.get('tab') === 'chart' ? 'chart' : 'table';
  const sort = parse_sort(query.get('sort'), view.columns);
  const filter = query.get('filter') ?? '';
  void live.version.value;
  if (!paused) frozen.current = live.rows.values();
  const all = frozen.current ?? [];
  const needle = filter.toLowerCase();
  const rows = needle
    ? all.filter((row) => row.cells.some((cell) => cell_text(cell).toLowerCase().includes(needle)))
    : all;
  const newest_first = view.changelog === 'append' && !sort ? [...rows].reverse() : rows;
  const open_now = opened && (all.find((row) => row.id === opened.id) ?? opened);
  return (
    <div class="page view-page">
      <div class="toolbar">
        <h2 class="page-name">{view.name}</h2>
        <LiveMark live={live} />
        <Choice
          label="Show as"
          value={tab}
          options={[
            { value: 'table', label: 'Table', icon: 'table' },
            { value: 'chart', label: 'Chart', icon: 'chart' },
          ]}
          on_change={(to) => set_query({ tab: to === 'table' ? null : to })}
        />
        <input
          type="search"
          data-filter
          placeholder="Filter rows"
          aria-label="Filter rows"
          value={filter}
          onInput={(event) => set_query({ filter: event.currentTarget.value || null })}
        />
        <span class="spacer" />
        <span class="note">
          {row_count(rows.length, live.rows.size + live.rows.dropped)} · {short_number(live.changes_seen.value)} changes
          · tick {whole_number(live.shown_tick.value)}
        </span>
        <button type="button" aria-pressed={paused} onClick={() => set_paused(!paused)}>
          {paused ? 'Go on' : 'Hold still'}
        </button>
        <button
          type="button"
          onClick={() =>
            download(
              `${view.name}.csv`,
              'text/csv',
              csv(
                view.columns,
                rows.map((row) => row.cells),
              ),
            )
          }
        >
          <Icon name="down" size={14} /> CSV
        </button>
        <a class="button" href={href('sql', null, { q: `SELECT * FROM ${view.name} LIMIT 100` })}>
          Query
        </a>
      </div>
      {live.error.value && live.state.value === 'error' && <ErrorBox error={live.error.value} />}
      {tab === 'chart' ? (
        <ChartBench
          columns={view.columns}
          rows={rows.map((row) => row.cells)}
          key_columns={view.key}
          label={view.name}
        />
      ) : rows.length === 0 ? (
        <Empty icon="views" title={filter ? 'No row matches the filter' : 'No rows yet'}>
          {filter
            ? 'The filter looks for its text in every column.'
            : 'A windowed view shows a window when the watermark has passed its end. EMIT ON UPDATE shows it while it fills.'}
        </Empty>
      ) : (
        <DataTable
          label={`Rows of ${view.name}`}
          columns={view.columns}
          rows={newest_first}
          key_columns={view.key}
          sort={sort}
          on_sort={(next) =>
            set_query({ sort: next ? `${next.descending ? '-' : ''}${view.columns[next.column]?.name ?? ''}` : null })
          }
          on_open={(row) => set_opened(row.id === opened?.id ? null : row)}
          open_id={opened?.id ?? null}
          highlights
        />
      )}
      {open_now && tab === 'table' && (
        <RowPanel
          columns={view.columns}
          row={open_now}
          gone={!live.rows.values().some((row) => row.id === open_now.id)}
          on_close={() => set_opened(null)}
        />
      )}
    </div>
  );
}

export function RowPanel(props: {
  columns: ViewInfo['columns'];
  row: TableRow;
  gone?: boolean;
  on_close: () => void;
}): JSX.Element {
  return (
    <aside class="row-panel" aria-label="Row">
      <header>
        <h3>Row{props.gone ? ' (no longer in the view)' : ''}</h3>
        <CopyButton text={row_json(props.columns, props.row.cells)} label="Copy the row as JSON" />
        <button type="button" class="ghost icon-button" aria-label="Close" onClick={props.on_close}>
          <Icon name="close" />
        </button>
      </header>
      <dl class="pairs">
        {props.columns.map((column, i) => (
          <Fragment key={column.name}>
            <dt title={column.type}>{column.name}</dt>
            <dd class={props.row.cells[i] === null ? 'null' : ''}>{cell_text(props.row.cells[i])}</dd>
          </Fragment>
        ))}
      </dl>
    </aside>
  );
}
