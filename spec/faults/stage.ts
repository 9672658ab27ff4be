/**
 * Where a row is played: starts the processes of a row and ends them, each by its own handle, whatever happens.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { bundled, temporaryFolder } from '../helpers/bundle.js';
import type { Acts } from './actor.js';

/** What both sides are told where sessions are to be resumed. */
export const resume = { windowInSeconds: 60 };

let program: string | undefined;

/** The time that all processes of a machine share, in milliseconds. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Lets time pass: faults last. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something is so, asking every few milliseconds. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  limitMs = 60_000,
  everyMs = 2,
): Promise<void> {
  const endMs = nowMs() + limitMs;
  while (!(await isTrue())) {
    if (nowMs() > endMs) throw new Error(`not so within ${limitMs} ms: ${isTrue.toString()}`);
    await pass(everyMs);
  }
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: string;
}

/** A process of a row. */
export class Actor {
  readonly #process: ChildProcess;
  readonly #asked = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #lastID = 0;

  /** @param maxOpenFiles - of the process, if it is to have fewer than it would */
  constructor(maxOpenFiles?: number) {
    program ??= bundled(new URL('actor.ts', import.meta.url));
    const stdio: ['ignore', 'ignore', 'inherit', 'ipc'] = ['ignore', 'ignore', 'inherit', 'ipc'];
    this.#process =
      maxOpenFiles === undefined
        ? spawn(process.execPath, [program], { stdio })
        : // `exec` keeps the process id, so that a signal reaches the program.
          spawn('sh', ['-c', `ulimit -n ${maxOpenFiles}; exec "$0" "$1"`, process.execPath, program], {
            stdio,
          });
    this.#process.on('message', (message) => {
      const { id, result, failure } = message as Answer;
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (failure === undefined) asked?.resolve(result);
      else asked?.reject(new Error(failure));
    });
    this.#process.on('exit', (code, signal) => {
      for (const { reject } of this.#asked.values())
        reject(new Error(`the process ended with ${code ?? signal}`));
      this.#asked.clear();
    });
  }

  /** Whether it runs. */
  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Has it do something, and gives what comes of it. */
  ask<Act extends keyof Acts>(
    act: Act,
    ...args: Parameters<Acts[Act]>
  ): Promise<Awaited<ReturnType<Acts[Act]>>> {
    this.#lastID += 1;
    const id = this.#lastID;
    return new Promise((resolve, reject) => {
      // The program answers as `Acts` says.
      this.#asked.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#process.send({ id, act, args });
    });
  }

  /** Sends a signal. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(name);
  }

  /** Ends it at once; gives when the signal was sent. */
  async kill(): Promise<number> {
    const atMs = nowMs();
    if (!this.isAlive) return atMs;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
    return atMs;
  }
}

/** What a row is played with. */
export class Stage {
  /** Whether it is the form for the suite, of less than three seconds. */
  readonly isShort: boolean;
  /** The share of the full form that is played. */
  readonly part: number;
  /** Chance. */
  readonly random: () => number;
  readonly #actors: Actor[] = [];

  constructor(isShort: boolean, part: number, random: () => number) {
    this.isShort = isShort;
    this.part = part;
    this.random = random;
  }

  /** A number of the full form, or that of the short one. */
  scale(full: number, short: number): number {
    return this.isShort ? short : Math.max(short, Math.ceil(full * this.part));
  }

  /** Plays parts at once in the suite, which has no time; else one after the other, so that none disturbs another's figures. */
  async inTurn<Part, Result>(
    parts: readonly Part[],
    play: (part: Part) => Promise<Result>,
  ): Promise<Result[]> {
    if (this.isShort) return Promise.all(parts.map(play));
    const results: Result[] = [];
    for (const part of parts) results.push(await play(part));
    return results;
  }

  /** Starts a process; it ends with the row at the latest. */
  actor(maxOpenFiles?: number): Actor {
    const actor = new Actor(maxOpenFiles);
    this.#actors.push(actor);
    return actor;
  }

  /** The name of a new file. */
  file(name: string): string {
    return join(temporaryFolder(), name);
  }

  /** Ends what is left. */
  async clear(): Promise<void> {
    await Promise.all(this.#actors.map((actor) => actor.kill()));
  }
}
