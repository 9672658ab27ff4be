/**
 * By what the clients of one principal are counted together: the same key for what `isSamePrincipal` takes for the same, so that nobody
 * has to compare a client with all the others.
 */
import { isPlain, maxIdentityDepth } from './same-principal.js';

/** Values that are looked at; whatever has more counts as itself, and nothing else. */
const maxValues = 1_000;

/** Numbers those things that are the same only as themselves: functions, and objects that are no plain data. */
export class PrincipalKeys {
  readonly #numbers = new WeakMap<object, number>();
  #lastNumber = 0;

  /** The key of an identity, `undefined` where it names nobody: there is none, or it is `true`, "somebody who may come in". */
  keyOf(identity: unknown): string | undefined {
    if (identity === undefined || identity === true) return undefined;
    let left = maxValues;
    const write = (value: unknown, depth: number): string | undefined => {
      left -= 1;
      if (left < 0) return undefined;
      if (typeof value === 'string') return JSON.stringify(value);
      if (typeof value === 'bigint') return `${value}n`;
      if (Object.is(value, -0)) return '-0';
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return String(value);
      if (depth >= maxIdentityDepth || !isPlain(value)) return this.#numberOf(value);
      const parts: string[] = [];
      for (const key of Object.keys(value).sort()) {
        const part = write(value[key], depth + 1);
        if (part === undefined) return undefined;
        parts.push(`${JSON.stringify(key)}:${part}`);
      }
      return Array.isArray(value) ? `[${parts.join()}]` : `{${parts.join()}}`;
    };
    // A primitive is one value: what has too many is an object.
    return write(identity, 0) ?? this.#numberOf(identity as object);
  }

  #numberOf(thing: object): string {
    let number = this.#numbers.get(thing);
    if (number === undefined) {
      this.#lastNumber += 1;
      number = this.#lastNumber;
      this.#numbers.set(thing, number);
    }
    return `#${number}`;
  }
}
