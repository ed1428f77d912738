// Python functions and the processes that run them. The engine decides which figures there are; each is shown by its name.
import { signal } from '@preact/signals';
import { Fragment, type JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { api, as_error_body } from '../api/client.ts';
import { is_object } from '../api/merge.ts';
import type { ApiErrorBody } from '../api/types.ts';
import { link } from '../live/pipeline.ts';
import { href, route } from '../router.ts';
import { bytes, duration, short_number, whole_number } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, ErrorBox, Pill } from '../ui/parts.tsx';
import { Sparkline } from '../ui/sparkline.tsx';

type Facts = { [name: string]: unknown };

const functions = signal<Facts[] | null>(null);
const error = signal<ApiErrorBody | null>(null);
const read_ms = 2000;
const memory_points = 300;
/** Resident memory of each function's processes, as often as the page has read it. */
const memory = new Map<string, number[]>();

/** Accepts a list, {"functions": [...]} or an object keyed by name. */
export function function_list(answer: unknown): Facts[] {
  if (Array.isArray(answer)) return answer.filter(is_object);
  if (!is_object(answer)) return [];
  if ('functions' in answer) return function_list(answer.functions);
  return Object.entries(answer).flatMap(([name, facts]) => (is_object(facts) ? [{ name, ...facts }] : []));
}

async function read(): Promise<void> {
  try {
    const found = function_list(await api.functions());
    for (const facts of found) {
      const seen = memory.get(String(facts.name)) ?? [];
      memory.set(String(facts.name), [...seen, Number(facts.worker_bytes ?? 0)].slice(-memory_points));
    }
    functions.value = found;
    error.value = null;
  } catch (problem) {
    error.value = as_error_body(problem);
  }
}

/** Values by the unit that ends their name. */
export function fact_text(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'number') {
    if (/_bytes(_|$)/.test(name)) return bytes(value);
    if (/_us(_|$)/.test(name)) return duration(value / 1000);
    if (/_ms(_|$)/.test(name)) return duration(value);
    return short_number(value);
  }
  if (Array.isArray(value))
    return value.map((item) => (is_object(item) ? JSON.stringify(item) : String(item))).join(', ');
  return is_object(value) ? JSON.stringify(value) : String(value);
}

const in_heading = new Set(['name', 'signature', 'file', 'path', 'state', 'doc']);
/** What stands in a section of its own on a function's page. */
const in_memory = new Set(['worker_bytes', 'leak_bytes_per_call', 'growing', 'gauges']);

export function FunctionsPage(): JSX.Element {
  const live = link.value.state === 'live';
  useEffect(() => {
    if (!live) return;
    void read();
    const timer = setInterval(() => void read(), read_ms);
    return () => clearInterval(timer);
  }, [live]);
  const list = functions.value;
  if (error.value && !list) return <ErrorBox error={error.value} />;
  if (!list) return <div class="loading" aria-busy="true" />;
  if (list.length === 0) {
    return (
      <Empty
        icon="functions"
        title="No Python functions"
        example={
          '# functions/cents.py\nimport headrace as hr\n\n@hr.function\ndef cents(amount: float) -> int:\n    return round(amount * 100)'
        }
      >
        A function in functions/ is found by its name and called from SQL. It runs on Arrow memory in its own process;
        if it crashes, the row is quarantined and the pipeline goes on.
      </Empty>
    );
  }
  const opened = list.find((facts) => facts.name === route.value.name);
  if (opened) return <FunctionPage facts={opened} />;
  return (
    <div class="page">
      <ul class="cards">
        {list.map((facts) => (
          <FunctionCard key={String(facts.name)} facts={facts} />
        ))}
      </ul>
    </div>
  );
}

