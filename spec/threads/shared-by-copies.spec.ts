import { afterEach, describe, expect, it, jest } from '@jest/globals';
import * as tandem from 'tandem-rpc';

/** Another copy of the package on the same thread, as an ESM beside a CommonJS one. */
async function anotherCopy(): Promise<typeof tandem> {
  jest.resetModules();
  const copy = await import('tandem-rpc');
  expect(copy.mainThreadScheduler).not.toBe(tandem.mainThreadScheduler);
  return copy;
}

describe('two copies of the package', () => {
  afterEach(() => {
    tandem.setMainThreadHost(undefined);
  });

  it('share the names of callables', async () => {
    const copy = await anotherCopy();
    tandem.mainThreadCallable('shared', () => 1);
    expect(copy.mainThreadCallable<() => number>('shared')()).toBe(1);
    expect(() => copy.mainThreadCallable('shared', () => 2)).toThrow(
      'names another main-thread callable already',
    );
  });

  it('share one queue, and the host of it', async () => {
    const copy = await anotherCopy();
    const posted: (() => void)[] = [];
    copy.setMainThreadHost({ post: (work) => posted.push(work) });
    const order: string[] = [];
    const last = new Promise<void>((resolve) => {
      tandem.mainThreadScheduler.schedule(() => order.push('one'));
      copy.mainThreadScheduler.schedule(() => order.push('other'));
      tandem.mainThreadScheduler.schedule(() => {
        order.push('one again');
        resolve();
      });
    });
    expect(order).toEqual([]);
    posted.forEach((work) => work());
    await last;
    expect(order).toEqual(['one', 'other', 'one again']);
  });
});
