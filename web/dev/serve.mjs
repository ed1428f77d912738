// Starts the stand-in on 127.0.0.1:8480 (PORT changes it), serving web/dist; with --vite also the development server in front.
import { fileURLToPath } from 'node:url';
import { StandIn } from './stand_in.mjs';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const stand_in = new StandIn({
  dist,
  token: process.env.TOKEN || null,
  empty: process.argv.includes('--empty'),
});
const port = await stand_in.listen(Number(process.env.PORT ?? 8480));
console.log(`stand-in engine: http://127.0.0.1:${port}/`);

if (process.argv.includes('--vite')) {
  const { createServer } = await import('vite');
  process.env.HEADRACE_ENGINE = `http://127.0.0.1:${port}`;
  const vite = await createServer({ root: fileURLToPath(new URL('..', import.meta.url)) });
  await vite.listen();
  vite.printUrls();
}
