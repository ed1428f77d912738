// What comes over the wire, and how it is read and written for people.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser } from '../src/api/events.ts';
import { parse_json } from '../src/api/json.ts';
import { neighbour, plan_layout } from '../src/graph/layout.ts';
import { href, parse_route } from '../src/router.ts';
import { bytes, cell_ms, compare_cells, csv, duration, rate, short_number, watermark } from '../src/ui/format.ts';
import { bar_data, infer_plot, line_data } from '../src/ui/plot.ts';

test('events come whole from any cut of the stream', () => {
  const text =
    ': hello\r\n\r\nevent: changes\nid: 41\ndata: {"a":1,\ndata: "b":2}\n\nid: 42\rdata:x\r\rdata: no id of its own\n\n';
  const expected = [
    { event: 'changes', data: '{"a":1,\n"b":2}', id: '41' },
    { event: 'message', data: 'x', id: '42' },
    { event: 'message', data: 'no id of its own', id: '42' },
  ];
  for (let size = 1; size <= text.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    assert.deepEqual(events, expected, `in pieces of ${size}`);
  }
});

test('an event without its empty line is not one yet', () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push('data: 1\n'), []);
  assert.deepEqual(parser.push('\n'), [{ event: 'message', data: '1', id: null }]);
});

test('long integers keep their digits', { skip: Number(process.versions.node.split('.')[0]) < 21 }, () => {
  assert.deepEqual(parse_json('{"rows": [[9007199254740993, 12]]}'), { rows: [['9007199254740993', 12]] });
  assert.deepEqual(parse_json('[12345678901234567.89, -0.30000000000000004, 1234567890123.5000]'), [
    '12345678901234567.89',
    -0.30000000000000004,
    1234567890123.5,
  ]);
});

test('short JSON is JSON', () => {
  assert.deepEqual(parse_json('{"a": [1, "9007199254740993", null]}'), { a: [1, '9007199254740993', null] });
});

test('numbers for people', () => {
  assert.deepEqual([0, 7, 999, 1000, 12_345, 999_999, 1_500_000, -2500, 0.12345].map(short_number), [
    '0',
    '7',
    '999',
    '1.00 k',
    '12.3 k',
    '1.00 M',
    '1.50 M',
    '-2.50 k',
    '0.123',
  ]);
  assert.equal(rate(3.25), '3.3/s');
  assert.equal(bytes(1536), '1.50 KiB');
  assert.equal(duration(3_661_000), '1 h 1 min');
});

test('a watermark is a lag when it is near, a time when it is history', () => {
  const now_ms = Date.UTC(2026, 0, 2);
  assert.deepEqual(watermark(now_ms - 5000, now_ms), { label: 'lag', value: '5.0 s' });
  assert.deepEqual(watermark(Date.UTC(2020, 0, 1), now_ms), { label: 'at', value: '2020-01-01 00:00:00' });
  assert.equal(watermark(null, now_ms), null);
  assert.equal(watermark(Number.MIN_SAFE_INTEGER, now_ms), null);
});

test('times in all the forms that the engine writes', () => {
  const expected = Date.UTC(2026, 0, 31, 12, 0, 0, 250);
  for (const text of [
    '2026-01-31 12:00:00.25',
    '2026-01-31T12:00:00.250Z',
    '2026-01-31 12:00:00.250123',
    '2026-01-31 13:00:00.250+01',
  ]) {
    assert.equal(cell_ms(text), expected, text);
  }
  assert.equal(cell_ms(expected * 1000), expected);
  assert.equal(cell_ms('2026-01-31'), Date.UTC(2026, 0, 31));
  assert.equal(cell_ms('soon'), null);
});

test('NULLs sort last, numbers in text by value', () => {
  assert.deepEqual(['10', null, '9', 'a'].sort(compare_cells), ['9', '10', 'a', null]);
});

test('CSV quotes what must be quoted', () => {
  const columns = [
    { name: 'a', type: 'VARCHAR' },
    { name: 'b, c', type: 'VARCHAR' },
  ];
  assert.equal(
    csv(columns, [
      ['x"y', null],
      ['line\nbreak', 'z'],
    ]),
    'a,"b, c"\n"x""y",\n"line\nbreak",z\n',
  );
});

test('an address says the same after a round trip', () => {
  const route = parse_route(href('views', 'a b/ü', { sort: '-n', filter: 'x&y=z?', empty: null }));
  assert.equal(route.page, 'views');
  assert.equal(route.name, 'a b/ü');
  assert.deepEqual(Object.fromEntries(route.query), { sort: '-n', filter: 'x&y=z?' });
  assert.equal(parse_route('').page, 'pipeline');
  assert.equal(parse_route('#/views/100%').name, '100%');
});

const columns = [
  { name: 'at', type: 'TIMESTAMP' },
  { name: 'country', type: 'VARCHAR' },
  { name: 'n', type: 'BIGINT' },
];

test('a first picture of a table', () => {
  const rows = [['2026-01-01 00:00:00', 'DE', 1]];
  assert.deepEqual(infer_plot(columns, rows), { kind: 'line', x: 'at', y: ['n'], series: 'country' });
  assert.deepEqual(infer_plot(columns.slice(1), [['DE', 1]]), { kind: 'bar', x: 'country', y: ['n'], series: null });
  assert.equal(infer_plot(columns.slice(0, 2), rows), null);
});

test('lines are sorted by x and share it', () => {
  const rows = [
    ['2026-01-01 00:00:01', 'FR', 2],
    ['2026-01-01 00:00:00', 'DE', 1],
    ['2026-01-01 00:00:01', 'DE', 3],
  ];
  const data = line_data(columns, rows, { kind: 'line', x: 'at', y: ['n'], series: 'country' });
  const start = Date.UTC(2026, 0, 1) / 1000;
  assert.deepEqual(data, {
    time: true,
    x: [start, start + 1],
    series: [
      { label: 'DE', values: [1, 3] },
      { label: 'FR', values: [null, 2] },
    ],
  });
});

test('bars are the largest, and say how many are not shown', () => {
  const rows = [
    ['x', 'a', 1],
    ['x', 'b', 3],
    ['x', 'c', 2],
  ];
  const data = bar_data(columns, rows, { kind: 'bar', x: 'country', y: ['n'], series: null }, 2);
  assert.deepEqual(
    data?.bars.map((bar) => bar.label),
    ['b', 'c'],
  );
  assert.equal(data?.hidden, 1);
});

test('arrow keys walk the plan', () => {
  const plan = plan_layout(
    [
      { id: 'a', inputs: [] },
      { id: 'b', inputs: ['a'] },
      { id: 'c', inputs: ['a', 'gone'] },
      { id: 'd', inputs: ['b', 'c', 'c'] },
    ],
    'LR',
  );
  assert.equal(plan.nodes.length, 4);
  assert.equal(plan.edges.length, 5);
  assert.equal(neighbour(plan, 'd', 'ArrowRight', 'LR'), null);
  const below_a = neighbour(plan, 'a', 'ArrowRight', 'LR');
  assert.ok(below_a === 'b' || below_a === 'c');
  const other = neighbour(plan, 'b', 'ArrowDown', 'LR') ?? neighbour(plan, 'b', 'ArrowUp', 'LR');
  assert.equal(other, 'c');
});
