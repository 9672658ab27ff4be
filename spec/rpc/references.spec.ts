import { beforeEach, describe, expect, it } from '@jest/globals';
import { Subject, type Observable } from 'rxjs';
import { byReference, dispose, type RemoteProxy, type RPCClient, type RPCServer } from 'tandem-rpc';
import { VirtualWorld } from '../helpers/virtual-world.js';

type Callback = (value: number) => number;

class Account {
  balance = 0;
  deposit(amount: number): number {
    this.balance += amount;
    return this.balance;
  }
}

class Service {
  readonly emitted = new Subject<unknown>();
  readonly emitted$ = this.emitted.asObservable();
  kept: unknown;
  readonly account = byReference(new Account());
  keep(value: unknown): void {
    this.kept = value;
  }
  give(): unknown {
    return this.kept;
  }
  open(): Account {
    return this.account;
  }
  isOwn(value: unknown): boolean {
    return value === this.account;
  }
}

describe('references on a connection', () => {
  let world: VirtualWorld;
  let server: RPCServer;
  let client: RPCClient;
  let service: Service;
  let proxy: RemoteProxy<Service>;

  beforeEach(async () => {
    world = new VirtualWorld();
    service = new Service();
    ({ server, client } = await world.pair({ localProxyObjects: { service } }));
    proxy = client.remoteProxyObject<Service>('service')!;
  });

  it('are given back once, although their values cross the word that nobody wants them', async () => {
    const callback: Callback = (value) => value + 1;
    const got: unknown[] = [];
    const emitted$ = proxy.emitted$ as unknown as Observable<Callback>;
    const subscription = emitted$.subscribe((value) => got.push(value));
    await world.pass(1);
    service.emitted.next(callback);
    await world.pass(1);
    subscription.unsubscribe();
    service.emitted.next(callback);
    await world.pass(1);
    expect(got).toHaveLength(1);
    dispose(got[0] as object);
    await world.pass(1);
    expect(client.isConnected()).toBe(true);
    expect(server.counts()).toMatchObject({ references: 0, streams: 0 });
    expect(client.counts()).toMatchObject({ references: 0, streams: 0 });
    expect(world.errors).toEqual([]);
  });

  it('pass through a third side, and back to their owner as they were', async () => {
    const other = await world.connectedClient();
    const account = await world.until(proxy.open());
    // The other client gets what the first one holds, by way of the server, which owns it.
    await world.until(proxy.keep(account as never));
    expect(service.kept).toBe(service.account);
    expect(await world.until(proxy.isOwn(account as never))).toBe(true);
    const theirs = other.remoteProxyObject<Service>('service')!;
    const given = (await world.until(theirs.give())) as RemoteProxy<Account>;
    expect(await world.until(given.deposit(5))).toBe(5);
    expect(service.account.balance).toBe(5);
  });

  it('of one connection are lent on to another as objects that forward', async () => {
    const mine = byReference(new Account());
    await world.until(proxy.keep(mine as never));
    const other = await world.connectedClient();
    const theirs = (await world.until(
      other.remoteProxyObject<Service>('service')!.give(),
    )) as RemoteProxy<Account>;
    expect(await world.until(theirs.deposit(7))).toBe(7);
    expect(mine.balance).toBe(7);
    // Once the owner is gone, they are stale, and cannot be lent anew.
    await world.until(client.disconnectFromServer());
    expect(await world.failureOf(theirs.deposit(1))).toBeInstanceOf(Error);
    dispose(theirs);
    await world.pass(1);
    expect(await world.failureOf(other.remoteProxyObject<Service>('service')!.give())).toMatchObject({
      code: 'unserializable-value',
    });
    expect(other.isConnected()).toBe(true);
  });
});
