// Numbers, times and cells as people read them. Plain functions: the same value always prints the same way.
import type { Cell, Column } from '../api/types.ts';

const suffixes = ['', 'k', 'M', 'G', 'T', 'P'];

/** Three digits and a suffix: 950, 1.23 k, 45.6 M. */
export function short_number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size < 1000) {
    if (Number.isInteger(value)) return String(value);
    if (size > 0 && size < 0.001) return value.toExponential(1);
    return String(Number(value.toPrecision(3)));
  }
  const step = Math.min(Math.floor(Math.log10(size) / 3), suffixes.length - 1);
  const scaled = value / 1000 ** step;
  // 999.95 k would print as "1000 k".
  if (Math.abs(scaled) >= 999.5 && step < suffixes.length - 1)
    return `${(scaled / 1000).toPrecision(3)} ${suffixes[step + 1]}`;
  return `${scaled.toPrecision(3)} ${suffixes[step]}`;
}

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function whole_number(value: number): string {
  return grouped.format(value);
}

export function rate(rows_per_s: number): string {
  if (rows_per_s > 0 && rows_per_s < 10) return `${rows_per_s.toFixed(1)}/s`;
  return `${short_number(Math.round(rows_per_s))}/s`;
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(Math.floor(Math.log2(value) / 10), units.length);
  return `${(value / 1024 ** step).toPrecision(3)} ${units[step - 1]}`;
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1000) return `${Math.round(ms)} ms`;
  if (size < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (size < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  if (size < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
  return `${Math.floor(ms / 86_400_000)} d ${Math.floor((ms % 86_400_000) / 3_600_000)} h`;
}

/** An instant in UTC, as the engine writes it: 2026-01-31 12:00:00.250. */
export function instant(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return '–';
  return date
    .toISOString()
    .replace('T', ' ')
    .replace(/\.000Z$|Z$/, '');
}

const lag_ms_max = 86_400_000;

/** How far the watermark is behind now. A pipeline that reads history shows where in time it is instead. */
export function watermark(watermark_ms: number | null, now_ms: number): { label: string; value: string } | null {
  // The engine writes "before everything" and "after everything" as the ends of its range.
  if (watermark_ms === null || Math.abs(watermark_ms) > 8.64e15) return null;
  const lag_ms = now_ms - watermark_ms;
  if (lag_ms > lag_ms_max || lag_ms < -lag_ms_max) return { label: 'at', value: instant(watermark_ms) };
  return { label: 'lag', value: duration(Math.max(0, lag_ms)) };
}

export function ago(us: number, now_ms: number): string {
  return us <= 0 ? 'never' : `${duration(Math.max(0, now_ms - us / 1000))} ago`;
}

// ---- cells -------------------------------------------------------------------------------------------------------------

const numeric_type = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|INT\d*|FLOAT\d*|REAL|DOUBLE|DECIMAL.*|NUMERIC.*)$/i;

export function is_numeric(column: Column): boolean {
  return numeric_type.test(column.type.trim());
}

export function is_time(column: Column): boolean {
  return /^(TIMESTAMP|DATE\b|DATETIME)/i.test(column.type.trim());
}

export function cell_text(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return 'NULL';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'object') return JSON.stringify(cell);
  return String(cell);
}

/** The milliseconds of a time cell; text without a zone is UTC, numbers are taken by their size. */
export function cell_ms(cell: Cell | undefined): number | null {
  if (typeof cell === 'number') {
    if (cell > 1e14) return cell / 1000;
    return cell > 1e11 ? cell : cell * 1000;
  }
  if (typeof cell !== 'string') return null;
  let text = cell.trim().replace(' ', 'T');
  if (/^\d{4}-\d\d-\d\d$/.test(text)) text += 'T00:00:00';
  text = text.replace(/(\.\d{3})\d+/, '$1').replace(/([+-]\d\d)$/, '$1:00');
  if (!/(Z|[+-]\d\d:?\d\d)$/i.test(text)) text += 'Z';
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

export function cell_number(cell: Cell | undefined): number | null {
  if (typeof cell === 'number') return cell;
  if (typeof cell === 'boolean') return cell ? 1 : 0;
  if (typeof cell !== 'string' || cell.trim() === '') return null;
  const value = Number(cell);
  return Number.isNaN(value) ? null : value;
}

export function compare_cells(a: Cell | undefined, b: Cell | undefined): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1; // NULLs last, as the engine sorts.
  if (b === null || b === undefined) return -1;
  const x = cell_number(a);
  const y = cell_number(b);
  if (x !== null && y !== null) return x - y;
  const s = cell_text(a);
  const t = cell_text(b);
  return s < t ? -1 : s > t ? 1 : 0;
}

export function csv(columns: Column[], rows: Cell[][]): string {
  const field = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (cells: string[]) => cells.map(field).join(',');
  return [
    line(columns.map((column) => column.name)),
    ...rows.map((row) => line(row.map((cell) => (cell === null ? '' : cell_text(cell))))),
    '',
  ].join('\n');
}
