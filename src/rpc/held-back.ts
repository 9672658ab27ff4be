/**
 * What the other side asks for while so much waits to be written to it that answers would only add to it: it begins when there is room,
 * in the order in which it came. Nothing stops being read for it, since what makes room comes the same way; how much may wait here is
 * what may be open.
 */
import type { Line } from '../link/line.js';
import { Fifo } from '../streams/fifo.js';

/** The calls, notifications and subscriptions of one connection that have not begun. */
export class HeldBack {
  readonly #line: Pick<Line, 'isCongested' | 'requestRoom'>;
  readonly #waiting = new Fifo<() => void>();

  /** @param line - of the connection */
  constructor(line: Pick<Line, 'isCongested' | 'requestRoom'>) {
    this.#line = line;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Whether what is asked for now is to wait: then also what would overtake it. */
  get isHolding(): boolean {
    return this.#waiting.length > 0 || this.#line.isCongested;
  }

  /** Something begins when there is room: at once, if there is. */
  whenRoom(begin: () => void): void {
    if (!this.isHolding) {
      begin();
      return;
    }
    this.#waiting.push(begin);
    this.#line.requestRoom();
  }

  /** There is room: what waits begins, until there is none. */
  proceed(): void {
    while (this.#waiting.length > 0) {
      if (this.#line.isCongested) {
        this.#line.requestRoom();
        return;
      }
      this.#waiting.take()?.();
    }
  }

  /** The connection has ended: each is called all the same, and finds that nobody waits for it any more. */
  close(): void {
    for (let begin = this.#waiting.take(); begin !== undefined; begin = this.#waiting.take()) begin();
  }
}
