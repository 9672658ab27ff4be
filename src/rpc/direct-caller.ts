/**
 * Sends what is called on a connection, without interceptors.
 */
import type { Target } from '../protocol/messages.js';
import type { Caller } from '../proxies/caller.js';
import type { CallOptions } from '../proxies/types.js';
import { RemoteStream } from '../streams/remote-stream.js';
import type { Report } from '../streams/user-callback.js';
import type { OutgoingCalls } from './outgoing-calls.js';
import type { OutgoingStreams } from './outgoing-streams.js';
import type { RemoteObjects } from './remote-objects.js';

/** The rooms of one connection through which calls leave. */
export interface WaysOut {
  readonly calls: () => OutgoingCalls;
  readonly streams: () => OutgoingStreams;
  readonly remote: RemoteObjects;
  /** Gets what subscribers do not handle. */
  readonly report: Report;
}

/** The caller of one connection. */
export class DirectCaller implements Caller {
  /** {@inheritDoc Caller.report} */
  readonly report: Report;
  readonly #ways: WaysOut;

  /** @param ways - of the connection */
  constructor(ways: WaysOut) {
    this.#ways = ways;
    this.report = ways.report;
  }

  /** {@inheritDoc Caller.call} */
  call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return this.#ways.calls().call(target, member, args, options);
  }

  /** {@inheritDoc Caller.notify} */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    this.#ways.calls().notify(target, member, args, options);
  }

  /** {@inheritDoc Caller.stream} */
  stream(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
  ): RemoteStream<unknown> {
    return new RemoteStream(this.report, this.#ways.streams().open(target, member, args, options));
  }

  /** {@inheritDoc Caller.members} */
  members(target: Target): readonly string[] | undefined {
    return typeof target === 'string' ? this.#ways.remote.memberNames(target) : undefined;
  }

  /** {@inheritDoc Caller.properties} */
  properties(target: Target): readonly string[] | undefined {
    return typeof target === 'string' ? this.#ways.remote.properties(target) : undefined;
  }
}
