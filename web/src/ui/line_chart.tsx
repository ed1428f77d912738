// Lines, or bars stacked over time, by uPlot. Data is exchanged in place; the chart is built anew only when its series or the theme change.
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { theme } from '../theme.ts';
import { instant, short_number } from './format.ts';
import type { LineData } from './plot.ts';

/** uPlot prints local time; event time has no zone and is shown as it stands, so the local offset is taken out. */
function as_utc(seconds: number): Date {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() + date.getTimezoneOffset() * 60_000);
}

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// 24 hours and year-month-day, with the date where it changes. Columns: step, text, then what is added at a new year, month, day,
// hour, minute, second; the last says that additions stand below.
const time_labels: (string | number | null)[][] = [
  [31_536_000, '{YYYY}', null, null, null, null, null, null, 1],
  [2_419_200, '{YYYY}-{MM}', null, null, null, null, null, null, 1],
  [86_400, '{MM}-{DD}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
  [0.001, ':{ss}.{fff}', '\n{YYYY}-{MM}-{DD} {HH}:{mm}', null, '\n{MM}-{DD} {HH}:{mm}', null, '\n{HH}:{mm}', null, 1],
];

const dashes: number[][] = [[], [], [], [], [6, 3], [6, 3], [2, 3], [2, 3]];

/** Half a step more on both sides, so that the first and the last bar are whole. */
function bar_span(plot: uPlot, first: number, last: number): [number, number] {
  const x = Array.from(plot.data[0] as ArrayLike<number>);
  const step = x.slice(1).reduce((least, at, i) => Math.min(least, at - (x[i] ?? at)), Number.POSITIVE_INFINITY);
  const half = Number.isFinite(step) ? step / 2 : 1;
  return [first - half, last + half];
}

/** Bars begin at zero, or their lengths would lie. */
function bar_range(_plot: uPlot, low: number, high: number): [number, number] {
  return [Math.min(0, low ?? 0), Math.max(0, high ?? 1) * 1.05 || 1];
}

const draw_bars = uPlot.paths.bars?.({ size: [0.85, 40] });

function bar_look(colour: string): Partial<uPlot.Series> {
  return { ...(draw_bars ? { paths: draw_bars } : {}), fill: colour, dash: [], width: 0, points: { show: false } };
}

function in_drawing_order<T>(items: T[], bars: boolean): T[] {
  return bars ? items.reverse() : items;
}

/** Bars stand on each other: the first series lies below, and is drawn last so that the others do not cover it. */
export function stacked(data: LineData): (number | null)[][] {
  const heights = data.x.map(() => 0);
  return data.series.map(({ values }) =>
    values.map((value, i) => {
      if (value === null) return null;
      heights[i] = (heights[i] ?? 0) + value;
      return heights[i] ?? null;
    }),
  );
}

function options(shown: { current: LineData }, bars: boolean, width: number, height: number): uPlot.Options {
  const data = shown.current;
  const axis: uPlot.Axis = {
    stroke: css('--text-2'),
    font: `11px ${css('--font')}`,
    grid: { stroke: css('--line'), width: 1 },
    ticks: { stroke: css('--line'), width: 1, size: 4 },
  };
  const step = data.series.length === 1;
  return {
    width,
    height,
    tzDate: as_utc,
    padding: [8, 12, 0, 0],
    scales: {
      x: { time: data.time, ...(bars ? { range: bar_span } : {}) },
      ...(bars ? { y: { range: bar_range } } : {}),
    },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    legend: { live: true },
    axes: [
      { ...axis, space: 70, ...(data.time ? { values: time_labels } : {}) },
      {
        ...axis,
        size: 52,
        values: (_plot, values) => values.map((value) => (value === null ? '' : short_number(value))),
      },
    ],
    series: [
      data.time ? { label: 'time', value: (_p, v) => (v === null ? '' : instant(v * 1000)) } : { label: 'x' },
      ...in_drawing_order(
        data.series.map(({ label }, i): uPlot.Series => {
          const colour = css(`--series-${(i % 8) + 1}`);
          return {
            label,
            stroke: colour,
            width: 1.75,
            dash: dashes[i % 8] ?? [],
            ...(step ? { fill: `${colour}1f` } : {}),
            spanGaps: true,
            points: { show: data.x.length < 40, size: 5, fill: colour },
            ...(bars ? bar_look(colour) : {}),
            // Of a stack, the legend says the part and not the sum.
            value: (_plot, _value, _series, at) => {
              const value = at === null ? null : shown.current.series[i]?.values[at];
              return value === null || value === undefined ? '–' : short_number(value);
            },
          };
        }),
        bars,
      ),
    ],
  };
}

export default function LineChart(props: { data: LineData; label: string; bars: boolean }): JSX.Element {
  const { data, label, bars } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef(data);
  shown.current = data;
  const look = `${theme.value} ${bars} ${data.time} ${data.series.map((series) => series.label).join('\n')}`;
  const columns = bars ? in_drawing_order(stacked(data), true) : data.series.map((series) => series.values);
  const values = [data.x, ...columns] as uPlot.AlignedData;

  // `look` says when the chart must be built anew.
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const size = () => {
      const legend_px = element.querySelector('.u-legend')?.getBoundingClientRect().height ?? 30;
      return { width: Math.max(120, element.clientWidth), height: Math.max(100, element.clientHeight - legend_px) };
    };
    const { width, height } = size();
    plot.current = new uPlot(options(shown, bars, width, height), values, element);
    plot.current.setSize(size());
    const observer = new ResizeObserver(() => plot.current?.setSize(size()));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [look]);

  useEffect(() => {
    plot.current?.setData(values);
  });

  return (
    <div
      class="line-chart"
      ref={holder}
      role="img"
      aria-label={`${label}: ${bars ? 'bars' : 'lines'} of ${data.series.map((series) => series.label).join(', ')}`}
    />
  );
}
