import { describe, expect, it } from '@jest/globals';
import { callUser } from '../../src/streams/user-callback.js';

async function reportedOf(callback: (value: string) => unknown): Promise<unknown[]> {
  const reported: unknown[] = [];
  callUser(callback, 'value', (error) => reported.push(error));
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve(); // thenables take a few
  }
  return reported;
}

describe('callUser', () => {
  it('passes the value', async () => {
    const seen: string[] = [];
    expect(await reportedOf((value) => seen.push(value))).toEqual([]);
    expect(seen).toEqual(['value']);
  });

  const error = new Error('failed');
  const nothing: unknown = undefined;
  const fail = (): never => {
    throw error;
  };
  it.each<[string, () => unknown, unknown[]]>([
    ['what is thrown', fail, [error]],
    ['an undefined that is thrown', () => { throw nothing; }, [undefined]], // prettier-ignore
    ['what a promise rejects with', async () => fail(), [error]],
    ['what a thenable rejects with', () => ({ then: (_: unknown, no: (e: unknown) => void) => no(error) }), [error]], // prettier-ignore
    ['what a thenable throws', () => ({ then: fail }), [error]],
    ['what a `then` accessor throws', () => Object.defineProperty({}, 'then', { get: fail }), [error]],
    ['no fulfilled promise', async () => 'value', []],
    ['no object', () => ({ then: 'not a function' }), []],
    ['no null', () => null, []],
  ])('reports %s', async (_, callback, reported) => {
    expect(await reportedOf(callback)).toEqual(reported);
  });
});
