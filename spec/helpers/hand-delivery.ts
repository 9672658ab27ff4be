/**
 * A Delivery worked by hand: what is delivered runs when the spec says so, as on a busy main thread.
 */
import { VirtualTimeScheduler } from 'rxjs';
import { Delivery } from '../../src/streams/delivery.js';

/** A {@link Delivery}, what was reported, and the hand. */
export interface HandDelivery {
  readonly delivery: Delivery;
  /** What was reported so far. */
  readonly reported: unknown[];
  readonly report: (error: unknown) => void;
  /** Runs everything that was delivered, and what that delivers. */
  readonly flush: () => void;
}

/** Makes a Delivery that has delivered nothing. */
export function handDelivery(): HandDelivery {
  const scheduler = new VirtualTimeScheduler();
  const reported: unknown[] = [];
  const report = (error: unknown): void => {
    reported.push(error);
  };
  return {
    delivery: new Delivery({ scheduler, report }),
    reported,
    report,
    flush: () => {
      scheduler.flush();
    },
  };
}
