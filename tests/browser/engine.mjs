// A real engine for the browser tests: build/headrace (HEADRACE_BIN says another), its project copied, so that state stays apart.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const engine_path = process.env.HEADRACE_BIN ?? join(root, 'build/headrace');
export const have_engine = existsSync(engine_path);

export class Engine {
  constructor(project = fileURLToPath(new URL('project', import.meta.url))) {
    this.folder = mkdtempSync(join(tmpdir(), 'headrace-browser-'));
    cpSync(project, join(this.folder, 'shop'), { recursive: true });
    this.port = 0;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, or starts it again over its state and at its port; resolves when it listens. */
  async start() {
    const command = ['run', join(this.folder, 'shop'), '--state', join(this.folder, 'state'), '--listen', `127.0.0.1:${this.port}`];
    this.process = spawn(engine_path, command, { env: { ...process.env, HEADRACE_SHARE: root }, stdio: ['ignore', 'ignore', 'pipe'] });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    let said = '';
    await new Promise((resolve, reject) => {
      this.process.stderr.on('data', (bytes) => {
        said += bytes;
        const address = /Console and API: http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
        if (address) {
          this.port = Number(address[1]);
          resolve();
        }
      });
      this.process.once('exit', (code) => reject(new Error(`the engine ended with ${code}:\n${said}`)));
      this.process.once('error', reject);
    });
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  async close() {
    if (this.process) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Lines of NDJSON into the source `tx`; durable when it resolves. */
  async post(lines) {
    const response = await fetch(`${this.origin}/v1/sources/tx`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: `${lines.join('\n')}\n`,
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response.json();
  }
}

const countries = ['DE', 'FR', 'ES', 'IT'];

/** Payment number `i`: the same for the same number. Event time goes on by 100 ms a payment from `start_ms`. */
export function payment(i, start_ms) {
  return {
    tx_id: i,
    card: `card-${String((i * 7) % 12).padStart(2, '0')}`,
    amount: i % 10 === 9 ? 0 : ((i * 37) % 500) / 10 + 1,
    country: countries[Math.floor(((i * 31) % 97) ** 2 / 2400) % 4],
    ts: new Date(start_ms + i * 100).toISOString().replace('T', ' ').replace('Z', ''),
  };
}
