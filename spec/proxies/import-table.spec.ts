import { describe, expect, it, jest } from '@jest/globals';
import { firstValueFrom, isObservable, lastValueFrom, retry, toArray, type Observable } from 'rxjs';
import { ProtocolError, StaleReferenceError } from '../../src/errors.js';
import { LentReference, ReturnedReference, type ReferenceKind } from '../../src/protocol/references.js';
import type { Caller } from '../../src/proxies/caller.js';
import { heldMarkOf } from '../../src/proxies/held-mark.js';
import { ImportTable, type ImportTableSettings } from '../../src/proxies/import-table.js';
import { dispose, notify, withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { RemoteProxy } from '../../src/proxies/types.js';
import { RemoteStream } from '../../src/streams/remote-stream.js';
import { HandHold } from '../helpers/hand-hold.js';
import { runProgram } from '../helpers/child-process.js';

type RemoteFunction = ((...args: unknown[]) => Promise<unknown>) & Disposable;
type Standing = object & Disposable;

function made(settings: Partial<ImportTableSettings> = {}) {
  const hold = new HandHold();
  const sent: unknown[] = [];
  const reported: unknown[] = [];
  const onReleased = jest.fn();
  const report = (error: unknown): void => {
    reported.push(error);
  };
  const caller: Caller = {
    report,
    call: (...call) => {
      sent.push(['call', ...call]);
      return Promise.resolve('answer');
    },
    notify: (...call) => {
      sent.push(['notify', ...call]);
    },
    stream: (target, member, args) =>
      new RemoteStream(report, (sink) => {
        sent.push(['subscribe', target, member, args]);
        sink.next(1);
        sink.next(2);
        sink.complete();
      }),
    members: () => undefined,
    properties: () => undefined,
  };
  const imports = new ImportTable({
    connectionID: 'c1',
    caller,
    report,
    onReleased,
    hold,
    most: 10_000,
    ...settings,
  });
  const receive = (kind: ReferenceKind, number = 1): Standing =>
    imports.receive(new LentReference(kind, number, ['deposit', 'value$'], ['value$'])) as Standing;
  return { imports, hold, sent, onReleased, reported, receive, released: () => imports.takeReleased() };
}

/** What the table holds weakly is not what users hold, but what that stands for. */
function heldOf(standing: object): Caller {
  return heldMarkOf(standing)!.caller;
}

interface Bank {
  deposit(amount: number): void;
  readonly value$: Observable<number>;
  history$(since: number): Observable<number>;
}
type RemoteBank = RemoteProxy<Bank> & Disposable;

const kinds: ReferenceKind[] = ['function', 'stream', 'object', 'signal'];

describe('ImportTable', () => {
  describe('a function', () => {
    it('calls the one that it stands for', async () => {
      const { receive, sent } = made();
      const remote = receive('function', 5) as RemoteFunction;
      await expect(remote(1, 'two')).resolves.toBe('answer');
      await expect(remote.call({}, 3)).resolves.toBe('answer');
      expect(sent).toEqual([
        ['call', 5, '', [1, 'two'], {}],
        ['call', 5, '', [3], {}],
      ]);
    });
  });

  describe('a stream', () => {
    it('subscribes to the one that it stands for, each time anew', async () => {
      const { receive, sent } = made();
      const remote$ = receive('stream', 5) as unknown as Observable<unknown> & AsyncIterable<unknown>;
      expect(isObservable(remote$)).toBe(true);
      await expect(firstValueFrom(remote$)).resolves.toBe(1);
      await expect(lastValueFrom(remote$.pipe(toArray()))).resolves.toEqual([1, 2]);
      const values: unknown[] = [];
      for await (const value of remote$) values.push(value);
      expect(values).toEqual([1, 2]);
      expect(sent).toEqual(Array(3).fill(['subscribe', 5, '', []]));
    });
  });

  describe('an object', () => {
    it('is a proxy, which calls, notifies, subscribes and knows its members', async () => {
      const { receive, sent } = made();
      const bank = receive('object', 5) as unknown as RemoteBank;
      await withCallOptions(bank, { timeoutInSeconds: 1 }).deposit(1);
      notify<Bank>(bank).deposit(2);
      await lastValueFrom(bank.value$);
      await lastValueFrom(bank.history$(3));
      expect(['deposit' in bank, 'other' in bank]).toEqual([true, false]);
      expect(sent).toEqual([
        ['call', 5, 'deposit', [1], { timeoutInSeconds: 1 }],
        ['notify', 5, 'deposit', [2], {}],
        ['subscribe', 5, 'value$', []],
        ['subscribe', 5, 'history$', [3]],
      ]);
    });

    it('is known by its number also in another view', () => {
      const { receive, imports } = made();
      const bank = receive('object', 5) as unknown as RemoteBank;
      const patient = withCallOptions(bank, { timeoutInSeconds: null });
      expect(imports.numberOf(patient)).toBe(5);
      dispose(patient);
      expect(imports.numberOf(bank)).toBeUndefined();
    });
  });

  describe('a signal', () => {
    it('is aborted with the one that it stands for', () => {
      const { receive, imports } = made();
      const signal = receive('signal', 5) as unknown as AbortSignal;
      imports.abort(6, 'another');
      expect(signal.aborted).toBe(false);
      imports.abort(5, 'because');
      imports.abort(5, 'again');
      expect(signal.reason).toBe('because');
    });

    it('comes aborted if it is, also when it comes again', () => {
      const { receive, imports } = made();
      const lent = new LentReference('signal', 5, [], [], { reason: 'because' });
      expect(imports.receive(lent)).toMatchObject({ aborted: true, reason: 'because' });
      expect(imports.receive(lent, 'hydrated')).toMatchObject({ reason: 'because' });
      const later = receive('signal', 6);
      expect(imports.receive(new LentReference('signal', 6, [], [], { reason: 'raw' }), 'hydrated')).toBe(
        later,
      );
      expect(later).toMatchObject({ reason: 'hydrated' });
    });

    it('does not hear of an abort after it was disposed of', () => {
      const { receive, imports } = made();
      const signal = receive('signal', 5);
      dispose(signal);
      imports.abort(5, 'because');
      expect(signal).toMatchObject({ aborted: false });
      // It comes anew.
      expect(receive('signal', 5)).not.toBe(signal);
      imports.abort(5, 'because');
      expect(signal).toMatchObject({ aborted: false });
    });
  });

  it.each(kinds)('gives the same %s for the same number, and another for another', (kind) => {
    const { receive, imports } = made();
    const standing = receive(kind, 1);
    expect(receive(kind, 1)).toBe(standing);
    expect(receive(kind, 2)).not.toBe(standing);
    expect(imports.size).toBe(2);
  });

  it.each(kinds)(
    'gives a %s back by dispose() and by Symbol.dispose, once each time that it came',
    (kind) => {
      const { receive, imports, released } = made();
      const standing = receive(kind, 1);
      receive(kind, 1);
      dispose(standing);
      // Whoever else got it has it still.
      expect(imports.numberOf(standing)).toBe(1);
      expect(released()).toEqual([[1, 1]]);
      standing[Symbol.dispose]();
      expect(imports.size).toBe(0);
      dispose(standing);
      expect(released()).toEqual([[1, 1]]);
      receive(kind, 2)[Symbol.dispose]();
      expect(released()).toEqual([[2, 1]]);
      // Anew under the same number, which the owner has lent meanwhile.
      const anew = receive(kind, 1);
      expect(anew).not.toBe(standing);
      dispose(standing);
      expect(imports.numberOf(anew)).toBe(1);
      expect(released()).toEqual([]);
    },
  );

  it('is given back at the end of a block that uses it', () => {
    const { receive, imports } = made();
    {
      using standing = receive('function');
      expect(imports.numberOf(standing)).toBe(1);
    }
    expect(imports.size).toBe(0);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'text'],
    ['an object', {}],
    ['a function', () => 1],
    ['what disposes of something else', { [Symbol.dispose]: () => 1 }],
    ['what has something else there', { [Symbol.dispose]: 5 }],
  ])('refuses to dispose of %s', (_name, value) => {
    expect(() => dispose(value as object)).toThrow(
      new TypeError('a reference from the other side is needed'),
    );
  });

  it('knows by its number what is held on this connection, and nothing else', () => {
    const { receive, imports } = made();
    const other = made();
    for (const [at, kind] of kinds.entries()) {
      const standing = receive(kind, at + 1);
      expect(imports.numberOf(standing)).toBe(at + 1);
      expect(other.imports.numberOf(standing)).toBeUndefined();
      expect(imports.numberOf(other.receive(kind, at + 1))).toBeUndefined();
      dispose(standing);
      expect(imports.numberOf(standing)).toBeUndefined();
    }
    for (const value of [{}, () => 1, { [Symbol.dispose]: () => 1 }]) {
      expect(imports.numberOf(value)).toBeUndefined();
    }
  });

  it.each<[ReferenceKind, ReferenceKind]>([
    ['function', 'object'],
    ['signal', 'stream'],
  ])('takes it for an error when a %s comes again as a %s', (first, second) => {
    const { receive, imports, released } = made();
    const standing = receive(first, 1);
    expect(() => receive(second, 1)).toThrow(ProtocolError);
    dispose(standing);
    expect(released()).toEqual([[1, 1]]);
    expect(imports.size).toBe(0);
  });

  it('takes it for an error when what is no signal is aborted', () => {
    const { receive, imports } = made();
    receive('function', 1);
    expect(() => imports.abort(1, 'because')).toThrow(ProtocolError);
    expect(() => imports.abort(2, 'because')).not.toThrow();
  });

  it('gives back what came in a message that nobody gets, whether it is held or not', () => {
    const { receive, imports, released } = made();
    const standing = receive('function', 1);
    const lent = (number: number): LentReference => new LentReference('function', number);
    imports.refuse([lent(1), lent(2), new ReturnedReference(3), lent(2)]);
    expect(released()).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(imports.numberOf(standing)).toBe(1);
    dispose(standing);
    expect(released()).toEqual([[1, 1]]);
  });

  describe('collection', () => {
    it('gives back what was collected, with all its counts', () => {
      const { receive, imports, hold, released } = made();
      const standing = receive('object', 1);
      receive('object', 1);
      hold.collect(heldOf(standing));
      expect(imports.size).toBe(1);
      hold.finalize();
      expect(imports.size).toBe(0);
      expect(released()).toEqual([[1, 2]]);
    });

    it('gives back many at once, and says once that there is something', () => {
      const { receive, imports, hold, released, onReleased } = made();
      for (let number = 1; number <= 40; number++) hold.collect(heldOf(receive('object', number)));
      expect(imports.hasReleased).toBe(false);
      hold.finalize();
      expect(imports.hasReleased).toBe(true);
      expect(onReleased).toHaveBeenCalledTimes(1);
      expect(released()).toEqual(Array.from({ length: 40 }, (_, at) => [at + 1, 1]));
      expect(imports.hasReleased).toBe(false);
      dispose(receive('function', 41));
      expect(onReleased).toHaveBeenCalledTimes(2);
    });

    it('makes what comes again meanwhile anew, and gives everything back in the end', () => {
      const { receive, imports, hold, released } = made();
      const first = receive('object', 1);
      hold.collect(heldOf(first));
      const second = receive('object', 1);
      expect(second).not.toBe(first);
      expect(released()).toEqual([[1, 1]]);
      hold.finalize();
      expect(released()).toEqual([]);
      expect(imports.numberOf(second)).toBe(1);
      // Nobody can hold the first any more; if somebody did, it would not be the one that is held.
      expect(imports.numberOf(first)).toBeUndefined();
      dispose(first);
      expect(released()).toEqual([]);
      dispose(second);
      expect(released()).toEqual([[1, 1]]);
    });

    it('is real', async () => {
      const { code, output } = await runProgram(collecting);
      expect(output).toBe('');
      expect(code).toBe(0);
    });
  });

  describe('after close()', () => {
    it('every use is stale, and says why', async () => {
      const { receive, imports, sent } = made();
      const remote = receive('function', 1) as RemoteFunction;
      const remote$ = receive('stream', 2) as unknown as Observable<unknown>;
      const bank = receive('object', 3);
      const held = heldOf(bank);
      const method$ = held.stream('any', 'balance$', [], {});
      imports.close('the other side went away');
      imports.close('again');
      const stale = { code: 'stale-reference', executed: 'no', connectionID: 'c1' };
      const why = 'its connection has ended: the other side went away';
      await expect(remote()).rejects.toMatchObject({
        ...stale,
        message: `cannot use this function of the other side: ${why}`,
      });
      await expect(firstValueFrom(remote$)).rejects.toMatchObject(stale);
      await expect(firstValueFrom(method$)).rejects.toMatchObject({ ...stale, member: 'balance$' });
      await expect(held.call('any', 'deposit', [], {})).rejects.toMatchObject({
        ...stale,
        member: 'deposit',
        message: `cannot use "deposit" of this object of the other side: ${why}`,
      });
      expect(() => held.notify('any', 'deposit', [], {})).toThrow(StaleReferenceError);
      expect(held.members(3)).toBeUndefined();
      expect(sent).toEqual([]);
    });

    it('holds nothing and gives nothing back', () => {
      const { receive, imports, released, hold } = made();
      const disposed = receive('function', 1);
      const collected = receive('object', 2);
      const kept = receive('signal', 3);
      dispose(disposed);
      imports.close('over');
      expect((kept as unknown as AbortSignal).reason).toMatchObject({
        code: 'connection-lost',
        message: 'over',
      });
      expect(imports.size).toBe(0);
      expect(hold.watchedCount).toBe(0);
      hold.collect(heldOf(collected));
      hold.finalize();
      dispose(kept);
      imports.refuse([new LentReference('function', 4)]);
      expect(released()).toEqual([]);
      expect(imports.numberOf(kept)).toBeUndefined();
      expect(() => imports.abort(3, 'because')).not.toThrow();
    });

    it('makes what still comes stale at once', async () => {
      const { receive, imports } = made();
      imports.close('over');
      const remote = receive('function', 1) as RemoteFunction;
      await expect(remote()).rejects.toThrow(StaleReferenceError);
      expect(imports.size).toBe(0);
      dispose(remote);
    });
  });

  describe('after dispose()', () => {
    it.each<[string, (held: Caller) => Promise<unknown>]>([
      ['a call', (held) => held.call('any', 'deposit', [], {})],
      ['a notification', async (held) => held.notify('any', 'deposit', [], {})],
      ['a subscription', (held) => firstValueFrom(held.stream('any', 'deposit', [], {}))],
      [
        'a subscription tried again',
        (held) => firstValueFrom(held.stream('any', 'deposit', [], {}).pipe(retry(2))),
      ],
    ])('%s is stale and sends nothing', async (_name, use) => {
      const { receive, sent } = made();
      const bank = receive('object', 3);
      const held = heldOf(bank);
      dispose(bank);
      await expect(use(held)).rejects.toMatchObject({
        executed: 'no',
        message: 'cannot use "deposit" of this object of the other side: it was disposed of',
      });
      expect(held.members(3)).toBeUndefined();
      expect(sent).toEqual([]);
    });

    it('reports what a subscriber does not handle', () => {
      const { receive, reported } = made();
      const remote$ = receive('stream') as unknown as Observable<unknown>;
      dispose(remote$);
      remote$.subscribe();
      expect(reported).toEqual([expect.any(StaleReferenceError)]);
    });
  });

  it('is empty after 100,000 references that came and went', () => {
    const { receive, imports, released } = made();
    let count = 0;
    for (let number = 1; number <= 100_000; number++) {
      dispose(receive('function', number));
      if (number % 1_000 === 0) count += released().length;
    }
    expect(imports.size).toBe(0);
    expect(count).toBe(100_000);
  });
});

