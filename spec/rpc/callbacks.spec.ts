import { describe, expect, it } from '@jest/globals';
import {
  byReference,
  dispose,
  notify,
  RemoteError,
  StaleReferenceError,
  UnserializableValueError,
  withCallOptions,
  type Lent,
  type RemoteFunction,
} from 'tandem-rpc';
import { served, servingSides } from '../helpers/served.js';
import { rejectionOf, turn } from '../helpers/virtual-world.js';

type Progress = (percent: number) => unknown;

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type -- as documented
interface Counter extends Lent<Counter> {}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- as documented
class Counter {
  count = 0;
  add(by = 1): number {
    this.count += by;
    return this.count;
  }
  /** Another of its kind. */
  other(): Counter {
    return new Counter();
  }
}

byReference(Counter.prototype);

class Service {
  readonly own = new Counter();
  readonly kept: RemoteFunction<Progress>[] = [];
  async work(progress: Progress): Promise<unknown[]> {
    const answers = [];
    for (const percent of [50, 100]) answers.push(await progress(percent));
    return answers;
  }
  async nest(make: (step: number) => Promise<(value: string) => Promise<string>>): Promise<string> {
    const inner = await make(2);
    return inner('nested');
  }
  keep(callback: Progress): void {
    this.kept.push(callback as RemoteFunction<Progress>);
  }
  async later(): Promise<unknown> {
    return this.kept[0]?.(1);
  }
  maker(): (value: number) => number {
    return (value) => value + 1;
  }
  counter(): Counter {
    return this.own;
  }
  isOwn(counter: unknown, list: unknown[] = []): boolean {
    return counter === this.own && list.every((each) => each === this.own);
  }
  async addTo(counter: Counter): Promise<number> {
    return counter.add(5);
  }
  echo(value: unknown): unknown {
    return value;
  }
  badResult(): unknown {
    return { deep: [new WeakMap()] };
  }
}

