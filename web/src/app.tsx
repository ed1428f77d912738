// The frame around every page: navigation, the state of the engine, and what to do when it is gone or wants a token.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, as_error_body, sign_in_needed } from './api/client.ts';
import type { ApiErrorBody } from './api/types.ts';
import { help_open, shortcuts } from './keys.ts';
import { firing } from './live/alerts.ts';
import { ever_connected, link, retry_now, status } from './live/pipeline.ts';
import { load_views } from './live/views.ts';
import { AlertsPage } from './pages/alerts.tsx';
import { DashboardsPage } from './pages/dashboards.tsx';
import { FunctionsPage } from './pages/functions.tsx';
import { PipelinePage } from './pages/pipeline.tsx';
import { QuarantinePage } from './pages/quarantine.tsx';
import { SqlPage } from './pages/sql.tsx';
import { ViewsPage } from './pages/views.tsx';
import { href, route } from './router.ts';
import { theme, toggle_theme } from './theme.ts';
import { whole_number } from './ui/format.ts';
import { Icon } from './ui/icons.tsx';
import { announcement, Empty, ErrorBoundary, ErrorBox, Pill, use_now } from './ui/parts.tsx';

type Page = { id: string; title: string; view: () => JSX.Element };

const pages: Page[] = [
  { id: 'pipeline', title: 'Pipeline', view: PipelinePage },
  { id: 'dashboards', title: 'Dashboards', view: DashboardsPage },
  { id: 'views', title: 'Views', view: ViewsPage },
  { id: 'sql', title: 'SQL', view: SqlPage },
  { id: 'alerts', title: 'Alerts', view: AlertsPage },
  { id: 'quarantine', title: 'Quarantine', view: QuarantinePage },
  { id: 'functions', title: 'Functions', view: FunctionsPage },
];

export function App(): JSX.Element {
  const page = pages.find((candidate) => candidate.id === route.value.page);
  const title = page?.title ?? 'Not found';
  useEffect(() => {
    const name = status.value?.name;
    document.title = `${route.value.name ? `${route.value.name} · ` : ''}${title}${name ? ` · ${name}` : ''} · Headrace`;
  }, [title, route.value.name, status.value?.name]);
  const main = useRef<HTMLElement>(null);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <Navigation current={page?.id ?? ''} />
      <div class="column">
        <TopBar title={title} />
        <Banner />
        <main ref={main} tabIndex={-1}>
          <ErrorBoundary resets_on={`${route.value.page}/${route.value.name}`}>
            {sign_in_needed.value ? (
              <SignIn />
            ) : !ever_connected.value && link.value.state === 'lost' ? (
              <Unreachable />
            ) : page ? (
              <page.view />
            ) : (
              <Empty icon="help" title="There is no such page">
                <a href={href('pipeline')}>Go to the pipeline.</a>
              </Empty>
            )}
          </ErrorBoundary>
        </main>
      </div>
      {help_open.value && <Help />}
      <div class={`toast ${announcement.value ? 'shown' : ''}`} role="status">
        {announcement.value}
      </div>
    </div>
  );
}

