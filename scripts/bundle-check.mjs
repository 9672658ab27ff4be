// `npm run bundle:check`: a program with `thread: true` is bundled by esbuild, rollup, vite and webpack, package and dependencies
// included; each bundle must run by itself, in a folder of its own, and come to its end. The I/O thread is where bundlers
// break what needs a file beside it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const folder = fileURLToPath(new URL('bundle-check/', import.meta.url));
const program = join(folder, 'program.mjs');
const expected = 'Hello, bundle!';
const runLimitMs = 20_000;

ensureBuilt();
ensureInstalled(folder);
const { bundlers } = await import('./bundle-check/bundlers.mjs');

const workshop = mkdtempSync(join(tmpdir(), 'tandem-bundle-'));
try {
  // Also as it is, by what resolves packages in a running program.
  run('node', program);
  for (const [name, bundle] of Object.entries(bundlers)) {
    const file = join(workshop, name, 'program.mjs');
    await bundle(program, file);
    run(name, file);
  }
} finally {
  rmSync(workshop, { recursive: true, force: true });
}

function run(name, file) {
  const from = performance.now();
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [file], {
    encoding: 'utf8',
    timeout: runLimitMs,
  });
  if (status === 0 && stdout.trim() === expected && stderr === '') {
    console.log(`ok     ${name.padEnd(10)} ${((performance.now() - from) / 1_000).toFixed(1)} s`);
    return;
  }
  console.error(`FAILED ${name}: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`);
  process.exitCode = 1;
}
