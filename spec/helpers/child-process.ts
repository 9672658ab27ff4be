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
 * Runs a program until it ends by itself.
 * @param source - TypeScript that imports the package by its name
 * @param args - its arguments
 * @param limitMs - when it is killed
 */
export async function runProgram(
  source: string,
  args: readonly string[] = [],
  limitMs = 10_000,
): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), 'tandem-program-'));
  try {
    const file = join(folder, 'program.mjs');
    const flags = ['--bundle', '--platform=node', '--format=esm', '--loader=ts', `--outfile=${file}`];
    const built = spawnSync('node_modules/.bin/esbuild', flags, { input: source, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(built.stderr);
    return await ended(file, args, limitMs);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function ended(file: string, args: readonly string[], limitMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file, ...args], {
      timeout: limitMs,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
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
