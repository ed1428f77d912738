// The console over a real pipeline: rows go in at the http door, and the pages must say exactly what came of them.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { assert_fits, dist, open_browser, open_page } from './browser.mjs';
import { Engine, engine_path, have_engine, payment } from './engine.mjs';

const limits = { timeout: 180_000, skip: have_engine ? false : `there is no engine at ${engine_path}` };
const start_ms = Date.now() - 120_000;
const malformed = '{"tx_id": 1000, "card": "card-01", "amount": "twelve", "country": "DE", "ts": "2026-01-01 12:00:00"}';

let browser;
let engine;
const sent = [];

async function send(from, to) {
  const rows = Array.from({ length: to - from }, (_, i) => payment(from + i, start_ms));
  sent.push(...rows);
  const answer = await engine.post(rows.map((row) => JSON.stringify(row)));
  assert.equal(answer.accepted, rows.length);
}

/** by_card as plain code counts it: [card, n, cents]. */
function expected_by_card() {
  const cards = new Map();
  for (const { card, amount } of sent) {
    if (amount <= 0) continue;
    const [n, cents] = cards.get(card) ?? [0, 0];
    cards.set(card, [n + 1, cents + Math.round(amount * 100)]);
  }
  return [...cards].map(([card, [n, cents]]) => [card, String(n), (cents / 100).toFixed(2)]).sort();
}

async function shows_by_card(page) {
  const expected = JSON.stringify(expected_by_card());
  await page.waitForFunction((text) => {
    const rows = [...document.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent));
    return JSON.stringify(rows.filter((cells) => cells.length === 3).sort()) === text;
  }, expected);
}

before(async () => {
  if (!have_engine) return;
  assert.ok(existsSync(`${dist}/index.html`), 'build the console first: npm run build in web/');
  browser = await open_browser();
  engine = new Engine();
  await engine.start();
});

after(async () => {
  await browser?.close();
  await engine?.close();
});

test('a pipeline that has read nothing yet', limits, async (t) => {
  const session = await open_page(t, browser, engine.origin);
  await session.go('#/pipeline');
  await session.page.locator('button.node').first().waitFor();
  await session.page.getByRole('row', { name: /tx http/ }).waitFor();
  await session.go('#/views/by_card');
  await session.page.getByText('No rows yet').waitFor();
  session.check();
});

test('a live table ends as the view, and is patched on the way', limits, async (t) => {
  const session = await open_page(t, browser, engine.origin);
  const { page } = session;
  const reads = [];
  page.on('request', (request) => reads.push(new URL(request.url()).pathname));
  await session.go('#/views/by_card?sort=card');
  await send(0, 300);
  await shows_by_card(page);
  await send(300, 320);
  await shows_by_card(page);
  await page.locator('tr.flash-a, tr.flash-b').first().waitFor();
  assert.equal(reads.filter((path) => path === '/v1/views/by_card/changes').length, 1);
  assert.equal(reads.filter((path) => path === '/v1/views/by_card').length, 0);
  await session.shot('engine-view');
  session.check();
});

test('the quarantine keeps a malformed record with its bytes, and a late row', limits, async (t) => {
  const answer = await engine.post([malformed, JSON.stringify(payment(0, start_ms))]);
  assert.equal(answer.quarantined, 1);
  sent.push(payment(0, start_ms)); // Late for its window, not for by_card.
  const session = await open_page(t, browser, engine.origin);
  const { page } = session;
  await session.go('#/quarantine');
  await page.getByRole('region', { name: 'Quarantined records' }).locator('tr', { hasText: 'twelve' }).click();
  assert.equal(await page.locator('pre.bytes').innerText(), malformed);
  await page.locator('tbody tr', { hasText: 'late' }).first().waitFor();
  const panel = page.getByRole('complementary', { name: /Record/ });
  await panel.getByRole('button', { name: 'Put back' }).click();
  await panel.locator('.pill', { hasText: 'put back' }).waitFor(); // Nothing was mended: it is refused again, as another record.
  await page.locator('tbody tr', { hasText: 'twelve' }).nth(1).waitFor();
  await session.shot('engine-quarantine');
  session.check();
});

test('every node of the graph balances', limits, async (t) => {
  const session = await open_page(t, browser, engine.origin);
  const { page } = session;
  await session.go('#/pipeline');
  await page.locator('button.node').first().waitFor();
  for (const id of await page.locator('button.node').evaluateAll((nodes) => nodes.map((node) => node.dataset.node))) {
    await page.locator(`[data-node="${id}"]`).click();
    await page.locator('aside.panel', { hasText: 'The books balance.' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('aside.panel').waitFor({ state: 'detached' });
  }
  await session.shot('engine-pipeline');
  session.check();
});

test('SQL answers exactly, and says where an error stands', limits, async (t) => {
  const session = await open_page(t, browser, engine.origin);
  const { page } = session;
  await session.go(`#/sql?q=${encodeURIComponent('SELECT sum(n) AS n, sum(total) AS total\nFROM by_card')}`);
  const editor = page.getByRole('textbox', { name: 'SQL' });
  await editor.click();
  await page.keyboard.press('Control+Enter');
  await page.getByRole('status').filter({ hasText: '1 row in' }).waitFor();
  const paid = sent.filter((row) => row.amount > 0);
  const total = paid.reduce((sum, row) => sum + Math.round(row.amount * 100), 0);
  assert.deepEqual(await page.locator('.answer tbody td').allInnerTexts(), [String(paid.length), (total / 100).toFixed(2)]);
  await page.keyboard.press('Control+a');
  await page.keyboard.type('SELECT nothing_such\nFROM by_card');
  await page.keyboard.press('Escape');
  await editor.click();
  await page.keyboard.press('Control+Enter');
  await page.getByRole('alert').filter({ hasText: 'nothing_such' }).waitFor();
  assert.match(await page.locator('.cm-content .wrong').innerText(), /nothing_such/);
  session.check();
});

test('an alert is pushed to the open page', limits, async (t) => {
  const session = await open_page(t, browser, engine.origin);
  const { page } = session;
  await session.go('#/alerts');
  await page.locator('main').getByText(/No alerts|big_spender/).first().waitFor();
  const big = { ...payment(400, start_ms), card: 'card-99', amount: 5000 };
  sent.push(big);
  await engine.post([JSON.stringify(big)]);
  await page.locator('.alert.firing', { hasText: 'card-99' }).waitFor();
  await page.locator('nav .badge').waitFor();
  session.check();
});

test('dashboards over the real views, at phone width too', limits, async (t) => {
  for (const look of [{}, { width: 360, height: 740 }]) {
    const session = await open_page(t, browser, engine.origin, look);
    const { page } = session;
    await session.go('#/dashboards');
    await page.locator('.tile-line canvas').first().waitFor();
    await page.locator('.tile-bar .bar').first().waitFor();
    await page.locator('.tile-table tbody tr').first().waitFor();
    await assert_fits(page);
    await session.shot(`engine-dashboard-${look.width ?? 'wide'}`);
    session.check();
  }
});

test('killed and started again, the page goes on with exact rows', limits, async (t) => {
  const session = await open_page(t, browser, engine.origin);
  const { page } = session;
  await session.go('#/views/by_card?sort=card');
  await shows_by_card(page);
  await engine.kill();
  await page.getByRole('alert').filter({ hasText: 'does not answer' }).waitFor();
  await engine.start();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await send(500, 560);
  await shows_by_card(page);
  await page.locator('.pill', { hasText: 'live' }).waitFor();
  session.check();
});