describe.each(servingSides)('what the %s serves', (side) => {
  const serve = async () => {
    const service = new Service();
    const made = await served(side, service);
    const { serving, using } = made;
    const references = (): number[] => [serving.counts().references, using.counts().references];
    return { ...made, service, references };
  };

  it('calls back, awaits what comes, and hears of errors', async () => {
    const { world, proxy } = await serve();
    const seen: number[] = [];
    const answers = await world.until(
      proxy.work(async (percent) => {
        seen.push(percent);
        await turn();
        return `at ${percent}`;
      }),
    );
    expect([seen, answers]).toEqual([
      [50, 100],
      ['at 50', 'at 100'],
    ]);
    const error = await world.failureOf(
      proxy.work(() => {
        throw new RangeError('too much');
      }),
    );
    // What the callback threw over here, as the method over there saw it and let it pass.
    expect(error).toBeInstanceOf(RemoteError);
    expect((error as Error).message).toBe('too much');
  });

  it('calls back what callbacks return, and is called back by results', async () => {
    const { world, proxy } = await serve();
    expect(await world.until(proxy.nest((step) => (value) => `${value} ${step}`))).toBe('nested 2');
    const addOne = await world.until(proxy.maker());
    expect(await world.until(addOne(4))).toBe(5);
  });

  it('calls back with options, and without waiting', async () => {
    const { world, proxy, service } = await serve();
    const seen: number[] = [];
    await world.until(
      proxy.keep((percent) => {
        seen.push(percent);
        return new Promise(() => undefined);
      }),
    );
    const [callback] = service.kept;
    const hurried = withCallOptions(callback!, { timeoutInSeconds: 1 });
    const late = rejectionOf(hurried(1));
    notify(callback!)(2);
    await world.pass(1.1);
    expect(await late).toMatchObject({
      code: 'timeout',
      object: 'reference',
      member: '',
      executed: 'unknown',
    });
    expect(((await late) as Error).message).toContain('a reference was not answered');
    expect(seen).toEqual([1, 2]);
  });

  it('gives callbacks back, after which they are stale', async () => {
    const { world, proxy, service, references } = await serve();
    const callback: Progress = () => 'called';
    await world.until(proxy.keep(callback));
    await world.until(proxy.keep(callback));
    expect(service.kept[0]).toBe(service.kept[1]);
    expect(references()).toEqual([1, 1]);
    dispose(service.kept[0]!);
    await world.pass(0.1);
    // It came twice, and so is held until it has been given back twice.
    expect(references()).toEqual([1, 1]);
    expect(await world.until(service.kept[1]!(1))).toBe('called');
    dispose(service.kept[1]!);
    await world.pass(0.1);
    expect(references()).toEqual([0, 0]);
    const error = await world.failureOf(service.kept[0]!(1));
    expect(error).toBeInstanceOf(StaleReferenceError);
    expect(error).toMatchObject({ executed: 'no', message: expect.stringContaining('it was disposed of') });
    // Lent anew it is another one.
    await world.until(proxy.keep(callback));
    expect(await world.until(service.kept[2]!(1))).toBe('called');
  });

  it('lets two use the same object, each to the end of its own block', async () => {
    const { world, proxy, references } = await serve();
    {
      using outer = await world.until(proxy.counter());
      {
        using inner = await world.until(proxy.counter());
        expect(await world.until(inner.add())).toBe(1);
      }
      expect(await world.until(outer.add())).toBe(2);
    }
    await world.pass(0.1);
    expect(references()).toEqual([0, 0]);
  });

  it('does not end the process by a callback for which nobody waits, but reports its failure', async () => {
    const seen: number[] = [];
    const service = {
      // As it is written by those who do not know that there is a promise.
      run(progress: (percent: number) => void, percent: number): void {
        progress(percent);
      },
    };
    const { world, proxy } = await served(side, service);
    const failing = (percent: number): void => {
      seen.push(percent);
      if (percent === 50) throw new Error('the caller is confused');
      world.network.cut();
    };
    await world.until(proxy.run(failing, 50));
    await world.pass(0.1);
    void proxy.run(failing, 100).catch(() => undefined);
    await world.pass(0.1);
    expect(seen).toEqual([50, 100]);
    expect(world.errors).toMatchObject([
      { name: 'RemoteError', message: 'the caller is confused' },
      { code: 'connection-lost', executed: 'unknown' },
    ]);
  });

  it('keeps no callback over the end of its connection', async () => {
    const { world, proxy, service, references } = await serve();
    await world.until(proxy.keep(() => 'called'));
    const addOne = await world.until(proxy.maker());
    expect(references()).toEqual([2, 2]);
    world.network.cut();
    await world.pass(0.1);
    expect(references()).toEqual([0, 0]);
    for (const use of [service.kept[0]!(1), addOne(1)]) {
      const error = await world.failureOf(use);
      expect(error).toBeInstanceOf(StaleReferenceError);
      expect((error as Error).message).toContain('its connection has ended');
    }
    expect(() => {
      notify(addOne)(1);
    }).toThrow(StaleReferenceError);
    expect(() => {
      dispose(addOne);
    }).not.toThrow();
  });

  it('lends objects, and knows its own again', async () => {
    const { world, proxy, service, references } = await serve();
    const counter = await world.until(proxy.counter());
    expect(await world.until(counter.add())).toBe(1);
    expect(await world.until(proxy.isOwn(counter, [counter, withCallOptions(counter, {})]))).toBe(true);
    expect(await world.until(proxy.echo({ there: counter }))).toEqual({ there: expect.anything() });
    expect(((await world.until(proxy.echo(counter))) as object) === counter).toBe(true);
    const other = await world.until(counter.other());
    expect(await world.until(other.add(7))).toBe(7);
    expect(service.own.count).toBe(1);
    expect(references()).toEqual([2, 2]);
    {
      using held = counter;
      expect(await world.until(held.add(2))).toBe(3);
    }
    dispose(other);
    // It came back from two calls of echo() as well.
    expect(await world.until(counter.add(0))).toBe(3);
    for (let times = 0; times < 2; times += 1) dispose(counter);
    await world.pass(0.1);
    expect(references()).toEqual([0, 0]);
    expect(await world.failureOf(counter.add())).toBeInstanceOf(StaleReferenceError);
  });

  it('uses what is lent to it, by several connections too', async () => {
    const { world, proxy } = await serve();
    const mine = new Counter();
    expect(await world.until(proxy.addTo(mine))).toBe(5);
    expect(mine.count).toBe(5);
    expect((await world.until(proxy.echo(mine))) === mine).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ['a symbol', { items: [1, Symbol('no')] }, 'arguments[0].items[1]'],
    ['a promise', [Promise.resolve(1)], 'arguments[0][0]'],
    [
      'an instance with methods',
      {
        a: {
          b: new (class Money {
            amount = 1;
            add() {
              return 1;
            }
          })(),
        },
      },
      'arguments[0].a.b',
    ],
    [
      'a getter that throws',
      {
        get bad() {
          throw new Error('poison');
        },
      },
      'arguments[0].bad',
    ],
    ['a WeakMap in a Map', new Map([['key', new WeakMap()]]), 'arguments[0]'],
  ])(
    'is sent nothing when %s is among the arguments, not even what was lent before it',
    async (_what, value, path) => {
      const { world, proxy, references } = await serve();
      const callback = () => 1;
      const error = await world.failureOf(proxy.echo([callback, value]));
      expect(error).toBeInstanceOf(UnserializableValueError);
      expect(error).toMatchObject({ executed: 'no', object: 'service', member: 'echo' });
      expect((error as Error).message).toContain(path.replace('arguments[0]', 'arguments[0][1]'));
      expect(references()).toEqual([0, 0]);
      expect(await world.until(proxy.echo('next'))).toBe('next');
    },
  );

  it('names a cycle', async () => {
    const { world, proxy } = await serve();
    const cycle: { self?: unknown; items: unknown[] } = { items: [] };
    cycle.items.push({ up: cycle });
    const error = await world.failureOf(proxy.echo(cycle));
    expect(error).toMatchObject({ executed: 'no' });
    expect((error as Error).message).toContain('arguments[0].items[0].up');
  });

  it('rejects a result that cannot cross, having run, and goes on', async () => {
    const { world, proxy } = await serve();
    const error = await world.failureOf(proxy.badResult());
    expect(error).toMatchObject({ code: 'unserializable-value', executed: 'yes' });
    expect((error as Error).message).toContain('result.deep[0]');
    expect(await world.until(proxy.echo('next'))).toBe('next');
  });
});
