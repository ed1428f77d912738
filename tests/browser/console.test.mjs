// The console in a real browser, against the stand-in of web/dev. What needs a real pipeline is in engine.test.mjs.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { StandIn } from '../../web/dev/stand_in.mjs';
import { assert_fits, dist, open_browser, open_page } from './browser.mjs';

const pages = ['pipeline', 'dashboards', 'views', 'views/risky', 'sql', 'alerts', 'quarantine', 'functions'];

const limits = { timeout: 180_000 };

let browser;
let engine;
let origin;

before(async () => {
  assert.ok(existsSync(`${dist}/index.html`), 'build the console first: npm run build in web/');
  browser = await open_browser();
  engine = new StandIn({ dist });
  origin = `http://127.0.0.1:${await engine.listen()}`;
});

after(async () => {
  await browser?.close();
  await engine?.stop();
});

/** The open view was told of changes after its first rows. */
function changes_came(page) {
  return page.waitForFunction(() => [...document.querySelectorAll('.note')].some((note) => /· [1-9].* changes/.test(note.textContent)));
}

for (const [name, look] of Object.entries({
  light: {},
  dark: { dark: true },
  phone: { width: 360, height: 740, reduced_motion: true },
})) {
  test(`every page draws, ${name}`, limits, async (t) => {
    const session = await open_page(t, browser, origin, look);
    for (const address of pages) {
      await session.go(`#/${address}`);
      await session.page.locator('main .page').waitFor();
      await session.page.waitForFunction(() => document.querySelectorAll('.loading').length === 0);
      await assert_fits(session.page);
      await session.shot(`${name}-${address.replace('/', '-')}`);
    }
    session.check();
  });
}

test('the graph shows rates, and a node its balance', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/pipeline');
  const source = page.locator('button.node', { hasText: 'tx' }).first();
  await source.waitFor();
  assert.equal(await page.locator('button.node').count(), 12);
  await page.waitForFunction(() => /[1-9].*\/s/.test(document.querySelector('button.node strong')?.textContent ?? ''));
  await page.locator('[data-node="7"]').click();
  const panel = page.getByRole('complementary', { name: 'Node per_10s' });
  await panel.getByText('The books balance.').waitFor();
  assert.match(await panel.locator('pre.detail').innerText(), /TUMBLE/);
  assert.match(page.url(), /node=7/);
  await page.keyboard.press('Escape');
  await panel.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-node')), '7');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-node')), '3');
  session.check();
});

test('a live table is patched, not loaded again', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  const requests = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  await session.go('#/views/risky?sort=-last_seen');
  await page.locator('tr.flash-a, tr.flash-b').first().waitFor();
  const seen = () => page.locator('.note', { hasText: 'changes' }).innerText();
  const before_text = await seen();
  await page.waitForFunction((text) => ![...document.querySelectorAll('.note')].some((note) => note.textContent === text), before_text);
  assert.equal(requests.filter((path) => path === '/v1/views/risky/changes').length, 1);
  assert.equal(requests.filter((path) => path === '/v1/views/risky').length, 0);
  await page.getByRole('button', { name: 'Hold still' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  const rows = await page.locator('tbody tr').allInnerTexts();
  const held_text = await seen(); // Counts on while the rows hold still: changes come that must not show.
  await page.waitForFunction((text) => ![...document.querySelectorAll('.note')].some((note) => note.textContent === text), held_text);
  assert.deepEqual(await page.locator('tbody tr').allInnerTexts(), rows);
  session.check();
});

test('the live table is what the view is', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  await session.go('#/views/by_country?sort=country');
  await session.page.locator('tbody tr').nth(5).waitFor();
  await changes_came(session.page);
  clearInterval(engine.timer);
  t.after(() => {
    engine.timer = setInterval(() => engine.step(), 250);
  });
  const expected = [...engine.by_country.rows.values()].map((row) => [row.country, String(row.n)]).sort();
  await session.page.waitForFunction((text) => {
    const rows = [...document.querySelectorAll('tbody tr')].map((row) => [...row.children].slice(0, 2).map((cell) => cell.textContent));
    return JSON.stringify(rows) === text;
  }, JSON.stringify(expected));
});

test('a large view draws only the rows in sight', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/views/payments');
  await page.locator('tbody tr').nth(10).waitFor();
  const table = page.getByRole('region', { name: 'Rows of payments' });
  const rows_all = Number(await table.locator('table').getAttribute('aria-rowcount'));
  assert.ok(rows_all > 4000, `${rows_all} rows`);
  assert.ok((await table.locator('tbody tr').count()) < 80);
  await page.getByRole('button', { name: 'Hold still' }).click();
  await table.focus();
  await page.keyboard.press('End');
  await page.locator(`tr[aria-rowindex="${Number(await table.locator('table').getAttribute('aria-rowcount'))}"].current`).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('complementary', { name: 'Row' }).waitFor();
  session.check();
});

