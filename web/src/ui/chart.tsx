// A picture of rows, with the choice of columns beside it. What is chosen stands in the address.
import type { JSX } from 'preact';
import type { Cell, Column } from '../api/types.ts';
import { route, set_query } from '../router.ts';
import { BarChart } from './bar_chart.tsx';
import { is_numeric, is_time } from './format.ts';
import { lazy } from './lazy.tsx';
import { Choice } from './parts.tsx';
import { bar_data, infer_plot, line_data, type PlotKind, type PlotSpec } from './plot.ts';

const LineChart = lazy(() => import('./line_chart.tsx'));

const bars_shown_max = 40;

export function Plot(props: {
  columns: Column[];
  rows: Cell[][];
  spec: PlotSpec;
  label: string;
  bars_max?: number;
}): JSX.Element {
  const { columns, rows, spec, label } = props;
  const x = columns.find((column) => column.name === spec.x);
  if (spec.kind === 'bar' && !(x && is_time(x))) {
    const data = bar_data(columns, rows, spec, props.bars_max ?? bars_shown_max);
    return data && data.bars.length > 0 ? <BarChart data={data} label={label} /> : <NothingToDraw />;
  }
  const data = line_data(columns, rows, spec);
  return data && data.x.length > 0 ? (
    <LineChart data={data} label={label} bars={spec.kind === 'bar'} />
  ) : (
    <NothingToDraw />
  );
}

function NothingToDraw(): JSX.Element {
  return <p class="note centred">No rows to draw yet.</p>;
}

export function ChartBench(props: {
  columns: Column[];
  rows: Cell[][];
  key_columns?: string[];
  label: string;
}): JSX.Element {
  const inferred = infer_plot(props.columns, props.rows, props.key_columns);
  if (!inferred) {
    return (
      <p class="note centred">
        A chart needs a column of numbers; these columns are {props.columns.map((c) => c.type).join(', ') || 'empty'}.
      </p>
    );
  }
  const { query } = route.value;
  const has = (name: string | null) => name !== null && props.columns.some((column) => column.name === name);
  const x = query.get('x');
  const y = query.get('y')?.split(',').filter(has) ?? [];
  const series = query.get('series');
  const spec: PlotSpec = {
    kind: (query.get('kind') as PlotKind | null) ?? inferred.kind,
    x: has(x) && x ? x : inferred.x,
    y: y.length > 0 ? y : inferred.y,
    series: series === '-' ? null : has(series) ? series : inferred.series,
  };
  const over_time = props.columns.some((column) => column.name === spec.x && is_time(column));
  const names = props.columns.map((column) => column.name);
  const numbers = props.columns.filter(is_numeric).map((column) => column.name);
  return (
    <div class="chart-bench">
      <div class="toolbar">
        <Choice<PlotKind>
          label="Kind of chart"
          value={spec.kind}
          options={[
            { value: 'line', label: 'Line' },
            { value: 'bar', label: 'Bars' },
          ]}
          on_change={(kind) => set_query({ kind })}
        />
        <Select
          label={spec.kind === 'bar' && !over_time ? 'label' : 'x'}
          value={spec.x}
          options={names}
          on_change={(to) => set_query({ x: to })}
        />
        <Select label="value" value={spec.y[0] ?? ''} options={numbers} on_change={(to) => set_query({ y: to })} />
        {(spec.kind === 'line' || over_time) && (
          <Select
            label="series"
            value={spec.series ?? '-'}
            options={['-', ...names.filter((name) => name !== spec.x)]}
            on_change={(to) => set_query({ series: to })}
          />
        )}
      </div>
      <div class="chart-area">
        <Plot columns={props.columns} rows={props.rows} spec={spec} label={props.label} />
      </div>
    </div>
  );
}

export function Select(props: {
  label: string;
  value: string;
  options: string[];
  on_change: (value: string) => void;
}): JSX.Element {
  return (
    <label class="select">
      <span>{props.label}</span>
      <select value={props.value} onChange={(event) => props.on_change(event.currentTarget.value)}>
        {props.options.map((option) => (
          <option key={option} value={option}>
            {option === '' ? 'all' : option === '-' ? 'none' : option}
          </option>
        ))}
      </select>
    </label>
  );
}
