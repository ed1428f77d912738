// Python functions and the processes that run them. The engine decides which figures there are; each is shown by its name.
import { signal } from '@preact/signals';
import { Fragment, type JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { api, as_error_body } from '../api/client.ts';
import { is_object } from '../api/merge.ts';
import type { ApiErrorBody } from '../api/types.ts';
import { link } from '../live/pipeline.ts';
import { bytes, duration, short_number } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, ErrorBox, Pill } from '../ui/parts.tsx';

type Facts = { [name: string]: unknown };

const functions = signal<Facts[] | null>(null);
const error = signal<ApiErrorBody | null>(null);
const read_ms = 2000;

/** Accepts a list, {"functions": [...]} or an object keyed by name. */
export function function_list(answer: unknown): Facts[] {
  if (Array.isArray(answer)) return answer.filter(is_object);
  if (!is_object(answer)) return [];
  if ('functions' in answer) return function_list(answer.functions);
  return Object.entries(answer).flatMap(([name, facts]) => (is_object(facts) ? [{ name, ...facts }] : []));
}

async function read(): Promise<void> {
  try {
    functions.value = function_list(await api.functions());
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

function FunctionCard({ facts }: { facts: Facts }): JSX.Element {
  const state = typeof facts.state === 'string' ? facts.state : null;
  const rest = Object.entries(facts).filter(([name]) => !in_heading.has(name));
  return (
    <li class="card function-card">
      <span class="card-head">
        <Icon name="functions" />
        <strong>{String(facts.name ?? 'function')}</strong>
        {state && <Pill tone={/fail|crash|stop|error/i.test(state) ? 'bad' : 'good'}>{state}</Pill>}
      </span>
      {typeof facts.signature === 'string' && <code class="signature">{facts.signature}</code>}
      {typeof (facts.file ?? facts.path) === 'string' && <small>{String(facts.file ?? facts.path)}</small>}
      {typeof facts.doc === 'string' && facts.doc && <p>{facts.doc}</p>}
      <dl class="pairs">
        {rest.map(([name, value]) => (
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
    </li>
  );
}