test('dashboards draw every kind of tile and keep to their connections', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/dashboards');
  await page.locator('.tile-line canvas').first().waitFor();
  await page.locator('.tile-bar .bar').first().waitFor();
  await page.locator('.tile-table tbody tr').first().waitFor();
  await page.waitForFunction(() => document.querySelector('.tile-number strong')?.textContent !== '–');
  const streams = engine.views.reduce((sum, view) => sum + view.subscribers.size, 0) + engine.status_subscribers.size;
  assert.ok(streams <= 4, `${streams} streams are open`);
  await page.getByRole('region', { name: 'Payments by country' }).hover();
  await page.getByRole('radiogroup', { name: 'Show Payments by country as' }).getByRole('radio').nth(1).click();
  await page.getByRole('region', { name: 'Payments by country' }).locator('tbody tr').first().waitFor();
  session.check();
});

test('SQL: complete, run, chart, and an error at its place', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/sql?q=');
  const editor = page.getByRole('textbox', { name: 'SQL' });
  await editor.waitFor();
  await editor.click();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('SELECT *\nFROM by_c');
  await page.locator('.cm-tooltip-autocomplete').getByText('by_country').waitFor();
  await page.waitForTimeout(150); // The editor takes no completion in its first moments, against slips of the finger.
  await page.keyboard.press('Tab');
  assert.match(await editor.innerText(), /FROM by_country$/);
  await page.keyboard.press('Control+Enter');
  await page.getByRole('status').filter({ hasText: '6 rows in' }).waitFor();
  assert.equal(await page.locator('.answer tbody tr').count(), 6);
  await page.getByRole('radio', { name: 'Chart' }).click();
  await page.locator('.bar-chart li').nth(5).waitFor();
  await editor.click();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('SELECT *\nFROM nowhere ');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('alert').filter({ hasText: 'nowhere' }).waitFor();
  assert.equal(await page.locator('.cm-content .wrong').innerText(), 'nowhere');
  assert.equal(await page.locator('.history li').count(), 2);
  await session.shot('light-sql-error');
  session.check();
});

test('the quarantine is filtered, opened and copied', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/quarantine?source=risk');
  await page.locator('tbody tr').first().waitFor();
  assert.ok((await page.locator('tbody td:nth-child(2)').allInnerTexts()).every((source) => source === 'risk'));
  await page.locator('tbody tr').first().click();
  const panel = page.locator('aside.panel');
  await panel.getByText('ZeroDivisionError').waitFor();
  await panel.getByRole('button', { name: 'Copy the bytes' }).click();
  await page.getByText('Copied').waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /"card"/);
  await panel.getByRole('radio', { name: 'hex' }).click();
  assert.match(await panel.locator('pre.bytes').innerText(), /^000000 {2}7b 22/);
  session.check();
});

test('alerts change without a reload', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/alerts');
  await page.locator('.alert').first().waitFor();
  engine.alerts_told.push({ alert: 'told_by_test', key: '{"card":"x"}', state: 'firing', since_us: Date.now() * 1000, fired_us: 0, resolved_us: 0, deliveries_failed: 2 });
  const told = page.locator('.alert', { hasText: 'told_by_test' });
  await told.getByText('firing').waitFor();
  await told.getByText('2 deliveries failed').waitFor();
  session.check();
});

test('the keyboard alone goes everywhere', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/pipeline');
  await page.locator('button.node').first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('v');
  await page.getByRole('heading', { name: 'Views', level: 1 }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('Ctrl', { exact: true }).first().waitFor();
  await session.shot('light-help');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('t');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.locator('a.card').first().waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'To the content');
  const outlined = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outlined, 'none');
  session.check();
});

