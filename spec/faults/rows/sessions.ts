/**
 * Rows of sessions that lose their connections again and again, or for too long: F4, F5, F6.
 */
import type { RemoteProxy } from '../../../src/proxies/types.js';
import { FaultProxy } from '../../../src/testing/fault-proxy.js';
import type { FaultService } from '../actor.js';
import { auditLedger, type Told } from '../ledger.js';
import { percentile, type FaultRow } from '../row.js';
import { nowMs, pass, resume, until, type Stage } from '../stage.js';
import { watchedClient, type WatchedClient } from '../watched-client.js';

/** The client is stopped while it follows a stream. */
export const f4: FaultRow = {
  id: 'F4',
  fault: 'SIGSTOP of a client for 20 s that follows a stream of 10,000 values/s',
  targets: {
    disorder: ['exactly', 0],
    losses: ['exactly', 0],
    serverGrownMB: ['at most', 4.2],
    resumes: ['at least', 1],
  },
  always: ['disorder', 'losses', 'resumes'],
  play: async (stage) => {
    const options = { timeoutInSeconds: stage.isShort ? 0.3 : 10, resume };
    const [server, client] = [stage.actor(), stage.actor()];
    const { port } = await server.ask('serve', { port: 0, ...options });
    await client.ask('crowd', 1, { port, ...options }, 0, true);
    await client.ask('follow', 10_000);
    // What is allocated once is allocated by then.
    await pass(stage.isShort ? 200 : 10_000);
    const before = (await client.ask('state')).followed;
    await server.ask('watch');
    client.signal('SIGSTOP');
    await pass(stage.isShort ? 800 : 20_000);
    const { grownBytes } = await server.ask('watched');
    client.signal('SIGCONT');
    const continuedMs = nowMs();
    await until(async () => (await client.ask('state')).resumes > 0);
    const resumedMs = nowMs();
    const atResume = (await client.ask('state')).followed;
    await until(async () => (await client.ask('state')).followed > atResume);
    const [here, there] = [await client.ask('state'), await server.ask('state')];
    return {
      disorder: here.disorder,
      losses: here.losses + there.losses,
      serverGrownMB: grownBytes / 1e6,
      resumes: there.resumes,
      resumedMs: resumedMs - continuedMs,
      valuesBefore: before,
      values: here.followed,
    };
  },
};

/** The client is stopped for longer than its session may be away. */
export const f5: FaultRow = {
  id: 'F5',
  fault: 'SIGSTOP of a client for 90 s, where its session may be away for 60 s',
  targets: {
    newSessionMs: ['at most', 1_000],
    lossesAtClient: ['exactly', 1],
    lossesAtServer: ['exactly', 1],
    disagreements: ['exactly', 0],
  },
  always: ['lossesAtClient', 'lossesAtServer', 'disagreements'],
  play: async (stage) => {
    const options = stage.isShort ? { timeoutInSeconds: 0.3, resume: { windowInSeconds: 0.3 } } : { resume };
    const [server, client] = [stage.actor(), stage.actor()];
    const { port } = await server.ask('serve', { port: 0, ...options });
    await client.ask('crowd', 1, { port, ...options }, 0, true);
    const [old] = (await server.ask('state')).ids;
    await pass(200);
    client.signal('SIGSTOP');
    await pass(stage.isShort ? 1_000 : 90_000);
    client.signal('SIGCONT');
    const continuedMs = nowMs();
    await until(async () => (await client.ask('made')).length > 1);
    const newSessionMs = (await client.ask('made'))[1]! - continuedMs;
    await until(async () => (await server.ask('made')).length > 1);
    const [here, there] = [await client.ask('state'), await server.ask('state')];
    const isAgreed = here.ids.length === 1 && here.ids[0] === there.ids[0] && here.ids[0] !== old;
    return {
      newSessionMs,
      lossesAtClient: here.losses,
      lossesAtServer: there.losses,
      disagreements: isAgreed && there.ids.length === 1 ? 0 : 1,
    };
  },
};

/** Numbers from 1 up, a few at a time, until it is over. */
async function* numbersUntil(isOver: () => boolean): AsyncGenerator<number> {
  for (let number = 1; !isOver(); number += 1) {
    if (number % 10 === 0) await pass(5);
    yield number;
  }
}

/** Calls, streams both ways and long messages of one client, until it is over; what came of them. */
class Traffic {
  readonly told: Told[] = [];
  wrong = 0;
  received = 0;
  readonly #service: RemoteProxy<FaultService>;
  readonly #isOver: () => boolean;

  constructor(service: RemoteProxy<FaultService>, isOver: () => boolean) {
    this.#service = service;
    this.#isOver = isOver;
  }

