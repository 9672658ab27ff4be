import { describe, expect, it } from '@jest/globals';
import { encode, ExtData } from '@msgpack/msgpack';
import { Observable, Subject } from 'rxjs';
import type { RPCClient, RPCServer } from 'tandem-rpc';
import { MessageType, type SessionMessage } from '../../src/protocol/messages.js';
import { rawClient, rawServer, type RawPeer } from '../helpers/raw-peer.js';
import { servingSides } from '../helpers/served.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const { request, response, subscribe, next, complete, fail, credit, cancel, release, abort } = MessageType;

interface Theirs {
  readonly values$: Observable<unknown>;
  readonly more$: Observable<unknown>;
  method(value?: unknown): unknown;
}

class Service {
  readonly values = new Subject<unknown>();
  readonly values$ = this.values.asObservable();
  left = 0;
  readonly open$ = new Observable<unknown>(() => () => (this.left += 1));
  readonly kept: unknown[] = [];
  keep(value: unknown): void {
    this.kept.push(value);
  }
  lend(): () => string {
    return () => 'called';
  }
}

/** A real side with a friend, if it is a server, and an established stranger, whose streams it has subscribed to. */
async function besieged(side: 'server' | 'client') {
  const world = new VirtualWorld();
  const service = new Service();
  const options = { localProxyObjects: { service }, limits: { maxStreamBytes: 100_000 } };
  let real: RPCServer | RPCClient;
  let peer: RawPeer;
  let friend: RPCClient | undefined;
  if (side === 'server') {
    real = await world.startedServer(options);
    friend = await world.connectedClient();
    peer = await rawClient(world);
  } else {
    const { peers } = await rawServer(world);
    real = world.client(options);
    real.connectToServer();
    await world.pass(0.01);
    [peer] = peers as [RawPeer];
  }
  peer.registerAll(['theirs', ['values$', 'more$', 'method']]);
  await world.pass(0.01);
  const theirs = (
    'connections' in real
      ? real.remoteProxyObject<Theirs>(peer.connectionID ?? '', 'theirs')
      : real.remoteProxyObject<Theirs>('theirs')
  )!;
  const seen: unknown[] = [];
  const watch = (stream$: Observable<unknown>) =>
    stream$.subscribe({
      next: (value) => seen.push(value),
      error: (error: unknown) => seen.push(error),
      complete: () => seen.push('|'),
    });
  return { world, service, real, peer, friend, theirs, seen, watch };
}

type Besieged = Awaited<ReturnType<typeof besieged>>;

