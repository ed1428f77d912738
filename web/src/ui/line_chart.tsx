// A line chart by uPlot. Data is exchanged in place; the chart is built anew only when its series or the theme change.
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

function options(data: LineData, width: number, height: number): uPlot.Options {
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
    scales: { x: { time: data.time } },
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
      ...data.series.map(({ label }, i): uPlot.Series => {
        const colour = css(`--series-${(i % 8) + 1}`);
        return {
          label,
          stroke: colour,
          width: 1.75,
          dash: dashes[i % 8] ?? [],
          ...(step ? { fill: `${colour}1f` } : {}),
          spanGaps: true,
          points: { show: data.x.length < 40, size: 5, fill: colour },
          value: (_plot, value) => (value === null ? '–' : short_number(value)),
        };
      }),
    ],
  };
}

export default function LineChart({ data, label }: { data: LineData; label: string }): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const look = `${theme.value} ${data.time} ${data.series.map((series) => series.label).join('\n')}`;
  const values = [data.x, ...data.series.map((series) => series.values)] as uPlot.AlignedData;

  // `look` says when the chart must be built anew.
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const size = () => {
      const legend_px = element.querySelector('.u-legend')?.getBoundingClientRect().height ?? 30;
      return { width: Math.max(120, element.clientWidth), height: Math.max(100, element.clientHeight - legend_px) };
    };
    const { width, height } = size();
    plot.current = new uPlot(options(data, width, height), values, element);
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
      aria-label={`${label}: line chart of ${data.series.length} series`}
    />
  );
}
