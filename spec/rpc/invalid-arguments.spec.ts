import { describe, expect, it } from '@jest/globals';
import { InvalidArgumentsError, RPCError, type StandardSchema } from 'tandem-rpc';
import { z } from 'zod';
import { VirtualWorld } from '../helpers/virtual-world.js';

class Bank {
  readonly ran: unknown[][] = [];
  deposit(...args: unknown[]): unknown {
    this.ran.push(args);
    return args.length;
  }
}

/** Calls `deposit` of one side from the other. */
async function deposit(
  schemas: readonly StandardSchema[],
  args: readonly unknown[],
  servedBy: 'server' | 'client' = 'server',
): Promise<{ result: unknown; ran: unknown[][] }> {
  const world = new VirtualWorld();
  const bank = new Bank();
  const server = await world.startedServer();
  const client = world.client();
  (servedBy === 'server' ? server : client).registerProxyObject('bank', bank, {
    schemas: { deposit: schemas },
  });
  client.connectToServer();
  await world.until(client.whenConnected());
  await world.pass(0.01);
  const id = client.connectionID() ?? '';
  const proxy =
    servedBy === 'server'
      ? client.remoteProxyObject<Bank>('bank')
      : server.remoteProxyObject<Bank>(id, 'bank');
  const result = await world.until(Promise.resolve(proxy?.deposit(...args)).catch((error: unknown) => error));
  // Whatever was refused, the connection lives.
  expect(client.isConnected()).toBe(true);
  return { result, ran: bank.ran };
}

describe.each(['server', 'client'] as const)('arguments checked by the %s', (side) => {
  const schemas = [z.number().positive(), z.string().default('none')];

  it('reach the method as the schemas made them', async () => {
    expect(await deposit(schemas, [5], side)).toEqual({ result: 2, ran: [[5, 'none']] });
  });

  it('never reach it where the schemas refuse them', async () => {
    const { result, ran } = await deposit(schemas, [-5, 7], side);
    expect(result).toBeInstanceOf(InvalidArgumentsError);
    expect(result).toMatchObject({
      code: 'invalid-arguments',
      executed: 'no',
      object: 'bank',
      member: 'deposit',
      issues: [{ path: [0] }, { path: [1] }],
    });
    expect((result as Error).message).toMatch(/^arguments\[0\]: .* \(and 1 more\)$/);
    expect(ran).toEqual([]);
  });

  it('never reach it where a schema takes its time to refuse them', async () => {
    const free = z.string().refine(async (name) => Promise.resolve(name !== 'taken'));
    expect(await deposit([free], ['free'], side)).toMatchObject({ result: 1 });
    expect(await deposit([free], ['taken'], side)).toMatchObject({
      result: { code: 'invalid-arguments', executed: 'no' },
      ran: [],
    });
  });

  it('never reach it where a schema fails, and the caller hears nothing of its reasons', async () => {
    const failing = z.string().transform(() => {
      throw new Error('secret');
    });
    const { result, ran } = await deposit([failing], ['x'], side);
    expect(result).toBeInstanceOf(RPCError);
    expect(result).toMatchObject({ code: 'schema-failed', executed: 'no' });
    expect((result as Error).cause).toBeUndefined();
    expect(JSON.stringify([result, (result as Error).message])).not.toContain('secret');
    expect(ran).toEqual([]);
  });

  it('that are refused cost little, however long their keys are', async () => {
    const keys = Array.from({ length: 100 }, (_, at) => `${'k'.repeat(40_000)}${at}`);
    const { result } = await deposit(
      [z.map(z.string(), z.number())],
      [new Map(keys.map((key) => [key, 'x']))],
      side,
    );
    expect(result).toMatchObject({ code: 'invalid-arguments', executed: 'no' });
    expect(JSON.stringify((result as InvalidArgumentsError).issues).length).toBeLessThan(16_384);
  });
});