function Head({ facts }: { facts: Facts }): JSX.Element {
  const state = typeof facts.state === 'string' ? facts.state : null;
  return (
    <>
      <span class="card-head">
        <Icon name="functions" />
        <strong>{String(facts.name ?? 'function')}</strong>
        {grows(facts) && <Pill tone="warn">memory grows</Pill>}
        {state && <Pill tone={/fail|crash|stop|error/i.test(state) ? 'bad' : 'good'}>{state}</Pill>}
      </span>
      {typeof facts.signature === 'string' && <code class="signature">{facts.signature}</code>}
      {typeof (facts.file ?? facts.path) === 'string' && <small>{String(facts.file ?? facts.path)}</small>}
      {typeof facts.doc === 'string' && facts.doc && <p>{facts.doc}</p>}
    </>
  );
}

function Pairs({ facts }: { facts: [string, unknown][] }): JSX.Element {
  return (
    <dl class="pairs">
      {facts.map(([name, value]) => (
        <Fragment key={name}>
          <dt>
            {name
              .replace(/(_memory)?_bytes(_max)?$/, '_memory$2')
              .replace(/_(us|ms)$/, '')
              .replaceAll('_', ' ')}
          </dt>
          <dd>{fact_text(name, value)}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

function grows(facts: Facts): boolean {
  return Number(facts.leak_bytes_per_call ?? 0) > 0;
}

function FunctionCard({ facts }: { facts: Facts }): JSX.Element {
  const rest = Object.entries(facts).filter(
    ([name]) => !in_heading.has(name) && name !== 'growing' && name !== 'gauges',
  );
  return (
    <li>
      <a class="card function-card" href={href('functions', String(facts.name))}>
        <Head facts={facts} />
        <Pairs facts={rest} />
      </a>
    </li>
  );
}

/** One function: what it does to memory, what grows in it, what it measures of itself. */
function FunctionPage({ facts }: { facts: Facts }): JSX.Element {
  const name = String(facts.name);
  const rest = Object.entries(facts).filter(([key]) => !in_heading.has(key) && !in_memory.has(key));
  const gauges = is_object(facts.gauges) ? Object.entries(facts.gauges) : [];
  return (
    <div class="page function-page">
      <nav aria-label="Place">
        <a href={href('functions')}>Functions</a> / {name}
      </nav>
      <section class="card">
        <Head facts={facts} />
        <Pairs facts={rest} />
        <a href={href('quarantine', null, { filter: String(facts.file ?? name) })}>What it has refused</a>
      </section>
      <section class="card" aria-label="Memory">
        <span class="card-head">
          <strong>Memory of its processes</strong>
        </span>
        <span class="card-number">{bytes(Number(facts.worker_bytes ?? 0))}</span>
        <Sparkline values={memory.get(name) ?? []} points={Math.max(memory.get(name)?.length ?? 0, 2)} />
        <p class="note">
          {grows(facts)
            ? `It grows by ${bytes(Number(facts.leak_bytes_per_call))} a call. At 80 % of the budget the process is replaced, and nothing is lost.`
            : 'It does not grow from call to call.'}
        </p>
        <Growing growing={Array.isArray(facts.growing) ? facts.growing.filter(is_object) : []} />
      </section>
      {gauges.length > 0 && (
        <section class="card" aria-label="Gauges">
          <span class="card-head">
            <strong>Measured by itself</strong>
          </span>
          <Pairs facts={gauges} />
        </section>
      )}
    </div>
  );
}

/** The types of objects that there are more and more of. */
function Growing({ growing }: { growing: Facts[] }): JSX.Element | null {
  if (growing.length === 0) return null;
  return (
    <table class="growing">
      <caption>Objects that became more</caption>
      <thead>
        <tr>
          <th>type</th>
          <th class="number">objects</th>
          <th class="number">bytes</th>
        </tr>
      </thead>
      <tbody>
        {growing.map((entry) => (
          <tr key={String(entry.type)}>
            <td>
              <code>{String(entry.type)}</code>
            </td>
            <td class="number">+{whole_number(Number(entry.objects ?? 0))}</td>
            <td class="number">+{bytes(Number(entry.bytes ?? 0))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
