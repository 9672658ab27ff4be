import { describe, expect, it } from '@jest/globals';
import { from, timer } from 'rxjs';
import { byReference, notify, PermissionDeniedError, withCallOptions, type AuthorizedCall } from 'tandem-rpc';
import { MessageType } from '../../src/protocol/messages.js';
import { rawClient } from '../helpers/raw-peer.js';
import { served, servingSides } from '../helpers/served.js';
import { collected, VirtualWorld } from '../helpers/virtual-world.js';

class Service {
  readonly ran: string[] = [];
  readonly numbers$ = from([1, 2]);
  ping(): string {
    this.ran.push('ping');
    return 'pong';
  }
  call(back: () => Promise<unknown>): Promise<unknown> {
    this.ran.push('call');
    return back();
  }
  lend(): object {
    return byReference({ open: () => 'opened' });
  }
  isSame(thing: unknown, other: unknown): boolean {
    return thing === other;
  }
  watch(signal: AbortSignal): unknown {
    return signal.reason;
  }
}

/** Answers at once, or later. */
const ways = [
  ['at once', (verdict: boolean) => verdict],
  ['later', async (verdict: boolean) => verdict],
] as const;

describe.each(servingSides)('authorize of a %s', (side) => {
  describe.each(ways)('that answers %s', (_when, answer) => {
    it('is asked for calls, notifications, subscriptions and references, and lets them run', async () => {
      const service = new Service();
      const asked: AuthorizedCall[] = [];
      const authorize = (call: AuthorizedCall) => (asked.push(call), answer(true));
      const { world, proxy, id } = await served(side, service, { serving: { authorize } });
      expect(await world.until(proxy.ping())).toBe('pong');
      notify(proxy).ping();
      expect(await world.until(proxy.call(async () => 'called back'))).toBe('called back');
      const numbers = collected(proxy.numbers$);
      await world.pass(0.1);
      expect(numbers).toEqual([1, 2, '|']);
      const lent = (await world.until(proxy.lend())) as { open(): Promise<string> };
      expect(await world.until(lent.open())).toBe('opened');
      expect(service.ran).toEqual(['ping', 'ping', 'call']);
      const of = (kind: string, member: string, object = 'service') => ({
        kind,
        connectionID: id,
        identity: undefined,
        object,
        member,
        isReference: object === 'reference',
      });
      expect(asked).toEqual([
        of('call', 'ping'),
        of('notify', 'ping'),
        of('call', 'call'),
        of('subscribe', 'numbers$'),
        of('call', 'lend'),
        of('call', 'open', 'reference'),
      ]);
      expect(world.errors).toEqual([]);
    });

    it('refuses without running anything, and the connection lives', async () => {
      const service = new Service();
      const { world, proxy, using } = await served(side, service, {
        serving: { authorize: () => answer(false) },
      });
      const denied = { name: 'PermissionDeniedError', code: 'permission-denied', executed: 'no' };
      expect(await world.failureOf(proxy.ping())).toBeInstanceOf(PermissionDeniedError);
      expect(await world.failureOf(proxy.ping())).toMatchObject({
        ...denied,
        object: 'service',
        member: 'ping',
      });
      expect(await world.failureOf(proxy.call(async () => 1))).toMatchObject(denied);
      let failure: unknown;
      proxy.numbers$.subscribe({ error: (error: unknown) => (failure = error) });
      notify(proxy).ping();
      await world.pass(0.1);
      expect(failure).toMatchObject(denied);
      expect(world.errors).toMatchObject([{ ...denied, executed: undefined }]);
      expect([
        service.ran,
        'isConnected' in using ? using.isConnected() : using.connections().length,
      ]).toEqual([[], side === 'server' ? true : 1]);
    });

    it.each([
      ['nothing, although it is the wrong way round', () => undefined as never],
      ['an error', () => Promise.reject(new Error('secret'))],
      [
        'an error thrown',
        () => {
          throw new Error('secret');
        },
      ],
    ])('takes for a refusal %s, and tells the caller nothing of it', async (what, authorize) => {
      const { world, proxy } = await served(side, new Service(), { serving: { authorize } });
      const error = await world.failureOf(proxy.ping());
      expect(error).toMatchObject({ code: 'permission-denied', executed: 'no' });
      expect((error as Error).message).not.toContain('secret');
      expect(world.errors.map(({ message }) => message)).toEqual(what.startsWith('an') ? ['secret'] : []);
    });

    it('may refuse by an error of that kind, which is no news', async () => {
      const authorize = () => {
        throw new PermissionDeniedError('not you');
      };
      const { world, proxy } = await served(side, new Service(), { serving: { authorize } });
      expect(await world.failureOf(proxy.ping())).toMatchObject({ code: 'permission-denied' });
      expect(world.errors).toEqual([]);
    });
  });
});