/** Runs with real collections; says what is not as it should be. */
const collecting = `
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { lastValueFrom } from 'rxjs';
import { LentReference } from './src/protocol/references.ts';
import { ImportTable } from './src/proxies/import-table.ts';
import { withCallOptions } from './src/proxies/remote-proxy.ts';
import { RemoteStream } from './src/streams/remote-stream.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const turn = () => new Promise((resolve) => setImmediate(resolve));
async function collect() {
  for (let round = 0; round < 5; round++) {
    await turn();
    gc();
  }
  await turn();
}
const released = new Map<number, number>();
const report = () => undefined;
const caller = {
  report,
  call: () => Promise.resolve('answer'),
  notify: () => undefined,
  stream: () => new RemoteStream(report, (sink) => sink.complete()),
  members: () => undefined,
  properties: () => undefined,
};
const imports = new ImportTable({ connectionID: 'c1', caller, report, most: 10_000, onReleased: () => setImmediate(takeReleased) });
function takeReleased() {
  for (const [number, count] of imports.takeReleased()) released.set(number, (released.get(number) ?? 0) + count);
}
const receive = (kind, number) => imports.receive(new LentReference(kind, number, ['value$', 'history$'], ['value$']));
function check(isTrue: boolean, what: string): void {
  if (!isTrue) console.log('not so:', what, imports.size, [...released]);
}

const kept = [receive('function', 1), receive('stream', 2), receive('object', 3), receive('signal', 4)];
// A method keeps its object, an operator its stream.
const { deposit } = receive('object', 5) as { deposit: () => Promise<unknown> };
const piped$ = (receive('stream', 6) as { pipe: () => unknown }).pipe();
const { value$ } = receive('object', 20);
const { history$ } = receive('object', 21);
const patient = withCallOptions(receive('object', 22), { timeoutInSeconds: 1 });
const heard: unknown[] = [];
const hear = (event) => heard.push(event.target.reason);
receive('signal', 7).addEventListener('abort', hear);
receive('signal', 8).onabort = hear;
(function () {
  const signal = receive('signal', 9);
  signal.addEventListener('abort', hear);
  signal.removeEventListener('abort', hear);
})();
for (const [at, kind] of ['function', 'stream', 'object', 'signal'].entries()) {
  receive(kind, 10 + at);
  receive(kind, 10 + at);
}
await collect();
check(imports.size === 11, 'what is held or listened to stays, all else goes');
check([9, 10, 11, 12, 13].every((number) => released.get(number) === (number === 9 ? 1 : 2)), 'counts');
check(imports.receive(new LentReference('object', 3)) === kept[2], 'the same object');

imports.abort(7, 'seven');
imports.abort(8, 'eight');
check(heard.join() === 'seven,eight', 'who only listens hears');
await collect();
check(released.get(7) === 1 && released.get(8) === 1, 'aborted signals go');
check(imports.size === 9, 'nine are left');
for (let number = 100; number < 10_100; number++) receive(number % 2 === 0 ? 'function' : 'stream', number);
await collect();
check(imports.size === 9, 'ten thousand are gone');
let sum = 0;
for (const [number, count] of released) if (number >= 100) sum += count;
check(sum === 10_000, 'each given back once');
await deposit();
await patient.deposit();
await lastValueFrom(value$, { defaultValue: 1 });
await lastValueFrom(history$(1), { defaultValue: 1 });
check(kept.length === 4 && typeof deposit === 'function' && piped$ !== undefined, 'in use until here');
imports.close('over');
`;
