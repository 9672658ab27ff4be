// What the commands need before they can run: the packages of the lock file, and a build no older than the sources.
// Both do nothing, silently, when nothing is to be done. Node built-ins only: this runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const buildInputs = ['src', 'package.json', 'tsconfig.json', 'tsdown.config.ts'];
const buildOutputs = ['index', 'msgpackr', 'testing'].flatMap((entry) =>
  ['.mjs', '.cjs', '.d.mts', '.d.cts'].map((ending) => `dist/${entry}${ending}`),
);

/**
 * Installs exactly what the lock file says, unless that is what `node_modules` holds already.
 *
 * @param {string} [folder] of the lock file, by default the repository
 */
export function ensureInstalled(folder = root) {
  if (isInstalled(folder)) return;
  console.error(
    `installing the packages of ${relative(process.cwd(), join(folder, 'package-lock.json'))} (npm ci)`,
  );
  // Without the development packages there is neither a compiler nor a test runner, whatever NODE_ENV says.
  npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
}

/** Builds `dist`, unless it is complete and newer than everything it is made of. */
export function ensureBuilt() {
  ensureInstalled();
  if (isBuilt()) return;
  console.error('building dist (npm run build)');
  npm(['run', '--silent', 'build'], { quiet: true });
}

/**
 * Runs npm and ends this process with npm's exit code if it fails.
 *
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd] the folder to run it in, by default the repository
 * @param {boolean} [options.quiet] show what it prints only if it fails: tools like to warn of what is no concern here
 */
export function npm(args, { cwd = root, quiet = false } = {}) {
  // Started by npm, its own path is known; that spares a lookup and, on Windows, a shell.
  const { npm_execpath: itself } = process.env;
  // npm's chatter goes to stderr: stdout belongs to the command that was asked for.
  const options = { cwd, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2] };
  const { status, error, stdout, stderr } = itself?.endsWith('.js')
    ? spawnSync(process.execPath, [itself, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (error) throw error;
  if (status !== 0 && quiet) process.stderr.write(Buffer.concat([stdout, stderr]));
  if (status !== 0) process.exit(status ?? 1);
}

/** npm leaves a record of what it installed; optional packages of other platforms are rightly absent from it. */
function isInstalled(folder) {
  const record = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = Object.entries(packagesOf(join(folder, 'package-lock.json')));
  const present = packagesOf(record);
  return wanted.every(([at, { version, optional, devOptional }]) => {
    if (at === '') return true;
    const there = present[at];
    return there ? there.version === version : Boolean(optional ?? devOptional);
  });
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}

function isBuilt() {
  const outputs = buildOutputs.map((file) => join(root, file));
  if (!outputs.every((file) => existsSync(file))) return false;
  const builtAt = Math.min(...outputs.map((file) => statSync(file).mtimeMs));
  return buildInputs.every((input) => changedAt(join(root, input)) < builtAt);
}

/** Folders count as well: their time changes when a file in them is removed or renamed. */
function changedAt(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => changedAt(join(path, name))));
}
