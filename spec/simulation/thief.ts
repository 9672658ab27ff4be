/**
 * Somebody who has read along, or guesses, and asks for the sessions of others; where servers ask who their clients are, under
 * another name. Nothing of them may reach him, and nothing he does may harm them.
 */
import { MessageType, type ResumeRequest, type SessionMessage } from '../../src/protocol/messages.js';
import { RawPeer } from '../helpers/raw-peer.js';
import type { Ground } from './ground.js';
import { SimulatedClient } from './peers.js';
import { windowMsOf } from './profile.js';
import type { Tokens } from './token-watch.js';
import { VirtualProcess } from './virtual-loop.js';

/** What a thief knows and touches. */
export interface ThiefSettings {
  readonly tokens: Tokens;
  /** The numbers of the references that servers have lent to their clients. */
  readonly lentNumbers: () => readonly number[];
}

/** Of the sessions that are asked for, the attempt is as high as none of their own ever is. */
const highAttempt = 1_000_000;

/** The thief of one world. */
export class Thief {
  readonly #ground: Ground;
  readonly #it: ThiefSettings;
  readonly #process: VirtualProcess;
  readonly #peers = new Set<RawPeer>();

  /**
   * @param ground - the world's
   * @param settings - what he knows
   */
  constructor(ground: Ground, settings: ThiefSettings) {
    this.#ground = ground;
    this.#it = settings;
    this.#process = new VirtualProcess(ground.loop, 0);
  }

  /** Asks for some session. */
  strike(port: number): void {
    const { random, trace } = this.#ground;
    const sessions = [...this.#it.tokens].filter(([id]) => this.#isOfClient(id));
    if (sessions.length === 0) return;
    const [connectionID, tokens] = random.pick(sessions);
    const session = this.#claim(connectionID, tokens);
    trace.note(`a thief asks for ${connectionID} by attempt ${session.attempt}`);
    this.#dial(port, session, undefined);
  }

  /** He goes; what he was told until then is looked at. */
  leave(): void {
    for (const peer of this.#peers) this.#end(peer);
  }

  /** Whether a session is, or was, that of a client of the simulation, and not one of his own. */
  #isOfClient(id: string): boolean {
    return this.#ground.peers.some(
      (peer) =>
        peer instanceof SimulatedClient && (peer.connectionID() === id || peer.hearing.endsByID.has(id)),
    );
  }

  /** What he says of a session: something that is not enough to have it. */
  #claim(connectionID: string, tokens: readonly Uint8Array[]): ResumeRequest {
    const { random, profile } = this.#ground;
    const current = tokens.at(-1) ?? new Uint8Array(32);
    const received = random.whole(0, random.pick([0, 5, 1_000]));
    // Under another name everything may be right.
    const isRight = profile.isAuthenticated && random.chance(0.7);
    if (isRight) {
      const attempt = random.pick([highAttempt, random.whole(1, 5)]);
      return { connectionID, token: random.pick(tokens), attempt, received };
    }
    const claims = {
      guessed: 1,
      flipped: 2,
      cut: 0.5,
      // Good are the last two at most, until the client is known to have the last one.
      old: tokens.length > 2 ? 3 : 0,
      // A copy of what was said before; what was said first, where it was not the last.
      copied: tokens.length > 1 ? 3 : 0,
    };
    const attempt = highAttempt;
    switch (random.weighted(claims)) {
      case 'guessed':
        return { connectionID, token: current.map(() => random.whole(0, 255)), attempt, received };
      case 'flipped': {
        const token = Uint8Array.from(current);
        const at = random.whole(0, token.length - 1);
        token[at] = (token[at] ?? 0) ^ (1 << random.whole(0, 7));
        return { connectionID, token, attempt, received };
      }
      case 'cut':
        return { connectionID, token: current.subarray(0, random.whole(1, 31)), attempt, received };
      case 'old':
        return { connectionID, token: random.pick(tokens.slice(0, -2)), attempt, received };
      case 'copied':
        return { connectionID, token: current, attempt: 1, received };
    }
  }

  #dial(port: number, session: ResumeRequest, ticket: string | undefined): void {
    const { wires, profile, isQuiet } = this.#ground;
    if (isQuiet) return;
    const resume = { windowMs: windowMsOf(profile), session };
    const authentication = profile.isAuthenticated ? { credentials: { name: 'thief' } } : undefined;
    const transports = wires.transportsOf(this.#process, () => undefined);
    transports.dial(
      { host: '127.0.0.1', port },
      {
        onTransport: (transport) => {
          const role = { side: 'dialer', ticket, resume, authentication } as const;
          const peer = new RawPeer(transport, role, this.#process);
          this.#peers.add(peer);
          this.#lingerOn(peer, session);
        },
        onFailed: () => undefined,
      },
    );
  }

  /** Stays for a while, does what he can, and goes. */
  #lingerOn(peer: RawPeer, session: ResumeRequest): void {
    const { random, loop, ledger } = this.#ground;
    const isStaying = random.chance(0.5);
    loop.after(random.between(0, 300), () => {
      if (peer.handover !== undefined) this.#dial(peer.handover.port, session, peer.handover.ticket);
      if (peer.connectionID !== undefined) {
        this.#ground.strangers.add(peer.connectionID);
        if (peer.connectionID === session.connectionID) ledger.fault('a thief has the session of another');
      }
      if (peer.connectionID === undefined || peer.end !== undefined || !isStaying) {
        this.#end(peer);
        return;
      }
      peer.registerAll();
      this.#reach(peer);
      loop.after(random.between(0, 300), () => {
        this.#end(peer);
      });
    });
  }

  /** Calls what was lent to another. */
  #reach(peer: RawPeer): void {
    const { random, ledger, trace } = this.#ground;
    const numbers = this.#it.lentNumbers();
    if (numbers.length === 0 || random.chance(0.5)) return;
    const key = ledger.nextKey();
    ledger.forbid(key);
    trace.note(`a thief calls a reference of another, ${key}`);
    peer.send(MessageType.request, 1, random.pick(numbers), random.pick(['', 'add']), [key]);
  }

  #end(peer: RawPeer): void {
    if (!this.#peers.delete(peer)) return;
    const { random, ledger } = this.#ground;
    const { connectionID, received, end } = peer;
    if (connectionID !== undefined) this.#ground.strangers.add(connectionID);
    if (peer.grant?.received !== undefined || end?.reason.message.includes('was resumed') === true)
      ledger.fault('a thief has the session of another');
    for (const message of received) {
      if (!isForAnybody(message))
        ledger.fault(`a thief was told something of another: a message of type ${message[0]}`);
    }
    if (end !== undefined) return;
    if (random.chance(0.5)) peer.connection.close('disconnected', 'a thief goes');
    else peer.connection.abandon();
  }
}

/** Whether a message is what everybody is told: which objects there are, and that a call was refused. */
function isForAnybody(message: SessionMessage): boolean {
  switch (message[0]) {
    case MessageType.register:
    case MessageType.unregister:
      return true;
    case MessageType.response:
      return message[2]?.executed === 'no';
    default:
      return false;
  }
}
