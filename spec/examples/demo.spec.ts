import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';

interface Running {
  /** All that was printed so far. */
  readonly output: () => string;
  /** Waits until something has been printed. */
  readonly prints: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly exitCode: Promise<number | null>;
}

function startPlay(...args: readonly string[]): Running {
  const child = spawn(process.execPath, ['spec/examples/sleepy-play.mjs', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  return {
    output: () => output,
    prints: async (pattern) => {
      for (let found = pattern.exec(output); ; found = pattern.exec(output)) {
        if (found !== null) return found;
        await once(child.stdout, 'data');
      }
    },
    kill: (signal) => child.kill(signal),
    exitCode: ended.then(([code]) => code),
  };
}

/** Waits until the process that listens there has ended; never, if it lives. An error of the socket tells that too. */
async function untilGone(port: string): Promise<void> {
  const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
  await new Promise<unknown>((resolve) => socket.once('close', resolve));
}

describe('a play of the demo', () => {
  it('says what has not happened in time, ends with 1, and ends its processes', async () => {
    const play = startPlay('2');
    const [, port = ''] = await play.prints(/port (\d+)/);
    expect(await play.exitCode).toBe(1);
    expect(play.output()).toMatch(/scene 1, Somebody should sing: within 2 s .*“actor: singing, voice loud”/);
    await expect(untilGone(port)).resolves.toBeUndefined();
  });

  it('ends a stopped process too', async () => {
    const play = startPlay('2', 'stopped');
    const [, port = ''] = await play.prints(/port (\d+)/);
    expect(await play.exitCode).toBe(1);
    await expect(untilGone(port)).resolves.toBeUndefined();
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends its processes on %s', async (signal, code) => {
    const play = startPlay('60');
    const [, port = ''] = await play.prints(/port (\d+)/);
    play.kill(signal);
    expect(await play.exitCode).toBe(code);
    await expect(untilGone(port)).resolves.toBeUndefined();
  });

  it('is followed by its processes when it is killed', async () => {
    const play = startPlay('60');
    const [, port = ''] = await play.prints(/port (\d+)/);
    play.kill('SIGKILL');
    await play.exitCode;
    await expect(untilGone(port)).resolves.toBeUndefined();
  });
});
