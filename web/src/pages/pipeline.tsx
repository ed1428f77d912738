// The pipeline page: what runs, how fast, how far behind, and where every row went.
import { Fragment, type JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { NodeStatus, PipelineStatus, PlanNode, SinkStatus, SourceStatus } from '../api/types.ts';
import { backpressure_history, plan, rates, status } from '../live/pipeline.ts';
import { views } from '../live/views.ts';
import { href, route, set_query } from '../router.ts';
import { ago, bytes, duration, percent, rate, short_number, watermark, whole_number } from '../ui/format.ts';
import { Icon, icon_of_kind } from '../ui/icons.tsx';
import { lazy } from '../ui/lazy.tsx';
import { CopyButton, Empty, ErrorBox, Pill, Stat, use_now } from '../ui/parts.tsx';
import { Sparkline } from '../ui/sparkline.tsx';

const Graph = lazy(() => import('../graph/graph.tsx'));

export function PipelinePage(): JSX.Element {
  const now_ms = use_now();
  const current = status.value;
  if (!current) return <div class="loading" aria-busy="true" />;
  if (current.nodes.length === 0) {
    return (
      <Empty
        icon="pipeline"
        title="This project has no statements yet"
        example={`CREATE SOURCE clicks (\n  who VARCHAR,\n  ts TIMESTAMP,\n  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND\n) WITH (connector = 'http');\n\nCREATE MATERIALIZED VIEW per_minute AS\nSELECT window_start, count(*) AS n\nFROM TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)\nGROUP BY window_start, window_end;`}
      >
        Put SQL into sql/pipeline.sql and start again. Its nodes appear here with live rates.
      </Empty>
    );
  }
  const selected = current.nodes.find((node) => node.id === route.value.query.get('node')) ?? null;
  const close = () => {
    const id = selected?.id;
    set_query({ node: null });
    if (id) document.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus();
  };
  return (
    <div class={`page pipeline-page ${selected ? 'with-panel' : ''}`}>
      <div class="pipeline-main">
        {current.failure && <ErrorBox error={current.failure} />}
        <Summary current={current} now_ms={now_ms} />
        <Graph
          nodes={current.nodes}
          selected={selected?.id ?? null}
          on_select={(id) => set_query({ node: id === selected?.id ? null : id })}
          now_ms={now_ms}
        />
        <div class="ends">
          <Sources sources={current.sources} now_ms={now_ms} />
          <Sinks sinks={current.sinks} now_ms={now_ms} />
        </div>
      </div>
      {selected && (
        <NodePanel key={selected.id} node={selected} nodes={current.nodes} now_ms={now_ms} on_close={close} />
      )}
    </div>
  );
}

function Summary({ current, now_ms }: { current: PipelineStatus; now_ms: number }): JSX.Element {
  const read = current.sources.reduce((sum, source) => sum + source.records_read, 0);
  const quarantined =
    current.nodes.reduce((sum, node) => sum + node.rows_quarantined, 0) +
    current.sources.reduce((sum, source) => sum + source.records_quarantined, 0);
  const late = current.nodes.reduce((sum, node) => sum + node.rows_late, 0);
  const state_bytes = current.nodes.reduce((sum, node) => sum + node.state_bytes, 0);
  const roots = current.nodes.filter((node) => node.inputs.length === 0);
  const rows_per_s = roots.reduce((sum, node) => sum + (rates.value.get(node.id)?.rows_out_per_s ?? 0), 0);
  const marks = current.sources.flatMap((source) => (source.watermark_ms === null ? [] : [source.watermark_ms]));
  const mark = marks.length > 0 ? watermark(Math.min(...marks), now_ms) : null;
  const behind = current.tick - current.durable_tick;
  return (
    <dl class="stats">
      <Stat label="Reading" value={rate(rows_per_s)} note={`${short_number(read)} in all`} />
      <Stat
        label={mark?.label === 'at' ? 'Event time' : 'Watermark lag'}
        value={mark?.value ?? '–'}
        title="How far the slowest source's watermark is behind the clock"
      />
      <div class="stat">
        <dt>Back-pressure</dt>
        <dd>
          {percent(current.backpressure)} <Sparkline values={backpressure_history.value} />
        </dd>
      </div>
      <Stat
        label="Tick"
        value={whole_number(current.tick)}
        note={behind > 0 ? `${behind} ahead of disk` : 'all durable'}
      />
      <Stat label="State" value={bytes(state_bytes)} />
      <Stat label="Late" value={short_number(late)} tone={late > 0 ? 'warn' : ''} />
      <Stat label="Quarantined" value={short_number(quarantined)} tone={quarantined > 0 ? 'warn' : ''} />
    </dl>
  );
}

function Sources({ sources, now_ms }: { sources: SourceStatus[]; now_ms: number }): JSX.Element | null {
  if (sources.length === 0) return null;
  return (
    <section>
      <h2>Sources</h2>
      <div class="plain-scroller">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col" class="num">
                Read
              </th>
              <th scope="col" class="num">
                Accepted
              </th>
              <th scope="col" class="num">
                Quarantined
              </th>
              <th scope="col" class="num">
                Watermark
              </th>
            </tr>
          </thead>
          <tbody>
            {sources.map((source) => {
              const mark = watermark(source.watermark_ms, now_ms);
              return (
                <tr key={source.name}>
                  <th scope="row">
                    {source.name} <small>{source.connector}</small>
                  </th>
                  <td>
                    {source.ended ? (
                      <Pill tone="quiet">ended</Pill>
                    ) : source.splits_paused > 0 ? (
                      <>
                        <Pill tone="info">paused</Pill> <small>{source.paused_reason}</small>
                      </>
                    ) : source.caught_up ? (
                      <Pill tone="good">caught up</Pill>
                    ) : (
                      <Pill tone="info">reading{source.lag_bytes ? `, ${bytes(source.lag_bytes)} left` : ''}</Pill>
                    )}
                  </td>
                  <td class="num">{whole_number(source.records_read)}</td>
                  <td class="num">{whole_number(source.records_accepted)}</td>
                  <td class="num">
                    {source.records_quarantined > 0 ? (
                      <a href={href('quarantine', null, { source: source.name })}>
                        {whole_number(source.records_quarantined)}
                      </a>
                    ) : (
                      0
                    )}
                  </td>
                  <td class="num">{mark ? (mark.label === 'lag' ? `${mark.value} behind` : mark.value) : '–'}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Sinks({ sinks, now_ms }: { sinks: SinkStatus[]; now_ms: number }): JSX.Element | null {
  if (sinks.length === 0) return null;
  return (
    <section>
      <h2>Sinks</h2>
      <div class="plain-scroller">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" class="num">
                Written
              </th>
              <th scope="col" class="num">
                Epoch
              </th>
              <th scope="col" class="num">
                Committed
              </th>
            </tr>
          </thead>
          <tbody>
            {sinks.map((sink) => (
              <tr key={sink.name}>
                <th scope="row">
                  {sink.name} <small>{sink.connector}</small>
                </th>
                <td class="num">{whole_number(sink.rows_written)}</td>
                <td class="num">{whole_number(sink.committed_epoch)}</td>
                <td class="num">{ago(sink.last_commit_us, now_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

// ---- one node ----------------------------------------------------------------------------------------------------------

function NodePanel(props: {
  node: NodeStatus;
  nodes: NodeStatus[];
  now_ms: number;
  on_close: () => void;
}): JSX.Element {
  const { node, nodes, now_ms } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => heading.current?.focus(), []); // Before it is seen, so that a key pressed at once is the panel's.
  const flow = rates.value.get(node.id);
  const mark = watermark(node.watermark_ms, now_ms);
  const inputs = node.inputs.flatMap((id) => nodes.find((other) => other.id === id) ?? []);
  const outputs = nodes.filter((other) => other.inputs.includes(node.id));
  const view = views.value?.find((candidate) => candidate.name.toLowerCase() === node.name.toLowerCase());
  const source = status.value?.sources.find((candidate) => candidate.name === node.name && node.inputs.length === 0);
  return (
    <aside
      class="panel"
      aria-label={`Node ${node.name}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') props.on_close();
      }}
    >
      <header>
        <Icon name={icon_of_kind(node.kind)} />
        <h2 tabIndex={-1} ref={heading}>
          {node.name || node.kind}
        </h2>
        <button type="button" class="ghost icon-button" aria-label="Close" onClick={props.on_close}>
          <Icon name="close" />
        </button>
      </header>
      <p class="panel-kind">
        {node.kind} <code>{node.id}</code>
        {view && <a href={href('views', view.name)}>Open the view</a>}
      </p>
      <div class="panel-rate">
        <strong>{rate(flow?.rows_out_per_s ?? 0)}</strong> out
        <Sparkline values={flow?.history ?? []} />
      </div>
      <dl class="pairs">
        <dt>In</dt>
        <dd>{rate(flow?.rows_in_per_s ?? 0)}</dd>
        <dt>Busy</dt>
        <dd>{percent(flow?.busy_share ?? 0)} of a core</dd>
        <dt>Time spent</dt>
        <dd>{duration(node.busy_us / 1000)}</dd>
        {mark && (
          <>
            <dt>Watermark</dt>
            <dd>{mark.label === 'lag' ? `${mark.value} behind` : mark.value}</dd>
          </>
        )}
        <dt>State</dt>
        <dd>
          {whole_number(node.state_rows)} rows, {bytes(node.state_bytes)}
        </dd>
        {inputs.length > 0 && (
          <>
            <dt>From</dt>
            <dd>
              <NodeLinks nodes={inputs} />
            </dd>
          </>
        )}
        {outputs.length > 0 && (
          <>
            <dt>To</dt>
            <dd>
              <NodeLinks nodes={outputs} />
            </dd>
          </>
        )}
      </dl>
      {source && (
        <dl class="pairs">
          <dt>Records read</dt>
          <dd>{whole_number(source.records_read)}</dd>
          <dt>Accepted</dt>
          <dd>{whole_number(source.records_accepted)}</dd>
          <dt>Quarantined</dt>
          <dd>{whole_number(source.records_quarantined)}</dd>
        </dl>
      )}
      <Balance node={node} />
      <Definition planned={plan.value.get(node.id)} />
    </aside>
  );
}

function Definition({ planned }: { planned: PlanNode | undefined }): JSX.Element | null {
  if (!planned) return null;
  const { detail, at, columns = [], changelog, key = [] } = planned;
  return (
    <>
      {detail && (
        <section>
          <h3>
            Definition <CopyButton text={detail} label="Copy the definition" />
            <span class="spacer" />
            {at && <code class="at">{at}</code>}
          </h3>
          <pre class="detail">{detail}</pre>
        </section>
      )}
      {columns.length > 0 && (
        <section>
          <h3>Sends on {changelog && <Pill tone="quiet">{changelog}</Pill>}</h3>
          <dl class="pairs columns">
            {columns.map((column, i) => (
              <Fragment key={column.name}>
                <dt>
                  {key.includes(i) && <span class="key-mark" role="img" aria-label="key" />}
                  <code>{column.name}</code>
                </dt>
                <dd>
                  {column.type}
                  {column.role && column.role !== 'none' && <small> {column.role.replaceAll('_', ' ')}</small>}
                </dd>
              </Fragment>
            ))}
          </dl>
        </section>
      )}
    </>
  );
}

function NodeLinks({ nodes }: { nodes: NodeStatus[] }): JSX.Element {
  return (
    <>
      {nodes.map((node) => (
        <button key={node.id} type="button" class="link" onClick={() => set_query({ node: node.id })}>
          {node.name || node.kind}
        </button>
      ))}
    </>
  );
}

type Fate = { label: string; rows: number; tone: string };

export function balance_of(node: NodeStatus): { fates: Fate[]; missing: number } {
  const fates = [
    { label: 'passed', rows: node.rows_passed, tone: 'passed' },
    { label: 'filtered', rows: node.rows_filtered, tone: 'filtered' },
    { label: 'held', rows: node.rows_held, tone: 'held' },
    { label: 'late', rows: node.rows_late, tone: 'late' },
    { label: 'quarantined', rows: node.rows_quarantined, tone: 'quarantined' },
  ];
  return { fates, missing: node.rows_in - fates.reduce((sum, fate) => sum + fate.rows, 0) };
}

/** Where the rows went: in = passed + filtered + held + late + quarantined. */
function Balance({ node }: { node: NodeStatus }): JSX.Element {
  const { fates, missing } = balance_of(node);
  return (
    <section>
      <h3>Where the rows went</h3>
      <div class="balance-bar" aria-hidden="true">
        {fates.map(
          (fate) => fate.rows > 0 && <span key={fate.label} class={fate.tone} style={{ flexGrow: fate.rows }} />,
        )}
      </div>
      <table class="balance">
        <tbody>
          <tr>
            <th scope="row">in</th>
            <td class="num">{whole_number(node.rows_in)}</td>
            <td />
          </tr>
          {fates.map((fate) => (
            <tr key={fate.label}>
              <th scope="row">
                <span class={`swatch ${fate.tone}`} /> {fate.label}
              </th>
              <td class="num">{whole_number(fate.rows)}</td>
              <td class="num share">{node.rows_in > 0 ? percent(fate.rows / node.rows_in) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class={missing === 0 ? 'balanced' : 'unbalanced'}>
        {missing === 0 ? (
          <>
            <Icon name="check" size={14} /> The books balance.
          </>
        ) : (
          <>{whole_number(Math.abs(missing))} rows on their way: between two reads of the counters.</>
        )}
      </p>
      <p class="note">
        {whole_number(node.rows_out)} rows sent on
        {node.rows_late + node.rows_quarantined > 0 && (
          <>
            {' · '}
            <a href={href('quarantine', null, { source: node.name })}>see what was refused</a>
          </>
        )}
      </p>
    </section>
  );
}
