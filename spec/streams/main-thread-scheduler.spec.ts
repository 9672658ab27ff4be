import { describe, expect, it } from '@jest/globals';
import { asyncScheduler, interval, map, observeOn, range, scheduled, Subject, take, timer } from 'rxjs';
import { MainThreadScheduler } from '../../src/streams/main-thread-scheduler.js';
import { handClock } from '../helpers/hand-clock.js';

describe('MainThreadScheduler', () => {
  it('tells the time of its clock', () => {
    const clock = handClock();
    clock.pass(12);
    expect(clock.scheduler.now()).toBe(12);
  });

  describe('when idle', () => {
    it('runs a work at once, with its state', () => {
      const clock = handClock();
      const states: unknown[] = [];
      clock.scheduler.schedule((state) => states.push(state), 0, 'state');
      clock.scheduler.schedule((state) => states.push(state));
      expect(states).toEqual(['state', undefined]);
      expect(clock.dueTurns()).toBe(0);
    });

    it('runs works at once as long as they leave time for others', () => {
      const clock = handClock();
      let runs = 0;
      for (let ms = 0; ms < 1000; ms += 1) {
        clock.scheduler.schedule(() => {
          runs += 1;
          clock.pass(0.4);
        });
        clock.pass(0.6);
        expect(runs).toBe(ms + 1);
      }
      expect(clock.dueTurns()).toBe(0);
    });

    it('is idle again once its works of late have left the window', () => {
      const clock = handClock();
      const ran: string[] = [];
      clock.scheduler.schedule(() => clock.pass(8));
      clock.scheduler.schedule(() => ran.push('queued'));
      expect(ran).toEqual([]);
      clock.turnUntilIdle();
      expect(ran).toEqual(['queued']);
      clock.pass(16);
      clock.scheduler.schedule(() => ran.push('at once'));
      expect(ran).toEqual(['queued', 'at once']);
    });
  });

  describe('when busy', () => {
    it('queues what is scheduled from within a work', () => {
      const clock = handClock();
      const order: string[] = [];
      clock.scheduler.schedule(() => {
        clock.scheduler.schedule(() => order.push('inner'));
        order.push('outer');
      });
      clock.scheduler.schedule(() => order.push('behind'));
      expect(order).toEqual(['outer']);
      expect(clock.dueTurns()).toBe(1);
      expect(clock.turnUntilIdle()).toBe(1);
      expect(order).toEqual(['outer', 'inner', 'behind']);
    });

    it('queues what is scheduled from within a drained work', () => {
      const clock = handClock();
      const order: string[] = [];
      clock.scheduler.schedule(() => {
        clock.scheduler.schedule(() => {
          clock.scheduler.schedule(() => order.push('third'));
          order.push('second');
        });
        order.push('first');
      });
      expect(clock.turnUntilIdle()).toBe(1);
      expect(order).toEqual(['first', 'second', 'third']);
    });

    it('asks for one turn of the event loop at a time, and for none when empty', () => {
      const clock = handClock();
      clock.scheduler.schedule(() => clock.pass(8));
      for (let index = 0; index < 10; index += 1) {
        clock.scheduler.schedule(() => clock.pass(8));
        expect(clock.dueTurns()).toBe(1);
      }
      for (let index = 0; index < 10; index += 1) {
        expect(clock.dueTurns()).toBe(1);
        clock.turn();
      }
      expect(clock.dueTurns()).toBe(0);
    });

    it('cuts a flood of 100,000 from one synchronous loop into slices, in order', () => {
      const clock = handClock();
      const works = 100_000;
      const ran: number[] = [];
      for (let index = 0; index < works; index += 1) {
        clock.scheduler.schedule(() => {
          ran.push(index);
          clock.pass(1 / 128); // a power of two: sums are exact
        });
      }
      expect(ran).toHaveLength(8 * 128); // what the budget allows, within the loop
      const slicesMs: number[] = [];
      for (let fromMs = clock.nowMs(); clock.turn(); fromMs = clock.nowMs()) {
        slicesMs.push(clock.nowMs() - fromMs);
      }
      expect(Math.max(...slicesMs)).toBe(8);
      expect(slicesMs).toHaveLength(Math.ceil(works / (8 * 128)) - 1);
      expect(ran).toEqual(Array.from({ length: works }, (_, index) => index));
    });

    it.each([1, 4, 50])('keeps to slices of %d ms', (sliceMs) => {
      const clock = handClock({ sliceMs });
      for (let index = 0; index < 1000; index += 1) {
        clock.scheduler.schedule(() => clock.pass(0.5));
      }
      expect(clock.nowMs()).toBe(sliceMs);
      clock.turn();
      expect(clock.nowMs()).toBe(2 * sliceMs);
    });

    it('runs each work in a slice of its own if each takes longer than a slice', () => {
      const clock = handClock();
      for (let index = 0; index < 5; index += 1) {
        clock.scheduler.schedule(() => clock.pass(100));
      }
      expect(clock.turnUntilIdle()).toBe(4);
    });

    it('lets the real event loop turn while a flood drains', async () => {
      const scheduler = new MainThreadScheduler({
        now: () => performance.now(),
        defer: (work) => setImmediate(work),
        delayed: asyncScheduler,
        onError: () => {},
        sliceMs: 1,
      });
      let left = 20_000;
      let ranAtFirstTurn = 0;
      setImmediate(() => (ranAtFirstTurn = 20_000 - left));
      await new Promise<void>((resolve) => {
        const work = (): void => {
          const untilMs = performance.now() + 0.002;
          while (performance.now() < untilMs); // some work
          left -= 1;
          if (left === 0) {
            resolve();
          }
        };
        for (let index = 0; index < 20_000; index += 1) {
          scheduler.schedule(work);
        }
      });
      expect(ranAtFirstTurn).toBeGreaterThan(0);
      expect(ranAtFirstTurn).toBeLessThan(20_000);
    });
  });

  describe('cancelling', () => {
    it('keeps a queued work from running', () => {
      const clock = handClock();
      const ran: string[] = [];
      clock.scheduler.schedule(() => clock.pass(8));
      clock.scheduler.schedule(() => ran.push('first'));
      const cancelled = clock.scheduler.schedule(() => ran.push('cancelled'));
      clock.scheduler.schedule(() => ran.push('last'));
      cancelled.unsubscribe();
      cancelled.unsubscribe();
      clock.turnUntilIdle();
      expect(ran).toEqual(['first', 'last']);
    });

    it('keeps a delayed work from running, before and after its delay', () => {
      const clock = handClock();
      const ran: string[] = [];
      clock.scheduler.schedule(() => ran.push('early'), 5).unsubscribe();
      const late = clock.scheduler.schedule(() => ran.push('late'), 5);
      clock.scheduler.schedule(() => clock.pass(8));
      clock.delayed.flush();
      late.unsubscribe();
      clock.turnUntilIdle();
      expect(ran).toEqual([]);
    });

    it('keeps a work that cancels itself from being scheduled again', () => {
      const clock = handClock();
      let runs = 0;
      clock.scheduler.schedule(function () {
        runs += 1;
        this.unsubscribe();
        expect(this.schedule()).toBe(this);
      });
      clock.turnUntilIdle();
      expect(runs).toBe(1);
    });
  });

  describe('scheduling anew from within a work', () => {
    it('runs it again with the new state, behind what is queued', () => {
      const clock = handClock();
      const order: unknown[] = [];
      clock.scheduler.schedule<number>(
        function (state = 0) {
          order.push(state);
          if (state === 0) {
            clock.scheduler.schedule(() => order.push('other'));
          }
          if (state < 3) {
            this.schedule(state + 1);
          }
        },
        0,
        0,
      );
      clock.turnUntilIdle();
      expect(order).toEqual([0, 'other', 1, 2, 3]);
    });

    it('replaces the run that was pending', () => {
      const clock = handClock();
      const order: unknown[] = [];
      clock.scheduler.schedule<string>(
        function (state) {
          order.push(state);
          if (state === 'first') {
            this.schedule('replaced');
            this.schedule('replaced too', 5);
            this.schedule('replaced as well');
            clock.scheduler.schedule(() => order.push('other'));
            this.schedule('last');
          }
        },
        0,
        'first',
      );
      clock.turnUntilIdle();
      clock.delayed.flush();
      clock.turnUntilIdle();
      expect(order).toEqual(['first', 'other', 'last']);
    });

    it('does not close the action', () => {
      const clock = handClock();
      let runs = 0;
      const action = clock.scheduler.schedule(() => (runs += 1));
      expect(action.closed).toBe(false);
      (action as unknown as { schedule(): void }).schedule();
      expect(runs).toBe(2);
    });
  });

  describe('delays', () => {
    it('wait on the given scheduler, and then for their turn', () => {
      const clock = handClock();
      const order: string[] = [];
      clock.scheduler.schedule(() => order.push('late'), 20);
      clock.scheduler.schedule(() => order.push('early'), 10);
      clock.scheduler.schedule(() => order.push('at once'), -1);
      expect(order).toEqual(['at once']);
      clock.scheduler.schedule(() => clock.pass(8));
      clock.scheduler.schedule(() => order.push('queued'));
      clock.delayed.flush();
      expect(order).toEqual(['at once']);
      clock.turnUntilIdle();
      expect(order).toEqual(['at once', 'queued', 'early', 'late']);
    });

    it('run at once when they have passed and the thread is idle', () => {
      const clock = handClock();
      let runs = 0;
      clock.scheduler.schedule(() => (runs += 1), 10);
      clock.delayed.flush();
      expect(runs).toBe(1);
    });
  });

  describe('a work that throws', () => {
    it('is reported and stops nothing', () => {
      const clock = handClock();
      const order: string[] = [];
      const fail = (message: string) => () => {
        order.push(message);
        throw new Error(message);
      };
      clock.scheduler.schedule(() => {
        clock.scheduler.schedule(fail('queued'));
        clock.scheduler.schedule(() => order.push('behind'));
        fail('at once')();
      });
      clock.turnUntilIdle();
      clock.scheduler.schedule(() => order.push('later'));
      expect(order).toEqual(['at once', 'queued', 'behind', 'later']);
      expect(clock.errors).toEqual([new Error('at once'), new Error('queued')]);
    });

    it('is closed, with what it had scheduled', () => {
      const clock = handClock();
      let runs = 0;
      const action = clock.scheduler.schedule(function () {
        runs += 1;
        this.schedule();
        throw new Error('once');
      });
      clock.turnUntilIdle();
      expect(runs).toBe(1);
      expect(action.closed).toBe(true);
    });

    it('stops nothing even if reporting it throws', () => {
      const clock = handClock({
        onError: () => {
          throw new Error('no report');
        },
      });
      let runs = 0;
      clock.scheduler.schedule(() => {
        throw new Error('at once');
      });
      clock.scheduler.schedule(() => (runs += 1));
      expect(runs).toBe(1);
    });
  });

  describe('under operators of rxjs', () => {
    it('serves observeOn', () => {
      const clock = handClock();
      const source = new Subject<number>();
      const seen: unknown[] = [];
      source
        .pipe(
          observeOn(clock.scheduler),
          map((value) => value * 2),
        )
        .subscribe({
          next: (value) => {
            seen.push(value);
            clock.pass(5);
          },
          complete: () => seen.push('complete'),
        });
      source.next(1);
      source.next(2);
      source.next(3);
      source.complete();
      expect(seen).toEqual([2, 4]);
      clock.turnUntilIdle();
      expect(seen).toEqual([2, 4, 6, 'complete']);
    });

    it('serves range and scheduled', () => {
      const clock = handClock();
      const seen: unknown[] = [];
      range(1, 4)
        .pipe(observeOn(clock.scheduler))
        .subscribe((value) => seen.push(value));
      scheduled([5, 6, 7], clock.scheduler).subscribe((value) => seen.push(value));
      clock.turnUntilIdle();
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });

    it('serves interval and timer', () => {
      const clock = handClock();
      const seen: unknown[] = [];
      interval(10, clock.scheduler)
        .pipe(take(3))
        .subscribe({ next: (value) => seen.push(value), complete: () => seen.push('complete') });
      timer(0, 5, clock.scheduler)
        .pipe(take(2))
        .subscribe((value) => seen.push(`timer ${value}`));
      expect(seen).toEqual(['timer 0']);
      clock.delayed.flush();
      clock.turnUntilIdle();
      expect(seen).toEqual(['timer 0', 'timer 1', 0, 1, 2, 'complete']);
    });

    it('ends an interval that is unsubscribed', () => {
      const clock = handClock();
      let runs = 0;
      const subscription = interval(10, clock.scheduler).subscribe(() => {
        runs += 1;
        if (runs === 2) {
          subscription.unsubscribe();
        }
      });
      clock.delayed.flush();
      expect(runs).toBe(2);
    });
  });

  describe('with a host', () => {
    /** A host whose main loop turns when the spec says so. */
    function handHost() {
      const posted: (() => void)[] = [];
      return { posted, post: (work: () => void) => posted.push(work) };
    }

    it('posts works to it, and runs none before the host does', () => {
      const clock = handClock();
      const host = handHost();
      clock.scheduler.setHost(host);
      const ran: string[] = [];
      clock.scheduler.schedule(() => ran.push('first'));
      clock.scheduler.schedule(() => ran.push('second'));
      clock.turnUntilIdle();
      expect([ran, host.posted.length]).toEqual([[], 1]);
      host.posted[0]!();
      expect(ran).toEqual(['first', 'second']);
      host.posted[0]!();
      expect([ran.length, host.posted.length, clock.dueTurns()]).toEqual([2, 1, 0]);
    });

    it('runs a slice at each post, the event loop having its turn between them', () => {
      const clock = handClock();
      const host = handHost();
      clock.scheduler.setHost(host);
      for (let index = 0; index < 3; index += 1) clock.scheduler.schedule(() => clock.pass(8));
      host.posted.shift()!();
      expect([clock.nowMs(), host.posted.length, clock.dueTurns()]).toEqual([8, 0, 1]);
      clock.turn();
      host.posted.shift()!();
      clock.turn();
      host.posted.shift()!();
      expect([clock.nowMs(), clock.turnUntilIdle()]).toEqual([24, 0]);
    });

    it('runs works at once on a host that runs within post, and slices a flood all the same', () => {
      const clock = handClock();
      const order: string[] = [];
      clock.scheduler.setHost({
        post: (work) => {
          order.push('enter');
          work();
          order.push('leave');
        },
      });
      clock.scheduler.schedule(() => {
        order.push('outer');
        clock.scheduler.schedule(() => order.push('inner'));
        clock.pass(8);
      });
      clock.scheduler.schedule(() => order.push('behind'));
      expect(order).toEqual(['enter', 'outer', 'leave']);
      expect(clock.turnUntilIdle()).toBe(1);
      expect(order.slice(3)).toEqual(['enter', 'inner', 'behind', 'leave']);
    });

    it('hands what waits over when the host changes, and what was posted to the old one does nothing', () => {
      const clock = handClock();
      const [one, other] = [handHost(), handHost()];
      clock.scheduler.setHost(one);
      const ran: string[] = [];
      clock.scheduler.schedule(() => ran.push('waiting'));
      clock.scheduler.setHost(other);
      clock.turn();
      one.posted[0]!();
      expect([ran, other.posted.length]).toEqual([[], 1]);
      clock.scheduler.setHost(undefined);
      clock.turn();
      expect(ran).toEqual(['waiting']);
      other.posted[0]!();
      clock.scheduler.schedule(() => ran.push('at once'));
      expect([ran, clock.errors]).toEqual([['waiting', 'at once'], []]);
    });

    it('takes what is deferred to the host that there is by then', () => {
      const clock = handClock();
      const host = handHost();
      const ran: string[] = [];
      clock.scheduler.schedule(() => clock.pass(8));
      clock.scheduler.schedule(() => ran.push('deferred'));
      clock.scheduler.setHost(host);
      clock.turnUntilIdle();
      expect([ran, host.posted.length]).toEqual([[], 1]);
      host.posted[0]!();
      expect(ran).toEqual(['deferred']);
    });

    it('runs works without it if its post throws, and reports that', () => {
      const clock = handClock();
      const cause = new Error('closed');
      clock.scheduler.setHost({
        post: () => {
          throw cause;
        },
      });
      let runs = 0;
      clock.scheduler.schedule(() => (runs += 1));
      expect(runs).toBe(0);
      clock.turnUntilIdle();
      expect([runs, clock.errors]).toEqual([
        1,
        [new Error("the post of the main thread's host threw: Error: closed", { cause })],
      ]);
    });

    it('lets a host turn its loop within a work: the rest comes after that work', () => {
      const clock = handClock();
      const host = handHost();
      clock.scheduler.setHost(host);
      const order: string[] = [];
      clock.scheduler.schedule(() => {
        order.push('modal');
        clock.scheduler.schedule(() => order.push('inner'));
        host.posted[0]!();
        order.push('modal ends');
      });
      clock.scheduler.schedule(() => order.push('behind'));
      host.posted[0]!();
      expect(order).toEqual(['modal', 'modal ends', 'behind', 'inner']);
    });
  });
});
