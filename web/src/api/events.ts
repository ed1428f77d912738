// Server-sent events over fetch. Unlike EventSource it sees the status code (401 asks for a token), says when it will try
// again, and resumes with Last-Event-ID after any kind of break.
import { ApiError, open } from './client.ts';

export type ServerEvent = { event: string; data: string; id: string | null };

/** Cuts a text stream into events. Feed it pieces of any size; incomplete lines wait for the next piece. */
export class EventParser {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private last_id: string | null = null;

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line, events);
    return events;
  }

  private line(line: string, events: ServerEvent[]): void {
    if (line === '') {
      if (this.data.length > 0) {
        events.push({ event: this.event || 'message', data: this.data.join('\n'), id: this.last_id });
      }
      this.event = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return; // A comment: the server's sign of life.
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
    else if (field === 'id') this.last_id = value;
  }
}

export type StreamState = 'connecting' | 'live' | 'lost';

export type StreamHandlers = {
  on_event: (event: ServerEvent) => void;
  /** `retry_at_ms` is the time of the next attempt while the state is `lost`. */
  on_state?: (state: StreamState, retry_at_ms: number | null, error: unknown) => void;
};

const retry_ms_min = 500;
const retry_ms_max = 8000;

/** An event stream that reconnects until it is closed. */
export class EventStream {
  private readonly path: () => string;
  private readonly handlers: StreamHandlers;
  private abort: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private failures = 0;
  private last_id: string | null = null;
  private closed = false;

  /** `path` is asked before every attempt. */
  constructor(path: () => string, handlers: StreamHandlers) {
    this.path = path;
    this.handlers = handlers;
    void this.run();
  }

  close(): void {
    this.closed = true;
    this.abort?.abort();
    if (this.timer) clearTimeout(this.timer);
  }

  /** Tries again at once instead of waiting for the next attempt. */
  retry_now(): void {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = null;
    void this.run();
  }

  /** Forgets the last event, so that the next connection starts afresh. */
  forget_position(): void {
    this.last_id = null;
  }

  private async run(): Promise<void> {
    this.handlers.on_state?.('connecting', null, null);
    this.abort = new AbortController();
    let problem: unknown = null;
    try {
      await this.read(this.abort.signal);
    } catch (error) {
      problem = error;
    }
    if (this.closed) return;
    this.abort.abort();
    this.wait(problem);
  }

  private async read(abort: AbortSignal): Promise<void> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.last_id !== null) headers['Last-Event-ID'] = this.last_id;
    const response = await open(this.path(), { headers, signal: abort });
    if (!response.body) throw new ApiError(0, { code: 0, name: 'unreachable', message: 'The engine sent no stream.' });
    this.handlers.on_state?.('live', null, null);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.closed) return;
      this.failures = 0;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (event.id !== null) this.last_id = event.id;
        this.handlers.on_event(event);
      }
    }
  }

  private wait(problem: unknown): void {
    const delay_ms = Math.min(retry_ms_max, retry_ms_min * 2 ** this.failures) * (0.8 + 0.4 * Math.random());
    this.failures = Math.min(this.failures + 1, 10);
    this.handlers.on_state?.('lost', Date.now() + delay_ms, problem);
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.run();
    }, delay_ms);
  }
}
