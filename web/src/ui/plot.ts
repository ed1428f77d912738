// What to draw from rows: which column is the horizontal axis, which are values, which splits them into series.
import type { Cell, Column } from '../api/types.ts';
import { cell_ms, cell_number, cell_text, is_numeric, is_time } from './format.ts';

export type PlotKind = 'line' | 'bar';
export type PlotSpec = { kind: PlotKind; x: string; y: string[]; series: string | null };

export type LineData = { time: boolean; x: number[]; series: { label: string; values: (number | null)[] }[] };
export type BarData = { bars: { label: string; values: number[] }[]; labels: string[]; hidden: number };

const series_max = 8;

/** A sensible first picture of a table, or null when it has nothing to draw. */
export function infer_plot(columns: Column[], rows: Cell[][], key: string[] = []): PlotSpec | null {
  const numbers = columns.filter((column) => is_numeric(column) && !key.includes(column.name));
  const values = numbers.length > 0 ? numbers : columns.filter(is_numeric);
  const first_value = values[0];
  if (!first_value) return null;
  const time = columns.find(is_time);
  const texts = columns.filter((column) => !is_numeric(column) && !is_time(column));
  const few = texts.find((column) => {
    const index = columns.indexOf(column);
    const distinct = new Set(rows.slice(0, 1000).map((row) => cell_text(row[index])));
    return distinct.size > 0 && distinct.size <= series_max;
  });
  if (time && texts.length === 0)
    return { kind: 'line', x: time.name, y: values.slice(0, 3).map((c) => c.name), series: null };
  if (time && few) return { kind: 'line', x: time.name, y: [first_value.name], series: few.name };
  const label = texts[0];
  if (label) return { kind: 'bar', x: label.name, y: [first_value.name], series: null };
  if (time) return { kind: 'line', x: time.name, y: [first_value.name], series: null };
  const x = columns.find((column) => is_numeric(column) && column.name !== first_value.name);
  return x ? { kind: 'line', x: x.name, y: [first_value.name], series: null } : null;
}

/** Sorts rows by x and lines them up: one array of x, one array of values per series. */
export function line_data(columns: Column[], rows: Cell[][], spec: PlotSpec): LineData | null {
  const x_index = columns.findIndex((column) => column.name === spec.x);
  const x_column = columns[x_index];
  if (!x_column) return null;
  const time = is_time(x_column);
  const y_indexes = spec.y.map((name) => columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
  const series_index = spec.series ? columns.findIndex((column) => column.name === spec.series) : -1;
  const points = new Map<string, Map<number, number | null>>();
  for (const row of rows) {
    const x = time ? cell_ms(row[x_index]) : cell_number(row[x_index]);
    if (x === null) continue;
    for (const y_index of y_indexes) {
      const name = columns[y_index]?.name ?? '';
      const split = series_index >= 0 ? cell_text(row[series_index]) : null;
      const label = split === null ? name : y_indexes.length > 1 ? `${split} ${name}` : split;
      let line = points.get(label);
      if (!line) {
        line = new Map();
        points.set(label, line);
      }
      line.set(time ? x / 1000 : x, cell_number(row[y_index]));
    }
  }
  // The largest series are the ones worth a colour; names keep their order so that colours stay while data moves.
  const kept = [...points].sort(([, a], [, b]) => b.size - a.size).slice(0, series_max);
  kept.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const x = [...new Set(kept.flatMap(([, line]) => [...line.keys()]))].sort((a, b) => a - b);
  return { time, x, series: kept.map(([label, line]) => ({ label, values: x.map((at) => line.get(at) ?? null) })) };
}

/** The `bars_max` largest rows by the first value. */
export function bar_data(columns: Column[], rows: Cell[][], spec: PlotSpec, bars_max: number): BarData | null {
  const x_index = columns.findIndex((column) => column.name === spec.x);
  const y_indexes = spec.y.map((name) => columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
  if (x_index < 0 || y_indexes.length === 0) return null;
  const bars = rows.map((row) => ({
    label: cell_text(row[x_index]),
    values: y_indexes.map((index) => cell_number(row[index]) ?? 0),
  }));
  bars.sort((a, b) => (b.values[0] ?? 0) - (a.values[0] ?? 0) || (a.label < b.label ? -1 : 1));
  return {
    bars: bars.slice(0, bars_max),
    labels: y_indexes.map((index) => columns[index]?.name ?? ''),
    hidden: Math.max(0, bars.length - bars_max),
  };
}
