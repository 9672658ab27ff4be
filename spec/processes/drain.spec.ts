/**
 * Servers that are told to end by a signal, under load, with another one up (reliability row F27, in short): nothing fails, and the
 * process ends by itself, so nothing is left in it.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';

interface Told {
  readonly event: string;
  readonly port?: number;
  readonly made?: number;
  readonly answered?: number;
  readonly failed?: number;
  readonly drainedMs?: number;
  readonly executed?: string;
}

/** How long the servers may drain, in seconds. */
const drainInSeconds = 2;

/** How long a process may live on when it has stopped, in milliseconds. */
const lingerMs = 1_000;

const folder = mkdtempSync(join(tmpdir(), 'tandem-drain-'));
const file = join(folder, 'child.cjs');
const children: Child[] = [];

class Child {
  readonly process: ChildProcess;
  readonly told: Told[] = [];
  #wake = (): void => undefined;

  constructor(role: 'server' | 'client' | 'holder', ...ports: readonly number[]) {
    this.process = fork(file, [role, String(drainInSeconds), ...ports.map(String)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.process.on('message', (message) => {
      this.told.push(message as Told);
      this.#wake();
    });
    children.push(this);
  }

  /** What it tells of this kind, so many of them; earlier ones count. */
  async until(event: string, count = 1): Promise<Told> {
    for (;;) {
      const told = this.told.filter((each) => each.event === event)[count - 1];
      if (told !== undefined) return told;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** How it ended, by itself. */
  async ended(): Promise<unknown> {
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode;
    const [code, signal] = (await once(this.process, 'exit')) as [number | null, string | null];
    return code ?? signal;
  }
}

beforeAll(async () => {
  const entry = fileURLToPath(new URL('drain-child.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile: file, bundle: true, platform: 'node', format: 'cjs' });
});

afterEach(() => {
  for (const child of children.splice(0)) child.process.kill('SIGKILL');
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function server(): Promise<readonly [Child, number]> {
  const child = new Child('server');
  const { port = 0 } = await child.until('listening');
  return [child, port];
}

describe('a server process that is told to end', () => {
  it('fails no call of clients that have another server, and ends by itself', async () => {
    const [first, port] = await server();
    const [second, other] = await server();
    const client = new Child('client', port, other);
    await client.until('load', 1);
    const startMs = performance.now();
    first.process.kill('SIGTERM');
    expect(await first.ended()).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(drainInSeconds * 1_000 + lingerMs);
    await client.until('load', 4);
    client.process.send('enough');
    const { made, answered, failed } = await client.until('counted');
    expect([answered, failed]).toEqual([made, 0]);
    expect(await client.ended()).toBe(0);
    second.process.kill('SIGTERM');
    expect(await second.ended()).toBe(0);
  }, 30_000);

  it('takes its time for what does not end, and no more', async () => {
    const [child, port] = await server();
    const holder = new Child('holder', port);
    await child.until('hanging');
    const startMs = performance.now();
    child.process.kill('SIGTERM');
    expect(await child.ended()).toBe(0);
    const ms = performance.now() - startMs;
    expect(ms).toBeGreaterThan(drainInSeconds * 1_000 - 50);
    expect(ms).toBeLessThan(drainInSeconds * 1_000 + lingerMs);
    expect(await holder.until('lost')).toMatchObject({ executed: 'unknown' });
    expect(await holder.ended()).toBe(0);
  }, 30_000);

  it('ends at once when it is told twice', async () => {
    const [child, port] = await server();
    const holder = new Child('holder', port);
    await child.until('hanging');
    child.process.kill('SIGTERM');
    await child.until('draining');
    const startMs = performance.now();
    child.process.kill('SIGTERM');
    expect(await child.ended()).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(lingerMs);
    expect(await holder.ended()).toBe(0);
  }, 30_000);
});
