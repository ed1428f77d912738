// A stand-in for the engine while the console is developed: the same doors, with a small fraud pipeline that it makes up as it
// goes. A development tool only; the console's browser tests prefer the real engine.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

/** The engine's own (src/serve/static_files.cc). */
export const content_policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const countries = ['DE', 'FR', 'ES', 'IT', 'NL', 'PL'];
const tick_ms = 250;

/** Numbers that look random and repeat from run to run. */
function random_from(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const timestamp = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');

class View {
  constructor(name, columns, { key = [], changelog = 'append', time_column = null } = {}) {
    Object.assign(this, { name, key, changelog, time_column, columns });
    this.rows = new Map();
    this.next_id = 0;
    this.subscribers = new Set();
    this.pending = [];
    this.log = [];
  }

  id_of(row) {
    return this.key.length > 0 ? JSON.stringify(this.key.map((name) => row[name])) : String(this.next_id++);
  }

  put(row) {
    const id = this.id_of(row);
    const old = this.rows.get(id);
    if (old && JSON.stringify(old) === JSON.stringify(row)) return;
    if (old && this.changelog === 'retract') this.pending.push(['-U', old]);
    this.rows.set(id, row);
    this.pending.push([old ? '+U' : '+I', row]);
  }

  remove(row) {
    const id = this.id_of(row);
    const old = this.rows.get(id);
    if (old && this.rows.delete(id)) this.pending.push(['-D', old]);
  }

  info() {
    const { name, columns, key, changelog, time_column } = this;
    return { name, columns, key, changelog, time_column, rows: this.rows.size };
  }
}

const column = (name, type) => ({ name, type });

export class StandIn {
  /** `empty` = a project without statements; `token` = a token is required; `history_s` = seconds simulated before the start. */
  constructor({ dist = null, token = null, empty = false, rows_per_s = 1200, history_s = 900, seed = 7 } = {}) {
    Object.assign(this, { dist, token, empty, rows_per_s });
    this.random = random_from(seed);
    this.tick = 0;
    this.durable_tick = 0;
    this.status_subscribers = new Set();
    this.sockets = new Set();
    this.quarantine = [];
    this.alerts = [];
    this.alerts_told = []; // By a test; no row decides about them.
    this.views = empty ? [] : this.make_views();
    this.nodes = empty ? [] : this.make_nodes();
    this.sources = empty ? [] : this.make_sources();
    this.sinks = empty
      ? []
      : [{ name: 'lake_minutes', connector: 'iceberg', rows_written: 0, committed_epoch: 0, last_commit_us: 0 }];
    this.cards = new Map();
    this.windows = new Map();
    this.began_ms = Date.now();
    if (!empty) {
      for (let at = this.began_ms - history_s * 1000; at < this.began_ms; at += 1000) this.advance(at, 1000);
      for (const view of this.views) view.pending = [];
    }
  }

  make_views() {
    const [varchar, bigint, double, time] = ['VARCHAR', 'BIGINT', 'DOUBLE', 'TIMESTAMP'];
    this.per_10s = new View(
      'per_10s',
      [
        column('window_start', time),
        column('country', varchar),
        column('n', bigint),
        column('amount', 'DECIMAL(38,2)'),
      ],
      { key: ['window_start', 'country'], time_column: 'window_start' },
    );
    this.risky = new View(
      'risky',
      [
        column('card', varchar),
        column('country', varchar),
        column('n', bigint),
        column('amount', 'DECIMAL(38,2)'),
        column('score', double),
        column('last_seen', time),
      ],
      { key: ['card'], changelog: 'upsert' },
    );
    this.by_country = new View(
      'by_country',
      [column('country', varchar), column('n', bigint), column('share', double)],
      {
        key: ['country'],
        changelog: 'retract',
      },
    );
    this.throughput = new View(
      'throughput',
      [column('at', time), column('rows_per_s', double), column('p99_ms', double)],
      {
        time_column: 'at',
      },
    );
    this.payments = new View(
      'payments',
      [
        column('tx_id', bigint),
        column('card', varchar),
        column('amount', 'DECIMAL(12,2)'),
        column('country', varchar),
        column('note', varchar),
        column('ts', time),
      ],
      { time_column: 'ts' },
    );
    return [this.per_10s, this.risky, this.by_country, this.throughput, this.payments];
  }

  make_nodes() {
    const node = (id, kind, name, inputs, detail, share) => ({
      id,
      kind,
      name,
      inputs,
      detail,
      share,
      rows_in: 0,
      rows_passed: 0,
      rows_filtered: 0,
      rows_late: 0,
      rows_quarantined: 0,
      rows_held: 0,
      rows_out: 0,
      busy_us: 0,
      state_rows: 0,
      state_bytes: 0,
      watermark_ms: null,
    });
    return [
      node(
        '1',
        'source',
        'tx',
        [],
        "CREATE SOURCE tx (\n  tx_id BIGINT,\n  card VARCHAR,\n  amount DECIMAL(12, 2),\n  country VARCHAR,\n  ts TIMESTAMP,\n  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND\n) WITH (connector = 'http', format = 'ndjson', on_error = 'quarantine');",
        0.21,
      ),
      node(
        '2',
        'source',
        'customers',
        [],
        "CREATE SOURCE customers (\n  card VARCHAR,\n  country VARCHAR,\n  PRIMARY KEY (card) NOT ENFORCED\n) WITH (connector = 'postgres-cdc', table = 'customers');",
        0.01,
      ),
      node('3', 'filter', 'amount > 0', ['1'], 'amount > 0', 0.04),
      node(
        '4',
        'temporal_join',
        'tx_customers',
        ['3', '2'],
        'FROM tx JOIN customers FOR SYSTEM_TIME AS OF tx.ts\n  ON tx.card = customers.card',
        0.35,
      ),
      node(
        '5',
        'python_function',
        'risk',
        ['4'],
        'risk(amount DOUBLE, country VARCHAR) -> DOUBLE\nfunctions/risk.py',
        0.86,
      ),
      node(
        '6',
        'aggregate',
        'risky',
        ['5'],
        'SELECT card, any_value(country) AS country, count(*) AS n,\n       sum(amount) AS amount, max(risk(amount, country)) AS score,\n       max(ts) AS last_seen\nFROM tx_customers\nGROUP BY card',
        0.3,
      ),
      node(
        '7',
        'tumble_aggregate',
        'per_10s',
        ['3'],
        "SELECT window_start, country, count(*) AS n, sum(amount) AS amount\nFROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '10' SECOND)\nWHERE amount > 0\nGROUP BY window_start, window_end, country",
        0.15,
      ),
      node(
        '8',
        'aggregate',
        'by_country',
        ['3'],
        'SELECT country, count(*) AS n, count(*) / sum(count(*)) OVER () AS share\nFROM tx GROUP BY country',
        0.08,
      ),
      node('9', 'view', 'risky', ['6'], 'CREATE MATERIALIZED VIEW risky AS …', 0.02),
      node('10', 'view', 'per_10s', ['7'], 'CREATE MATERIALIZED VIEW per_10s AS …', 0.01),
      node('11', 'view', 'by_country', ['8'], 'CREATE MATERIALIZED VIEW by_country AS …', 0.01),
      node(
        '12',
        'sink',
        'lake_minutes',
        ['7'],
        "CREATE SINK lake_minutes WITH (connector = 'iceberg', table = 'lake.minutes') AS\nSELECT * FROM per_10s",
        0.03,
      ),
    ];
  }

  make_sources() {
    const source = (name, connector) => ({
      name,
      connector,
      records_read: 0,
      records_accepted: 0,
      records_quarantined: 0,
      caught_up: true,
      ended: false,
      lag_bytes: null,
      watermark_ms: null,
    });
    return [source('tx', 'http'), source('customers', 'postgres-cdc')];
  }

  // ---- what happens in a tick -------------------------------------------------------------------------------------------

  advance(now_ms, elapsed_ms) {
    this.tick++;
    if (this.tick % 4 === 0) this.durable_tick = this.tick;
    const wave = 1 + 0.35 * Math.sin(now_ms / 47_000) + 0.1 * (this.random() - 0.5);
    const rows = Math.max(1, Math.round((this.rows_per_s * wave * elapsed_ms) / 1000));
    const filtered = Math.round(rows * 0.03);
    const late = this.random() < 0.05 ? 1 : 0;
    const bad = this.random() < 0.04 ? 1 : 0;
    this.count(rows, filtered, late, bad, now_ms, elapsed_ms);
    if (bad) this.refuse(now_ms, false);
    if (late) this.refuse(now_ms, true);
    this.sample_rows(rows - filtered, now_ms);
    if (this.tick % 4 === 0)
      this.throughput.put({
        at: timestamp(now_ms),
        rows_per_s: (rows * 1000) / elapsed_ms,
        p99_ms: 3 + 4 * this.random(),
      });
    if (this.throughput.rows.size > 600) this.throughput.rows.delete(this.throughput.rows.keys().next().value);
    this.judge_alerts(now_ms);
  }

  count(rows, filtered, late, bad, now_ms, elapsed_ms) {
    const passed = rows - filtered;
    const watermark_ms = now_ms - 5000 - Math.round(300 * this.random());
    for (const node of this.nodes) {
      const into =
        node.id === '1'
          ? rows
          : node.id === '2'
            ? 0
            : node.id === '3'
              ? rows
              : ['9', '11'].includes(node.id)
                ? Math.min(passed, 40)
                : ['10', '12'].includes(node.id)
                  ? 2
                  : passed;
      node.rows_in += into;
      const node_filtered = node.id === '3' ? filtered : 0;
      const node_late = node.id === '7' ? late : 0;
      const node_bad = node.id === '5' ? bad : 0;
      node.rows_filtered += node_filtered;
      node.rows_late += node_late;
      node.rows_quarantined += node_bad;
      const held_before = node.rows_held;
      node.rows_held = node.id === '4' ? Math.round(passed * 0.4) : 0;
      node.rows_passed += into - node_filtered - node_late - node_bad - (node.rows_held - held_before);
      node.rows_out +=
        node.id === '6' || node.id === '8'
          ? Math.min(passed, 40)
          : node.id === '7'
            ? 2
            : into - node_filtered - node_bad;
      node.busy_us += Math.round(node.share * elapsed_ms * 1000 * (0.85 + 0.3 * this.random()));
      node.watermark_ms = node.id === '2' ? null : watermark_ms;
    }
    const by_id = (id) => this.nodes.find((node) => node.id === id);
    Object.assign(by_id('4'), { state_rows: 41_213, state_bytes: 6_120_448 });
    Object.assign(by_id('6'), { state_rows: this.cards.size, state_bytes: this.cards.size * 212 });
    Object.assign(by_id('7'), { state_rows: this.windows.size, state_bytes: this.windows.size * 184 });
    const [tx] = this.sources;
    tx.records_read += rows + bad;
    tx.records_accepted += rows;
    tx.records_quarantined += bad;
    tx.watermark_ms = watermark_ms;
    const [lake] = this.sinks;
    lake.rows_written += 2;
    if (this.tick % 8 === 0)
      Object.assign(lake, { committed_epoch: lake.committed_epoch + 1, last_commit_us: now_ms * 1000 });
  }

  /** A few rows stand for all of a tick: enough to move every view. */
  sample_rows(rows, now_ms) {
    const samples = 6;
    for (let i = 0; i < samples; i++) {
      const card = `4${String(100 + Math.floor(this.random() * 140)).padStart(3, '0')}-${1000 + Math.floor(this.random() * 9) * 111}`;
      const country = countries[Math.floor(this.random() ** 1.6 * countries.length)];
      const amount = Math.round(this.random() ** 3 * 90_000) / 100;
      const seen = this.cards.get(card) ?? { card, country, n: 0, amount: 0, score: 0 };
      const next = {
        ...seen,
        n: seen.n + 1,
        amount: Math.round((seen.amount + amount) * 100) / 100,
        score: Math.round(Math.min(0.999, seen.score * 0.8 + amount / 1500) * 1000) / 1000,
        last_seen: timestamp(now_ms),
      };
      this.cards.set(card, next);
      if (next.score > 0.25) this.risky.put(next);
      else this.risky.remove(next);
      const start = Math.floor(now_ms / 10_000) * 10_000;
      const window_key = `${start} ${country}`;
      const window = this.windows.get(window_key) ?? { start, country, n: 0, amount: 0 };
      window.n += Math.round(rows / samples);
      window.amount += (amount * rows) / samples;
      this.windows.set(window_key, window);
      this.payments.put({
        tx_id: this.tick * samples + i,
        card,
        amount,
        country,
        note: this.random() < 0.1 ? null : `order ${Math.floor(this.random() * 1e6)}`,
        ts: timestamp(now_ms - i * 7),
      });
    }
    if (this.payments.rows.size > 50_000)
      for (const id of [...this.payments.rows.keys()].slice(0, 1000)) this.payments.rows.delete(id);
    for (const [key, window] of this.windows) {
      if (window.start + 10_000 > now_ms - 5000) continue;
      this.per_10s.put({
        window_start: timestamp(window.start),
        country: window.country,
        n: window.n,
        amount: Math.round(window.amount * 100) / 100,
      });
      this.windows.delete(key);
    }
    if (this.tick % 4 === 0) {
      const totals = countries.map((country) => [
        country,
        [...this.cards.values()].filter((c) => c.country === country).reduce((s, c) => s + c.n, 0),
      ]);
      const all = totals.reduce((sum, [, n]) => sum + n, 0) || 1;
      for (const [country, n] of totals) this.by_country.put({ country, n, share: n / all });
    }
  }

  refuse(now_ms, late) {
    const id = this.quarantine.length + 1;
    const kinds = [
      [
        'tx',
        3001,
        'malformed_record',
        '{"tx_id": 18231, "card": "4012-1999", "amount": 12,50, "country": "DE"}',
        'expected a comma or } after a value, at byte 50',
      ],
      [
        'tx',
        3004,
        'wrong_type',
        '{"tx_id": 18232, "card": "4013-1444", "amount": "twelve", "country": "FR", "ts": "2026-01-01 12:00:00"}',
        "field amount: 'twelve' is not a DECIMAL(12, 2)",
      ],
      [
        'risk',
        4102,
        'function_failed',
        '{"card": "4100-1777", "amount": 0.0, "country": null}',
        'ZeroDivisionError: float division by zero\n  File "functions/risk.py", line 9, in risk\n    return amount / baseline[country]',
      ],
    ];
    const [source, code, name, bytes, reason] = late
      ? [
          'per_10s',
          2301,
          'late',
          '{"tx_id": 18001, "card": "4090-1222", "amount": 8.20, "country": "ES"}',
          `its window ended at ${timestamp(now_ms - 15_000)}, the watermark stood at ${timestamp(now_ms - 5000)}`,
        ]
      : kinds[id % kinds.length];
    this.quarantine.push({
      id,
      source,
      origin: late ? 'http tx, record 120391' : `http tx, record ${100_000 + id * 37}`,
      bytes,
      code,
      name,
      reason,
      time_us: now_ms * 1000,
      late,
      detail:
        source === 'risk'
          ? { function: 'risk', file: 'functions/risk.py', hash: 'ab12', arguments: { amount: 0, country: null } }
          : null,
      replayed_us: 0,
    });
  }

  judge_alerts(now_ms) {
    const hot = [...this.risky.rows.values()].filter((row) => row.score > 0.6);
    for (const row of hot) {
      const key = JSON.stringify({ card: row.card });
      let alert = this.alerts.find((old) => old.key === key && old.state !== 'resolved');
      if (!alert) {
        alert = {
          alert: 'high_risk',
          key,
          state: 'pending',
          since_us: now_ms * 1000,
          fired_us: 0,
          resolved_us: 0,
          deliveries_failed: 0,
        };
        this.alerts.unshift(alert);
      } else if (alert.state === 'pending' && now_ms * 1000 - alert.since_us > 3e6) {
        Object.assign(alert, {
          state: 'firing',
          fired_us: now_ms * 1000,
          deliveries_failed: this.random() < 0.2 ? 1 : 0,
        });
      }
    }
    for (const alert of this.alerts) {
      if (alert.state !== 'resolved' && !hot.some((row) => JSON.stringify({ card: row.card }) === alert.key)) {
        Object.assign(alert, { state: 'resolved', resolved_us: now_ms * 1000 });
      }
    }
    this.alerts = this.alerts.slice(0, 12);
  }

  // ---- the doors --------------------------------------------------------------------------------------------------------

  plan() {
    const columns_of = (node) => this.views.find((view) => view.name === node.name)?.columns ?? [];
    return {
      format: 1,
      nodes: this.nodes.map((node) => ({
        id: Number(node.id),
        kind: node.kind,
        name: node.name,
        inputs: node.inputs.map((id) => ({ node: Number(id), output: 0 })),
        columns: columns_of(node).map((c) => ({ ...c, role: c.name === 'window_start' ? 'window_start' : 'none' })),
        changelog: this.views.find((view) => view.name === node.name)?.changelog ?? 'append',
        key: node.kind === 'aggregate' ? [0] : [],
        detail: node.detail,
        at: 'sql/pipeline.sql:1:1',
      })),
    };
  }

  status() {
    return {
      name: this.empty ? 'empty' : 'fraud',
      tick: this.tick,
      durable_tick: this.durable_tick,
      epoch: Math.floor(this.durable_tick / 4),
      running: true,
      ended: false,
      failure: null,
      backpressure: this.empty ? 0 : Math.max(0, 0.12 + 0.1 * Math.sin(Date.now() / 9000)),
      nodes: this.nodes.map(({ share, detail, ...node }) => node),
      sources: this.sources,
      sinks: this.sinks,
    };
  }

  step() {
    if (!this.empty) this.advance(Date.now(), tick_ms);
    const patch = this.status();
    const keyed = (list, key, drop) =>
      Object.fromEntries(
        list.map((item) => [
          item[key],
          Object.fromEntries(Object.entries(item).filter(([name]) => !drop.includes(name))),
        ]),
      );
    const data = {
      ...patch,
      nodes: keyed(patch.nodes, 'id', ['kind', 'name', 'inputs', 'detail']),
      sources: keyed(patch.sources, 'name', ['connector']),
      sinks: keyed(patch.sinks, 'name', ['connector']),
    };
    for (const send of this.status_subscribers) send('status', data, this.tick);
    for (const view of this.views) {
      if (view.pending.length === 0) continue;
      const event = { tick: this.tick, durable_tick: this.durable_tick, changes: view.pending };
      view.log = [...view.log.slice(-400), event];
      view.pending = [];
      for (const send of view.subscribers) send('changes', event, this.tick);
    }
  }

  async listen(port = 0) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error) => this.fail(response, 500, 'internal', String(error)));
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.timer = setInterval(() => this.step(), tick_ms);
    this.port = this.server.address().port;
    return this.port;
  }

  /** As a kill: every connection breaks at once. */
  async stop() {
    clearInterval(this.timer);
    if (!this.server.listening) return;
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  json(response, body, status = 200) {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify(body));
  }

  fail(response, status, name, message, more = {}) {
    if (!response.headersSent) this.json(response, { error: { code: status, name, message, ...more } }, status);
  }

  stream(request, response, subscribers, first) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const send = (event, data, id) => response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
    first(send);
    subscribers.add(send);
    request.on('close', () => subscribers.delete(send));
  }

  async answer(request, response) {
    const url = new URL(request.url, 'http://localhost');
    const path = decodeURIComponent(url.pathname);
    if (!path.startsWith('/v1/')) return this.file(path, response);
    if (path === '/v1/session') return this.session(request, response);
    if (this.token && !request.headers.cookie?.includes(`headrace=${this.token}`)) {
      return this.fail(response, 401, 'token_required', 'This engine asks for a token.');
    }
    if (path === '/v1/pipeline') return this.json(response, { ...this.status(), plan: this.plan() });
    if (path === '/v1/pipeline/changes') {
      return this.stream(request, response, this.status_subscribers, (send) =>
        send('status', this.status(), this.tick),
      );
    }
    if (path === '/v1/views') return this.json(response, { views: this.views.map((view) => view.info()) });
    if (path === '/v1/alerts') return this.json(response, { alerts: [...this.alerts_told, ...this.alerts] });
    if (path === '/v1/quarantine') return this.quarantine_page(url, response);
    if (path === '/v1/quarantine/replay') return this.replay(request, response);
    if (path === '/v1/functions') return this.json(response, { functions: this.functions() });
    if (path === '/v1/dashboards') return this.json(response, { dashboards: this.dashboards() });
    if (path === '/v1/sql') return this.sql(request, response);
    const [, name, changes] = /^\/v1\/views\/([^/]+)(\/changes)?$/.exec(path) ?? [];
    const view = this.views.find((candidate) => candidate.name === name?.toLowerCase());
    if (!view) return this.fail(response, 404, 'not_found', `there is no ${path}`);
    if (changes) return this.changes(request, response, url, view);
    const rows = [...view.rows.values()].slice(-Number(url.searchParams.get('limit') ?? 100));
    this.json(response, {
      columns: view.columns,
      rows: rows.map((row) => view.columns.map((c) => row[c.name] ?? null)),
      tick: this.tick,
      durable_tick: this.durable_tick,
    });
  }

  changes(request, response, url, view) {
    const since = request.headers['last-event-id'] ?? url.searchParams.get('since');
    this.stream(request, response, view.subscribers, (send) => {
      const kept =
        since !== null && since !== undefined && view.log.length > 0 && view.log[0].tick <= Number(since) + 1;
      if (kept)
        for (const event of view.log.filter((old) => old.tick > Number(since))) send('changes', event, event.tick);
      else
        send(
          'changes',
          {
            tick: this.tick,
            durable_tick: this.durable_tick,
            snapshot: true,
            changes: [...view.rows.values()].map((row) => ['+I', row]),
          },
          this.tick,
        );
    });
  }

  quarantine_page(url, response) {
    const after = Number(url.searchParams.get('after') ?? 0);
    const limit = Number(url.searchParams.get('limit') ?? 100);
    const rows = this.quarantine.filter((row) => row.id > after).slice(0, limit);
    const last = rows.at(-1)?.id ?? after;
    this.json(response, { rows, next: this.quarantine.some((row) => row.id > last) ? last : null });
  }

  /** Malformed records cannot go back. */
  async replay(request, response) {
    const { ids } = await this.body(request);
    const meant = this.quarantine.filter((row) => ids.includes(row.id) && !row.late && row.replayed_us === 0);
    const back = meant.filter((row) => row.name !== 'malformed_record');
    for (const row of back) row.replayed_us = Date.now() * 1000;
    const skipped = meant
      .filter((row) => row.name === 'malformed_record')
      .map(({ id }) => ({ id, reason: 'the row as it came to the node was not kept' }));
    this.json(response, { rows: back.length, skipped, tick: this.tick });
  }

  async body(request) {
    let text = '';
    for await (const chunk of request) text += chunk;
    return JSON.parse(text);
  }

  async session(request, response) {
    const { token } = await this.body(request);
    if (token !== this.token)
      return this.fail(response, 401, 'wrong_token', 'This token is not known here.', {
        remedy: 'Make one with `headrace token new ROLE`.',
      });
    response.setHeader('Set-Cookie', `headrace=${token}; HttpOnly; SameSite=Strict; Path=/`);
    this.json(response, {});
  }

  /** Understands `SELECT * FROM view [LIMIT n]`; anything else is an error with a place. */
  async sql(request, response) {
    const { sql } = await this.body(request);
    const [, name, limit] = /from\s+(\w+)[\s\S]*?(?:limit\s+(\d+))?\s*;?\s*$/i.exec(sql) ?? [];
    const view = this.views.find((candidate) => candidate.name === name?.toLowerCase());
    if (!view) {
      const before = sql.slice(0, Math.max(0, sql.indexOf(name ?? sql.trim())));
      const line = before.split('\n').length;
      return this.fail(response, 400, 'unknown_table', `Table with name ${name ?? '?'} does not exist!`, {
        code: 2003,
        at: `sql:${line}:${before.length - before.lastIndexOf('\n')}`,
        remedy: `There are the views ${this.views.map((v) => v.name).join(', ')}.`,
      });
    }
    const rows = [...view.rows.values()].slice(0, limit ? Number(limit) : undefined);
    this.json(response, {
      columns: view.columns,
      rows: rows.map((row) => view.columns.map((c) => row[c.name] ?? null)),
      tick: this.tick,
      durable_tick: this.durable_tick,
    });
  }

  functions() {
    if (this.empty) return [];
    return [
      {
        name: 'risk',
        signature: 'risk(amount DOUBLE, country VARCHAR) -> DOUBLE',
        file: 'functions/risk.py',
        state: 'running',
        kind: 'vectorized',
        workers: 2,
        calls: 51_200 + this.tick,
        rows: this.nodes[4].rows_in,
        failures: this.nodes[4].rows_quarantined,
        restarts: 1,
        worker_bytes: 71_303_168 + (this.tick % 400) * 300_000,
        time_us: this.nodes[4].busy_us,
        leak_bytes_per_call: 18_432,
        growing: [
          { type: 'bytearray', objects: 48_210, bytes: 98_920_448 },
          { type: 'dict', objects: 1204, bytes: 280_176 },
        ],
        gauges: { psi: 0.0421, mean_difference: -0.003 },
      },
      {
        name: 'cents',
        signature: 'cents(amount DOUBLE) -> BIGINT',
        file: 'functions/cents.py',
        state: 'idle',
        kind: 'scalar',
        workers: 0,
        calls: 0,
        rows: 0,
        failures: 0,
        restarts: 0,
        worker_bytes: 0,
        time_us: 0,
        leak_bytes_per_call: 0,
        growing: [],
        gauges: {},
      },
    ];
  }

  dashboards() {
    if (this.empty) return [];
    return [
      {
        name: 'fraud',
        title: 'Fraud',
        tile: [
          { title: 'Rows a second', view: 'throughput', kind: 'number', y: ['rows_per_s'], width: 3 },
          { title: 'p99 latency, ms', view: 'throughput', kind: 'number', y: ['p99_ms'], width: 3 },
          { title: 'Payments a second by country', view: 'by_country', kind: 'number', y: ['n'], width: 3 },
          { title: 'Cards at risk', view: 'risky', kind: 'number', y: ['score'], width: 3 },
          {
            title: 'Payments by country',
            view: 'per_10s',
            kind: 'line',
            x: 'window_start',
            y: ['n'],
            series: 'country',
            limit: 600,
            width: 6,
          },
          { title: 'Share of payments', view: 'by_country', kind: 'bar', x: 'country', y: ['share'], width: 4 },
          { title: 'Riskiest cards', view: 'risky', kind: 'table', width: 8 },
          {
            title: 'Payments, stacked',
            view: 'per_10s',
            kind: 'bar',
            x: 'window_start',
            y: ['n'],
            series: 'country',
            limit: 240,
            width: 12,
          },
          { title: 'Throughput', view: 'throughput', kind: 'line', x: 'at', y: ['rows_per_s'], limit: 300, width: 12 },
        ],
      },
      {
        name: 'latency',
        title: 'Latency',
        tile: [{ title: 'p99', view: 'throughput', kind: 'line', x: 'at', y: ['p99_ms'], width: 12 }],
      },
    ];
  }

  async file(path, response) {
    const name = normalize(path === '/' ? '/index.html' : path);
    try {
      if (!this.dist) throw new Error('no dist');
      const body = await readFile(join(this.dist, name));
      response.writeHead(200, {
        'Content-Type': types[extname(name)] ?? 'application/octet-stream',
        'Content-Security-Policy': content_policy,
      });
      response.end(body);
    } catch {
      this.fail(response, 404, 'not_found', `there is no ${path}`);
    }
  }
}
