/**
 * Rows of what must not stay, and what must not cross: F29, F33.
 */
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { throwError, type Observable } from 'rxjs';
import { RPCClient } from '../../../src/rpc/client.js';
import { RPCServer } from '../../../src/rpc/server.js';
import { FaultProxy } from '../../../src/testing/fault-proxy.js';
import { leak, leakKinds, type LeakKind } from '../../soak/leaks.js';
import type { FaultRow } from '../row.js';
import { resume, until, type Stage } from '../stage.js';

/** What comes and goes. */
export const f29: FaultRow = {
  id: 'F29',
  fault:
    '100,000 subscriptions and references, 10,000 callbacks, connections, sessions and resumes that come and go',
  targets: {
    grownMB: ['at most', 2],
    connectionsGrownMB: ['at most', 2],
    sessionsGrownMB: ['at most', 2],
    resumesGrownMB: ['at most', 2],
    resumesClientGrownMB: ['at most', 2],
    faults: ['exactly', 0],
  },
  always: ['faults'],
  play: async (stage) => {
    let faults = 0;
    let grownMB = -Infinity;
    // What grows for good shows in the long form; in the short one caches of the engine outweigh it.
    for (const kind of (Object.keys(leakKinds) as LeakKind[]).slice(0, stage.isShort ? 1 : undefined)) {
      const report = await leak(kind, stage.isShort ? 500 : Math.ceil(leakKinds[kind] * stage.part));
      faults += report.faults.filter((fault) => !fault.endsWith('bytes are left')).length;
      grownMB = Math.max(grownMB, report.grownBytes / 1e6);
    }
    const [plain, resumable] = await stage.inTurn([false, true], (isResuming) => cycle(stage, isResuming));
    const resumes = await resumeAgainAndAgain(stage);
    return {
      grownMB,
      connectionsGrownMB: plain!.grownMB,
      sessionsGrownMB: resumable!.grownMB,
      resumesGrownMB: resumes.grownMB,
      resumesClientGrownMB: resumes.clientGrownMB,
      faults: faults + plain!.open + resumable!.open + resumes.faults,
      cycles: plain!.cycles,
      resumes: resumes.resumes,
    };
  },
};

/** Clients that come, call and go. */
async function cycle(stage: Stage, isResuming: boolean) {
  const [server, client] = [stage.actor(), stage.actor()];
  const options = isResuming ? { resume } : {};
  const { port } = await server.ask('serve', { port: 0, ...options });
  const cycles = stage.scale(10_000, 30);
  await client.ask('cycle', Math.min(1_000, cycles), 20, { port, ...options });
  const startBytes = await server.ask('rest');
  await client.ask('cycle', cycles, 20, { port, ...options });
  await until(async () => (await server.ask('state')).connections === 0);
  const { open } = await server.ask('state');
  return { grownMB: ((await server.ask('rest')) - startBytes) / 1e6, open, cycles };
}

/** Sessions that lose their connections at the same time, again and again. */
async function resumeAgainAndAgain(stage: Stage) {
  const [server, client] = [stage.actor(), stage.actor()];
  const { port } = await server.ask('serve', { port: 0, resume });
  const proxy = new FaultProxy({ target: { port } });
  const reconnect = { initialDelayInSeconds: 0, maxDelayInSeconds: 0 };
  const count = stage.isShort ? 10 : 100;
  const address = await proxy.listen();
  await client.ask('crowd', count, { port: address.port, resume, reconnect }, 0, true);
  await client.ask('entangle', 10);
  let resumes = 0;
  const cutAll = async (): Promise<void> => {
    proxy.cut();
    resumes += count;
    await until(async () => (await client.ask('state')).resumes >= resumes);
    await until(async () => (await server.ask('state')).resumes >= resumes);
  };
  const cuts = stage.scale(100, 2);
  // What is made once is made by then.
  for (let cut = 0; cut < Math.min(10, cuts); cut += 1) await cutAll();
  const startBytes = [await server.ask('rest'), await client.ask('rest')] as const;
  for (let cut = 0; cut < cuts; cut += 1) await cutAll();
  const grownMB = ((await server.ask('rest')) - startBytes[0]) / 1e6;
  const clientGrownMB = ((await client.ask('rest')) - startBytes[1]) / 1e6;
  const [here, there] = [await client.ask('state'), await server.ask('state')];
  await client.ask('leave');
  await until(async () => (await server.ask('connections')) === 0);
  const { open } = await server.ask('state');
  await proxy.dispose();
  return { grownMB, clientGrownMB, resumes, faults: here.losses + there.losses + open };
}

const secret = 'hunter2';
const path = '/srv/private/keys.ts';

class Careless {
  readonly stream$: Observable<never> = throwError(() => careless());

  method(): never {
    throw careless();
  }

  later(): Promise<never> {
    return Promise.reject(careless());
  }
}

/** An error with what must not cross: where it was thrown, and why; and, in its message, what only `"code"` keeps back. */
function careless(): Error {
  const error = new Error(`no luck with ${secret}`, { cause: new Error(`read from ${path}`) });
  error.stack = `Error: no luck\n    at ${path}:12:34`;
  return error;
}

/** Makes everything throw, both ways; gives what crossed the wire. */
async function wiretapped(exposeErrors: 'code' | 'message'): Promise<Buffer> {
  const server = new RPCServer({ port: 0, exposeErrors, localProxyObjects: { careless: new Careless() } });
  await server.start();
  const crossed: Buffer[] = [];
  const tap = createServer((near) => {
    const far = connect(server.address()?.port ?? 0, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => crossed.push(bytes));
      from.pipe(to);
    }
  });
  await once(tap.listen(0, '127.0.0.1'), 'listening');
  const client = new RPCClient({
    port: (tap.address() as AddressInfo).port,
    exposeErrors,
    localProxyObjects: { careless: new Careless() },
  });
  client.connectToServer();
  await until(() => server.connections().length > 0);
  const atServer = await client.whenRemoteProxyObject<Careless>('careless');
  const atClient = server.remoteProxyObject<Careless>(server.connections()[0]!, 'careless')!;
  for (const proxy of [atServer, atClient]) {
    const calls = [
      proxy.method(),
      proxy.later(),
      new Promise((_, error) => proxy.stream$.subscribe({ error })),
    ];
    await Promise.allSettled(calls);
  }
  await client.dispose();
  await server.dispose();
  tap.close();
  return Buffer.concat(crossed);
}

/** Errors that say too much. */
export const f33: FaultRow = {
  id: 'F33',
  fault:
    'errors with a stack, a path and a secret, thrown by methods and streams of both sides; bytes on the wire searched',
  targets: { leaks: ['exactly', 0], heard: ['at least', 6] },
  always: ['leaks', 'heard'],
  play: async () => {
    const open = await wiretapped('message');
    const closed = await wiretapped('code');
    return {
      leaks: occurrences(open, path) + occurrences(closed, path) + occurrences(closed, secret),
      // Messages do cross by default: that the search finds them shows that it searches the right bytes.
      heard: occurrences(open, secret),
    };
  },
};

function occurrences(bytes: Buffer, text: string): number {
  return bytes.toString('latin1').split(text).length - 1;
}