function Navigation({ current }: { current: string }): JSX.Element {
  return (
    <nav class="side" aria-label="Pages">
      <a class="brand" href={href('pipeline')} aria-label="Headrace">
        <img src="./icon.svg" alt="" width="24" height="24" />
        <span>Headrace</span>
      </a>
      <ul>
        {pages.map((page) => (
          <li key={page.id}>
            <a
              href={href(page.id)}
              aria-current={page.id === current ? 'page' : undefined}
              aria-label={page.title}
              title={page.title}
            >
              <Icon name={page.id} />
              <span>{page.title}</span>
              {page.id === 'alerts' && firing.value > 0 && (
                <b class="badge">
                  {firing.value}
                  <span class="unseen"> firing</span>
                </b>
              )}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function TopBar({ title }: { title: string }): JSX.Element {
  const current = status.value;
  return (
    <header class="top">
      <h1>{title}</h1>
      {current && (
        <>
          <span class="pipeline-name">{current.name}</span>
          <EngineState />
          <span class="ticks" title="The last tick shown, and the last one that is on disk">
            tick {whole_number(current.tick)} <small>durable {whole_number(current.durable_tick)}</small>
          </span>
        </>
      )}
      <span class="spacer" />
      <button
        type="button"
        class="ghost icon-button"
        aria-label={theme.value === 'dark' ? 'Light theme' : 'Dark theme'}
        title="Light or dark (t)"
        onClick={toggle_theme}
      >
        <Icon name={theme.value === 'dark' ? 'sun' : 'moon'} />
      </button>
      <button
        type="button"
        class="ghost icon-button"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={() => {
          help_open.value = true;
        }}
      >
        <Icon name="help" />
      </button>
    </header>
  );
}

function EngineState(): JSX.Element | null {
  const current = status.value;
  if (!current) return null;
  if (link.value.state === 'lost') return <Pill tone="bad">no connection</Pill>;
  if (current.failure) return <Pill tone="bad">failed</Pill>;
  if (current.ended) return <Pill tone="quiet">ended</Pill>;
  return current.running ? <Pill tone="good">running</Pill> : <Pill tone="quiet">stopped</Pill>;
}

/** Stays until the engine is back; then everything resumes where it was. */
function Banner(): JSX.Element | null {
  const { state, lost_since_ms, retry_at_ms } = link.value;
  if (lost_since_ms === null || state === 'live' || !ever_connected.value || sign_in_needed.value) return null;
  const since = new Date(lost_since_ms).toLocaleTimeString([], { hour12: false });
  return (
    <div class="banner" role="alert">
      <Icon name="quarantine" />
      <span>
        The engine does not answer since {since}. What you see is as of tick {whole_number(status.value?.tick ?? 0)}.{' '}
        <RetryIn at_ms={retry_at_ms} />
      </span>
      <button type="button" onClick={retry_now}>
        Try now
      </button>
    </div>
  );
}

function RetryIn({ at_ms }: { at_ms: number | null }): JSX.Element {
  const now_ms = use_now();
  const seconds = at_ms === null ? 0 : Math.max(0, Math.ceil((at_ms - now_ms) / 1000));
  return <span aria-live="off">{seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying…'}</span>;
}

function Unreachable(): JSX.Element {
  return (
    <Empty icon="pipeline" title="The engine does not answer" example="headrace run DIR --listen 127.0.0.1:8480">
      Start it, and this page connects by itself. <RetryIn at_ms={link.value.retry_at_ms} />
    </Empty>
  );
}

function SignIn(): JSX.Element {
  const [token, set_token] = useState('');
  const [error, set_error] = useState<ApiErrorBody | null>(null);
  const [busy, set_busy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    set_busy(true);
    set_error(null);
    try {
      await api.sign_in(token.trim());
      sign_in_needed.value = false;
      await load_views();
    } catch (problem) {
      set_error(as_error_body(problem));
    }
    set_busy(false);
  };
  return (
    <form class="sign-in" onSubmit={(event) => void submit(event)}>
      <h2>This engine asks for a token</h2>
      <p>
        Make one with <code>headrace token new ROLE</code> in the project, and paste it here. The browser keeps it as a
        cookie of this engine.
      </p>
      <label>
        Token
        <input
          type="password"
          autocomplete="current-password"
          required
          value={token}
          onInput={(event) => set_token(event.currentTarget.value)}
        />
      </label>
      {error && <ErrorBox error={error} />}
      <button type="submit" class="primary" disabled={busy}>
        Sign in
      </button>
    </form>
  );
}

function Help(): JSX.Element {
  const sheet = useRef<HTMLDialogElement>(null);
  useEffect(() => sheet.current?.showModal(), []);
  const close = () => {
    help_open.value = false;
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the sheet closes it; Escape does so by itself.
    <dialog
      class="help"
      ref={sheet}
      aria-label="Keyboard shortcuts"
      onClose={close}
      onClick={(event) => {
        if (event.target === sheet.current) close();
      }}
    >
      <header>
        <h2>Keyboard</h2>
        <button type="button" class="ghost icon-button" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="help-groups">
        {shortcuts.map(({ title, items }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {items.map(({ keys, says }) => (
                <div key={says}>
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{says}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
