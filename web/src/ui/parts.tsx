// Small parts that every page uses.
import { signal } from '@preact/signals';
import { Component, type ComponentChildren, type JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { as_error_body } from '../api/client.ts';
import type { ApiErrorBody } from '../api/types.ts';
import { Icon } from './icons.tsx';

/** Says what is missing and how to make it. `example` is text that a user can take over as it stands. */
export function Empty(props: {
  icon: string;
  title: string;
  children?: ComponentChildren;
  example?: string;
}): JSX.Element {
  return (
    <div class="empty">
      <Icon name={props.icon} size={28} />
      <h2>{props.title}</h2>
      {props.children && <p>{props.children}</p>}
      {props.example && (
        <div class="example">
          <pre>{props.example}</pre>
          <CopyButton text={props.example} label="Copy the example" />
        </div>
      )}
    </div>
  );
}

export function ErrorBox({ error }: { error: ApiErrorBody }): JSX.Element {
  return (
    <div class="error-box" role="alert">
      <div class="error-title">
        <Icon name="quarantine" />
        <strong>
          {error.name}
          {error.code > 0 && <span class="code"> {error.code}</span>}
        </strong>
        {error.at && <code class="at">{error.at}</code>}
      </div>
      <pre class="error-message">{error.message}</pre>
      {error.remedy && <p class="remedy">{error.remedy}</p>}
    </div>
  );
}

export const announcement = signal('');

/** Says `text` to a screen reader, and for a moment on the screen. */
export function announce(text: string): void {
  announcement.value = text;
  setTimeout(() => {
    if (announcement.value === text) announcement.value = '';
  }, 2500);
}

export async function copy_text(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    announce('Copied');
  } catch {
    announce('The browser refused to copy');
  }
}

export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }): JSX.Element {
  return (
    <button
      type="button"
      class="ghost icon-button"
      title={label}
      aria-label={label}
      onClick={() => void copy_text(text)}
    >
      <Icon name="copy" />
    </button>
  );
}

export function Pill({ tone, children }: { tone: string; children: ComponentChildren }): JSX.Element {
  return <span class={`pill ${tone}`}>{children}</span>;
}

export function Stat(props: {
  label: string;
  value: string;
  note?: string;
  tone?: string;
  title?: string;
}): JSX.Element {
  return (
    <div class={`stat ${props.tone ?? ''}`} title={props.title}>
      <dt>{props.label}</dt>
      <dd>
        {props.value}
        {props.note && <small> {props.note}</small>}
      </dd>
    </div>
  );
}

/** A row of choices of which one holds: arrow keys move, as in a group of radio buttons. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: { value: T; label: string; icon?: string; count?: number }[];
  on_change: (value: T) => void;
}): JSX.Element {
  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = props.options.findIndex((option) => option.value === props.value);
    const index = (at + step + props.options.length) % props.options.length;
    const next = props.options[index];
    if (!next) return;
    props.on_change(next.value);
    const group = event.currentTarget as HTMLElement;
    group.querySelectorAll('button')[index]?.focus();
  };
  return (
    <div class="choice" role="radiogroup" aria-label={props.label} onKeyDown={move}>
      {props.options.map((option) => (
        // biome-ignore lint/a11y/useSemanticElements: one look for all choices; the group moves focus itself.
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === props.value}
          tabIndex={option.value === props.value ? 0 : -1}
          onClick={() => props.on_change(option.value)}
        >
          {option.icon && <Icon name={option.icon} size={14} />}
          {option.label}
          {option.count !== undefined && <small>{option.count}</small>}
        </button>
      ))}
    </div>
  );
}

/** Catches what goes wrong while a page is drawn, so that the rest of the console stays usable. */
export class ErrorBoundary extends Component<{ children: ComponentChildren; resets_on: string }, { error: unknown }> {
  override state: { error: unknown } = { error: null };
  static override getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }
  override componentDidCatch(error: unknown): void {
    console.error(error);
  }
  override componentDidUpdate(previous: { resets_on: string }): void {
    if (this.state.error !== null && previous.resets_on !== this.props.resets_on) this.setState({ error: null });
  }
  override render(): ComponentChildren {
    if (this.state.error === null) return this.props.children;
    return (
      <div class="page">
        <ErrorBox error={{ ...as_error_body(this.state.error), name: 'This page failed to draw' }} />
        <button type="button" onClick={() => this.setState({ error: null })}>
          Try again
        </button>
      </div>
    );
  }
}

/** The time, every second, for "3 s ago". */
export function use_now(): number {
  const [now_ms, set_now] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set_now(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now_ms;
}

export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
