import { describe, expect, it } from '@jest/globals';
import { asapScheduler, queueScheduler, type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Delivery } from '../../src/streams/delivery.js';
import { handClock } from '../helpers/hand-clock.js';
import { handDelivery } from '../helpers/hand-delivery.js';

/** Delivers works that deliver works, and tells the order in which they began and ended. */
function deliverNested(delivery: Delivery, order: string[]): void {
  for (const name of ['a', 'b']) {
    delivery.deliver(() => {
      order.push(`${name} begins`);
      delivery.deliver(() => order.push(`${name} inner 1`));
      delivery.deliver(() => order.push(`${name} inner 2`));
      order.push(`${name} ends`);
    });
  }
}

const QUEUED = [
  'a begins',
  'a ends',
  'b begins',
  'b ends',
  'a inner 1',
  'a inner 2',
  'b inner 1',
  'b inner 2',
];
const AT_ONCE = [
  'a begins',
  'a ends',
  'a inner 1',
  'a inner 2',
  'b begins',
  'b ends',
  'b inner 1',
  'b inner 2',
];

/** A scheduler that does with its works what the spec wants. */
function schedulerOf(schedule: (work: () => void) => void): SchedulerLike {
  const action = Object.assign(new Subscription(), { schedule: () => Subscription.EMPTY });
  return {
    now: () => 0,
    schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void) {
      schedule(() => {
        work.call(action);
      });
      return action;
    },
  };
}

describe('Delivery', () => {
  it('runs works in the order of delivery on a TestScheduler', () => {
    const order: string[] = [];
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run(({ flush }) => {
      deliverNested(new Delivery({ scheduler, report: () => {} }), order);
      expect(order).toEqual([]);
      flush();
    });
    expect(order).toEqual(QUEUED);
  });

  it('does so on the asapScheduler', async () => {
    const order: string[] = [];
    deliverNested(new Delivery({ scheduler: asapScheduler, report: () => {} }), order);
    expect(order).toEqual([]);
    await new Promise<void>((resolve) =>
      asapScheduler.schedule(() => asapScheduler.schedule(() => resolve())),
    );
    expect(order).toEqual(QUEUED);
  });

  it('does so on an idle main thread', () => {
    const order: string[] = [];
    const clock = handClock();
    deliverNested(new Delivery({ scheduler: clock.scheduler, report: () => {} }), order);
    expect(order).toEqual(QUEUED.slice(0, 2));
    clock.turnUntilIdle();
    expect(order).toEqual([
      'a begins',
      'a ends',
      'a inner 1',
      'a inner 2',
      ...QUEUED.slice(2, 4),
      ...QUEUED.slice(6),
    ]);
  });

  it.each([
    ['the queueScheduler', queueScheduler],
    [
      'a scheduler that runs work inside work',
      schedulerOf((work) => {
        work();
      }),
    ],
  ])('does so on %s', (_, scheduler) => {
    const order: string[] = [];
    deliverNested(new Delivery({ scheduler, report: () => {} }), order);
    expect(order).toEqual(AT_ONCE);
  });

  it('does so on a scheduler that keeps no order', () => {
    const pending: (() => void)[] = [];
    const scheduler = schedulerOf((work) => pending.push(work));
    const order: number[] = [];
    const delivery = new Delivery({ scheduler, report: () => {} });
    [1, 2, 3].forEach((index) => delivery.deliver(() => order.push(index)));
    pending.reverse().forEach((work) => work());
    pending[0]?.(); // once too often
    expect(order).toEqual([1, 2, 3]);
  });

  it('schedules once for each work', () => {
    let scheduled = 0;
    const scheduler = schedulerOf(() => (scheduled += 1));
    const delivery = new Delivery({ scheduler, report: () => {} });
    delivery.deliver(() => {});
    delivery.deliver(() => {});
    expect(scheduled).toBe(2);
  });

  it('reports a work that throws and goes on', () => {
    const { delivery, reported, flush } = handDelivery();
    const order: string[] = [];
    delivery.deliver(() => {
      throw new Error('failed');
    });
    delivery.deliver(() => order.push('next'));
    flush();
    expect(reported).toEqual([new Error('failed')]);
    expect(order).toEqual(['next']);
  });

  it('keeps 100,000 works in order', () => {
    const clock = handClock();
    const delivery = new Delivery({ scheduler: clock.scheduler, report: () => {} });
    const order: number[] = [];
    for (let index = 0; index < 100_000; index += 1) {
      delivery.deliver(() => {
        order.push(index);
        clock.pass(0.01);
      });
    }
    expect(order.length).toBeLessThan(1000);
    clock.turnUntilIdle();
    expect(order).toEqual(Array.from({ length: 100_000 }, (_, index) => index));
  });
});
