// The rows of a view, patched in place by its changes. A keyed view replaces by key; one without a key is a multiset.
import type { Cell, Change, Column, ViewInfo } from '../api/types.ts';

export type LiveRow = {
  id: string;
  cells: Cell[];
  /** Counts the changes of this row; 0 = as loaded. */
  revision: number;
  changed_ms: number;
};

export type Applied = { inserted: number; updated: number; deleted: number };

export class ViewRows {
  readonly columns: Column[];
  /** Rows that the limit pushed out. The view has them, this table does not. */
  dropped = 0;
  private readonly rows = new Map<string, LiveRow>();
  private readonly key: number[];
  private readonly removes_by_key: boolean;
  private readonly copies = new Map<string, number>();
  private readonly rows_max: number;

  constructor(view: Pick<ViewInfo, 'columns' | 'key' | 'changelog'>, rows_max: number) {
    this.columns = view.columns;
    this.key = view.key.map((name) => view.columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
    this.removes_by_key = view.changelog === 'upsert';
    this.rows_max = rows_max;
  }

  get size(): number {
    return this.rows.size;
  }

  values(): LiveRow[] {
    return [...this.rows.values()];
  }

  clear(): void {
    this.rows.clear();
    this.copies.clear();
    this.dropped = 0;
  }

  load(rows: Cell[][]): void {
    this.clear();
    for (const cells of rows) this.put(cells, 0, 0);
  }

  /** Applies one event's changes in order. A retraction that meets its own replacement keeps the row in its place. */
  apply(changes: Change[], now_ms: number): Applied {
    const applied: Applied = { inserted: 0, updated: 0, deleted: 0 };
    const leaving = new Set<string>();
    const debts = new Map<string, number>();
    for (const [kind, values] of changes) {
      const cells = this.columns.map((column) => values[column.name] ?? null);
      if (kind === '+I' || kind === '+U') this.insert(cells, now_ms, leaving, debts, applied);
      else if (this.key.length > 0) this.retract_by_key(kind, cells, leaving);
      else this.retract_copy(cells, debts, applied);
    }
    for (const id of leaving) if (this.rows.delete(id)) applied.deleted++;
    return applied;
  }

  private insert(
    cells: Cell[],
    now_ms: number,
    leaving: Set<string>,
    debts: Map<string, number>,
    applied: Applied,
  ): void {
    if (this.key.length === 0) {
      const text = JSON.stringify(cells);
      const debt = debts.get(text) ?? 0;
      if (debt > 0) {
        debts.set(text, debt - 1);
        return;
      }
    }
    if (this.put(cells, now_ms, 1, leaving)) applied.updated++;
    else applied.inserted++;
  }

  /** Stores a row; true if it replaced one. */
  private put(cells: Cell[], now_ms: number, revision: number, leaving?: Set<string>): boolean {
    const id = this.key.length > 0 ? this.key_of(cells) : this.next_copy(cells);
    const old = this.rows.get(id);
    leaving?.delete(id);
    if (old && same_cells(old.cells, cells)) return true;
    this.rows.set(id, { id, cells, revision: old ? old.revision + revision : revision, changed_ms: now_ms });
    if (this.rows.size > this.rows_max) this.drop_oldest();
    return old !== undefined;
  }

  private retract_by_key(kind: Change[0], cells: Cell[], leaving: Set<string>): void {
    const id = this.key_of(cells);
    const row = this.rows.get(id);
    if (!row) return;
    // A batch may bring the new version before it takes back the old one: then the row that stands is not the one meant.
    if ((kind === '-D' && this.removes_by_key) || same_cells(row.cells, cells)) leaving.add(id);
  }

  private retract_copy(cells: Cell[], debts: Map<string, number>, applied: Applied): void {
    const text = JSON.stringify(cells);
    const copies = this.copies.get(text) ?? 0;
    if (copies === 0) {
      debts.set(text, (debts.get(text) ?? 0) + 1);
      return;
    }
    if (copies === 1) this.copies.delete(text);
    else this.copies.set(text, copies - 1);
    if (this.rows.delete(`${text}#${copies}`)) applied.deleted++;
  }

  private key_of(cells: Cell[]): string {
    return JSON.stringify(this.key.map((index) => cells[index] ?? null));
  }

  private next_copy(cells: Cell[]): string {
    const text = JSON.stringify(cells);
    const copies = (this.copies.get(text) ?? 0) + 1;
    this.copies.set(text, copies);
    return `${text}#${copies}`;
  }

  private drop_oldest(): void {
    const oldest = this.rows.keys().next().value;
    if (oldest === undefined) return;
    this.rows.delete(oldest);
    this.dropped++;
    if (this.key.length > 0) return;
    // Copies are numbered from 1; forgetting the text as soon as one is gone keeps the map as small as the rows.
    this.copies.delete(oldest.slice(0, oldest.lastIndexOf('#')));
  }
}

function same_cells(a: Cell[], b: Cell[]): boolean {
  return a.every((cell, i) => cell === b[i] || JSON.stringify(cell) === JSON.stringify(b[i]));
}
