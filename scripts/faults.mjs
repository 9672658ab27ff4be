// `npm run faults`: the rows of the fault matrix between real processes; a line of JSON for each. `-- --only F9,F10` plays some,
// `-- --short` short forms, `-- --part 0.1` a tenth of the repetitions. Fails where a target is missed; docs/faults.md has the sum.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './prepare.mjs';

ensureInstalled();
// Only now: it needs what has just been installed.
(await import('./io-worker.mjs')).writeIOWorker();

const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', 'spec/faults/faults.ts', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
