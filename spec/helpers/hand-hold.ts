/**
 * Collection of garbage by hand: the spec says what is collected, and when the finalizers run.
 */
import type { Registry, WeakHold } from '../../src/proxies/finalizing-map.js';

interface Watched {
  readonly value: object;
  readonly token: object;
  readonly finalize: () => void;
}

export class HandHold implements WeakHold {
  readonly #collected = new WeakSet();
  #watched: Watched[] = [];
  /** Finalizers that had begun to run when they were called off cannot be held back: then `unregister` does nothing. */
  isTooLateToUnregister = false;

  /** How many finalizers may still run. */
  get watchedCount(): number {
    return this.#watched.length;
  }

  refer<Value extends object>(value: Value) {
    return { deref: () => (this.#collected.has(value) ? undefined : value) };
  }

  makeRegistry<Note extends object>(onCollected: (note: Note) => void): Registry<Note> {
    return {
      register: (value, note, token) => {
        this.#watched.push({ value, token, finalize: () => onCollected(note) });
      },
      unregister: (token) => {
        if (this.isTooLateToUnregister) return;
        this.#watched = this.#watched.filter((each) => each.token !== token);
      },
    };
  }

  /** From now on nobody holds these any more; their finalizers run later. */
  collect(...values: readonly object[]): void {
    for (const value of values) this.#collected.add(value);
  }

  /** Runs the finalizers of what was collected. */
  finalize(): void {
    const due = this.#watched.filter(({ value }) => this.#collected.has(value));
    this.#watched = this.#watched.filter((each) => !due.includes(each));
    for (const { finalize } of due) finalize();
  }
}