describe('authorize', () => {
  it.each(ways)(
    'sees the identity, and refuses in the same words what there is and what there is not: %s',
    async (_when, answer) => {
      const world = new VirtualWorld();
      const service = new Service();
      await world.startedServer({
        localProxyObjects: { service },
        authenticate: () => 'nobody',
        authorize: ({ identity, member }) => answer(identity === 'somebody' || member === 'missing'),
      });
      const peer = await rawClient(world);
      peer.registerAll();
      const calls = [
        ['service', 'ping'],
        ['service', 'nothing'],
        ['nothing', 'p\nng'],
        ['nothing', 'missing'],
      ] as const;
      calls.forEach(([object, member], at) => {
        peer.send(MessageType.request, at + 1, object, member, []);
      });
      peer.send(MessageType.subscribe, 9, 'nothing', 'numbers$', [], 1);
      await world.pass(0.1);
      const errorOf = (at: number) => peer.received.find((it) => it[1] === at)?.[2] ?? {};
      expect([1, 2, 3].map(errorOf)).toEqual(
        calls.slice(0, 3).map(([object, member]) => ({
          code: 'permission-denied',
          message: `${object}.${member.replace('\n', '\ufffd')} is not allowed`,
          executed: 'no',
        })),
      );
      expect(errorOf(4)).toMatchObject({ code: 'unknown-object', executed: 'no' });
      expect(errorOf(9)).toMatchObject({ code: 'permission-denied', executed: 'no' });
      expect(peer.end).toBeUndefined();
    },
  );

  /** A side whose word takes a tenth of a second. */
  async function slow() {
    const service = new Service();
    const world = new VirtualWorld();
    const server = await world.startedServer({
      localProxyObjects: { service },
      authorize: async () =>
        new Promise<boolean>((resolve) => {
          timer(100, world.scheduler).subscribe(() => {
            resolve(true);
          });
        }),
    });
    const client = await world.connectedClient();
    return { world, server, client, service, proxy: client.remoteProxyObject<Service>('service')! };
  }

  it('keeps what a call was sent with although it is given back or aborted meanwhile', async () => {
    const { world, proxy } = await slow();
    const controller = new AbortController();
    const watched = proxy.watch(controller.signal);
    await world.pass(0.01);
    controller.abort('stop');
    expect(await world.until(watched)).toBe('stop');
    const lent = (await world.until(proxy.lend())) as Disposable;
    const same = proxy.isSame(lent, lent);
    lent[Symbol.dispose]();
    expect(await world.until(same)).toBe(true);
    expect(world.errors).toEqual([]);
  });

  it('begins no call that was given up meanwhile, or whose connection has ended', async () => {
    const { world, server, client, proxy, service } = await slow();
    const controller = new AbortController();
    const call = world.failureOf(withCallOptions(proxy, { signal: controller.signal }).call(async () => 1));
    const subscription = proxy.numbers$.subscribe();
    controller.abort('no more');
    subscription.unsubscribe();
    expect(await call).toBe('no more');
    notify(proxy).ping();
    await world.pass(0.01);
    await client.disconnectFromServer();
    await world.pass(1);
    expect(service.ran).toEqual([]);
    expect(world.errors).toMatchObject([{ code: 'connection-lost' }]);
    expect(server.counts()).toMatchObject({ incomingCalls: 0, streams: 0, references: 0 });
  });

  it('is waited for when the server drains', async () => {
    const { world, server, proxy } = await slow();
    const pong = proxy.ping();
    await world.pass(0.01);
    const stopped = server.stop({ drainInSeconds: 5 });
    expect(await world.until(pong)).toBe('pong');
    await world.until(stopped);
  });

  it('does not hide what a peer does wrong', async () => {
    const { world } = await slow();
    const peer = await rawClient(world);
    peer.registerAll();
    peer.send(MessageType.request, 1, 77, 'open', []);
    await world.pass(0.2);
    expect(peer.end?.reason).toMatchObject({ code: 'protocol-error', by: 'remote' });
  });
});
