// Requests to the engine. Every error, of the engine or of the network, becomes an ApiError that a page can show.
import { signal } from '@preact/signals';
import { parse_json } from './json.ts';
import type { AlertRow, ApiErrorBody, Dashboard, PlanNode, QuarantineRow, Replayed, Rows, ViewInfo } from './types.ts';

/** True while the engine asks for a token that this browser has not given. */
export const sign_in_needed = signal(false);

export class ApiError extends Error {
  readonly status: number;
  readonly body: ApiErrorBody;
  constructor(status: number, body: ApiErrorBody) {
    super(body.message);
    this.status = status;
    this.body = body;
  }
}

export function as_error_body(error: unknown): ApiErrorBody {
  if (error instanceof ApiError) return error.body;
  return { code: 0, name: 'console', message: error instanceof Error ? error.message : String(error) };
}

function error_of(status: number, text: string): ApiError {
  try {
    const body = parse_json(text) as { error?: ApiErrorBody };
    if (body.error) return new ApiError(status, body.error);
  } catch {
    // Not JSON: a proxy or another program answered; its first line is all there is to show.
  }
  const first_line = text.split('\n', 1)[0]?.slice(0, 200);
  return new ApiError(status, { code: status, name: 'http', message: first_line || `The engine answered ${status}.` });
}

/** Fetches and checks the status. Errors: ApiError with status 0 when the engine does not answer. */
export async function open(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, {
      code: 0,
      name: 'unreachable',
      message: 'The engine does not answer.',
      remedy: 'Is `headrace run` still running? The console resumes by itself.',
    });
  }
  if (response.ok) return response;
  if (response.status === 401) sign_in_needed.value = true;
  throw error_of(response.status, await response.text());
}

async function get<T>(path: string, abort?: AbortSignal): Promise<T> {
  const response = await open(path, abort ? { signal: abort } : {});
  return parse_json(await response.text()) as T;
}

async function post<T>(path: string, body: unknown, abort?: AbortSignal): Promise<T> {
  const response = await open(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
    body: JSON.stringify(body),
    ...(abort ? { signal: abort } : {}),
  });
  const text = await response.text();
  return (text === '' ? null : parse_json(text)) as T;
}

const segment = encodeURIComponent;

export const api = {
  plan: async () => (await get<{ plan: { nodes: PlanNode[] } | null }>('/v1/pipeline')).plan?.nodes ?? [],
  views: async () => (await get<{ views: ViewInfo[] }>('/v1/views')).views,
  view_rows: (name: string, limit: number, abort?: AbortSignal) =>
    get<Rows>(`/v1/views/${segment(name)}?limit=${limit}`, abort),
  view_changes_path: (name: string, since: number | null) =>
    `/v1/views/${segment(name)}/changes${since === null ? '' : `?since=${since}`}`,
  sql: (sql: string, abort?: AbortSignal) => post<Rows>('/v1/sql', { sql, parameters: [] }, abort),
  alerts: async () => (await get<{ alerts: AlertRow[] }>('/v1/alerts')).alerts,
  quarantine: (after: number, limit: number) =>
    get<{ rows: QuarantineRow[]; next: number | null }>(`/v1/quarantine?after=${after}&limit=${limit}`),
  replay: (ids: number[]) => post<Replayed>('/v1/quarantine/replay', { ids }),
  functions: () => get<unknown>('/v1/functions'),
  dashboards: async () => (await get<{ dashboards: Dashboard[] }>('/v1/dashboards')).dashboards,
  sign_in: (token: string) => post<unknown>('/v1/session', { token }),
};
