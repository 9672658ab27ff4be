// `npm run pack:check`: packs what would be published, has it judged by publint and attw, then installs it into an empty
// ESM and an empty CommonJS project, where a small program must type-check, run, and come to its end by itself.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, npm, root } from './prepare.mjs';

const runLimitMs = 30_000;

ensureBuilt();
const workshop = mkdtempSync(join(tmpdir(), 'tandem-pack-'));
process.once('exit', () => rmSync(workshop, { recursive: true, force: true }));

const packed = pack();
run('publint', tool('publint'), [packed, '--strict']);
// node16: resolution by the old node10 rules cannot see subpaths, in any package.
run('attw', tool('@arethetypeswrong/cli', 'attw'), [packed, '--profile', 'node16']);
checkConsumer('module', packed);
checkConsumer('commonjs', packed);

function pack() {
  npm(['pack', '--silent', '--pack-destination', workshop]);
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return join(workshop, `${name}-${version}.tgz`);
}

/** @param {'module' | 'commonjs'} type */
function checkConsumer(type, tarball) {
  const project = join(workshop, type);
  mkdirSync(project);
  writeJson(join(project, 'package.json'), { name: `consumer-${type}`, private: true, type });
  writeJson(join(project, 'tsconfig.json'), {
    compilerOptions: {
      strict: true,
      target: 'ES2022',
      module: 'NodeNext',
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
      outDir: 'out',
      rootDir: '.',
    },
    files: ['consumer.ts'],
  });
  copyFileSync(join(root, 'scripts', 'pack-check', 'consumer.ts'), join(project, 'consumer.ts'));

  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  npm(
    [
      'install',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      tarball,
      `rxjs@${devDependencies.rxjs}`,
      `msgpackr@${devDependencies.msgpackr}`,
    ],
    { cwd: project },
  );
  run(`types (${type})`, tool('@typescript/native', 'tsc'), ['-p', '.'], project);
  run(`run (${type})`, join(project, 'out', 'consumer.js'), [], project);
}

/** The file behind a command of an installed package. */
function tool(packageName, command = packageName) {
  const folder = join(root, 'node_modules', packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

function run(title, file, args, cwd = root) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [file, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: runLimitMs,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status === 0) return console.log(`${title}: ok`);
  console.error(`${title}: failed${error ? ` (${error.message})` : ''}\n${stdout}${stderr}`);
  process.exit(1);
}

function writeJson(file, value) {
  writeFileSync(file, JSON.stringify(value, undefined, 2));
}
