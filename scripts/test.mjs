// `npm test`: runs jest, passing further arguments through, and ends with the line "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, root } from './prepare.mjs';

ensureInstalled();

const folder = mkdtempSync(join(tmpdir(), 'tandem-test-'));
const tallyFile = join(folder, 'tally');
// Flags, not NODE_OPTIONS: jest hands them to its workers, and processes started by specs stay as users' are.
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
const { status } = spawnSync(
  process.execPath,
  [...flags, 'node_modules/jest/bin/jest.js', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, TANDEM_TALLY_FILE: tallyFile } },
);
const tally = readTally();
rmSync(folder, { recursive: true });

process.exitCode = status ?? 1;
if (tally) console.log(tally);
// Jest died before it could count. (Asked only for its help or version, it counts nothing and succeeds.)
else if (process.exitCode !== 0) console.log('0 passed, 1 failed');

function readTally() {
  try {
    return readFileSync(tallyFile, 'utf8');
  } catch {
    return '';
  }
}
