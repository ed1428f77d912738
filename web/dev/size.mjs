// Prints what the built console weighs over the wire, and fails when it outgrows its budget.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const gzip_bytes_max = 250_000;
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const total = files.reduce(
  (sum, file) => sum + gzipSync(readFileSync(`${file.parentPath ?? file.path}/${file.name}`)).length,
  0,
);
console.log(`dist: ${files.length} files, ${(total / 1000).toFixed(1)} kB gzip (budget ${gzip_bytes_max / 1000} kB)`);
if (total > gzip_bytes_max) process.exit(1);
