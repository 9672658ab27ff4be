/**
 * A peer worked by hand: speaks the protocol as far as the handshake, and then sends what the spec likes.
 */
import type { SchedulerLike } from 'rxjs';
import { Connection, type ConnectionEnd } from '../../src/link/connection.js';
import { Codec } from '../../src/protocol/codec.js';
import { SlabPool } from '../../src/protocol/framing.js';
import type { ConnectionRole } from '../../src/protocol/connection-settings.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import {
  MessageType,
  type Hello,
  type ResumeGrant,
  type ResumeOffer,
  type SessionMessage,
} from '../../src/protocol/messages.js';
import type { Transport } from '../../src/transports/transport.js';
import type { VirtualWorld } from './virtual-world.js';

/** A connection whose messages are sent by hand, and whose received ones are kept. */
export class RawPeer {
  readonly connection: Connection;
  /** Session messages received. */
  readonly received: SessionMessage[] = [];
  /** Where the server sent this client, if it did. */
  handover: { readonly port: number; readonly ticket: string } | undefined;
  /** What the client said first. */
  hello: Hello | undefined;
  /** The id of the connection, once established. */
  connectionID: string | undefined;
  /** How its session can be resumed, or why it was not; once established, and where it was asked for. */
  grant: ResumeGrant | undefined;
  /** How it ended, once it has. */
  end: ConnectionEnd | undefined;

  constructor(
    transport: Transport,
    role: ConnectionRole,
    scheduler: SchedulerLike,
    onHello: (peer: RawPeer) => void = () => undefined,
    previous?: Connection,
  ) {
    this.connection = new Connection(
      transport,
      {
        role,
        timeoutMs: 10_000,
        heartbeatIntervalMs: undefined,
        handshakeTimeoutMs: 60_000,
        limits: defaultLimits,
        slabs: new SlabPool(),
        codec: new Codec(defaultLimits),
        keptBytes: 'resume' in role && role.resume !== undefined ? 262_144 : undefined,
      },
      scheduler,
      {
        onHello: (hello) => {
          this.hello = hello;
          onHello(this);
        },
        onEstablished: (connectionID, grant) => {
          this.connectionID = connectionID;
          this.grant = grant;
        },
        onResumed: (grant) => {
          this.grant = grant;
        },
        onMessages: (messages) => this.received.push(...messages),
        onFlush: () => undefined,
        onRoom: () => undefined,
        onGoAway: () => undefined,
        onHandover: (port, ticket) => {
          this.handover = { port, ticket };
        },
        onIdentity: () => undefined,
        onHeartbeat: () => undefined,
        onLoopLag: () => undefined,
        onClosed: (end) => {
          this.end = end;
        },
        nextDeadlineMs: () => Infinity,
        handleDeadline: () => undefined,
      },
      previous,
    );
    this.connection.open();
  }

  /** Sends any message, right or wrong. */
  send(...message: readonly unknown[]): void {
    this.connection.send(message as unknown as SessionMessage);
  }

  /** Says what an ordinary peer says first: that it has registered these objects. */
  registerAll(...objects: readonly (readonly [string, readonly string[]])[]): void {
    this.send(MessageType.register, objects, true);
  }

  /** The answers received. */
  get responses(): SessionMessage[] {
    return this.received.filter(([type]) => type === MessageType.response);
  }
}

/** Dials a server by hand. */
export async function rawClient(
  world: VirtualWorld,
  port = 9_000,
  ticket?: string,
  resume?: ResumeOffer,
  previous?: RawPeer,
): Promise<RawPeer> {
  const peer = world.until(
    new Promise<RawPeer>((resolve, reject) => {
      world.network.options.transport.dial(
        { host: '127.0.0.1', port },
        {
          onTransport: (transport) => {
            const role = { side: 'dialer', ticket, resume } as const;
            resolve(new RawPeer(transport, role, world.scheduler, undefined, previous?.connection));
          },
          onFailed: ({ error }) => {
            reject(error);
          },
        },
      );
    }),
  );
  const made = await peer;
  await world.pass(0.01);
  return made;
}

/** Listens by hand, and greets each client in the way that `onHello` says. */
export async function rawServer(
  world: VirtualWorld,
  onHello: (peer: RawPeer) => void = (peer) => {
    peer.connection.welcome('made-by-hand');
  },
): Promise<{ peers: RawPeer[]; close: () => void }> {
  const peers: RawPeer[] = [];
  const listener = world.network.options.transport.listen(
    { host: '127.0.0.1', port: 9_000 },
    {
      onListening: () => undefined,
      onTransport: (transport) => {
        peers.push(new RawPeer(transport, { side: 'listener' }, world.scheduler, onHello));
      },
      onFailed: ({ error }) => {
        throw error;
      },
    },
  );
  await world.pass(0);
  return {
    peers,
    close: () => {
      listener.close(() => undefined);
    },
  };
}
