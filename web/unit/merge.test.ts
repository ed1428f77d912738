// The status document: RFC 7396's own cases, and lists as arrays or as objects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply_status, type Json, type JsonObject, merge_patch } from '../src/api/merge.ts';
import { RateMeter, status_of } from '../src/live/pipeline.ts';

test('merge patch as in the appendix of RFC 7396', () => {
  const cases: [Json, Json, Json][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) assert.deepEqual(merge_patch(target, patch), result);
});

test('a merge leaves its inputs alone', () => {
  const target = { a: { b: 1 } };
  merge_patch(target, { a: { b: 2 } });
  assert.deepEqual(target, { a: { b: 1 } });
});

const whole: JsonObject = {
  name: 'fraud',
  tick: 1,
  nodes: [
    { id: 1, kind: 'source', name: 'tx', inputs: [], rows_in: 5, watermark_ms: 10 },
    { id: 2, kind: 'filter', name: 'f', inputs: [1], rows_in: 5 },
  ],
  sources: [{ name: 'tx', records_read: 5 }],
};

test('a document in arrays, then a patch keyed by id', () => {
  const first = apply_status(null, whole);
  const status = status_of(apply_status(first, { tick: 2, nodes: { '1': { rows_in: 9, watermark_ms: null } } }));
  assert.equal(status.tick, 2);
  assert.deepEqual(
    status.nodes.map((node) => [node.id, node.rows_in, node.watermark_ms, node.inputs]),
    [
      ['1', 9, null, []],
      ['2', 5, null, ['1']],
    ],
  );
  assert.equal(status.sources[0]?.records_read, 5);
  assert.deepEqual(status.sinks, []);
});

test('a patch in arrays replaces its lists and keeps the rest', () => {
  const next = status_of(apply_status(apply_status(null, whole), { nodes: [{ id: 2, kind: 'filter' }] }));
  assert.deepEqual(
    next.nodes.map((node) => node.id),
    ['2'],
  );
  assert.equal(next.name, 'fraud');
});

test('a node that is gone leaves by null', () => {
  const next = status_of(apply_status(apply_status(null, whole), { nodes: { '2': null } }));
  assert.deepEqual(
    next.nodes.map((node) => node.id),
    ['1'],
  );
});

test('rates come from counters and fall to zero when they rest', () => {
  const meter = new RateMeter();
  meter.add({ rows_in: 0, rows_out: 0, busy_us: 0 }, 0);
  const rate = meter.add({ rows_in: 2000, rows_out: 1000, busy_us: 500_000 }, 1000);
  assert.equal(rate.rows_in_per_s, 2000);
  assert.equal(rate.rows_out_per_s, 1000);
  assert.equal(rate.busy_share, 0.5);
  for (let at_ms = 2000; at_ms <= 6000; at_ms += 1000) {
    meter.add({ rows_in: 2000, rows_out: 1000, busy_us: 500_000 }, at_ms);
  }
  assert.equal(meter.add({ rows_in: 2000, rows_out: 1000, busy_us: 500_000 }, 7000).rows_in_per_s, 0);
});

test('an engine started anew has no negative rate', () => {
  const meter = new RateMeter();
  meter.add({ rows_in: 900, rows_out: 900, busy_us: 9 }, 0);
  assert.equal(meter.add({ rows_in: 10, rows_out: 10, busy_us: 1 }, 1000).rows_in_per_s, 0);
  assert.equal(meter.add({ rows_in: 20, rows_out: 20, busy_us: 2 }, 2000).rows_in_per_s, 10);
});
