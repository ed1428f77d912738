// Makes docs/images/console*.png from a real engine that is being fed: `node tests/browser/images.mjs`.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { open_browser } from './browser.mjs';
import { Engine, payment } from './engine.mjs';

const images = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const batch_rows = 100; // Ten seconds of event time.
const batches_before = 60;
const batch_ms = 250;

const engine = new Engine();
await engine.start();
const browser = await open_browser();
const start_ms = Date.now() - batches_before * batch_rows * 100;
let sent = 0;

async function feed() {
  // More at some times than at others, so that the lines have a shape.
  const rows = Array.from({ length: batch_rows }, (_, i) => payment(sent + i, start_ms)).filter(
    ({ tx_id }) => (tx_id * 7919) % 100 < 60 + 35 * Math.sin(tx_id / 700),
  );
  sent += batch_rows;
  await engine.post(rows.map((row) => JSON.stringify(row)));
}

for (let i = 0; i < batches_before; i++) await feed();
await engine.post(['{"tx_id": 1, "card": "card-01", "amount": "twelve", "country": "DE"}', JSON.stringify(payment(1, start_ms))]);

mkdirSync(images, { recursive: true });
for (const [name, address, dark] of [
  ['console', '#/pipeline', false],
  ['console-dashboard', '#/dashboards', true],
]) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 760 }, colorScheme: dark ? 'dark' : 'light' });
  await page.goto(`${engine.origin}/${address}`);
  for (const end_ms = Date.now() + 8000; Date.now() < end_ms; ) {
    await feed();
    await page.waitForTimeout(batch_ms);
  }
  await page.screenshot({ path: `${images}${name}.png` });
  await page.close();
}
await browser.close();
await engine.close();
