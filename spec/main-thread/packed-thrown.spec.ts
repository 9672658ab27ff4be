import { describe, expect, it } from '@jest/globals';
import { RPCTimeoutError } from '../../src/errors.js';
import { packThrown, unpackThrown } from '../../src/main-thread/packed-thrown.js';

/** Across, as between threads. */
function cross(thrown: unknown, waitedAt?: string): unknown {
  return unpackThrown(structuredClone(packThrown(thrown)), waitedAt);
}

describe('what is thrown on another thread', () => {
  it('keeps name, message, code, stack and own members of an error', () => {
    const thrown = Object.assign(new RangeError('too far'), { code: 'FAR', metres: 3, at: new Date(5) });
    const error = cross(thrown) as typeof thrown;
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ name: 'RangeError', message: 'too far', code: 'FAR', metres: 3 });
    expect([error.at, error.stack]).toEqual([new Date(5), thrown.stack]);
  });

  it('shows below its stack who waited for it', () => {
    const thrown = new Error('far');
    expect((cross(thrown, '\nhere') as Error).stack).toBe(`${thrown.stack}\nhere`);
  });

  it('keeps the names of classes that only one thread knows', () => {
    const error = cross(new RPCTimeoutError('late', { executed: 'yes' }));
    expect(error).toMatchObject({
      name: 'RPCTimeoutError',
      message: 'late',
      code: 'timeout',
      executed: 'yes',
    });
  });

  it('keeps causes, and what an aggregate holds', () => {
    class MenuError extends Error {
      override name = 'MenuError';
    }
    const thrown = new AggregateError([new MenuError('one'), 2], 'all', {
      cause: new MenuError('why', { cause: 'text' }),
    });
    const error = cross(thrown) as AggregateError;
    expect(error).toMatchObject({
      name: 'AggregateError',
      message: 'all',
      errors: [{ name: 'MenuError' }, 2],
    });
    expect(error.cause).toMatchObject({ name: 'MenuError', message: 'why', cause: 'text' });
  });

  it('ends a circle of causes', () => {
    const thrown = new Error('circle');
    thrown.cause = thrown;
    let levels = 0;
    for (let error = cross(thrown) as Error | undefined; error; error = error.cause as Error | undefined)
      levels++;
    expect(levels).toBe(8);
  });

  it('leaves out members that cannot be cloned', () => {
    const error = cross(Object.assign(new Error('far'), { act: () => {}, kept: 1 }));
    expect(Object.entries(error as Error)).toEqual([['kept', 1]]);
  });

  it('is itself, if it is no error', () => {
    expect([cross('text'), cross(undefined), cross({ code: 1 }), cross([1])]).toEqual([
      'text',
      undefined,
      { code: 1 },
      [1],
    ]);
  });

  it('is an error, if it can be neither cloned nor read', () => {
    const unreadable = new Error('far');
    Object.defineProperty(unreadable, 'message', {
      get: () => {
        throw new Error('no');
      },
    });
    expect(cross(() => {})).toMatchObject({ message: 'a value that is not an error was thrown: a function' });
    expect(cross(unreadable)).toMatchObject({
      name: 'Error',
      message: 'an error that cannot be read was thrown',
    });
  });

  it('is an error without a stack, if that is how it was thrown', () => {
    const thrown = new Error('far');
    Object.defineProperty(thrown, 'stack', { value: undefined });
    expect((cross(thrown) as Error).stack).toBe('Error: far');
  });
});
