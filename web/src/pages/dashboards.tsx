// Dashboards: tiles over views, as the project's dashboards/*.toml say. Tiles over one view share its stream.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, as_error_body } from '../api/client.ts';
import { is_object } from '../api/merge.ts';
import type { ApiErrorBody, Dashboard, Tile, ViewInfo } from '../api/types.ts';
import { link } from '../live/pipeline.ts';
import { type LiveView, use_live_view, views } from '../live/views.ts';
import { href, route } from '../router.ts';
import { Plot } from '../ui/chart.tsx';
import { cell_number, cell_text, compare_cells, instant, is_time, short_number } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Choice, Empty, ErrorBox } from '../ui/parts.tsx';
import { infer_plot, line_data, type PlotSpec } from '../ui/plot.ts';
import { Sparkline } from '../ui/sparkline.tsx';
import { DataTable } from '../ui/table.tsx';
import { LiveMark } from './views.tsx';

const dashboards = signal<Dashboard[] | null>(null);
const dashboards_error = signal<ApiErrorBody | null>(null);

async function load(): Promise<void> {
  try {
    dashboards.value = await api.dashboards();
    dashboards_error.value = null;
  } catch (error) {
    dashboards_error.value = as_error_body(error);
  }
}

/** The file is written by hand: what is missing or of another kind must not take the page down. */
export function tiles_of(dashboard: Dashboard): Tile[] {
  const list = dashboard.tile ?? dashboard.tiles;
  if (!Array.isArray(list)) return [];
  return list.filter(is_object).map((tile) => {
    const text = (name: string) => (typeof tile[name] === 'string' ? { [name]: tile[name] } : {});
    const count = (name: string) => (typeof tile[name] === 'number' ? { [name]: tile[name] } : {});
    const y = Array.isArray(tile.y) ? tile.y.map(String) : typeof tile.y === 'string' ? [tile.y] : [];
    const kind = tile_kinds.find((known) => known === tile.kind) ?? 'table';
    return {
      title: '',
      view: '',
      ...text('title'),
      ...text('view'),
      ...text('x'),
      ...text('series'),
      ...count('limit'),
      ...count('width'),
      kind,
      y,
    };
  });
}

const tile_kinds: Tile['kind'][] = ['line', 'bar', 'table', 'number'];

const dashboard_example = `# dashboards/traffic.toml
title = "Traffic"

[[tile]]
title = "Payments per minute"
view = "per_minute"
kind = "line"
x = "window_start"
y = ["n"]
width = 8`;

export function DashboardsPage(): JSX.Element {
  useEffect(() => {
    void load();
  }, [link.value.state === 'live']);
  const list = dashboards.value;
  if (dashboards_error.value && !list) return <ErrorBox error={dashboards_error.value} />;
  if (!list) return <div class="loading" aria-busy="true" />;
  const wanted = route.value.name;
  const shown = wanted ? list.find((dashboard) => dashboard.name === wanted) : list[0];
  if (list.length === 0) {
    return (
      <Empty icon="dashboards" title="No dashboards" example={dashboard_example}>
        A dashboard is a file of tiles over views. It lives in the project, so it is reviewed and versioned with the
        SQL.
      </Empty>
    );
  }
  if (!shown) {
    return (
      <Empty icon="dashboards" title={`There is no dashboard named ${wanted}`}>
        <a href={href('dashboards')}>See all dashboards.</a>
      </Empty>
    );
  }
  const tiles = tiles_of(shown);
  return (
    <div class="page dashboard-page">
      {list.length > 1 && (
        <nav class="tabs" aria-label="Dashboards">
          {list.map((dashboard) => (
            <a
              key={dashboard.name}
              href={href('dashboards', dashboard.name)}
              aria-current={dashboard.name === shown.name ? 'page' : undefined}
            >
              {dashboard.title || dashboard.name}
            </a>
          ))}
        </nav>
      )}
      {tiles.length === 0 ? (
        <Empty icon="dashboards" title="This dashboard has no tiles" example={dashboard_example} />
      ) : (
        <div class="tiles" key={shown.name}>
          {tiles.map((tile, i) => (
            <TileCard key={`${i} ${tile.title}`} tile={tile} />
          ))}
        </div>
      )}
    </div>
  );
}

const default_width: { [kind in Tile['kind']]: number } = { number: 3, line: 6, bar: 6, table: 6 };

/** Widths are twelfths of the page. */
function span_of(tile: Tile): number {
  return Math.max(2, Math.min(12, Math.round(tile.width || default_width[tile.kind] || 6)));
}

