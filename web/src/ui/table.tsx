// A table that draws only the rows in sight. Rows have one height, so that a row's place is arithmetic, not measurement.
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Cell, Column } from '../api/types.ts';
import { cell_text, compare_cells, is_numeric, short_number } from './format.ts';
import { copy_text } from './parts.tsx';

export type TableRow = { id: string; cells: Cell[]; revision?: number; changed_ms?: number; tone?: string };
export type Sort = { column: number; descending: boolean };

const row_height_px = 30;
const overscan_rows = 8;
const width_ch_min = 6;
const width_ch_max = 42;
const width_sample_rows = 100;

function widths_of(columns: Column[], rows: TableRow[]): number[] {
  return columns.map((column, i) => {
    let width = Math.max(column.name.length + 3, width_ch_min);
    for (const row of rows.slice(0, width_sample_rows)) width = Math.max(width, cell_text(row.cells[i]).length + 2);
    return Math.min(width, width_ch_max);
  });
}

export function DataTable(props: {
  label: string;
  columns: Column[];
  rows: TableRow[];
  key_columns?: string[];
  sort?: Sort | null;
  on_sort?: (sort: Sort | null) => void;
  on_open?: (row: TableRow) => void;
  open_id?: string | null;
  /** Marks rows that changed since the table was opened. */
  highlights?: boolean;
}): JSX.Element {
  const { columns, rows } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [top_px, set_top] = useState(0);
  const [height_px, set_height] = useState(400);
  const [current, set_current] = useState(-1);
  const opened_ms = useRef(performance.now());

  const sort = props.sort ?? null;
  const sorted = useMemo(() => {
    if (!sort) return rows;
    const sign = sort.descending ? -1 : 1;
    return [...rows].sort((a, b) => {
      const x = a.cells[sort.column];
      const y = b.cells[sort.column];
      if (x === null || x === undefined || y === null || y === undefined) return compare_cells(x, y);
      return sign * compare_cells(x, y);
    });
  }, [rows, sort?.column, sort?.descending]);

  // Widths only grow while the same columns are shown: a live table must not tremble.
  const widths = useRef<{ shape: string; ch: number[] }>({ shape: '', ch: [] });
  const shape = columns.map((column) => column.name).join('\n');
  const sampled = widths_of(columns, sorted);
  widths.current =
    widths.current.shape === shape
      ? { shape, ch: sampled.map((ch, i) => Math.max(ch, widths.current.ch[i] ?? 0)) }
      : { shape, ch: sampled };
  const total_ch = widths.current.ch.reduce((sum, ch) => sum + ch, 0);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => set_height(element.clientHeight));
    observer.observe(element);
    set_height(element.clientHeight);
    return () => observer.disconnect();
  }, []);

  const first = Math.max(0, Math.floor(top_px / row_height_px) - overscan_rows);
  const last = Math.min(sorted.length, Math.ceil((top_px + height_px) / row_height_px) + overscan_rows);

  const show_row = (index: number) => {
    const element = scroller.current;
    if (!element) return;
    const above = index * row_height_px;
    const below = above + row_height_px * 2; // The sticky header covers one row.
    if (above < element.scrollTop) element.scrollTop = above;
    else if (below > element.scrollTop + element.clientHeight) element.scrollTop = below - element.clientHeight;
  };

  useEffect(() => {
    if (current >= sorted.length) set_current(sorted.length - 1);
  }, [current, sorted.length]);

  const on_key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(height_px / row_height_px) - 2);
    const moves: { [key: string]: number } = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: sorted.length - 1,
    };
    const target = moves[event.key];
    const row = sorted[current];
    if (event.target instanceof HTMLButtonElement) return;
    if (target !== undefined) {
      event.preventDefault();
      const index = Math.max(0, Math.min(sorted.length - 1, target));
      set_current(index);
      show_row(index);
    } else if (event.key === 'Enter' && row) {
      event.preventDefault();
      props.on_open?.(row);
    } else if (event.key === 'c' && row) {
      event.preventDefault();
      void copy_text(row_json(columns, row.cells));
    }
  };

  const next_sort = (column: number): Sort | null => {
    if (sort?.column !== column) return { column, descending: false };
    return sort.descending ? null : { column, descending: true };
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: a scrolling region that takes the keyboard for the table in it.
    <div
      class="table-scroller"
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: without focus a keyboard could not scroll it.
      tabIndex={0}
      role="region"
      aria-label={props.label}
      onScroll={(event) => set_top(event.currentTarget.scrollTop)}
      onKeyDown={on_key}
      onFocus={(event) => {
        if (event.target === event.currentTarget && current < 0 && sorted.length > 0) set_current(0);
      }}
    >
      <table aria-rowcount={sorted.length + 1} style={{ minWidth: `${total_ch + columns.length * 1.5}ch` }}>
        <colgroup>
          {columns.map((column, i) => (
            <col key={column.name} style={{ width: `${((widths.current.ch[i] ?? 1) / total_ch) * 100}%` }} />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((column, i) => {
              const direction = sort?.column === i ? (sort.descending ? 'descending' : 'ascending') : 'none';
              return (
                <th key={column.name} scope="col" aria-sort={direction} class={is_numeric(column) ? 'num' : ''}>
                  <button
                    type="button"
                    title={`${column.name} ${column.type}${props.key_columns?.includes(column.name) ? ' (key)' : ''}`}
                    disabled={!props.on_sort}
                    onClick={() => props.on_sort?.(next_sort(i))}
                  >
                    {props.key_columns?.includes(column.name) && <span class="key-mark" aria-hidden="true" />}
                    <span class="th-name">{column.name}</span>
                    <span class={`sort-mark ${direction}`} aria-hidden="true" />
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {first > 0 && (
            <tr class="gap">
              <td colSpan={columns.length} style={{ height: `${first * row_height_px}px` }} />
            </tr>
          )}
          {sorted.slice(first, last).map((row, i) => {
            const index = first + i;
            const changed = props.highlights && (row.changed_ms ?? 0) > opened_ms.current;
            const flash = changed ? ((row.revision ?? 0) % 2 === 0 ? 'flash-a' : 'flash-b') : '';
            const marks = [
              flash,
              row.tone ?? '',
              index % 2 === 1 ? 'odd' : '',
              index === current ? 'current' : '',
              row.id === props.open_id ? 'open' : '',
            ];
            return (
              <tr
                key={row.id}
                class={marks.filter(Boolean).join(' ')}
                aria-rowindex={index + 2}
                aria-selected={index === current}
                onClick={() => {
                  set_current(index);
                  props.on_open?.(row);
                }}
              >
                {columns.map((column, c) => (
                  <CellView key={column.name} column={column} cell={row.cells[c]} />
                ))}
              </tr>
            );
          })}
          {last < sorted.length && (
            <tr class="gap">
              <td colSpan={columns.length} style={{ height: `${(sorted.length - last) * row_height_px}px` }} />
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

const text_max = 300;

function CellView({ column, cell }: { column: Column; cell: Cell | undefined }): JSX.Element {
  if (cell === null || cell === undefined) return <td class="null">NULL</td>;
  const text = cell_text(cell);
  const cut = text.length > text_max ? `${text.slice(0, text_max)}…` : text;
  // A double has up to 17 digits; a table shows what the eye can use, the title and the copy have them all.
  const decimals = /^(?:DECIMAL|NUMERIC)\(\d+,\s*(\d+)\)/i.exec(column.type)?.[1];
  const shown =
    typeof cell !== 'number'
      ? cut
      : decimals !== undefined
        ? cell.toFixed(Number(decimals))
        : Number.isInteger(cell)
          ? cut
          : rounded(cell);
  return (
    <td class={is_numeric(column) ? 'num' : ''} title={text.length > 24 || shown !== text ? cut : undefined}>
      {shown}
    </td>
  );
}

function rounded(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return value.toPrecision(6);
  return String(Number(value.toFixed(size >= 1000 ? 2 : size >= 1 ? 4 : 6)));
}

export function row_json(columns: Column[], cells: Cell[]): string {
  return JSON.stringify(Object.fromEntries(columns.map((column, i) => [column.name, cells[i] ?? null])));
}

export function row_count(rows: number, total?: number): string {
  const text = `${short_number(rows)} ${rows === 1 ? 'row' : 'rows'}`;
  return total !== undefined && total > rows ? `${short_number(rows)} of ${short_number(total)} rows` : text;
}
