// The plan as a picture: every node is a button, every edge shows how many rows a second pass along it.
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { NodeStatus } from '../api/types.ts';
import { type NodeRate, rates } from '../live/pipeline.ts';
import { bytes, percent, rate, short_number, watermark } from '../ui/format.ts';
import { Icon, icon_of_kind } from '../ui/icons.tsx';
import { type Direction, neighbour, node_height_px, node_width_px, type Plan, plan_layout } from './layout.ts';

const narrow_px = 760;
const scale_min = 0.5;
const fit_min = 0.75; // Smaller cannot be read; then the graph scrolls.
const scale_max = 1.5;

export default function Graph(props: {
  nodes: NodeStatus[];
  selected: string | null;
  on_select: (id: string) => void;
  now_ms: number;
}): JSX.Element {
  const { nodes } = props;
  const frame = useRef<HTMLDivElement>(null);
  const [width_px, set_width] = useState(1000);
  const [chosen_scale, set_scale] = useState<number | null>(null);
  // By the window, not the frame: a panel that opens must not turn the graph round.
  const direction: Direction = window.innerWidth < narrow_px ? 'TB' : 'LR';
  const topology = JSON.stringify(nodes.map((node) => [node.id, node.inputs]));
  // counters change all the time, the layout only with the topology.
  const plan = useMemo(() => plan_layout(nodes, direction), [topology, direction]);
  const fit = Math.max(fit_min, Math.min(1, (width_px - 2) / plan.width));
  const scale = chosen_scale ?? fit;

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => set_width(element.clientWidth));
    observer.observe(element);
    set_width(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (!props.selected) return;
    const button = frame.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(props.selected)}"]`);
    button?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [props.selected]);

  const on_key = (event: KeyboardEvent) => {
    const id = (event.target as HTMLElement).dataset.node;
    if (!id || !event.key.startsWith('Arrow')) return;
    event.preventDefault();
    const next = neighbour(plan, id, event.key, direction);
    if (next) frame.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(next)}"]`)?.focus();
  };

  const by_id = new Map(nodes.map((node) => [node.id, node]));
  const zoom = (factor: number) => set_scale(Math.max(scale_min, Math.min(scale_max, scale * factor)));
  return (
    <div class="graph">
      <div class="graph-tools">
        <HeatLegend />
        <span class="spacer" />
        <button type="button" class="ghost icon-button" aria-label="Zoom out" onClick={() => zoom(0.8)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="ghost icon-button" aria-label="Zoom in" onClick={() => zoom(1.25)}>
          <Icon name="plus" />
        </button>
        <button type="button" class="ghost icon-button" aria-label="Fit the width" onClick={() => set_scale(null)}>
          <Icon name="fit" />
        </button>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrow keys move between the buttons in it. */}
      <div class="graph-frame" ref={frame} onKeyDown={on_key}>
        <div class="graph-paper" style={{ width: `${plan.width * scale}px`, height: `${plan.height * scale}px` }}>
          <div
            class="graph-scaled"
            style={{ transform: `scale(${scale})`, width: `${plan.width}px`, height: `${plan.height}px` }}
          >
            <Edges plan={plan} />
            {plan.nodes.map((placed) => {
              const node = by_id.get(placed.id);
              return (
                node && (
                  <NodeCard
                    key={placed.id}
                    node={node}
                    rate={rates.value.get(placed.id)}
                    left_px={placed.x - node_width_px / 2}
                    top_px={placed.y - node_height_px / 2}
                    selected={placed.id === props.selected}
                    on_select={props.on_select}
                    now_ms={props.now_ms}
                  />
                )
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}

/** Log scale: a trickle is a thin line, a million rows a second a thick one. */
function edge_width(rows_per_s: number): number {
  return rows_per_s <= 0 ? 1 : Math.min(6, 1.25 + Math.log10(1 + rows_per_s) * 0.7);
}

function Edges({ plan }: { plan: Plan }): JSX.Element {
  return (
    <svg class="edges" width={plan.width} height={plan.height} aria-hidden="true">
      {plan.edges.map((edge) => {
        const flow = rates.value.get(edge.from)?.rows_out_per_s ?? 0;
        return (
          <g key={`${edge.from} ${edge.to} ${edge.path}`} class={flow > 0 ? 'flowing' : ''}>
            <path class="edge" d={edge.path} style={{ strokeWidth: `${edge_width(flow)}px` }} />
            {flow > 0 && <path class="edge-flow" d={edge.path} />}
            {flow > 0 && (
              <text x={edge.label_x} y={edge.label_y - 7}>
                {rate(flow)}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

function HeatLegend(): JSX.Element {
  return (
    <span class="heat-legend">
      busy
      {['under 25 %', '25 to 50 %', '50 to 75 %', 'over 75 %'].map((text, i) => (
        <span key={text} class={`heat-${i + 1}`}>
          {text}
        </span>
      ))}
    </span>
  );
}

/** Steps, not a ramp: five heats can be told apart at a glance, and the number stands beside them. */
export function heat_of(busy_share: number): number {
  return [0.02, 0.25, 0.5, 0.75].filter((limit) => busy_share >= limit).length;
}

function NodeCard(props: {
  node: NodeStatus;
  rate: NodeRate | undefined;
  left_px: number;
  top_px: number;
  selected: boolean;
  on_select: (id: string) => void;
  now_ms: number;
}): JSX.Element {
  const { node } = props;
  const out = props.rate?.rows_out_per_s ?? 0;
  const busy = props.rate?.busy_share ?? 0;
  const mark = watermark(node.watermark_ms, props.now_ms);
  const lost = node.rows_late + node.rows_quarantined;
  return (
    <button
      type="button"
      class={`node heat-${heat_of(busy)} ${props.selected ? 'selected' : ''}`}
      style={{
        left: `${props.left_px}px`,
        top: `${props.top_px}px`,
        width: `${node_width_px}px`,
        height: `${node_height_px}px`,
      }}
      data-node={node.id}
      aria-pressed={props.selected}
      aria-label={`${node.kind} ${node.name}, ${rate(out)} out, busy ${percent(busy)}`}
      onClick={() => props.on_select(node.id)}
    >
      <span class="node-head">
        <Icon name={icon_of_kind(node.kind)} size={14} />
        <span class="node-name">{node.name || node.kind}</span>
        {lost > 0 && (
          <span
            class="node-lost"
            title={`${short_number(node.rows_late)} late, ${short_number(node.rows_quarantined)} quarantined`}
          >
            {short_number(lost)}
          </span>
        )}
      </span>
      <span class="node-rate">
        <strong>{rate(out)}</strong>
        <span class="node-kind">{node.kind}</span>
      </span>
      <span class="node-foot">
        <span class="node-busy">busy {percent(busy)}</span>
        {mark?.label === 'lag' && <span>lag {mark.value}</span>}
        {node.state_bytes > 0 && <span>{bytes(node.state_bytes)}</span>}
      </span>
    </button>
  );
}
