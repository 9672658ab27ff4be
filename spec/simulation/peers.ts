/**
 * The servers and clients of a simulation: the real ones, which write down what their hooks and their streams hear.
 */
import type { Observable } from 'rxjs';
import {
  AuthenticationError,
  ConnectionLostError,
  LimitExceededError,
  NotConnectedError,
  ProtocolError,
  ServerFullError,
  UnknownConnectionError,
  UnknownObjectError,
} from '../../src/errors.js';
import type { RemoteProxy } from '../../src/proxies/types.js';
import type { CloseReason } from '../../src/protocol/close-reason.js';
import { RPCClient } from '../../src/rpc/client.js';
import type { RPCDispatcher } from '../../src/rpc/dispatcher.js';
import type { ClientOptions, ServerOptions } from '../../src/rpc/options.js';
import { RPCServer } from '../../src/rpc/server.js';
import type { Service } from './service.js';
import type { VirtualProcess } from './virtual-loop.js';

/** Reported for full servers, tiny limits, notifications that came too late, and wrong credentials. */
const expectedErrors = [
  ServerFullError,
  LimitExceededError,
  NotConnectedError,
  UnknownObjectError,
  AuthenticationError,
];

/** What honest sides never do to each other. */
const faultCodes: ReadonlySet<string> = new Set(['protocol-error', 'limit-exceeded', 'too-many-cancels']);

/** Of each connection this is told once. */
function isLossOfNotifications(error: Error): error is ConnectionLostError {
  return error instanceof ConnectionLostError && / notifications? (did|may) not/.test(error.message);
}

/** What one server or client has told, by hooks and by streams. */
export class Hearing {
  readonly hooks: string[] = [];
  readonly streams: string[] = [];
  readonly errors: Error[] = [];
  readonly ends: CloseReason[] = [];
  readonly endsByID = new Map<string, CloseReason>();
  /** The sessions that went on, each as often as it did. */
  readonly resumed: string[] = [];
  /** Streams that have not completed. */
  open = 0;
  readonly #trace: (text: string) => void;
  /** What the simulation does inside a hook. */
  onHook: (kind: string, connectionID: string) => void = () => {};
  /** Hears of each heartbeat, by the clock of the process. */
  onHeartbeat: (atMs: number) => void = () => {};

  /** @param trace - hears of each hook */
  constructor(trace: (text: string) => void) {
    this.#trace = trace;
  }

  /** A hook was called. */
  hook(kind: string, connectionID: string, text: string): void {
    this.hooks.push(`${kind} ${connectionID} ${text}`);
    this.#trace(`${kind} ${text}`);
    this.onHook(kind, connectionID);
  }

  /** Subscribes to every stream that has a hook. */
  watch(peer: RPCDispatcher & { readonly status$: Observable<string> }): void {
    const note = (kind: string, connectionID: string, text: string): void => {
      this.streams.push(`${kind} ${connectionID} ${text}`);
    };
    let isFirst = true;
    this.follow(peer.status$, (status) => {
      // The value at the start is no change, and has no hook.
      if (!isFirst) note('status', '', status);
      isFirst = false;
    });
    this.follow(peer.connectionMade$, (id) => {
      note('made', id, '');
    });
    this.follow(peer.disconnectionMade$, ({ connectionID, reason }) => {
      this.ends.push(reason);
      this.endsByID.set(connectionID, reason);
      note('lost', connectionID, reason.code);
    });
    this.follow(peer.remoteProxyObjectRegistered$, ({ connectionID, name }) => {
      note('registered', connectionID, name);
    });
    this.follow(peer.remoteProxyObjectUnregistered$, ({ connectionID, name }) => {
      note('unregistered', connectionID, name);
    });
    this.follow(peer.resumed$, (id) => {
      this.resumed.push(id);
      this.#trace(`resumed ${id}`);
    });
    this.follow(peer.heartbeat$, ({ at }) => {
      this.onHeartbeat(at);
    });
    this.follow(peer.errors$, (error) => {
      this.errors.push(error);
      this.#trace(`error ${error.name}`);
    });
  }

  /** Subscribes to a stream that must complete in the end. */
  follow<T>(stream$: Observable<T>, next: (value: T) => void): void {
    this.open += 1;
    stream$.subscribe({
      next,
      complete: () => {
        this.open -= 1;
      },
    });
  }

  /** The peers' faults that were reported, and the ends that say so; but for those of strangers. */
  protocolFaults(strangers: ReadonlySet<string>): string[] {
    const reported = this.errors.filter(
      (error) => error instanceof ProtocolError && !strangers.has(error.connectionID ?? ''),
    );
    const ends = [...this.endsByID]
      .filter(([id, { code }]) => faultCodes.has(code) && !strangers.has(id))
      .map(([, reason]) => reason);
    return [...reported.map(({ message }) => message), ...ends.map(({ message }) => message)];
  }

