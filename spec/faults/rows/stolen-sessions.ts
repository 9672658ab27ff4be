/**
 * The row of those who ask for a session that is not theirs: F14.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { MessageType, type Hello, type Welcome } from '../../../src/protocol/messages.js';
import { frameOf, joined, openingBytes } from '../../helpers/wire.js';
import { auditLedger } from '../ledger.js';
import { Load } from '../load.js';
import { answerTo, Ear } from '../raw-socket.js';
import type { FaultRow } from '../row.js';
import { pass, resume, until } from '../stage.js';
import { watchedClient } from '../watched-client.js';

/** Stands before a server, and knows everything that was said. */
class Tap {
  /**
   * What the client said first on each connection that was welcomed, as bytes and as what they mean; the newest last. Not before it
   * was welcomed: whoever shows a token that its owner has not shown yet is its owner, for all that a server can know.
   */
  readonly hellos: { readonly bytes: Buffer; readonly hello: Hello }[] = [];
  /** What it was answered. */
  readonly welcomes: Welcome[] = [];
  /** Told of each HELLO, as soon as the server has acted on it. */
  onHello: (bytes: Buffer) => void = () => undefined;
  readonly #listener;
  readonly #sockets = new Set<Socket>();

  constructor(port: number) {
    this.#listener = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      let said: (typeof this.hellos)[number] | undefined;
      this.#tap(near, far, ([, hello], bytes) => {
        said = { bytes, hello: hello as Hello };
      });
      this.#tap(far, near, ([type, welcome]) => {
        if (type !== MessageType.welcome || said === undefined) return;
        this.hellos.push(said);
        this.welcomes.push(welcome as Welcome);
        this.onHello(said.bytes);
      });
    });
  }

  async listen(): Promise<number> {
    await once(this.#listener.listen(0, '127.0.0.1'), 'listening');
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.cut();
    this.#listener.close();
  }

  /** Passes everything on, and reads the first message. */
  #tap(from: Socket, to: Socket, onFirst: (message: readonly unknown[], bytes: Buffer) => void): void {
    const ear = new Ear();
    let [begun, isRead] = [Buffer.alloc(0), false];
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk) => {
      to.write(chunk);
      if (isRead) return;
      begun = Buffer.concat([begun, chunk]);
      const [first] = ear.hear(chunk);
      if (first === undefined) return;
      isRead = true;
      onFirst(first, begun);
    });
  }
}

/** One attempt at the session of another, as bytes. */
type Theft = (tap: Tap, random: () => number) => Uint8Array;

const anyOf = <Item>(items: readonly Item[], random: () => number): Item =>
  items[Math.floor(random() * items.length)]!;

/** What the client would say next, changed. */
function forged(
  { hellos, welcomes }: Tap,
  change: {
    readonly token?: Uint8Array;
    readonly attempt?: number;
    readonly id?: string;
    readonly who?: string;
  },
): Uint8Array {
  const { hello } = hellos.at(-1)!;
  const { connectionID, resume } = welcomes.at(-1)!;
  const session = {
    connectionID: change.id ?? connectionID,
    token: change.token ?? resume!.token,
    attempt: change.attempt ?? 1_000_000_000,
    received: resume!.received ?? 0,
  };
  const offer = { windowMs: 60_000, session };
  return joined(
    openingBytes,
    frameOf([MessageType.hello, { ...hello, credentials: change.who ?? 'alice', resume: offer }]),
  );
}

function flipped(bytes: Uint8Array, from: number, random: () => number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const bit = Math.floor(random() * (bytes.length - from) * 8);
  changed[from + (bit >> 3)]! ^= 1 << (bit & 7);
  return changed;
}

