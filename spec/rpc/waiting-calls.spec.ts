import { describe, expect, it } from '@jest/globals';
import { of, toArray } from 'rxjs';
import { currentCall, notify, rx, withCallOptions, type RPCClient } from 'tandem-rpc';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

class Service {
  readonly told: unknown[] = [];
  readonly values$ = of(1, 2);
  echo<Value>(value: Value): Value {
    return value;
  }
  tell(value: unknown): void {
    this.told.push(value);
  }
  never(): Promise<never> {
    return new Promise(() => undefined);
  }
  timeLeft(): number | undefined {
    return currentCall().remainingTimeInSeconds;
  }
}

/** A client that was connected, and whose server is away. */
async function away(clientOptions: object = {}) {
  const world = new VirtualWorld();
  const service = new Service();
  const options = { localProxyObjects: { service } };
  const server = await world.startedServer(options);
  const client: RPCClient = await world.connectedClient(clientOptions);
  const proxy = client.remoteProxyObject<Service>('service')!;
  await world.until(server.stop());
  await world.pass(0.1);
  expect(client.isConnected()).toBe(false);
  return {
    world,
    service,
    server,
    client,
    proxy,
    waiting: withCallOptions(proxy, { whenDisconnected: 'wait' }),
  };
}

describe('a call while there is no connection', () => {
  it('fails at once by default, having sent nothing', async () => {
    const { proxy, world } = await away();
    expect(await rejectionOf(proxy.echo(1))).toMatchObject({ code: 'not-connected', executed: 'no' });
    expect(() => {
      notify(proxy).tell(1);
    }).toThrow('service.tell');
    const seen: unknown[] = [];
    proxy.values$.subscribe({ error: (error: unknown) => seen.push(error) });
    await world.pass(1);
    expect(seen).toMatchObject([
      { code: 'not-connected', executed: 'no', object: 'service', member: 'values$' },
    ]);
  });

  it('waits where it says so: calls, notifications and streams', async () => {
    const { world, server, service, waiting } = await away();
    const result = waiting.echo('late');
    const cold = collected(rx(waiting).echo('cold'));
    notify(waiting).tell('told');
    const values = collected(waiting.values$.pipe(toArray()));
    const left = waiting.values$.subscribe(() => {
      throw new Error('nobody wants it');
    });
    await world.pass(60);
    left.unsubscribe();
    expect([values, service.told]).toEqual([[], []]);
    await world.until(server.start());
    expect(await world.until(result)).toBe('late');
    await world.pass(0.1);
    expect([values, cold, service.told]).toEqual([[[1, 2], '|'], ['cold', '|'], ['told']]);
    expect([server.counts().streams, world.errors]).toEqual([0, []]);
  });

  it('waits no longer than its time, of which the call has what is left', async () => {
    const { world, server, waiting } = await away();
    const hurried = withCallOptions(waiting, { timeoutInSeconds: 5 });
    const failed: unknown[] = [];
    hurried.values$.subscribe({ error: (error: unknown) => failed.push(error) });
    const late = rejectionOf(hurried.echo(1));
    await world.pass(5.1);
    const timeout = { code: 'timeout', executed: 'no', object: 'service' };
    expect(await late).toMatchObject({ ...timeout, member: 'echo' });
    expect(failed).toMatchObject([{ ...timeout, member: 'values$' }]);

    const patient = withCallOptions(waiting, { timeoutInSeconds: 100 });
    const timeLeft = patient.timeLeft();
    const never = rejectionOf(patient.never());
    await world.pass(10);
    await world.until(server.start());
    await world.pass(20);
    const left = await timeLeft;
    expect(left).toBeGreaterThan(60);
    expect(left).toBeLessThan(90.1);
    await world.pass(70.1);
    expect(await never).toMatchObject({ code: 'timeout', executed: 'unknown' });
  });

  it('has the default time as well, which streams do not', async () => {
    const { world, server, waiting } = await away({ callTimeoutInSeconds: 3 });
    const late = rejectionOf(waiting.echo(1));
    const values = collected(waiting.values$);
    await world.pass(3.1);
    expect(await late).toMatchObject({ code: 'timeout', executed: 'no' });
    await world.until(server.start());
    await world.pass(60);
    expect(values).toEqual([1, 2, '|']);
  });

  it('is given up by its signal, with its reason', async () => {
    const { world, waiting } = await away();
    const controller = new AbortController();
    const given = withCallOptions(waiting, { signal: controller.signal });
    const failed: unknown[] = [];
    given.values$.subscribe({ error: (error: unknown) => failed.push(error) });
    const call = rejectionOf(given.echo(1));
    const reason = new Error('enough');
    controller.abort(reason);
    await world.pass(0.1);
    expect([await call, failed]).toEqual([reason, [reason]]);
    given.values$.subscribe({ error: (error: unknown) => failed.push(error) });
    await world.pass(0.1);
    expect(failed).toEqual([reason, reason]);
  });

  it.each(['disconnectFromServer', 'dispose'] as const)('ends with %s()', async (end) => {
    const { world, client, waiting } = await away();
    const failed: unknown[] = [];
    waiting.values$.subscribe({ error: (error: unknown) => failed.push(error) });
    const call = rejectionOf(waiting.echo(1));
    notify(waiting).tell(1);
    await world.until(client[end]());
    await world.pass(0.1);
    expect(await call).toMatchObject({ code: 'not-connected', executed: 'no', member: 'echo' });
    expect(failed).toMatchObject([{ code: 'not-connected', executed: 'no' }]);
    // A notification has nobody else to tell.
    expect(world.errors).toMatchObject(end === 'dispose' ? [] : [{ code: 'not-connected', member: 'tell' }]);
  });
});