describe.each(servingSides)('a %s whose peer breaks the rules of streams', (side) => {
  /** What a stranger does, with what it must hear. */
  const faults: readonly [string, (siege: Besieged) => readonly (readonly unknown[])[], string][] = [
    [
      'values beyond the credit',
      () => [[next, 1, Array.from({ length: 33 }, (_, at) => at)]],
      '33 values of stream 1, where 32 were asked for',
    ],
    [
      'values beyond the credit, in two messages',
      () => [
        [next, 1, Array.from({ length: 20 }, (_, at) => at)],
        [next, 1, Array.from({ length: 600 }, (_, at) => at)],
      ],
      'values of stream 1, where',
    ],
    [
      'values beyond the bytes that may be out',
      () => [
        [next, 1, [new Uint8Array(60_000)]],
        [next, 2, [new Uint8Array(60_000)]],
        [next, 1, [1]],
      ],
      'values of stream 1 beyond the 100000 bytes that may be out (limits.maxStreamBytes changes the bound)',
    ],
    [
      'values of a stream that was never asked for',
      () => [[next, 77, [1]]],
      'values of stream 77, which is not open',
    ],
    [
      'values after the end',
      () => [
        [complete, 1],
        [next, 1, [1]],
      ],
      'values of stream 1, which is not open',
    ],
    [
      'an end after the end',
      () => [
        [complete, 1],
        [complete, 1],
      ],
      'the end of stream 1, which is not open',
    ],
    [
      'a failure after the end',
      () => [
        [complete, 1],
        [fail, 1, { message: 'failed' }],
      ],
      'the end of stream 1, which is not open',
    ],
    [
      'the end of a stream that was never asked for',
      () => [[complete, 77]],
      'the end of stream 77, which is not open',
    ],
    [
      'a subscription with the id of an open one',
      () => [
        [subscribe, 5, 'service', 'open$', [], 1],
        [subscribe, 5, 'service', 'open$', [], 1],
      ],
      'a call 5 while a stream of that id is open',
    ],
    [
      'a call with the id of an open stream',
      () => [
        [subscribe, 5, 'service', 'open$', [], 1],
        [request, 5, 'service', 'keep', [1]],
      ],
      'a call 5 while a stream of that id is open',
    ],
    [
      'credit that overflows',
      () => [
        [subscribe, 5, 'service', 'open$', [], 2 ** 31 - 1],
        [credit, 5, 1, 0],
      ],
      'a credit of 1 values on top of 2147483647, where 2147483647 are the most',
    ],
    [
      'credit for a stream that was never subscribed',
      () => [[credit, 77, 1, 0]],
      'stream 77, which was never subscribed',
    ],
    [
      'bytes returned that are not out',
      () => [
        [subscribe, 5, 'service', 'open$', [], 1],
        [credit, 5, 1, 7],
      ],
      '7 bytes of a stream were returned, where 0 were out',
    ],
    ['credit of nothing', () => [[credit, 5, 0, 0]], 'a CREDIT message has fields'],
    [
      'no credit at the start',
      () => [[subscribe, 5, 'service', 'open$', [], 0]],
      'a SUBSCRIBE message has fields',
    ],
    ['a call on a reference that was never lent', () => [[request, 5, 12_345, '', []]], 'reference 12345'],
    [
      'a subscription to a reference that was never lent',
      () => [[subscribe, 5, 12_345, '', [], 1]],
      'reference 12345',
    ],
    ['a release of what was never lent', () => [[release, [[12_345, 1]]]], 'reference 12345'],
    [
      'a reference given back that was never lent',
      () => [[request, 5, 'service', 'keep', [returned(12_345)]]],
      'reference 12345',
    ],
    [
      'a reference that is another thing than before',
      () => [
        [request, 5, 'service', 'keep', [lent(0, 9)]],
        [request, 6, 'service', 'keep', [lent(3, 9)]],
      ],
      'reference 9 came as a signal, and before as a function',
    ],
    [
      'an abort of what is no signal',
      () => [
        [request, 5, 'service', 'keep', [lent(0, 9)]],
        [abort, 9],
      ],
      'an abort of reference 9, a function',
    ],
  ];

  it.each(faults)(
    'closes that connection, and settles all that is on it: %s',
    async (_what, messages, text) => {
      const siege = await besieged(side);
      const { world, service, real, peer, friend, theirs, seen, watch } = siege;
      watch(theirs.values$); // id 1
      watch(theirs.more$); // id 2
      const call = rejectionOf(theirs.method());
      await world.pass(0.01);
      const ends = collected(real.disconnectionMade$);
      for (const each of messages(siege)) peer.send(...each);
      await world.pass(0.05);
      expect(peer.end?.reason).toMatchObject({ code: 'protocol-error', by: 'remote' });
      expect(peer.end?.reason.message).toContain(text);
      expect(ends).toMatchObject([{ reason: { code: 'protocol-error', by: 'local' } }]);
      const told = world.errors.filter((error) => error.message.includes(text));
      expect(told).toMatchObject([{ name: 'ProtocolError', connectionID: peer.connectionID }]);
      // Everything has ended, with an error or as it was told before.
      expect(await call).toMatchObject({ code: 'connection-lost' });
      const endings = seen.filter((each) => each === '|' || each instanceof Error);
      expect(endings).toHaveLength(2);
      expect(real.counts()).toMatchObject({
        calls: 0,
        incomingCalls: 0,
        streams: 0,
        references: 0,
        queuedBytes: 0,
      });
      const opened = messages(siege).filter(
        ([type, , , member, , given]) => type === subscribe && member === 'open$' && given !== 0,
      );
      expect(service.left).toBe(Math.min(opened.length, 1));
      if (friend === undefined) return;
      expect(friend.isConnected()).toBe(true);
      await world.until(friend.remoteProxyObject<Service>('service')!.keep('still here'));
      expect(service.kept).toContain('still here');
    },
  );

  it('ignores what crosses the word that nobody wants it', async () => {
    const { world, real, peer, theirs, seen, watch } = await besieged(side);
    const subscription = watch(theirs.values$);
    await world.pass(0.01);
    subscription.unsubscribe();
    peer.send(next, 1, [1, 2], 3);
    peer.send(next, 1, [new Uint8Array(90_000)]);
    peer.send(next, 1, [lent(0, 9)]);
    await world.pass(0.01);
    expect(peer.received.filter(([type]) => type === cancel)).toEqual([[cancel, 1]]);
    // What came with it is given back.
    expect(peer.received.filter(([type]) => type === release)).toEqual([[release, [[9, 1]]]]);
    expect(real.counts().streams).toBe(1);
    peer.send(complete, 1);
    await world.pass(0.01);
    expect([seen, real.counts().streams, peer.end]).toEqual([[], 0, undefined]);
    // As is a credit for a stream that is over, and a cancellation that crossed the end.
    peer.send(subscribe, 5, 'service', 'nothing$', [], 1);
    peer.send(credit, 5, 1, 0);
    peer.send(cancel, 5);
    peer.send(abort, 4_321);
    await world.pass(0.01);
    expect(peer.end).toBeUndefined();
    expect(peer.received.filter(([type]) => type === fail)).toMatchObject([
      [fail, 5, { code: 'unknown-method', executed: 'no' }],
    ]);
  });

  it('fails what holds a reference that was given back, and nothing else', async () => {
    const { world, real, peer, theirs, seen, watch } = await besieged(side);
    peer.send(request, 5, 'service', 'lend', []);
    await world.pass(0.01);
    const number = lentNumber(peer.responses[0]!) as number;
    peer.send(release, [[number, 1]]);
    watch(theirs.values$);
    watch(theirs.more$);
    const call = rejectionOf(theirs.method());
    await world.pass(0.01);
    peer.send(next, 1, [{ deep: [returned(number)] }]);
    peer.send(fail, 2, { message: 'failed', name: 'Error', data: returned(number) });
    peer.send(response, 3, null, returned(number));
    peer.send(request, 6, 'service', 'keep', [returned(number)]);
    await world.pass(0.01);
    const stale = { code: 'stale-reference' };
    expect(seen).toMatchObject([stale, { name: 'RemoteError', message: 'failed', data: undefined }]);
    expect(await call).toMatchObject(stale);
    expect(peer.responses[1]).toMatchObject([response, 6, { ...stale, executed: 'no' }]);
    expect(peer.received.filter(([type]) => type === cancel)).toEqual([[cancel, 1]]);
    peer.send(complete, 1);
    await world.pass(0.01);
    expect([peer.end, real.counts().streams, real.counts().references]).toEqual([undefined, 0, 0]);
  });

  it('gives out nothing that its peer says of a stream that has ended here', async () => {
    const { world, peer, theirs, seen, watch } = await besieged(side);
    watch(theirs.values$);
    await world.pass(0.01);
    peer.send(next, 1, [1]);
    peer.send(fail, 1, { message: 'gone', name: 'RangeError', code: 7 }, 5);
    await world.pass(0.01);
    expect(seen).toEqual([
      1,
      expect.objectContaining({ name: 'RemoteError', remoteName: 'RangeError', remoteCode: 7 }),
    ]);
  });

  it('keeps a reference until it was released as often as it was lent, and is refused afterwards', async () => {
    const { world, real, peer } = await besieged(side);
    for (const id of [5, 6]) peer.send(request, id, 'service', 'lend', []);
    await world.pass(0.01);
    const numbers = peer.responses.map((message) => lentNumber(message));
    expect(new Set(numbers).size).toBe(2); // two functions
    expect(real.counts().references).toBe(2);
    const [first] = numbers;
    peer.send(request, 7, first, '', []);
    peer.send(release, [[first, 1]]);
    peer.send(request, 8, first, '', []);
    await world.pass(0.01);
    expect(peer.responses.slice(2)).toMatchObject([
      [response, 7, null, 'called'],
      [response, 8, { code: 'stale-reference', executed: 'no' }],
    ]);
    expect(real.counts().references).toBe(1);
    peer.send(release, [[first, 1]]);
    await world.pass(0.01);
    expect(peer.end?.reason.message).toContain(`reference ${String(first)}`);
  });
});

/** A reference as it is on the wire: function 0, stream 1, object 2, signal 3. */
function lent(kind: number, number: number): ExtData {
  return new ExtData(8, encode([kind, number]));
}

/** A reference that goes back to its owner. */
function returned(number: number): ExtData {
  return new ExtData(9, encode([number]));
}

function lentNumber(message: SessionMessage): unknown {
  return (message[3] as { readonly number: number }).number;
}
