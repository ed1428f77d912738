// Bars as a list: every bar has its label and its number, so it needs no axis and reads aloud.
import type { JSX } from 'preact';
import { short_number } from './format.ts';
import type { BarData } from './plot.ts';

export function BarChart({ data, label }: { data: BarData; label: string }): JSX.Element {
  const top = Math.max(...data.bars.flatMap((bar) => bar.values.map(Math.abs)), 1e-9);
  return (
    <div class="bar-chart">
      {data.labels.length > 1 && (
        <div class="bar-legend">
          {data.labels.map((name, i) => (
            <span key={name} class={`series-${i + 1}`}>
              {name}
            </span>
          ))}
        </div>
      )}
      <ul aria-label={label}>
        {data.bars.map((bar, at) => (
          <li key={`${bar.label} ${at}`}>
            <span class="bar-label" title={bar.label}>
              {bar.label}
            </span>
            <span class="bar-tracks">
              {bar.values.map((value, i) => (
                <span
                  key={data.labels[i]}
                  class={`bar series-${i + 1} ${value < 0 ? 'negative' : ''}`}
                  style={{ width: `${(Math.abs(value) / top) * 100}%` }}
                />
              ))}
            </span>
            <span class="bar-value">{bar.values.map(short_number).join(' · ')}</span>
          </li>
        ))}
      </ul>
      {data.hidden > 0 && <p class="note">and {short_number(data.hidden)} smaller</p>}
    </div>
  );
}
