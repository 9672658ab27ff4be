/**
 * An event loop in virtual time, over RxJS's VirtualTimeScheduler: one action, then the microtasks it caused, then the
 * next, as Node does it. On top of it processes with clocks of their own, each of which can be blocked.
 */
import { VirtualTimeScheduler, type SchedulerAction, type SchedulerLike, type Subscription } from 'rxjs';

/** What a VirtualTimeScheduler keeps in its list, as far as a step needs it. */
interface Step {
  readonly delay: number;
  readonly state?: unknown;
  execute(state: unknown, delay: number): unknown;
}

/** The longest chain of promises that an action of the library, or a body after a promise of its own, can set off at once. */
const microtaskRounds = 4;

/** Actions of one seed; the most that one was seen to have are far fewer. */
const mostSteps = 100_000;

const settled = Promise.resolve();

/** The loop that all processes of a simulation share. */
export class VirtualLoop {
  /** The world's own clock and timers: the network hangs on it. */
  readonly scheduler = new VirtualTimeScheduler();
  readonly #steps: Step[] = this.scheduler.actions;
  readonly #onThrown: (error: unknown) => void;
  #rounds = 0;
  /** Actions run so far. */
  steps = 0;
  /** Called after each, and what it caused. */
  onStep: (() => void) | undefined;

  /** @param onThrown - gets what an action throws, which would have ended a real process */
  constructor(onThrown: (error: unknown) => void) {
    this.#onThrown = onThrown;
  }

  /** The world's time in milliseconds. */
  get nowMs(): number {
    return this.scheduler.frame;
  }

  /** How many actions wait. */
  get waiting(): number {
    return this.#steps.length;
  }

  /** Runs what is due until then; ends early when `isDone` says so. Time stands at the horizon afterwards, or where it ended. */
  async runUntil(horizonMs: number, isDone: () => boolean = () => false): Promise<void> {
    while (!isDone()) {
      if (this.steps > mostSteps) throw new Error(`no end after ${mostSteps} actions`);
      const step = this.#steps[0];
      if (step === undefined || step.delay > horizonMs) {
        this.scheduler.frame = Math.max(this.scheduler.frame, horizonMs);
        return;
      }
      this.#steps.shift();
      // After a jump, what was due before it comes late.
      this.scheduler.frame = Math.max(this.scheduler.frame, step.delay);
      this.steps += 1;
      const thrown = step.execute(step.state, step.delay);
      if (thrown !== undefined) this.#onThrown(thrown);
      for (this.#rounds = microtaskRounds; this.#rounds > 0; this.#rounds -= 1) await settled;
      this.onStep?.();
    }
  }

  /** Something that waited for a promise goes on: there is more to come of this step. */
  continued(): void {
    this.#rounds = microtaskRounds + 1;
  }

  /** Time passes and nothing runs, as in a process that computes. */
  jump(ms: number): void {
    this.scheduler.frame += ms;
  }

  /** Runs a work once, later. */
  after(ms: number, work: () => void): Subscription {
    return this.scheduler.schedule(() => {
      work();
    }, ms);
  }
}

/** One process of the simulation: its clock, which need not agree with any other, and its timers. */
export class VirtualProcess implements SchedulerLike {
  readonly #loop: VirtualLoop;
  readonly #offsetMs: number;
  #held: (() => void)[] = [];
  #isBlocked = false;
  /** How long it was blocked in all, in milliseconds. */
  blockedMs = 0;

  /**
   * @param loop - the world
   * @param offsetMs - how far its clock is ahead
   */
  constructor(loop: VirtualLoop, offsetMs: number) {
    this.#loop = loop;
    this.#offsetMs = offsetMs;
  }

  /** Whether its own loop stands still. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  now(): number {
    return this.#loop.nowMs + this.#offsetMs;
  }

  /** The world's time at a time of its own. */
  worldMs(ownMs: number): number {
    return ownMs - this.#offsetMs;
  }

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    const run = (act: () => void): void => {
      if (this.#isBlocked) this.#held.push(act);
      else act();
    };
    return this.#loop.scheduler.schedule<T>(
      function (given) {
        run(() => {
          if (!this.closed) work.call(this, given);
        });
      },
      delay,
      state,
    );
  }

  /** The same timers, each later by so much: whoever runs on it is slow. */
  delayed(ms: number): SchedulerLike {
    return {
      now: () => this.now(),
      schedule: <T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T) =>
        this.schedule<T>(work, delay + ms, state),
    };
  }

  /** Its loop stands still from now on. */
  block(): void {
    this.#isBlocked = true;
  }

  /** Its loop goes on; its timers, those that became due meanwhile first. */
  unblock(ms: number): void {
    this.#isBlocked = false;
    this.blockedMs += ms;
    const held = this.#held;
    this.#held = [];
    for (const act of held) this.#loop.after(0, act);
  }
}
