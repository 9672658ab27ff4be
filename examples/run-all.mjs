// `npm run examples`: runs every example, the demo last, and tells of each how it went.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { ensureBuilt, root } from '../scripts/prepare.mjs';

/** No example takes as long; one that does hangs. */
const timeout = 60_000;

ensureBuilt(); // For the demo, which uses the package as it is published.
const examples = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.ts'));
const failed = [...examples, 'demo/main.mjs'].filter((file) => !run(file));
console.log(failed.length === 0 ? 'every example ran' : `failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function run(file) {
  const flags = file.endsWith('.ts') ? ['--import', 'tsx'] : [];
  const from = performance.now();
  const options = { cwd: root, encoding: 'utf8', timeout };
  const { status, signal, error, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, `examples/${file}`],
    options,
  );
  const seconds = ((performance.now() - from) / 1_000).toFixed(1);
  const isFine = status === 0 && stdout !== '' && stderr === '';
  console.log(`${isFine ? 'ok    ' : 'FAILED'} ${file.padEnd(24)} ${seconds.padStart(5)} s`);
  if (!isFine) console.log(`${error?.message ?? `ended with ${signal ?? status}`}\n${stdout}${stderr}`);
  return isFine;
}
