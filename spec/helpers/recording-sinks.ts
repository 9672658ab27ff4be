/** Sinks that write down what they are told, for the specs of transports. */

import type {
  Address,
  DialSink,
  ListenSink,
  Transport,
  TransportFailure,
  TransportSink,
} from '../../src/transports/transport.js';

/** Keeps a copy of every chunk: the transport may read into the same memory again. */
export class RecordingSink implements TransportSink {
  readonly chunks: Uint8Array[] = [];
  readonly ends: (Error | undefined)[] = [];
  writables = 0;
  /** All calls so far; what comes after the end is counted as well. */
  calls = 0;
  /** Run at each chunk, after it was written down. */
  react: (chunk: Uint8Array) => void = () => {};

  onChunk(chunk: Uint8Array): void {
    this.calls += 1;
    this.chunks.push(chunk.slice());
    this.react(chunk);
  }

  onWritable(): void {
    this.calls += 1;
    this.writables += 1;
  }

  onClosed(error: Error | undefined): void {
    this.calls += 1;
    this.ends.push(error);
  }

  get byteCount(): number {
    return this.chunks.reduce((total, chunk) => total + chunk.length, 0);
  }

  /** All that came, in one piece. */
  get bytes(): Uint8Array {
    const whole = new Uint8Array(this.byteCount);
    let offset = 0;
    for (const chunk of this.chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }

  get hasEnded(): boolean {
    return this.ends.length > 0;
  }
}

/** Writes down what a listener says. */
export class RecordingListenSink implements ListenSink {
  readonly addresses: Address[] = [];
  readonly accepted: Transport[] = [];
  readonly failures: TransportFailure[] = [];

  onListening(address: Address): void {
    this.addresses.push(address);
  }

  onTransport(transport: Transport): void {
    this.accepted.push(transport);
  }

  onFailed(failure: TransportFailure): void {
    this.failures.push(failure);
  }

  get calls(): number {
    return this.addresses.length + this.accepted.length + this.failures.length;
  }
}

/** Writes down the outcome of a dial. */
export class RecordingDialSink implements DialSink {
  readonly connected: Transport[] = [];
  readonly failures: TransportFailure[] = [];

  onTransport(transport: Transport): void {
    this.connected.push(transport);
  }

  onFailed(failure: TransportFailure): void {
    this.failures.push(failure);
  }

  get calls(): number {
    return this.connected.length + this.failures.length;
  }
}

/** The system's code of an error, which is told by its shape: specs and product may live in different realms. */
export function codeOf(error: Error | undefined): unknown {
  return error !== undefined && 'code' in error ? error.code : undefined;
}

/** Bytes in which no two neighbouring stretches look alike. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) bytes[index] = (index * 31 + (index >> 8) * 7) % 251;
  return bytes;
}

/** Whether both hold the same: `toEqual` takes seconds for megabytes. */
export function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** The first of a list that cannot be empty, or the spec is wrong. */
export function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new Error('expected at least one, found none');
  return one;
}

/** The last of a list that cannot be empty, or the spec is wrong. */
export function last<T>(list: readonly T[]): T {
  return first(list.slice(-1));
}
