import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  currentCall,
  notify,
  RPCError,
  withCallOptions,
  type CurrentCall,
  type RemoteProxy,
  type RPCClient,
  type RPCServer,
} from 'tandem-rpc';
import { collected, rejectionOf, turn, VirtualWorld } from '../helpers/virtual-world.js';

/** The object that is called, with a hand on its answers. */
class Service {
  /** Ends a call of `wait`, in any order. */
  readonly finish = new Map<string, (value: unknown) => void>();
  readonly calls: CurrentCall[] = [];
  readonly noted: string[] = [];
  add(left: number, right: number): number {
    return left + right;
  }
  async addLater(left: number, right: number): Promise<number> {
    return left + right;
  }
  wait(name: string): Promise<unknown> {
    this.calls.push(currentCall());
    return new Promise((resolve) => this.finish.set(name, resolve));
  }
  note(text: string): void {
    this.noted.push(text);
  }
  fail(): never {
    throw new Error('failed');
  }
  nothing(): void {}
  echo(value: unknown): unknown {
    return value;
  }
  unserializable(): unknown {
    return { ok: 1, handler: Symbol('no value') };
  }
  huge(): Uint8Array {
    return new Uint8Array(17 * 1024 * 1024);
  }
  strange(): unknown {
    return {
      get value(): never {
        throw new Error('cannot be read');
      },
    };
  }
  async where(): Promise<unknown> {
    const before = currentCall();
    await turn();
    const { connectionID, object, member, metadata } = currentCall();
    return { connectionID, object, member, metadata, isSame: currentCall() === before };
  }
}

function assertNothingIsLeft({ network, scheduler }: VirtualWorld): void {
  if (network.links.length > 0 || scheduler.actions.length > 0) throw new Error('a link or a timer is left');
}

