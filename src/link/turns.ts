/**
 * Who has had something to do of late, of all connections that share an event loop: whoever has it to itself may take long turns.
 */

/** For so long a connection counts as one that others may keep waiting, in milliseconds. */
const rememberedMs = 1_000;

/** The connections of one server or client. */
export class Turns {
  #last: object | undefined;
  #lastMs = -Infinity;
  #otherMs = -Infinity;

  /**
   * Somebody has something to do.
   * @returns whether somebody else had, a moment ago
   */
  begin(who: object, nowMs: number): boolean {
    if (this.#last !== who) {
      this.#otherMs = this.#lastMs;
      this.#last = who;
    }
    this.#lastMs = nowMs;
    return nowMs - this.#otherMs < rememberedMs;
  }
}
