/**
 * Garbage collection by the seed: in place of the platform's, which comes when it likes. What is held weakly stays until
 * the simulation says that nobody uses it any more.
 */

interface Registered {
  readonly finalize: () => void;
}

/** Stands for the platform's `WeakRef` and `FinalizationRegistry` while a seed runs. */
export class VirtualCollector {
  readonly #collected = new WeakSet();
  readonly #registered = new Map<object, Set<Registered>>();

  /** What is referred to weakly, and is not collected. */
  get alive(): object[] {
    return [...this.#registered.keys()];
  }

  /** Takes the place of the platform's. @returns what gives it back */
  install(): () => void {
    const { WeakRef, FinalizationRegistry } = globalThis;
    const collected = this.#collected;
    const registered = this.#registered;
    class VirtualRef {
      readonly #value: object;
      constructor(value: object) {
        this.#value = value;
      }
      deref(): object | undefined {
        return collected.has(this.#value) ? undefined : this.#value;
      }
    }
    class VirtualRegistry {
      readonly #onCollected: (note: unknown) => void;
      readonly #byToken = new Map<object, readonly [value: object, entry: Registered]>();
      constructor(onCollected: (note: unknown) => void) {
        this.#onCollected = onCollected;
      }
      register(value: object, note: unknown, token: object): void {
        const entry: Registered = {
          finalize: () => {
            this.#byToken.delete(token);
            this.#onCollected(note);
          },
        };
        this.#byToken.set(token, [value, entry]);
        const entries = registered.get(value) ?? new Set();
        registered.set(value, entries.add(entry));
      }
      unregister(token: object): void {
        const [value, entry] = this.#byToken.get(token) ?? [];
        if (value === undefined || entry === undefined) return;
        this.#byToken.delete(token);
        const entries = registered.get(value);
        entries?.delete(entry);
        if (entries?.size === 0) registered.delete(value);
      }
    }
    Object.assign(globalThis, { WeakRef: VirtualRef, FinalizationRegistry: VirtualRegistry });
    return () => {
      Object.assign(globalThis, { WeakRef, FinalizationRegistry });
    };
  }

  /** Nobody uses it any more. @returns what its finalizers are run by, which is later */
  collect(value: object): () => void {
    this.#collected.add(value);
    return () => {
      const entries = this.#registered.get(value) ?? [];
      this.#registered.delete(value);
      for (const { finalize } of entries) finalize();
    };
  }
}
