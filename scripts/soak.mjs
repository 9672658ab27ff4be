// `npm run soak`: the long forms of the randomised specs; `-- --minutes N` gives the simulation so long, `-- --only simulation
// --seeds 1000000` a million seeds, `-- --part 0.01` does a hundredth of everything. Prints a line for each part, then all of
// it as JSON; fails if anything failed.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, root } from './prepare.mjs';

ensureInstalled();
// Only now: it needs what has just been installed.
(await import('./io-worker.mjs')).writeIOWorker();

const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', 'spec/soak/soak.ts', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
