/**
 * Asks who listens at an address, by a probe that is no connection: nobody's `connectionMade` hears of it.
 * PROTOCOL.md, "Probe".
 */
import { Subscription, type SchedulerLike } from 'rxjs';
import type { PortOccupant } from '../errors.js';
import type { ConnectionSettings } from '../protocol/connection-settings.js';
import type { Address, TransportProvider } from '../transports/transport.js';
import { Connection, type ConnectionEnd } from './connection.js';

/** What a probe found: a Tandem server, another program, nobody, or no way to ask. */
export type ProbeResult =
  | { readonly kind: 'tandem' }
  | { readonly kind: 'occupied'; readonly occupant: PortOccupant }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'failed'; readonly error: Error };

/** How long a probe waits for an answer, in milliseconds: a busy server answers within it, a hung one never would. */
const probeTimeoutMs = 1_000;

/** What a probe needs. */
export interface ProbeSettings {
  /** How to dial. */
  readonly transports: TransportProvider;
  /** Whom to ask. */
  readonly address: Address;
  /** For timers and the present time. */
  readonly scheduler: SchedulerLike;
  /** The protocol's settings; role and timeouts are the probe's own. */
  readonly connection: ConnectionSettings;
}

/**
 * Asks once.
 * @param settings - whom and how
 * @param onResult - called exactly once, unless the probe is cancelled first
 * @returns cancels the probe
 */
export function probe(settings: ProbeSettings, onResult: (result: ProbeResult) => void): () => void {
  let connection: Connection | undefined;
  const attempt = new Subscription();
  let isOver = false;
  let isTandem = false;
  const finish = (result: ProbeResult): void => {
    if (isOver) return;
    cancel();
    onResult(result);
  };
  const cancel = (): void => {
    isOver = true;
    attempt.unsubscribe();
    connection?.close('disconnected', 'the probe was cancelled');
  };
  const onClosed = (end: ConnectionEnd): void => {
    // Whoever refuses in words of this protocol, or speaks another version of it, is a Tandem server too.
    if (isTandem || end.reason.by === 'remote' || end.occupant === 'tandem') finish({ kind: 'tandem' });
    else finish({ kind: 'occupied', occupant: occupantOf(end) });
  };
  const timer = settings.scheduler.schedule(() => {
    finish({ kind: 'occupied', occupant: 'unresponsive' });
  }, probeTimeoutMs);
  attempt.add(timer);
  const dial = settings.transports.dial(settings.address, {
    onTransport: (transport) => {
      connection = new Connection(transport, proberSettings(settings.connection), settings.scheduler, {
        onIdentity: (identity) => {
          isTandem = identity.service === 'tandem';
        },
        onClosed,
        nextDeadlineMs: () => Infinity,
        onHello: ignore,
        onEstablished: ignore,
        onResumed: ignore,
        onMessages: ignore,
        onFlush: ignore,
        onRoom: ignore,
        onHandover: ignore,
        onGoAway: ignore,
        onHeartbeat: ignore,
        onLoopLag: ignore,
        handleDeadline: ignore,
      });
      connection.open();
    },
    onFailed: ({ kind, error }) => {
      finish(kind === 'refused' ? { kind: 'nobody' } : { kind: 'failed', error });
    },
  });
  attempt.add(() => {
    dial.cancel();
  });
  return cancel;
}

function proberSettings(settings: ConnectionSettings): ConnectionSettings {
  return { ...settings, role: { side: 'prober' }, handshakeTimeoutMs: probeTimeoutMs };
}

function occupantOf({ occupant, reason }: ConnectionEnd): PortOccupant {
  return occupant ?? (reason.code === 'handshake-timeout' ? 'unresponsive' : 'unknown');
}

function ignore(): void {
  // A probe sends nothing that this could answer.
}