describe.each(['client to server', 'server to client'] as const)('a call, %s', (direction) => {
  let world: VirtualWorld;
  let server: RPCServer;
  let client: RPCClient;
  let id: string;
  let service: Service;
  let proxy: RemoteProxy<Service>;

  beforeEach(async () => {
    world = new VirtualWorld();
    service = new Service();
    const [fromServer, fromClient] = direction === 'client to server' ? [{ service }, {}] : [{}, { service }];
    ({ server, client, id } = await world.pair(
      { localProxyObjects: fromServer },
      { localProxyObjects: fromClient },
    ));
    proxy =
      direction === 'client to server'
        ? client.remoteProxyObject<Service>('service')!
        : server.remoteProxyObject<Service>(id, 'service')!;
  });
  afterEach(async () => {
    await client.dispose();
    await world.until(server.dispose());
    await world.pass(2);
    assertNothingIsLeft(world);
  });

  /** Cuts the wire. */
  const cut = (): void => {
    world.network.cut();
  };
  const where = () => ({ connectionID: id, object: 'service' });

  it('gives the result', async () => {
    await expect(world.until(proxy.add(1, 2))).resolves.toBe(3);
    await expect(world.until(proxy.addLater(3, 4))).resolves.toBe(7);
    await expect(world.until(proxy.nothing())).resolves.toBeUndefined();
    await expect(world.until(proxy.echo(null))).resolves.toBeNull();
  });

  it('is answered in any order', async () => {
    const order: unknown[] = [];
    for (const name of ['a', 'b', 'c']) void proxy.wait(name).then((value) => order.push(value));
    await world.pass(0.01);
    for (const name of ['c', 'a', 'b']) {
      service.finish.get(name)?.(name);
      await turn();
    }
    await world.pass(0.01);
    expect(order).toEqual(['c', 'a', 'b']);
  });

  it('is given up after its timeout, and the method learns of it', async () => {
    const impatient = withCallOptions(proxy, { timeoutInSeconds: 0.5 });
    const beganAt = world.now;
    expect(await world.failureOf(impatient.wait('slow'))).toMatchObject({
      ...where(),
      name: 'RPCTimeoutError',
      code: 'timeout',
      member: 'wait',
      executed: 'unknown',
      message: 'service.wait was not answered within 0.5 s',
    });
    expect(world.now - beganAt).toBeCloseTo(0.5, 5);
    await world.pass(0.01);
    expect(service.calls[0]?.signal.aborted).toBe(true);
    // The answer that comes too late harms nobody.
    service.finish.get('slow')?.(1);
    await world.pass(0.01);
    await expect(world.until(proxy.add(1, 1))).resolves.toBe(2);
    expect(world.errors).toEqual([]);
  });

  it('that was answered in time is not given up later, and the others in their turn', async () => {
    const within = (seconds: number) => withCallOptions(proxy, { timeoutInSeconds: seconds });
    await expect(world.until(within(1).add(1, 1))).resolves.toBe(2);
    const waiting = [within(3).wait('x'), within(1).wait('y'), within(2).wait('z')].map((call) =>
      call.catch(() => world.now),
    );
    const beganAt = world.now;
    const ended = await world.until(Promise.all(waiting));
    expect(ended.map((at) => Math.round((at as number) - beganAt))).toEqual([3, 1, 2]);
  });

  it('rejects with the reason of a signal that is aborted before it: nothing is sent', async () => {
    const reason = { any: 'thing' };
    const aborted = withCallOptions(proxy, { signal: AbortSignal.abort(reason) });
    await expect(aborted.wait('never')).rejects.toBe(reason);
    await world.pass(0.01);
    expect(service.calls).toEqual([]);
  });

  it('rejects with the reason of a signal that is aborted meanwhile, and the method learns of it', async () => {
    const controller = new AbortController();
    const call = rejectionOf(withCallOptions(proxy, { signal: controller.signal }).wait('cancelled'));
    await world.pass(0.01);
    const [serving] = service.calls;
    expect(serving?.signal.aborted).toBe(false);
    const aborts: unknown[] = [];
    serving?.signal.addEventListener('abort', () => aborts.push(serving.signal.reason));
    controller.abort('changed my mind');
    expect(await call).toBe('changed my mind');
    await world.pass(0.01);
    expect(aborts).toEqual([expect.objectContaining({ name: 'AbortError' })]);
    const counts = direction === 'client to server' ? server.counts() : client.counts();
    // The method still runs: its slot is taken until it has really ended.
    expect(counts.incomingCalls).toBe(1);
    service.finish.get('cancelled')?.(1);
    await world.pass(0.01);
    expect(world.errors).toEqual([]);
  });

  it('does not care for a signal that is aborted after it, and leaves no listener', async () => {
    const controller = new AbortController();
    const added = jest.spyOn(controller.signal, 'addEventListener');
    const removed = jest.spyOn(controller.signal, 'removeEventListener');
    const signalled = withCallOptions(proxy, { signal: controller.signal });
    const calls = Array.from({ length: 50 }, () => signalled.add(1, 1));
    await world.until(Promise.all(calls));
    controller.abort();
    // One listener for all of them: the platform warns of more than ten.
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
    await expect(world.until(proxy.add(1, 2))).resolves.toBe(3);
  });

  it('carries metadata, and knows itself by currentCall(), after an await too', async () => {
    const metadata = { trace: 7n, at: new Date(5) };
    const result = await world.until(withCallOptions(proxy, { metadata }).where());
    expect(result).toEqual({ ...where(), member: 'where', metadata, isSame: true });
    expect(await world.until(proxy.where())).toMatchObject({ metadata: undefined });
  });

  it('fails before it is sent when it cannot cross: executed "no"', async () => {
    const functions = { items: [1, { onClick: Symbol('no value') }] };
    expect(await rejectionOf(proxy.echo(functions))).toMatchObject({
      ...where(),
      name: 'UnserializableValueError',
      code: 'unserializable-value',
      member: 'echo',
      executed: 'no',
      message: expect.stringContaining('arguments[0].items[1].onClick'),
    });
    const badMetadata = withCallOptions(proxy, { metadata: { now: Symbol('no') } });
    expect(await rejectionOf(badMetadata.echo(1))).toMatchObject({ executed: 'no', member: 'echo' });
    expect(await rejectionOf(proxy.echo(new Uint8Array(17 * 1024 * 1024)))).toMatchObject({
      name: 'LimitExceededError',
      executed: 'no',
    });
    const untypedEcho: (...args: unknown[]) => Promise<unknown> = proxy.echo;
    expect(await rejectionOf(untypedEcho(...Array.from({ length: 65 }, () => 0)))).toMatchObject({
      ...where(),
      name: 'LimitExceededError',
      code: 'limit-exceeded',
      executed: 'no',
      message: expect.stringContaining('65 arguments, where 64 are allowed (limits.maxArguments'),
    });
    await world.pass(0.01);
    await expect(world.until(proxy.add(1, 1))).resolves.toBe(2);
  });

  it('of a method that is not there is refused: executed "no", naming those that are', async () => {
    const untyped = proxy as unknown as Record<string, () => Promise<unknown>>;
    expect(await rejectionOf(untyped['missing']!())).toMatchObject({
      ...where(),
      name: 'UnknownMethodError',
      code: 'unknown-method',
      member: 'missing',
      executed: 'no',
      message: expect.stringContaining('add, addLater'),
    });
  });

  it('whose method throws is rejected with RemoteError: executed "yes"', async () => {
    expect(await world.failureOf(proxy.fail())).toMatchObject({
      ...where(),
      name: 'RemoteError',
      code: 'remote',
      member: 'fail',
      message: 'failed',
      remoteName: 'Error',
      remoteCode: undefined,
      data: undefined,
      remoteStack: undefined,
      executed: 'yes',
    });
  });

  it('whose result cannot cross is rejected: executed "yes", and the connection goes on', async () => {
    expect(await world.failureOf(proxy.unserializable())).toMatchObject({
      ...where(),
      name: 'UnserializableValueError',
      executed: 'yes',
      message: expect.stringContaining('result.handler'),
    });
    expect(await world.failureOf(proxy.huge())).toMatchObject({
      name: 'LimitExceededError',
      executed: 'yes',
    });
    const strange = await world.failureOf(proxy.strange());
    expect(strange).toBeInstanceOf(RPCError);
    expect(strange).toMatchObject({ ...where(), executed: 'yes' });
    await expect(world.until(proxy.add(1, 1))).resolves.toBe(2);
    expect(world.errors).toEqual([]);
  });

  it('that has not left when the connection is lost never ran: executed "no"', async () => {
    cut();
    const call = rejectionOf(proxy.wait('never'));
    const big = rejectionOf(proxy.echo('x'.repeat(1_000_000)));
    await world.pass(0.0005);
    for (const error of [await call, await big]) {
      expect(error).toMatchObject({
        ...where(),
        name: 'ConnectionLostError',
        code: 'connection-lost',
        executed: 'no',
      });
    }
    expect(service.calls).toEqual([]);
  });

  it('that has left when the connection is lost may have run: executed "unknown"', async () => {
    const unread = rejectionOf(proxy.wait('under way'));
    await world.pass(0.0005);
    cut();
    await world.pass(0.0001);
    expect(await unread).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown', member: 'wait' });
    await world.until(client.whenConnected());
  });

  it('that the other side had not read when it said goodbye never ran: executed "no"', async () => {
    await world.pass(1);
    const unread = rejectionOf(proxy.wait('crossing'));
    await world.pass(0.0002);
    if (direction === 'client to server') server.disconnect(id);
    else void client.disconnectFromServer();
    await world.pass(0.01);
    expect(await unread).toMatchObject({ name: 'ConnectionLostError', executed: 'no' });
    expect(service.calls).toEqual([]);
  });

  it('in the middle of which the connection is lost is settled, and its method learns of it', async () => {
    const calls = ['a', 'b', 'c'].map((name) => rejectionOf(proxy.wait(name)));
    const ended = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 60 }).wait('d'));
    await world.pass(0.01);
    cut();
    await world.pass(0.0001);
    for (const error of await Promise.all([...calls, ended]))
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' });
    expect(service.calls.map(({ signal }) => signal.aborted)).toEqual([true, true, true, true]);
    service.finish.get('a')?.(1);
    await turn();
    expect([client.counts().calls, client.counts().incomingCalls]).toEqual([0, 0]);
  });

  it('may be made without waiting, by notify()', async () => {
    const notifying = notify(proxy) as { note(text: string): unknown };
    const result = notifying.note('one');
    notify(withCallOptions(proxy, { metadata: 1 })).note('two');
    await world.pass(0.01);
    expect([result, service.noted]).toEqual([undefined, ['one', 'two']]);
    expect(() => {
      notify(proxy).note(Symbol('no value') as never);
    }).toThrow('arguments[0]');
    const untyped = notify(proxy) as unknown as Record<string, () => void>;
    expect(() => {
      untyped['missing']!();
    }).toThrow('has no method or stream "missing"');
    notify(withCallOptions(proxy, { signal: AbortSignal.abort() })).note('never');
    await world.pass(0.01);
    expect(service.noted).toEqual(['one', 'two']);
  });

  it('by notify() whose method fails is reported where it ran', async () => {
    const errors = collected(direction === 'client to server' ? server.errors$ : client.errors$);
    notify(proxy).fail();
    await world.pass(0.01);
    expect(errors).toMatchObject([
      {
        code: 'notified',
        message: 'service.fail, which was notified, failed: failed',
        object: 'service',
        member: 'fail',
        cause: { message: 'failed' },
      },
    ]);
    expect(world.errors).toHaveLength(1);
  });

  it('takes its options from the proxy, added to those that it has', async () => {
    const both = withCallOptions(withCallOptions(proxy, { metadata: 'm' }), { timeoutInSeconds: 0.2 });
    expect(await world.until(both.where())).toMatchObject({ metadata: 'm' });
    expect(await world.failureOf(both.wait('x'))).toMatchObject({ name: 'RPCTimeoutError' });
    const patient = withCallOptions(both, { timeoutInSeconds: null }).wait('y');
    await world.pass(1);
    service.finish.get('y')?.('late');
    await expect(world.until(patient)).resolves.toBe('late');
  });
});

