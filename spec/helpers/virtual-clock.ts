/**
 * A virtual scheduler that can be worked off up to a time, and that tells what is still armed.
 */
import { VirtualTimeScheduler } from 'rxjs';

/** Time that passes when the spec says so. */
export class VirtualClock extends VirtualTimeScheduler {
  /** Lets so much time pass, every action of it being run when it is due. */
  pass(ms: number): void {
    const endMs = this.frame + ms;
    this.maxFrames = endMs;
    this.flush();
    this.frame = endMs;
  }

  /** How many actions are armed and not cancelled. */
  get armed(): number {
    return this.actions.filter(({ closed }) => !closed).length;
  }
}
