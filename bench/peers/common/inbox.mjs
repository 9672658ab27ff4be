// Streams of peers that have none: each value is an event, nothing holds the sender back.
import { makeValues } from '../../payload.mjs';

/** Where values go that come as events: to whoever collects them, one at a time. */
export class Inbox {
  #put;

  /** Takes a value that has come. */
  put = (value) => this.#put(value);

  /**
   * Hands over so many values.
   *
   * @param {number} count
   * @param {(value: object) => void} take
   * @param {() => unknown} begin has the other side send them
   */
  collect(count, take, begin) {
    return new Promise((resolve, reject) => {
      let missing = count;
      this.#put = (value) => {
        take(value);
        if (--missing === 0) resolve();
      };
      Promise.resolve(begin()).catch(reject);
    });
  }
}

/** Sends so many values. */
export function giveValues(count, send) {
  for (const value of makeValues(count)) send(value);
}
