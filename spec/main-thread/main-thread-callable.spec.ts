import { describe, expect, it, jest } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import {
  mainThreadCallable,
  NotConnectedError,
  runOnMainThread,
  runOnMainThreadWithResult,
  UnknownMethodError,
} from 'tandem-rpc';

describe('mainThreadCallable', () => {
  it('gives the function a name, and what it returns is called as that is', () => {
    const add = mainThreadCallable('add', (one: number, other: number) => one + other);
    expect([add(1, 2), add.name]).toEqual([3, 'add']);
    expectTypeOf(add).toEqualTypeOf<(one: number, other: number) => number>();
  });

  it('names without giving, and what it returns calls what this thread defines', () => {
    const twice = mainThreadCallable<(text: string) => string>('twice');
    expect(() => twice('a')).toThrow(UnknownMethodError);
    expect(() => twice('a')).toThrow(/no main-thread callable "twice" is defined on this thread/);
    mainThreadCallable('twice', (text: string) => text + text);
    expect(twice('a')).toBe('aa');
  });

  it('takes a name once; the same function may come again, and have another name', () => {
    const function_ = () => 1;
    mainThreadCallable('once', function_);
    expect(mainThreadCallable('once', function_)()).toBe(1);
    expect(mainThreadCallable('once more', function_).name).toBe('once more');
    expect(() => mainThreadCallable('once', () => 2)).toThrow(
      '"once" names another main-thread callable already',
    );
  });

  it.each<unknown>(['', 'x'.repeat(257), 7])('refuses the name %j', (name) => {
    expect(() => mainThreadCallable(name as string, () => 1)).toThrow(
      'the name of a main-thread callable has 1 to 256 characters',
    );
  });

  it('takes the longest name, and nothing but functions', () => {
    expect(mainThreadCallable('x'.repeat(256), () => 1)()).toBe(1);
    expect(() => mainThreadCallable('seven', 7 as never)).toThrow('"seven" is given no function');
  });
});

describe('on the main thread', () => {
  it('callables run at once, ahead of what is queued, and any function may', () => {
    let sum = 0;
    const result = runOnMainThread((one: number, other: number) => (sum = one + other), 1, 2);
    expect([result, sum]).toEqual([3, 3]);
    expectTypeOf(result).toEqualTypeOf<number | undefined>();
    expect(
      runOnMainThread(
        mainThreadCallable('main.add', (one: number) => one + 1),
        1,
      ),
    ).toBe(2);
  });

  it('callables with results are simply called', async () => {
    const later = runOnMainThreadWithResult(async (text: string) => text, 'late');
    expect(later).toBeInstanceOf(Promise);
    expect(await later).toBe('late');
    expectTypeOf(later).toEqualTypeOf<string | Promise<string>>();
    const hasty = runOnMainThreadWithResult.withOptions({ timeoutInSeconds: 1 });
    expect([hasty(() => 1), hasty.withOptions({ timeoutInSeconds: null })((one: number) => one, 2)]).toEqual([
      1, 2,
    ]);
  });

  it('what a callable throws is thrown', () => {
    const fail = () => {
      throw new RangeError('far');
    };
    expect(() => runOnMainThread(fail)).toThrow(RangeError);
    expect(() => runOnMainThreadWithResult(fail)).toThrow(RangeError);
  });

  it.each([0, 0.0009, -1, NaN, '1'])('refuses a timeout of %j', (timeoutInSeconds) => {
    expect(() =>
      runOnMainThreadWithResult.withOptions({ timeoutInSeconds: timeoutInSeconds as number }),
    ).toThrow(
      `timeoutInSeconds is ${String(timeoutInSeconds)}; it must be a number of at least 0.001, or null`,
    );
  });

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'number'],
  ])('refuses %j for options', (options, kind) => {
    expect(() => runOnMainThreadWithResult.withOptions(options as never)).toThrow(
      new TypeError(`withOptions takes an object such as { timeoutInSeconds: 10 }, and was given ${kind}`),
    );
  });

  it('refuses options that there are not', () => {
    expect(() => runOnMainThreadWithResult.withOptions({ timeout: 1 } as never)).toThrow(
      'unknown option timeout',
    );
  });
});

describe.each([true, false])('what is no function is refused, on the main thread: %s', (isMainThread) => {
  it.each([
    [5, 'number'],
    [undefined, 'undefined'],
    [null, 'null'],
    [{}, 'object'],
  ])('%j', (given, kind) => {
    const threads = jest.spyOn(process, 'getBuiltinModule').mockReturnValue({ isMainThread });
    const refused = (caller: string): TypeError =>
      new TypeError(`${caller} takes a function first, and was given ${kind}`);
    expect(() => runOnMainThread(given as never)).toThrow(refused('runOnMainThread'));
    expect(() => runOnMainThreadWithResult(given as never)).toThrow(refused('runOnMainThreadWithResult'));
    threads.mockRestore();
  });
});

describe('where there is no node:worker_threads', () => {
  it('functions can be named and called, and running them on the main thread is refused', () => {
    const missing = jest.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    expect(mainThreadCallable('browser', () => 1)()).toBe(1);
    expect(() => runOnMainThread(() => 1)).toThrow(NotConnectedError);
    expect(() => runOnMainThreadWithResult(() => 1)).toThrow(
      /node:worker_threads is missing, as in browsers, or cannot be had .* as in Node 21 and 22.0 to 22.2/,
    );
    missing.mockRestore();
  });
});
