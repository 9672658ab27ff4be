/**
 * One client as its server knows it: who it is, what it has registered, and how it stands. Readable until its
 * `disconnectionMade` has been delivered.
 */
import { SparseMap } from '../protocol/sparse.js';
import { createRemoteProxy } from '../proxies/remote-proxy.js';
import type { StateStream } from '../streams/state-stream.js';
import type { RPCCommunicator } from './communicator.js';
import type { Peer } from './peer.js';
import { SessionTokens } from './session-tokens.js';
import { clientStatuses, type ClientStatus } from './status.js';

/** The streams of one connection. */
export interface ServerConnectionStreams {
  /** Its status, as delivered. */
  readonly status: StateStream<ClientStatus>;
  /** The names that the client has registered, as delivered. */
  readonly names: StateStream<readonly string[]>;
}

/** One client of a server. */
export class ServerConnection {
  /** Random, and never used again. */
  readonly id: string;
  /** Its connection; owned by the server. */
  readonly peer: Peer;
  /** Its streams; completed by the server. */
  readonly streams: ServerConnectionStreams;
  /** By what the client may continue its session. */
  readonly tokens = new SessionTokens();
  /** What the client sent as its identifier. */
  identifier = '';
  #status: ClientStatus = clientStatuses.connecting;
  readonly #communicator: () => RPCCommunicator;
  readonly #proxies = new SparseMap<string, object>();

  /** Made by the server when it welcomes a client. */
  constructor(id: string, peer: Peer, streams: ServerConnectionStreams, communicator: () => RPCCommunicator) {
    this.id = id;
    this.peer = peer;
    this.streams = streams;
    this.#communicator = communicator;
  }

  /** Whether it is made: also while its session has no connection. */
  get isMade(): boolean {
    return this.isConnected || this.#status === clientStatuses.autoConnecting;
  }

  /** Whether it has one of the places of the server: not once it has ended, nor while the client may not know of it. */
  get hasPlace(): boolean {
    if (this.#status === clientStatuses.disconnected) return false;
    return this.#status !== clientStatuses.connecting || !this.peer.isAway;
  }

  /** Who it is, as `authenticate` has said; `undefined` without that. */
  get identity(): unknown {
    return this.peer.identity;
  }

  /** Its status now. */
  get status(): ClientStatus {
    return this.#status;
  }

  /** Whether its connection is made. */
  get isConnected(): boolean {
    return this.#status === clientStatuses.connected;
  }

  /** Its calls and registrations. */
  get communicator(): RPCCommunicator {
    return this.#communicator();
  }

  /** Its status changes. */
  setStatus(status: ClientStatus): void {
    this.#status = status;
    this.streams.status.set(status);
  }

  /** The proxy of an object, the same one at each call; `undefined` when the client registered none of this name. */
  proxy(name: string): object | undefined {
    if (this.communicator.members(name) === undefined) return undefined;
    let proxy = this.#proxies.get(name);
    if (proxy === undefined) {
      proxy = createRemoteProxy(this.communicator, name);
      this.#proxies.set(name, proxy);
    }
    return proxy;
  }
}