  /** @param name - of the client, for the ledger */
  async run(name: string): Promise<void> {
    const lanes = [0, 1, 2, 3].map((lane) => this.#calls(`${name} ${lane}`));
    const down = this.#service.count$(2_000).subscribe({
      next: (number) => {
        if (number !== this.received + 1) this.wrong += 1;
        this.received = number;
      },
      error: () => (this.wrong += 1),
    });
    let sent = 0;
    const up = async (): Promise<void> => {
      const numbers = numbersUntil(this.#isOver);
      const counted = (async function* () {
        for await (sent of numbers) yield sent;
      })();
      if ((await this.#service.follow(counted)) !== sent) this.wrong += 1;
    };
    await Promise.all([...lanes, up(), this.#longMessages()]);
    down.unsubscribe();
  }

  async #calls(lane: string): Promise<void> {
    for (let call = 0; !this.#isOver(); call += 1) {
      const id = `${lane} ${call}`;
      this.told.push({ id, outcome: (await this.#service.work(id)) === id ? 'ok' : undefined });
    }
  }

  async #longMessages(): Promise<void> {
    for (let size = 100_000; !this.#isOver(); size += 1) {
      const bytes = new Uint8Array(size).fill(size % 251);
      const echoed = (await this.#service.echo(bytes)) as Uint8Array;
      if (Buffer.compare(echoed, bytes) !== 0) this.wrong += 1;
      await pass(20);
    }
  }
}

/** Cut, again and again. */
export const f6: FaultRow = {
  id: 'F6',
  fault:
    '10,000 resets after some number of bytes, in either direction, of two clients with calls and streams',
  targets: {
    resumeP50Ms: ['at most', 5],
    resumeP99Ms: ['at most', 50],
    lost: ['exactly', 0],
    duplicates: ['exactly', 0],
    disorder: ['exactly', 0],
    losses: ['exactly', 0],
  },
  always: ['lost', 'duplicates', 'disorder', 'losses'],
  play: async (stage) => {
    const ledger = stage.file('ledger');
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0, resume }, ledger);
    const wanted = stage.scale(10_000, 24);
    let cuts = 0;
    const hasNext = (): boolean => (cuts += 1) < wanted;
    const clients = await Promise.all([0, 1].map(() => cutClient(stage, port, hasNext)));
    try {
      const traffics = await Promise.all(
        clients.map(async ({ watched: { client }, begin }, at) => {
          const service = await client.whenRemoteProxyObject<FaultService>('service');
          await service.echo(0);
          begin();
          const traffic = new Traffic(service, () => cuts >= wanted);
          await traffic.run(`client ${at}`);
          return traffic;
        }),
      );
      const told = traffics.flatMap((each) => each.told);
      const { duplicates, lies } = auditLedger(ledger, told);
      const dialMs = clients.flatMap((each) => each.dialMs);
      const awayMs = clients.flatMap(({ watched }) => absences(watched));
      return {
        resumeP50Ms: percentile(dialMs, 0.5),
        resumeP99Ms: percentile(dialMs, 0.99),
        awayP50Ms: percentile(awayMs, 0.5),
        awayP99Ms: percentile(awayMs, 0.99),
        lost: lies + told.filter(({ outcome }) => outcome !== 'ok').length,
        duplicates,
        disorder: traffics.reduce((sum, { wrong }) => sum + wrong, (await server.ask('state')).disorder),
        losses: clients.reduce((sum, { watched }) => sum + watched.lost.length, 0),
        cuts,
        resumes: dialMs.length,
        calls: told.length,
        values: traffics.reduce((sum, { received }) => sum + received, 0),
      };
    } finally {
      for (const { watched, proxy } of clients) {
        await watched.client.dispose();
        await proxy.dispose();
      }
    }
  },
};

/** A client behind a proxy that cuts each of its connections after some bytes, those of the handshake included. */
async function cutClient(stage: Stage, port: number, hasNext: () => boolean) {
  const proxy = new FaultProxy({ target: { port } });
  // What the server has heard nothing of yet is no session there: the first connection is cut by hand.
  let isCutting = false;
  let linkedMs = 0;
  proxy.onLink((link) => {
    linkedMs = nowMs();
    if (!isCutting) return;
    // The longest message must come through now and then: 1 to 200,000 bytes, as many of each length of number.
    const bytes = Math.floor(Math.exp(stage.random() * Math.log(200_000)));
    link.afterBytes(stage.random() < 0.5 ? 'toServer' : 'toClient', bytes, () => {
      isCutting = hasNext();
      link.cut();
    });
  });
  const address = await proxy.listen();
  // No connection lasts, so that pauses would grow to seconds: they are not what is measured.
  const reconnect = { initialDelayInSeconds: 0, maxDelayInSeconds: 0 };
  const watched = watchedClient({ port: address.port, reconnect, resume });
  const dialMs: number[] = [];
  watched.client.resumed$.subscribe(() => dialMs.push(nowMs() - linkedMs));
  const begin = (): void => {
    isCutting = true;
    proxy.cut();
  };
  return { watched, proxy, dialMs, begin };
}

/** How long sessions were without a connection, from the loss on. */
function absences({ away, resumed }: WatchedClient): number[] {
  return resumed.map((atMs, index) => atMs - away[index]!);
}