describe('callTimeoutInSeconds', () => {
  it('holds for each call that has no timeout of its own', async () => {
    const world = new VirtualWorld();
    const service = new Service();
    const { client } = await world.pair({ localProxyObjects: { service } }, { callTimeoutInSeconds: 1 });
    const proxy = client.remoteProxyObject<Service>('service')!;
    expect(await world.failureOf(proxy.wait('x'))).toMatchObject({ name: 'RPCTimeoutError' });
    expect(world.now).toBeLessThan(1.1);
    const endless = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: null }).wait('y'));
    await world.pass(600);
    expect(client.counts().calls).toBe(1);
    await client.disconnectFromServer();
    expect(await endless).toMatchObject({ name: 'ConnectionLostError' });
  });
});

describe('currentCall()', () => {
  it('throws outside a call', () => {
    expect(() => currentCall()).toThrow('currentCall() is used outside a call from the other side');
  });

  it('gives a signal that is aborted already to whoever asks late', async () => {
    const world = new VirtualWorld();
    let call: CurrentCall | undefined;
    const service = {
      hang: () => {
        call = currentCall();
        return new Promise<never>(() => undefined);
      },
    };
    const { client } = await world.pair({ localProxyObjects: { service } });
    const proxy = client.remoteProxyObject<typeof service>('service')!;
    expect(await world.failureOf(withCallOptions(proxy, { timeoutInSeconds: 0.1 }).hang())).toBeDefined();
    await world.pass(0.1);
    world.network.cut();
    await world.pass(0.1);
    expect(call?.signal).toMatchObject({ aborted: true, reason: { name: 'TimeoutError' } });
  });

  it('keeps calls apart that run at the same time', async () => {
    const world = new VirtualWorld();
    const service = new Service();
    const { client } = await world.pair({ localProxyObjects: { service } });
    const proxy = client.remoteProxyObject<Service>('service')!;
    const calls = [1, 2, 3].map((metadata) => withCallOptions(proxy, { metadata }).where());
    expect(await world.until(Promise.all(calls))).toMatchObject([
      { metadata: 1 },
      { metadata: 2 },
      { metadata: 3 },
    ]);
  });
});

describe('an argument with a getter', () => {
  it('may make a call itself while it is read: both are answered, each with its own answer', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair({ localProxyObjects: { service: new Service() } });
    const proxy = client.remoteProxyObject<Service>('service')!;
    const inner: Promise<unknown>[] = [];
    const tricky = {
      get value() {
        inner.push(proxy.echo(inner.length));
        return 'outer';
      },
    };
    await expect(world.until(proxy.echo(tricky))).resolves.toEqual({ value: 'outer' });
    await expect(world.until(Promise.all(inner))).resolves.toEqual(inner.map((_, at) => at));
  });
});
