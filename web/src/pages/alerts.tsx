// Alerts: what fires now, what is about to, what is over.
import type { JSX } from 'preact';
import type { AlertRow } from '../api/types.ts';
import { alerts, alerts_error } from '../live/alerts.ts';
import { route, set_query } from '../router.ts';
import { cell_text, duration, instant } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Choice, CopyButton, Empty, ErrorBox, Pill, use_now } from '../ui/parts.tsx';

const tone: { [state in AlertRow['state']]: string } = { firing: 'bad', pending: 'warn', resolved: 'good' };
const icon: { [state in AlertRow['state']]: string } = { firing: 'bell', pending: 'clock', resolved: 'check' };
const order: AlertRow['state'][] = ['firing', 'pending', 'resolved'];

type Filter = AlertRow['state'] | 'all';

export function AlertsPage(): JSX.Element {
  const now_ms = use_now();
  const list = alerts.value;
  if (alerts_error.value && !list) return <ErrorBox error={alerts_error.value} />;
  if (!list) return <div class="loading" aria-busy="true" />;
  if (list.length === 0) {
    return (
      <Empty
        icon="alerts"
        title="No alerts"
        example={
          "CREATE ALERT high_risk ON risky\nWHEN score > 0.9 FOR INTERVAL '10' SECOND\nWITH (webhook = 'http://127.0.0.1:9000/hook');"
        }
      >
        An alert watches a view. It is pending while its condition begins to hold, fires when it has held long enough,
        and resolves when it no longer holds.
      </Empty>
    );
  }
  const wanted = (route.value.query.get('state') as Filter | null) ?? 'all';
  const count = (state: AlertRow['state']) => list.filter((alert) => alert.state === state).length;
  const shown = list
    .filter((alert) => wanted === 'all' || alert.state === wanted)
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || b.since_us - a.since_us);
  return (
    <div class="page">
      <div class="toolbar">
        <Choice<Filter>
          label="Show alerts that are"
          value={wanted}
          options={[
            { value: 'all', label: 'All', count: list.length },
            ...order.map((state) => ({ value: state, label: state, count: count(state) })),
          ]}
          on_change={(state) => set_query({ state: state === 'all' ? null : state })}
        />
      </div>
      {shown.length === 0 ? (
        <p class="note centred">No alert is {wanted}.</p>
      ) : (
        <ul class="alert-list">
          {shown.map((alert) => (
            <AlertCard key={`${alert.alert} ${alert.key} ${alert.since_us}`} alert={alert} now_ms={now_ms} />
          ))}
        </ul>
      )}
    </div>
  );
}

function key_pairs(key: string): [string, string][] {
  try {
    const value: unknown = JSON.parse(key);
    if (typeof value === 'object' && value !== null) {
      return Object.entries(value).map(([name, cell]) => [name, cell_text(cell)]);
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return key ? [['key', key]] : [];
}

function AlertCard({ alert, now_ms }: { alert: AlertRow; now_ms: number }): JSX.Element {
  const since_ms = alert.since_us / 1000;
  const over_ms = alert.resolved_us / 1000;
  const recent = Math.abs(now_ms - since_ms) < 86_400_000;
  return (
    <li class={`alert ${alert.state}`}>
      <Pill tone={tone[alert.state]}>
        <Icon name={icon[alert.state]} size={13} /> {alert.state}
      </Pill>
      <div class="alert-text">
        <strong>{alert.alert}</strong>
        <span class="alert-key">
          {key_pairs(alert.key).map(([name, value]) => (
            <span key={name}>
              <small>{name}</small> {value}
            </span>
          ))}
        </span>
      </div>
      <div class="alert-time">
        <span title={instant(since_ms)}>
          {alert.state === 'resolved' && over_ms >= since_ms
            ? `held ${duration(over_ms - since_ms)}`
            : recent
              ? `since ${duration(Math.max(0, now_ms - since_ms))}`
              : `since ${instant(since_ms)}`}
        </span>
        <small>{instant(since_ms)}</small>
        {alert.deliveries_failed > 0 && (
          <small class="failed">
            {alert.deliveries_failed} {alert.deliveries_failed === 1 ? 'delivery' : 'deliveries'} failed
          </small>
        )}
      </div>
      <CopyButton text={JSON.stringify(alert)} label="Copy as JSON" />
    </li>
  );
}
