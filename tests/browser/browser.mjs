// One Chromium for a test file, and what every page must keep to: no script error, nothing the content policy refuses, and no
// request to any other host.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

export const dist = fileURLToPath(new URL('../../web/dist', import.meta.url));
const screenshots = fileURLToPath(new URL('../../build/artifacts/screenshots/', import.meta.url));
mkdirSync(screenshots, { recursive: true });

export async function open_browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

/** A page that notes everything it should not do; `check()` fails the test if there was any. */
export async function open_page(t, browser, origin, { width = 1280, height = 800, dark = false, reduced_motion = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: reduced_motion ? 'reduce' : 'no-preference',
  });
  t.after(() => context.close());
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`script error: ${error.message}`));
  page.on('console', (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('blob:')) faults.push(`other host: ${request.url()}`);
  });
  return {
    page,
    go: (hash) => page.goto(`${origin}/${hash}`),
    shot: (name) => page.screenshot({ path: `${screenshots}${name}.png` }),
    check: () => assert.deepEqual(faults, []),
  };
}

/** The page must fit its window: sideways scrolling belongs into tables and graphs. */
export async function assert_fits(page) {
  const [content, window_px] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(content <= window_px, `the page is ${content} px wide in a window of ${window_px}`);
}