test('the engine dies and comes back: a banner, then it goes on where it was', limits, async (t) => {
  const mortal = new StandIn({ dist });
  t.after(() => mortal.stop());
  const port = await mortal.listen();
  const session = await open_page(t, browser, `http://127.0.0.1:${port}`);
  const { page } = session;
  await session.go('#/views/by_country');
  await page.locator('tbody tr').first().waitFor();
  await changes_came(page);
  await mortal.stop();
  await page.getByRole('alert').filter({ hasText: 'does not answer' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 6, 'the last known rows stay');
  await session.shot('light-banner');
  const resumed = page.waitForRequest((request) => request.url().endsWith('/changes') && request.headers()['last-event-id'] !== undefined);
  await mortal.listen(port);
  await resumed;
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.locator('.pill', { hasText: 'live' }).waitFor();
  session.check();
});

test('a token is asked for, refused when wrong, and kept as a cookie', limits, async (t) => {
  const guarded = new StandIn({ dist, token: 'open-sesame' });
  t.after(() => guarded.stop());
  const session = await open_page(t, browser, `http://127.0.0.1:${await guarded.listen()}`);
  const { page } = session;
  await session.go('#/pipeline');
  await page.getByLabel('Token').fill('wrong');
  await session.shot('light-sign-in');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').filter({ hasText: 'not known' }).waitFor();
  await page.getByLabel('Token').fill('open-sesame');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('button.node').first().waitFor();
  await page.reload();
  await page.locator('button.node').first().waitFor();
  session.check();
});

test('empty pages teach', limits, async (t) => {
  const nothing = new StandIn({ dist, empty: true });
  t.after(() => nothing.stop());
  const session = await open_page(t, browser, `http://127.0.0.1:${await nothing.listen()}`);
  for (const [address, text] of Object.entries({
    pipeline: 'CREATE SOURCE', dashboards: '[[tile]]', views: 'CREATE MATERIALIZED VIEW', alerts: 'CREATE ALERT', functions: '@hr.function',
    quarantine: 'Nothing was refused',
  })) {
    await session.go(`#/${address}`);
    await session.page.locator('.empty', { hasText: text }).waitFor();
  }
  await session.shot('light-empty');
  session.check();
});

test('records are put back, once, and what cannot go back says why', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  engine.refuse(Date.now(), false);
  engine.refuse(Date.now(), false);
  engine.refuse(Date.now(), false); // One of each kind.
  const refused = [...engine.quarantine]; // More come while the page is used.
  await session.go('#/quarantine?state=waiting');
  await page.locator('tbody tr', { hasText: 'ZeroDivisionError' }).first().click();
  const panel = page.getByRole('complementary', { name: /Record/ });
  await panel.getByText('headrace repro').waitFor();
  assert.match(await panel.locator('pre.detail').first().innerText(), /"country": null/);
  await panel.getByRole('button', { name: 'Put back' }).click();
  await panel.locator('.pill', { hasText: 'put back' }).waitFor();
  assert.equal(await panel.getByRole('button', { name: 'Put back' }).count(), 0);
  await page.getByRole('button', { name: /Put [\d,]+ back/ }).click();
  await page.getByRole('alert').filter({ hasText: 'not put back' }).getByText('was not kept').first().waitFor();
  assert.deepEqual([...new Set(refused.filter((row) => !row.late && row.replayed_us === 0).map((row) => row.name))], ['malformed_record']);
  await session.shot('light-replay');
  await page.getByRole('combobox', { name: 'state' }).selectOption('put back');
  await page.locator('tbody tr', { hasText: 'ZeroDivisionError' }).first().waitFor();
  session.check();
});

test('a function shows its memory, and what grows in it', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await session.go('#/functions');
  await page.getByRole('link', { name: /risk/ }).click();
  const memory = page.getByRole('region', { name: 'Memory' });
  await memory.getByText('It grows by 18.0 KiB a call.').waitFor();
  await memory.getByRole('row', { name: /bytearray/ }).waitFor();
  await memory.locator('.sparkline polyline').waitFor({ state: 'attached' });
  await page.getByRole('region', { name: 'Gauges' }).getByText('psi').waitFor();
  await session.shot('light-function');
  await page.getByRole('link', { name: 'What it has refused' }).click();
  await page.getByRole('region', { name: 'Quarantined records' }).locator('tbody tr').first().waitFor();
  session.check();
});

test('a dashboard with mistakes in it still draws, and digits are not rounded', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  const tile = [{ title: 'Lost', kind: 'line' }, { title: 'Gone', view: 'no_such', kind: 'pie' }, { view: 'by_country', kind: 'bar', y: 'n' }, 7];
  await page.route('**/v1/dashboards', (route) => route.fulfill({ json: { dashboards: [{ name: 'x', title: 'X', tile }] } }));
  await session.go('#/dashboards');
  await page.getByText('This tile names no view.').waitFor();
  await page.getByText('There is no view named no_such.').waitFor();
  await page.locator('.bar-chart li').nth(5).waitFor();
  const body = '{"columns":[{"name":"a","type":"BIGINT"},{"name":"b","type":"DECIMAL(38,2)"}],"rows":[[9007199254740993,12345678901234567890.10]],"tick":1,"durable_tick":1}';
  await page.route('**/v1/sql', (route) => route.fulfill({ body, contentType: 'application/json' }));
  await session.go('#/sql?q=SELECT');
  await page.getByRole('textbox', { name: 'SQL' }).click();
  await page.keyboard.press('Control+Enter');
  await page.locator('.answer tbody td').first().waitFor();
  assert.deepEqual(await page.locator('.answer tbody td').allInnerTexts(), ['9007199254740993', '12345678901234567890.10']);
  session.check();
});

test('a page that fails to draw leaves the rest usable', limits, async (t) => {
  const session = await open_page(t, browser, origin);
  const { page } = session;
  await page.route('**/v1/quarantine*', (route) => route.fulfill({ json: { rows: [null, { id: 1 }], next: null } }));
  await session.go('#/quarantine');
  await page.getByText('This page failed to draw').waitFor();
  await page.getByRole('link', { name: 'Views' }).click();
  await page.locator('a.card').first().waitFor();
});
