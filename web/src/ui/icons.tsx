// Icons drawn on a 16 px grid with one stroke. They are decoration: the text beside them, or a label, says what is meant.
import type { JSX } from 'preact';

const paths: { [name: string]: string } = {
  pipeline: 'M2 4h4v3H2zM10 9h4v3h-4zM6 5.500h2.500v5H10',
  dashboards: 'M2 2.500h5v6H2zM9 2.500h5v3H9zM9 7.500h5v6H9zM2 10.500h5v3H2z',
  views: 'M2 3h12v10H2zM2 6.500h12M6.500 6.500V13',
  sql: 'M2.500 4.500 6 8l-3.500 3.500M8 12h5.500',
  alerts: 'M4 11V7a4 4 0 0 1 8 0v4l1 1H3zM6.500 14h3',
  quarantine: 'M8 2 14 13H2zM8 6.500v3M8 11.300v.200',
  functions: 'M10.500 3C8.500 2.500 8 3.800 7.700 5.500L6.800 11c-.300 1.600-1 2.500-2.800 2M5.500 6.800h4.500',
  source: 'M2 8h7M6.500 5 9.500 8l-3 3M12 3v10',
  sink: 'M2 3v10M5 8h8M10 5l3 3-3 3',
  filter: 'M2.500 3.500h11L9.500 8.500V13l-3-1.500v-3z',
  project: 'M3 4h10M3 8h6M3 12h8',
  window: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM8 5v3.200l2 1.300',
  aggregate: 'M12 4V3H4l4 5-4 5h8v-1',
  join: 'M6 4.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM10 4.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7z',
  view: 'M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 6.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600z',
  node: 'M3 5h10v6H3z',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M12.600 3.400l-1 1M4.400 11.600l-1 1',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3 5.500 5.500 0 1 0 13 9.500z',
  help: 'M6 6.200A2 2 0 1 1 8.600 8.100C8.200 8.300 8 8.600 8 9v.500M8 11.800v.200',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.500 5.500h7v8h-7zM3.500 10.500v-8h7',
  play: 'M5 3.500v9l7-4.500z',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  fit: 'M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10',
  check: 'M3 8.500 6.500 12 13 4.500',
  bell: 'M4 11V7a4 4 0 0 1 8 0v4l1 1H3z',
  clock: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM8 5v3.200l2 1.300',
  chart: 'M2.500 2.500v11h11M5 10l2.500-3 2 2L13 5',
  table: 'M2 3h12v10H2zM2 6.500h12M6.500 6.500V13',
  down: 'M8 3v8M4.500 8 8 11.500 11.500 8M3 13.500h10',
  again: 'M12.500 5.500A5 5 0 1 0 13 9M13 2.500v3.500H9.500',
  up: 'M4 10l4-4 4 4',
};

export function Icon({ name, size = 16 }: { name: string; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name] ?? paths.node ?? ''} />
    </svg>
  );
}

const kind_icons: [RegExp, string][] = [
  [/sink/i, 'sink'],
  [/source|scan|ingest/i, 'source'],
  [/filter|where/i, 'filter'],
  [/join|lookup|temporal/i, 'join'],
  [/tumble|hop|session|cumulate|window|over/i, 'window'],
  [/agg|group|distinct|count/i, 'aggregate'],
  [/view|publish|materiali/i, 'view'],
  [/function|python|udf|process/i, 'functions'],
  [/alert/i, 'alerts'],
  [/project|select|map|watermark|normali/i, 'project'],
];

export function icon_of_kind(kind: string): string {
  return kind_icons.find(([pattern]) => pattern.test(kind))?.[1] ?? 'node';
}
