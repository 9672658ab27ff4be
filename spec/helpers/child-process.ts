/**
 * Programs of users, in processes of their own: what keeps a process alive or takes it down shows only there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How a program ended. */
export interface Ended {
  /** Its exit code, `null` when it had to be killed. */
  readonly code: number | null;
  /** What it wrote. */
  readonly output: string;
}

/**
 * Runs a program until it ends by itself, ten seconds at most.
 * @param source - TypeScript that imports the package by its name
 */
export async function runProgram(source: string): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), 'tandem-program-'));
  try {
    const file = join(folder, 'program.mjs');
    const flags = ['--bundle', '--platform=node', '--format=esm', '--loader=ts', `--outfile=${file}`];
    const built = spawnSync('node_modules/.bin/esbuild', flags, { input: source, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(built.stderr);
    return await ended(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function ended(file: string): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file], { timeout: 10_000, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        output += String(text);
      });
    }
    child.on('close', (code) => {
      resolve({ code, output });
    });
  });
}