  /** What was reported besides faults that the simulation makes on purpose, and those of strangers. */
  unexpected(strangers: ReadonlySet<string>): Error[] {
    return this.errors.filter(
      (error) =>
        !(error instanceof ProtocolError && strangers.has(error.connectionID ?? '')) &&
        !expectedErrors.some((Kind) => error instanceof Kind) &&
        !/a hook throws|was notified/.test(error.message) &&
        !isLossOfNotifications(error),
    );
  }

  /** What is wrong with the order of what was heard. */
  audit(name: string, fault: (text: string) => void): void {
    const difference = this.hooks.findIndex((entry, at) => entry !== this.streams[at]);
    if (difference >= 0 || this.hooks.length !== this.streams.length)
      fault(
        `${name}: hooks and streams differ at ${difference} of ${this.hooks.length}/${this.streams.length}`,
      );
    const losses = this.errors.filter(isLossOfNotifications).map(({ connectionID }) => connectionID);
    if (new Set(losses).size < losses.length)
      fault(`${name}: lost notifications were told twice of a connection: ${losses.join()}`);
    if (this.open > 0) fault(`${name}: ${this.open} streams have not completed`);
    const live = new Set<string>();
    const gone = new Set<string>();
    for (const entry of this.hooks) {
      const [kind = '', id = ''] = entry.split(' ');
      if (kind === 'made') {
        if (live.has(id) || gone.has(id)) fault(`${name}: connection ${id} was made twice`);
        live.add(id);
      } else if (kind !== 'status') {
        if (!live.has(id)) fault(`${name}: "${kind}" of connection ${id}, which is not made`);
        if (kind === 'lost') {
          live.delete(id);
          gone.add(id);
        }
      }
    }
    if (live.size > 0) fault(`${name}: ${live.size} connections were made and never lost`);
  }
}

/** A server of the simulation. */
export class SimulatedServer extends RPCServer {
  readonly name: string;
  readonly process: VirtualProcess;
  readonly hearing: Hearing;

  constructor(name: string, process: VirtualProcess, hearing: Hearing, options: ServerOptions) {
    super(options);
    this.name = name;
    this.process = process;
    this.hearing = hearing;
    hearing.watch(this);
    hearing.follow(this.connections$, () => {});
  }

  override statusChanged(status: string): void {
    this.hearing.hook('status', '', status);
  }
  override connectionMade(id: string): void {
    this.hearing.follow(this.connectionStatus$(id), () => {});
    this.hearing.follow(this.remoteProxyObjects$(id), () => {});
    this.hearing.hook('made', id, '');
  }
  override disconnectionMade(id: string, reason: CloseReason): void {
    // Readable until this has been delivered.
    this.connectionStatus(id);
    this.connectionUniqueIdentifier(id);
    this.hearing.hook('lost', id, reason.code);
  }
  override remoteProxyObjectRegistered(id: string, name: string): void {
    this.hearing.hook('registered', id, name);
  }
  override remoteProxyObjectUnregistered(id: string, name: string): void {
    this.hearing.hook('unregistered', id, name);
  }
}

/** A client of the simulation. */
export class SimulatedClient extends RPCClient {
  readonly name: string;
  /** Called when it begins to look for a server. */
  onStart: () => void = () => {};
  readonly process: VirtualProcess;
  readonly hearing: Hearing;

  constructor(name: string, process: VirtualProcess, hearing: Hearing, options: ClientOptions) {
    super(options);
    this.name = name;
    this.process = process;
    this.hearing = hearing;
    hearing.watch(this);
    hearing.follow(this.remoteProxyObjects$, () => {});
    hearing.follow(this.remoteProxyObject$('service'), () => {});
  }

  override connectToServer(): void {
    if (this.canStart()) this.onStart();
    super.connectToServer();
  }

  override statusChanged(status: string): void {
    this.hearing.hook('status', '', status);
  }
  override connectionMade(id: string): void {
    this.hearing.hook('made', id, '');
  }
  override disconnectionMade(id: string, reason: CloseReason): void {
    this.hearing.hook('lost', id, reason.code);
  }
  override remoteProxyObjectRegistered(id: string, name: string): void {
    this.hearing.hook('registered', id, name);
  }
  override remoteProxyObjectUnregistered(id: string, name: string): void {
    this.hearing.hook('unregistered', id, name);
  }
}

/** A server or a client. */
export type SimulatedPeer = SimulatedServer | SimulatedClient;

/** What a peer sees of an object of the other side; nothing where it is not connected to it. */
export function proxyOf<Served extends object = Service>(
  peer: SimulatedPeer,
  connectionID: string,
  name = 'service',
): RemoteProxy<Served> | undefined {
  if (peer instanceof SimulatedClient) return peer.remoteProxyObject<Served>(name);
  try {
    return peer.remoteProxyObject<Served>(connectionID, name);
  } catch (error) {
    if (!(error instanceof UnknownConnectionError)) throw error;
    return undefined;
  }
}