function TileCard({ tile }: { tile: Tile }): JSX.Element {
  const live = use_live_view(tile.view);
  const view = views.value?.find((candidate) => candidate.name.toLowerCase() === tile.view.toLowerCase());
  const [as_table, set_as_table] = useState(false);
  const drawn = tile.kind === 'line' || tile.kind === 'bar';
  const title = tile.title || tile.view;
  return (
    <section class={`tile tile-${tile.kind} span-${span_of(tile)}`} aria-label={title}>
      <header>
        <h3>
          <a href={href('views', tile.view)}>{title}</a>
        </h3>
        {live && live.state.value !== 'live' && <LiveMark live={live} />}
        {drawn && (
          <Choice
            label={`Show ${title} as`}
            value={as_table ? 'table' : 'chart'}
            options={[
              { value: 'chart', label: '', icon: 'chart' },
              { value: 'table', label: '', icon: 'table' },
            ]}
            on_change={(to) => set_as_table(to === 'table')}
          />
        )}
      </header>
      <div class="tile-body">
        {live === null ? (
          <p class="note centred">
            {tile.view ? (
              <>
                There is no view named <code>{tile.view}</code>.
              </>
            ) : (
              'This tile names no view.'
            )}
          </p>
        ) : live && view ? (
          <TileBody tile={as_table ? { ...tile, kind: 'table' } : tile} live={live} view={view} title={title} />
        ) : (
          <div class="loading" aria-busy="true" />
        )}
      </div>
    </section>
  );
}

const tile_rows_max = 2000;

function TileBody(props: { tile: Tile; live: LiveView; view: ViewInfo; title: string }): JSX.Element {
  const { tile, live, view } = props;
  void live.version.value;
  const spec = spec_of(tile, live, view);
  const rows = tile_rows(tile, live, view, spec);
  if (tile.kind === 'table') {
    return (
      <DataTable
        label={props.title}
        columns={view.columns}
        key_columns={view.key}
        rows={view.changelog === 'append' ? [...rows].reverse() : rows}
        highlights
      />
    );
  }
  const cells = rows.map((row) => row.cells);
  if (tile.kind === 'number') return <NumberTile tile={tile} view={view} cells={cells} spec={spec} />;
  if (!spec) return <p class="note centred">No column of numbers to draw.</p>;
  return <Plot columns={view.columns} rows={cells} spec={spec} label={props.title} bars_max={tile.limit ?? 10} />;
}

function spec_of(tile: Tile, live: LiveView, view: ViewInfo): PlotSpec | null {
  const inferred = infer_plot(
    view.columns,
    live.rows
      .values()
      .slice(0, 200)
      .map((row) => row.cells),
    view.key,
  );
  const y = tile.y && tile.y.length > 0 ? tile.y : (inferred?.y ?? []);
  if (y.length === 0) return null;
  return {
    kind: tile.kind === 'bar' ? 'bar' : 'line',
    x: tile.x ?? inferred?.x ?? view.columns[0]?.name ?? '',
    y,
    series: tile.series ?? null,
  };
}

/** The newest rows along x, so that a limit keeps the end of a line and not its beginning. */
function tile_rows(tile: Tile, live: LiveView, view: ViewInfo, spec: PlotSpec | null) {
  const rows = live.rows.values();
  const over_time = view.columns.some((column) => column.name === spec?.x && is_time(column));
  // Bars of names are the largest ones, which only all rows can tell.
  const limit =
    tile.kind === 'bar' && !over_time ? tile_rows_max : Math.min(tile.limit ?? tile_rows_max, tile_rows_max);
  if (rows.length <= limit) return rows;
  const along = tile.kind === 'line' || over_time ? spec?.x : view.time_column;
  const x = view.columns.findIndex((column) => column.name === along);
  if (x < 0) return rows.slice(-limit);
  return [...rows].sort((a, b) => compare_cells(a.cells[x], b.cells[x])).slice(-limit);
}

function NumberTile(props: {
  tile: Tile;
  view: ViewInfo;
  cells: ReturnType<LiveView['rows']['values']>[number]['cells'][];
  spec: PlotSpec | null;
}): JSX.Element {
  const { tile, view, cells, spec } = props;
  const y = tile.y?.[0] ?? spec?.y[0];
  const y_index = view.columns.findIndex((column) => column.name === y);
  const x = tile.x ?? view.time_column;
  const x_index = view.columns.findIndex((column) => column.name === x);
  const ordered = x_index >= 0 ? [...cells].sort((a, b) => compare_cells(a[x_index], b[x_index])) : cells;
  const last = ordered.at(-1);
  const value = last?.[y_index];
  const number = cell_number(value);
  const line =
    x_index >= 0 && y
      ? line_data(view.columns, ordered.slice(-60), { kind: 'line', x: x ?? '', y: [y], series: null })
      : null;
  const values = line?.series[0]?.values.filter((v) => v !== null) ?? [];
  const at = x_index >= 0 && last && line?.time ? instant((line.x.at(-1) ?? 0) * 1000) : null;
  return (
    <div class="big-number">
      <strong title={value === undefined ? '' : cell_text(value)}>
        {value === undefined ? '–' : number === null ? cell_text(value) : short_number(number)}
      </strong>
      <span class="note">
        {y}
        {at && ` · ${at}`}
        {!last && <Icon name="clock" size={12} />}
      </span>
      {values.length > 1 && <Sparkline values={values} points={Math.max(values.length, 2)} />}
    </div>
  );
}
