import { describe, expect, it } from '@jest/globals';
import { callbackResult } from '../../src/proxies/callback-result.js';
import { rejectionOf, turn } from '../helpers/virtual-world.js';

const failure = new Error('failed');

function made(called: Promise<unknown>) {
  const reported: unknown[] = [];
  return { result: callbackResult(called, (error) => reported.push(error)), reported };
}

describe('the result of a callback', () => {
  it('is that of the call, for whoever looks at it in time, in whatever way', async () => {
    const looks: ((result: Promise<unknown>) => Promise<unknown>)[] = [
      async (result) => {
        try {
          return await result;
        } catch (error) {
          return error;
        }
      },
      (result) => result.catch((error: unknown) => error),
      (result) => result.then(undefined, (error: unknown) => error),
      (result) => Promise.all([result]).catch((error: unknown) => error),
      (result) => Promise.resolve(result).catch((error: unknown) => error),
      (result) => rejectionOf(result.finally(() => undefined)),
    ];
    for (const look of looks) {
      const { result, reported } = made(Promise.reject(failure));
      expect(await look(result)).toBe(failure);
      expect(reported).toEqual([]);
    }
    expect(await made(Promise.resolve(5)).result).toBe(5);
    expect(made(Promise.resolve(5)).result).toBeInstanceOf(Promise);
  });

  it('is reported where nobody looks, ends no process, and is there for whoever looks later', async () => {
    const { result, reported } = made(Promise.reject(failure));
    await turn();
    await turn();
    expect(reported).toEqual([failure]);
    expect(await rejectionOf(result)).toBe(failure);
    expect(reported).toEqual([failure]);
  });
});
