// A small line without axes. The number beside it carries the value; the line shows only its course.
import type { JSX } from 'preact';

const width = 100;
const height = 24;

export function Sparkline({ values, points = 60 }: { values: number[]; points?: number }): JSX.Element | null {
  if (values.length < 2) return <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} aria-hidden="true" />;
  const top = Math.max(...values, 1e-9);
  const bottom = Math.min(0, ...values);
  const step = width / (points - 1);
  const start = width - (values.length - 1) * step;
  const y = (value: number) => height - 1.5 - ((value - bottom) / (top - bottom)) * (height - 3);
  const line = values.map((value, i) => `${(start + i * step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`${start.toFixed(1)},${height} ${line} ${width},${height}`} />
      <polyline points={line} />
    </svg>
  );
}
