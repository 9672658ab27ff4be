// `npm start`: the demo, from whatever state the working copy is in.
import { spawnSync } from 'node:child_process';
import { ensureBuilt, root } from './prepare.mjs';

ensureBuilt();
const { status } = spawnSync(process.execPath, ['examples/demo/main.mjs', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
