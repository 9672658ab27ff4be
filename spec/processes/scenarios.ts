/**
 * What happens between real processes: each scenario waits for events, never for a time, and throws when one does not
 * come or is wrong. The figures are milliseconds.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { RPCTimeoutError } from '../../src/errors.js';
import { RPCClient } from '../../src/rpc/client.js';
import { FaultProxy } from '../../src/testing/fault-proxy.js';
import { bundled } from '../helpers/bundle.js';

interface Told {
  readonly event: string;
  readonly code?: string;
  readonly by?: string;
  readonly message?: string;
  readonly port?: number;
}

/** How long the children bear silence, in seconds. */
const timeoutInSeconds = 1;

/** When a silent peer must have been noticed, in milliseconds. */
const noticeBoundMs = timeoutInSeconds * 1_000 + 500;

/** Nothing takes this long; who waits longer waits for something that does not come. */
const patienceMs = 20_000;

const childFile = bundled(new URL('child.ts', import.meta.url));

/** A child process, and what it has told that nobody has waited for yet. */
class Child {
  readonly #process: ChildProcess;
  readonly #told: Told[] = [];
  #wake: () => void = () => {};
  /** How often it has told of a lost connection, waited for or not. */
  losses = 0;

  constructor(role: 'server' | 'client', port: number, max = '', thread = false) {
    const args = [role, String(port), String(timeoutInSeconds), max, String(thread)];
    this.#process = fork(childFile, args, {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process.on('message', (message) => {
      this.#told.push(message as Told);
      if ((message as Told).event === 'lost') this.losses += 1;
      this.#wake();
    });
  }

  /** The next message of this kind; earlier ones of other kinds are passed over, faults never. */
  async until(event: string): Promise<Told> {
    const signal = AbortSignal.timeout(patienceMs);
    for (;;) {
      for (let told = this.#told.shift(); told !== undefined; told = this.#told.shift()) {
        if (told.event === 'fault') throw new Error(`a child found a fault: ${told.message ?? ''}`);
        if (told.event === event) return told;
      }
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => {
          reject(new Error(`a child did not tell of "${event}" within ${patienceMs} ms`));
        });
      });
    }
  }

  order(ms: number): void {
    this.#process.send(ms);
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

/** A pair of processes under load. */
async function withPair(
  act: (server: Child, client: Child, port: number) => Promise<number>,
  thread = false,
): Promise<number> {
  const server = new Child('server', 0, '', thread);
  const { port = 0 } = await server.until('listening');
  const client = new Child('client', port, '', thread);
  try {
    await client.until('served');
    return await act(server, client, port);
  } finally {
    await client.kill();
    await server.kill();
  }
}

function assertNoticed(ms: number): number {
  if (ms > noticeBoundMs)
    throw new Error(`silence was noticed after ${ms} ms; ${noticeBoundMs} ms is the bound`);
  return ms;
}

function assertNotBlamed({ code, by }: Told): void {
  if (code === 'timeout' && by === 'local')
    throw new Error('a process that stood still blamed the other one for it');
}

/** Stops one side until the other has noticed, and lets it go on: it must not blame the live one. */
async function pause(stopped: Child, live: Child): Promise<number> {
  const startMs = performance.now();
  stopped.signal('SIGSTOP');
  const loss = await live.until('lost');
  const ms = assertNoticed(performance.now() - startMs);
  if (loss.code !== 'timeout' || loss.by !== 'local')
    throw new Error(`lost for another reason: ${loss.message ?? ''}`);
  stopped.signal('SIGCONT');
  assertNotBlamed(await stopped.until('lost'));
  await Promise.all([stopped.until('made'), live.until('made')]);
  return ms;
}

/** What holds whether sockets are on the main thread or on an I/O thread. */
const inEitherMode: Readonly<Record<string, (thread: boolean) => Promise<number>>> = {
  'a killed server, and another on its port': (thread) =>
    withPair(async (server, client, port) => {
      const startMs = performance.now();
      await server.kill();
      await client.until('lost');
      const ms = performance.now() - startMs;
      const next = new Child('server', port, '', thread);
      try {
        await next.until('listening');
        await client.until('served');
      } finally {
        await next.kill();
      }
      return ms;
    }, thread),

  'a killed client': (thread) =>
    withPair(async (server, client) => {
      const startMs = performance.now();
      await client.kill();
      await server.until('lost');
      return performance.now() - startMs;
    }, thread),

  'a stopped server': (thread) => withPair((server, client) => pause(server, client), thread),

  'a stopped client': (thread) => withPair((server, client) => pause(client, server), thread),

  'a full server': async (thread) => {
    const server = new Child('server', 0, '1', thread);
    const { port = 0 } = await server.until('listening');
    const first = new Child('client', port, '', thread);
    await first.until('served');
    const second = new Child('client', port, '', thread);
    try {
      const startMs = performance.now();
      const { code } = await second.until('error');
      if (code !== 'ServerFullError') throw new Error(`${code ?? ''} in place of ServerFullError`);
      const ms = performance.now() - startMs;
      await first.kill();
      await second.until('served');
      return ms;
    } finally {
      await Promise.all([first.kill(), second.kill(), server.kill()]);
    }
  },

  'a port that refuses': async (thread) => {
    const client = new RPCClient({ port: await freePort(), timeoutInSeconds, thread });
    client.connectToServer();
    const startMs = performance.now();
    try {
      await client.whenConnected({ timeoutInSeconds: 0.3 });
    } catch (error) {
      if (error instanceof RPCTimeoutError && error.message.includes('ECONNREFUSED'))
        return performance.now() - startMs;
      throw error;
    } finally {
      await client.dispose();
    }
    throw new Error('connected to nobody');
  },

  'a socket that stays silent': async (thread) => {
    const server = new Child('server', 0, '', thread);
    try {
      const { port = 0 } = await server.until('listening');
      const startMs = performance.now();
      const socket = connect(port, '127.0.0.1').resume();
      await once(socket, 'close', { signal: AbortSignal.timeout(patienceMs) });
      return assertNoticed(performance.now() - startMs);
    } finally {
      await server.kill();
    }
  },

  'a connection that carries one byte at a time': async (thread) => {
    const server = new Child('server', 0, '', thread);
    const { port = 0 } = await server.until('listening');
    const proxy = new FaultProxy({ target: { port }, conditions: { sliceBytes: 1 } });
    const client = new Child('client', (await proxy.listen()).port, '', thread);
    try {
      const startMs = performance.now();
      await client.until('served');
      return performance.now() - startMs;
    } finally {
      await Promise.all([client.kill(), server.kill(), proxy.dispose()]);
    }
  },
};

/** What differs: a loop that stands is silent, or is told of. */
const inOneMode: Readonly<Record<string, () => Promise<number>>> = {
  'a client whose loop is blocked for three timeouts': () =>
    withPair(async (server, client) => {
      const startMs = performance.now();
      client.order(3_000 * timeoutInSeconds);
      // To the server a blocked client is a silent one.
      const loss = await server.until('lost');
      const ms = assertNoticed(performance.now() - startMs);
      if (loss.code !== 'timeout')
        throw new Error(`the server lost it for another reason: ${loss.message ?? ''}`);
      await client.until('unblocked');
      assertNotBlamed(await client.until('lost'));
      await client.until('served');
      return ms;
    }),

  'a client whose loop is blocked for three timeouts, with I/O threads': () => blocked('client'),

  'a server whose loop is blocked for three timeouts, with I/O threads': () => blocked('server'),

  'both loops blocked for three timeouts, with I/O threads': () => blocked('server', 'client'),
};

/** Every scenario by name; each gives the milliseconds that mattered. */
export const scenarios: Readonly<Record<string, () => Promise<number>>> = {
  ...inOneMode,
  ...Object.fromEntries(
    Object.entries(inEitherMode).flatMap(([name, scenario]) => [
      [name, () => scenario(false)],
      [`${name}, with I/O threads`, () => scenario(true)],
    ]),
  ),
};

/** Blocks the loops of these sides, with I/O threads: nothing is lost. */
function blocked(...names: readonly ('server' | 'client')[]): Promise<number> {
  return withPair(async (server, client) => {
    const sides = names.map((name) => (name === 'server' ? server : client));
    const startMs = performance.now();
    for (const side of sides) side.order(3_000 * timeoutInSeconds);
    await Promise.all(sides.map((side) => side.until('unblocked')));
    const ms = performance.now() - startMs;
    // An end that they have not been told of yet is in front of the next heartbeat.
    await Promise.all(sides.map((side) => side.until('heartbeat')));
    if (server.losses + client.losses > 0) throw new Error('the connection was lost');
    return ms;
  }, true);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}
