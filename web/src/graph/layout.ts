// Places the nodes of the plan. Runs again only when the plan changes; rates and colours never move a node.
import { Graph, layout } from '@dagrejs/dagre';
import type { NodeStatus } from '../api/types.ts';

export const node_width_px = 190;
export const node_height_px = 80;

export type Placed = { id: string; x: number; y: number; rank: number };
export type Edge = { from: string; to: string; path: string; label_x: number; label_y: number };
export type Plan = { nodes: Placed[]; edges: Edge[]; width: number; height: number };
export type Direction = 'LR' | 'TB';

type Point = { x: number; y: number };

/** A smooth line through dagre's bend points. */
function curve(points: Point[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (!first || !last) return '';
  let path = `M${first.x},${first.y}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const bend = rest[i];
    const next = rest[i + 1];
    if (!bend || !next) continue;
    const end = i === rest.length - 2 ? next : { x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 };
    path += ` Q${bend.x.toFixed(1)},${bend.y.toFixed(1)} ${end.x.toFixed(1)},${end.y.toFixed(1)}`;
  }
  return rest.length === 1 ? `${path} L${last.x},${last.y}` : path;
}

export function plan_layout(nodes: Pick<NodeStatus, 'id' | 'inputs'>[], direction: Direction): Plan {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 22, ranksep: direction === 'LR' ? 50 : 40, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: node_width_px, height: node_height_px });
  for (const node of nodes) {
    node.inputs.forEach((input, i) => {
      if (graph.hasNode(input)) graph.setEdge(input, node.id, {}, String(i));
    });
  }
  layout(graph);
  const along = direction === 'LR' ? 'x' : 'y';
  const placed = graph.nodes().map((id) => {
    const { x, y } = graph.node(id) as Point;
    return { id, x, y, rank: Math.round({ x, y }[along]) };
  });
  const edges = graph.edges().map((edge) => {
    const { points } = graph.edge(edge) as { points: Point[] };
    const middle = points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 };
    return { from: edge.v, to: edge.w, path: curve(points), label_x: middle.x, label_y: middle.y };
  });
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { nodes: placed, edges, width, height };
}

/** The node that an arrow key leads to: along the edges, or to the nearest in the same stage. */
export function neighbour(plan: Plan, id: string, key: string, direction: Direction): string | null {
  const here = plan.nodes.find((node) => node.id === id);
  if (!here) return null;
  const forward = direction === 'LR' ? 'ArrowRight' : 'ArrowDown';
  const backward = direction === 'LR' ? 'ArrowLeft' : 'ArrowUp';
  if (key === forward) return plan.edges.find((edge) => edge.from === id)?.to ?? null;
  if (key === backward) return plan.edges.find((edge) => edge.to === id)?.from ?? null;
  const across = direction === 'LR' ? 'y' : 'x';
  const sign = key === 'ArrowDown' || key === 'ArrowRight' ? 1 : -1;
  const same_rank = plan.nodes.filter((node) => node.rank === here.rank && sign * (node[across] - here[across]) > 0);
  same_rank.sort((a, b) => sign * (a[across] - b[across]));
  return same_rank[0]?.id ?? null;
}