const thefts: Readonly<Record<string, Theft>> = {
  duplicate: ({ hellos }) => hellos.at(-1)!.bytes,
  reordered: ({ hellos }, random) => anyOf(hellos, random).bytes,
  'an earlier token': (tap, random) =>
    forged(tap, { token: anyOf(tap.welcomes.slice(0, -2), random).resume!.token }),
  'stolen by somebody else': (tap) => forged(tap, { who: 'mallory' }),
  'an attempt that is not the newest': (tap, random) =>
    forged(tap, { attempt: Math.floor(random() * (tap.hellos.length - 1)) }),
  'a bit of the token flipped': (tap, random) =>
    forged(tap, { token: flipped(tap.welcomes.at(-1)!.resume!.token, 0, random) }),
  // Not of the last one, whose token is good until the client is known to have the next one.
  'a bit of anything flipped': ({ hellos }, random) =>
    flipped(hellos.at(-2)!.bytes, openingBytes.length, random),
  guessed: (tap) => forged(tap, { token: crypto.getRandomValues(new Uint8Array(32)) }),
  'another id': (tap) => forged(tap, { id: `${tap.welcomes.at(-1)!.connectionID}x` }),
};

/** Sessions asked for by others. */
export const f14: FaultRow = {
  id: 'F14',
  fault: 'duplicate, reordered, concurrent, stolen and bit-flipped resumes, 100,000 of them, 64 at a time',
  targets: {
    wrongAccepts: ['exactly', 0],
    losses: ['exactly', 0],
    failedCalls: ['exactly', 0],
    duplicates: ['exactly', 0],
    missedResumes: ['exactly', 0],
    leftOpen: ['exactly', 0],
  },
  always: ['wrongAccepts', 'losses', 'failedCalls', 'duplicates', 'missedResumes', 'leftOpen'],
  play: async (stage) => {
    const ledger = stage.file('ledger');
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0, resume }, ledger, true);
    const tap = new Tap(port);
    const victim = watchedClient({
      port: await tap.listen(),
      resume,
      credentials: 'alice',
      reconnect: { initialDelayInSeconds: 0, maxDelayInSeconds: 0 },
    });
    const { client, resumed, lost } = victim;
    await client.whenConnected();
    const load = new Load(client, 100);
    let cuts = 0;
    const cutOnce = async (): Promise<void> => {
      await until(() => load.told.length > 0);
      const before = [resumed.length, load.told.length] as const;
      tap.cut();
      cuts += 1;
      await until(() => resumed.length > before[0] && load.told.length > before[1]);
      await pass(30);
    };
    const wanted = stage.scale(100_000, 400);
    const answers: Record<string, number> = {};
    let [tries, wrongAccepts] = [0, 0];
    const steal = async (bytes: Uint8Array): Promise<void> => {
      tries += 1;
      const answer = await answerTo(port, bytes);
      const { resume: grant } = (answer?.[0] === MessageType.welcome ? answer[1] : {}) as Partial<Welcome>;
      if (grant?.received !== undefined) wrongAccepts += 1;
      const how = answer === undefined ? 'none' : (grant?.refusal ?? `type ${String(answer[0])}`);
      answers[how] = (answers[how] ?? 0) + 1;
    };
    try {
      for (let cut = 0; cut < 3; cut += 1) await cutOnce();
      // Those that are as near as can be to what they repeat.
      const near: Promise<void>[] = [];
      tap.onHello = (bytes) => {
        for (let copy = 0; copy < 4; copy += 1) near.push(steal(bytes));
      };
      const theft = { isOver: false };
      const cutting = (async () => {
        while (!theft.isOver) {
          await cutOnce();
          await pass(stage.random() * 300);
        }
      })();
      const kinds = Object.values(thefts);
      const lane = async (): Promise<void> => {
        while (tries < wanted) await steal(anyOf(kinds, stage.random)(tap, stage.random));
      };
      const stealing = Promise.all(Array.from({ length: 64 }, lane)).finally(() => {
        theft.isOver = true;
      });
      await Promise.all([stealing, cutting]);
      await Promise.all(near);
      await load.end();
      await until(async () => (await server.ask('connections')) <= 1);
      return {
        wrongAccepts,
        losses: lost.length,
        failedCalls: load.told.filter(({ outcome }) => outcome !== 'ok').length,
        duplicates: auditLedger(ledger, load.told).duplicates,
        missedResumes: cuts - resumed.length,
        leftOpen: (await server.ask('connections')) - 1,
        tries,
        calls: load.told.length,
        resumes: resumed.length,
        ...answers,
      };
    } finally {
      await load.end();
      await client.dispose();
      tap.close();
    }
  },
};
