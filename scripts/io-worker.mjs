// The I/O thread's program as one text, which the sources import as `#io-worker`: bundled by esbuild into .cache, before anything
// imports the sources. By a name of its own (`imports` in package.json) it is found by whatever runs or bundles them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const output = path('../.cache/io-worker.mjs');

/** Bundles it. CommonJS, since that is what a worker runs that is started from a text. */
export function writeIOWorker() {
  const { outputFiles } = buildSync({
    entryPoints: [path('../src/io-thread/io-worker-entry.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
  });
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `export const ioWorkerText = ${JSON.stringify(outputFiles[0].text)};\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeIOWorker();
