import { describe, expect, it } from '@jest/globals';
import type { ResumeRequest } from '../../src/protocol/messages.js';
import { isSamePrincipal } from '../../src/rpc/same-principal.js';
import { rawClient, type RawPeer } from '../helpers/raw-peer.js';
import { collected, VirtualWorld } from '../helpers/virtual-world.js';

const resume = { windowInSeconds: 20 };
const windowMs = 20_000;

/** A server, and a client by hand whose connection is made and can be resumed. */
async function made(extras: object = {}) {
  const world = new VirtualWorld();
  const server = await world.startedServer({ resume, ...extras });
  const lost = collected(server.disconnectionMade$);
  const first = await rawClient(world, 9_000, undefined, { windowMs });
  first.registerAll();
  await world.pass(0.2);
  const { connectionID = '', grant } = first;
  if (grant === undefined) throw new Error('a session that can be resumed was expected');
  /** Asks for the session, by what is right unless told otherwise. */
  const ask = (changes: Partial<ResumeRequest> = {}): Promise<RawPeer> => {
    const session = { connectionID, token: grant.token, attempt: 1, received: 1, ...changes };
    return rawClient(world, 9_000, undefined, { windowMs, session });
  };
  return { world, server, lost, first, id: connectionID, grant, ask };
}

describe('a server that is asked for a session', () => {
  it.each<readonly [string, Partial<ResumeRequest>]>([
    ['that it does not have', { connectionID: 'made-up' }],
    ['with a token that was made up', { token: new Uint8Array(32) }],
    ['with half a token', { token: new Uint8Array(16) }],
  ])('%s says that it knows none, begins another, and leaves that one alone', async (_what, changes) => {
    const { server, lost, first, id, ask } = await made();
    const stranger = await ask(changes);
    expect(stranger.grant).toMatchObject({ refusal: 'unknown' });
    expect(stranger.connectionID).not.toBe(id);
    expect(first.end).toBeUndefined();
    expect(server.connections()).toEqual([id]);
    expect(lost).toEqual([]);
  });

  it('by an attempt that is not the newest, or an old token, leaves the session alone', async () => {
    const { world, server, lost, first, id, grant, ask } = await made();
    world.network.cut();
    await world.pass(0.01);
    expect(server.connectionStatus(id)).toBe('auto connecting');
    const session = { connectionID: id, token: grant.token, attempt: 5, received: 1 };
    const second = await rawClient(world, 9_000, undefined, { windowMs, session }, first);
    expect(server.connectionStatus(id)).toBe('connected');
    const token = second.grant?.token ?? new Uint8Array(0);
    expect((await ask({ token, attempt: 5 })).grant).toMatchObject({ refusal: 'superseded' });
    // It has been heard of with the new one.
    expect((await ask({ attempt: 6 })).grant).toMatchObject({ refusal: 'unknown' });
    expect(second.end).toBeUndefined();
    expect(lost).toEqual([]);
  });

  it('of which it never sent so much, ends it: the two cannot agree any more', async () => {
    const { world, server, lost, first, id, ask } = await made();
    const liar = await ask({ received: 99 });
    expect(liar.grant).toMatchObject({ refusal: 'gap' });
    await world.pass(0.01);
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'session-lost' } }]);
    expect(server.connections()).not.toContain(id);
    expect(first.end?.reason.by).toBe('transport');
  });

  it('after its window, says so', async () => {
    const { world, lost, first, id, ask } = await made({ resume: { windowInSeconds: 1 } });
    first.connection.abandon();
    await world.pass(1.5);
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'session-lost' } }]);
    expect((await ask()).grant).toMatchObject({ refusal: 'unknown' });
  });
});

describe('a client that comes back as another', () => {
  it.each([
    ['the same name', 'ada', 'ada', true],
    ['another name', 'ada', 'eve', false],
    [
      'the same in another object',
      { name: 'ada', roles: ['a', 'b'] },
      { name: 'ada', roles: ['a', 'b'] },
      true,
    ],
    ['fewer roles', { name: 'ada', roles: ['a', 'b'] }, { name: 'ada', roles: ['a'] }, false],
  ])('has its session only if it is the same: %s', async (_what, before, after, isSame) => {
    const world = new VirtualWorld();
    let who: unknown = before;
    const server = await world.startedServer({ resume, authenticate: () => who });
    const client = await world.connectedClient({ resume, credentials: 'any' });
    const id = client.connectionID();
    who = after;
    world.network.cut();
    await world.pass(0.001);
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(client.connectionID() === id).toBe(isSame);
    expect(world.errors.map(({ name }) => name)).toEqual(isSame ? [] : ['AuthenticationError']);
    expect(server.connectionIdentity(client.connectionID() ?? '')).toEqual(after);
  });
});

describe('isSamePrincipal', () => {
  class User {
    readonly name = 'ada';
  }
  const user = new User();
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { in: deep(levels - 1) });

  it.each<readonly [unknown, unknown]>([
    [NaN, NaN],
    [user, user],
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }],
    [Object.create(null), {}],
    [deep(8), deep(8)],
  ])('takes %p and %p for the same', (one, other) => {
    expect(isSamePrincipal(one, other)).toBe(true);
  });

  it.each<readonly [unknown, unknown]>([
    [undefined, null],
    ['1', 1],
    [user, new User()],
    [[], {}],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [[1, 2], [1]],
    [new Date(0), new Date(0)],
    [deep(9), deep(9)],
  ])('tells %p from %p', (one, other) => {
    expect(isSamePrincipal(one, other)).toBe(false);
  });
});
