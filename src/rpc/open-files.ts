/**
 * How many files a process may open: each connection is one. Known on Linux, where the system tells it as a text.
 */

/** Where Linux tells what a process may have. */
const limitsPath = '/proc/self/limits';

/** Reads a file of the platform, if it has such a thing. */
type ReadText = (path: string) => string | undefined;

/** How many files this process may open; `undefined` where nobody says. @param read - reads a file as text */
export function readOpenFiles(read: ReadText = readText): number | undefined {
  try {
    // The first number is what holds, the second what it could be raised to.
    const found = /^Max open files\s+(\d+)/m.exec(read(limitsPath) ?? '');
    return found === null ? undefined : Number(found[1]);
  } catch {
    // There is no such file but on Linux, and some containers hide it: then only the options bound connections.
    return undefined;
  }
}

function readText(path: string): string | undefined {
  const { process: platform } = globalThis as { process?: Partial<NodeJS.Process> };
  return platform?.getBuiltinModule?.('node:fs').readFileSync(path, 'utf8');
}
