// Patching rows by changes: whatever order a tick's changes come in, the table ends as the view.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, ViewInfo } from '../src/api/types.ts';
import { ViewRows } from '../src/live/rows.ts';

const columns = [
  { name: 'card', type: 'VARCHAR' },
  { name: 'n', type: 'BIGINT' },
];

function keyed(changelog: ViewInfo['changelog'] = 'retract', rows_max = 100): ViewRows {
  return new ViewRows({ columns, key: ['card'], changelog }, rows_max);
}

function bag(rows_max = 100): ViewRows {
  return new ViewRows({ columns, key: [], changelog: 'retract' }, rows_max);
}

const change = (kind: Change[0], card: string, n: number): Change => [kind, { card, n }];
const cells = (rows: ViewRows) => rows.values().map((row) => row.cells);

test('a keyed row is replaced in its place', () => {
  const rows = keyed();
  rows.load([
    ['a', 1],
    ['b', 1],
  ]);
  const applied = rows.apply([change('-U', 'a', 1), change('+U', 'a', 2)], 5);
  assert.deepEqual(cells(rows), [
    ['a', 2],
    ['b', 1],
  ]);
  assert.deepEqual(applied, { inserted: 0, updated: 1, deleted: 0 });
  assert.equal(rows.values()[0]?.changed_ms, 5);
  assert.equal(rows.values()[0]?.revision, 1);
});

test('the new version may come before the old one is taken back', () => {
  const rows = keyed();
  rows.load([['a', 1]]);
  rows.apply([change('+U', 'a', 2), change('-U', 'a', 1)], 5);
  assert.deepEqual(cells(rows), [['a', 2]]);
});

test('a retraction without a replacement removes', () => {
  const rows = keyed();
  rows.load([['a', 1]]);
  assert.equal(rows.apply([change('-D', 'a', 1)], 5).deleted, 1);
  assert.deepEqual(cells(rows), []);
});

test('an upsert view deletes by key alone', () => {
  const rows = keyed('upsert');
  rows.load([['a', 7]]);
  rows.apply([['-D', { card: 'a' }]], 5);
  assert.equal(rows.size, 0);
});

test('a row inserted and taken back in one event leaves nothing', () => {
  const rows = keyed();
  rows.apply([change('+I', 'a', 1), change('-D', 'a', 1)], 5);
  assert.equal(rows.size, 0);
  const multiset = bag();
  multiset.apply([change('-D', 'a', 1), change('+I', 'a', 1)], 5);
  assert.equal(multiset.size, 0);
});

test('the same event twice changes a keyed view once', () => {
  const rows = keyed();
  rows.apply([change('+I', 'a', 1)], 1);
  rows.apply([change('+I', 'a', 1)], 2);
  assert.deepEqual(cells(rows), [['a', 1]]);
  assert.equal(rows.values()[0]?.changed_ms, 1);
});

test('equal rows without a key are counted', () => {
  const rows = bag();
  rows.apply([change('+I', 'a', 1), change('+I', 'a', 1), change('+I', 'b', 1)], 1);
  assert.equal(rows.size, 3);
  rows.apply([change('-D', 'a', 1)], 2);
  assert.deepEqual(cells(rows), [
    ['a', 1],
    ['b', 1],
  ]);
  rows.apply([change('-D', 'a', 1), change('-D', 'a', 1)], 3);
  assert.deepEqual(cells(rows), [['b', 1]]);
});

test('a debt ends with its event', () => {
  const rows = bag();
  rows.apply([change('-D', 'a', 1)], 1); // A row this table never had.
  rows.apply([change('+I', 'a', 1)], 2);
  assert.equal(rows.size, 1);
});

test('the limit drops the oldest and counts them', () => {
  const rows = bag(2);
  rows.apply([change('+I', 'a', 1), change('+I', 'b', 1), change('+I', 'c', 1)], 1);
  assert.deepEqual(cells(rows), [
    ['b', 1],
    ['c', 1],
  ]);
  assert.equal(rows.dropped, 1);
});

test('any order of a tick gives the same rows', () => {
  const before: [string, number][] = [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ];
  const changes = [change('-U', 'a', 1), change('+U', 'a', 9), change('-D', 'b', 2), change('+I', 'd', 4)];
  const expected = JSON.stringify([
    ['a', 9],
    ['c', 3],
    ['d', 4],
  ]);
  for (const order of permutations(changes)) {
    for (const make of [keyed, bag]) {
      const rows = make();
      rows.load(before);
      rows.apply(order, 1);
      assert.equal(JSON.stringify(cells(rows).sort((x, y) => (String(x[0]) < String(y[0]) ? -1 : 1))), expected);
    }
  }
});

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items];
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  );
}
