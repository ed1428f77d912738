// Makes docs/images/console*.png from a real engine that is being fed: `node tests/browser/images.mjs`.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { open_browser } from './browser.mjs';
import { Engine, payment } from './engine.mjs';

const images = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const rows_per_s = 400;
const batches_before = 120;
const before_ms = 600_000; // What is fed first is spread over ten minutes before now.
const step_ms = before_ms / batches_before;
const batch_ms = 250;

const engine = new Engine();
await engine.start();
const browser = await open_browser();
const begun_ms = Date.now();
let sent = 0;

const written = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');

async function feed(at_ms, span_ms) {
  // More at some times than at others, so that the lines have a shape.
  const rows = Array.from({ length: (rows_per_s * span_ms) / 1000 }, (_, i) => ({ ...payment(sent + i, 0), ts: written(at_ms + (i * 1000) / rows_per_s) })).filter(
    ({ tx_id }) => (tx_id * 7919) % 100 < 60 + 35 * Math.sin(tx_id / 14_000),
  );
  sent += (rows_per_s * span_ms) / 1000;
  await engine.post(rows.map((row) => JSON.stringify(row)));
}

for (let i = batches_before; i > 0; i--) await feed(begun_ms - i * step_ms, step_ms);
await engine.post(['{"tx_id": 1, "card": "card-01", "amount": "twelve", "country": "DE"}', JSON.stringify({ ...payment(1, 0), ts: written(begun_ms - before_ms) })]);

mkdirSync(images, { recursive: true });
for (const [name, address, dark, height] of [
  ['console', '#/pipeline', false, 540],
  ['console-dashboard', '#/dashboards', true, 680],
]) {
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: dark ? 'dark' : 'light' });
  await page.goto(`${engine.origin}/${address}`);
  for (const end_ms = Date.now() + 8000; Date.now() < end_ms; ) {
    await feed(Date.now() - batch_ms, batch_ms);
    await page.waitForTimeout(batch_ms);
  }
  await page.screenshot({ path: `${images}${name}.png` });
  await page.close();
}
await browser.close();
await engine.close();
