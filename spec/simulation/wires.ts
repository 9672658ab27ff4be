/**
 * What lies between the processes of a simulation and the network: knows whose links are whose, and can break a link for one
 * of its ends only, so that what was under way arrives when its sender has long come by another one.
 */
import type { MemoryNetwork } from '../../src/transports/memory.js';
import type { MemoryLink } from '../../src/transports/memory-link.js';
import type { Transport, TransportProvider, TransportSink } from '../../src/transports/transport.js';
import type { SeededRandom } from './seeded-random.js';
import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

/** All wires of a world. */
export class Wires {
  readonly #network: MemoryNetwork;
  readonly #loop: VirtualLoop;
  readonly #turnMs: number;
  readonly #ends = new Map<VirtualProcess, Map<MemoryLink, WireEnd>>();

  /**
   * @param network - that they lead to
   * @param loop - tells each end what happens to it in an action of its own
   * @param turnMs - how late is said that all that had arrived was read
   */
  constructor(network: MemoryNetwork, loop: VirtualLoop, turnMs: number) {
    this.#network = network;
    this.#loop = loop;
    this.#turnMs = turnMs;
  }

  /** The links of a process that have not ended. */
  linksOf(process: VirtualProcess): MemoryLink[] {
    const present = new Set(this.#network.links);
    return [...(this.#ends.get(process)?.keys() ?? [])].filter((link) => present.has(link));
  }

  /** The network as one process sees it. @param onDial - hears of each dial */
  transportsOf(process: VirtualProcess, onDial: (port: number) => void): TransportProvider {
    const { transports } = this.#network;
    const wire = (transport: Transport): Transport => this.#wire(process, transport);
    return {
      listen: (address, sink) =>
        transports.listen(address, {
          onListening: (bound) => {
            sink.onListening(bound);
          },
          onFailed: (failure) => {
            sink.onFailed(failure);
          },
          onTransport: (transport) => {
            sink.onTransport(wire(transport));
          },
        }),
      dial: (address, sink) => {
        onDial(address.port);
        return transports.dial(address, {
          onFailed: (failure) => {
            sink.onFailed(failure);
          },
          onTransport: (transport) => {
            sink.onTransport(wire(transport));
          },
        });
      },
    };
  }

  /** One end of a link hears that it is broken; the other does not, and what was sent to it goes on arriving until `release`. */
  sever(link: MemoryLink, random: SeededRandom): void {
    const ends = this.#endsOf(link);
    if (ends.length > 0) random.pick(ends).sever();
  }

  /** Whatever its ends do, what is under way on a link is not lost, until `release`. */
  hold(link: MemoryLink): void {
    link.freeze();
    for (const end of this.#endsOf(link)) end.isHeld = true;
  }

  /** What was held on a link arrives now, however late that is; some time later both ends hear of the end, if one has gone. */
  release(link: MemoryLink, lingerMs: number): void {
    link.thaw();
    const ends = this.#endsOf(link);
    this.#loop.after(lingerMs, () => {
      for (const end of ends) end.release();
    });
  }

  /** Nothing is held any more. */
  releaseAll(): void {
    for (const ends of this.#ends.values()) for (const end of ends.values()) end.release();
  }

  #endsOf(link: MemoryLink): WireEnd[] {
    return [...this.#ends.values()].map((ends) => ends.get(link)).filter((end) => end !== undefined);
  }

  #wire(process: VirtualProcess, transport: Transport): Transport {
    const link = this.#network.links.find(
      ({ client, server }) => client === transport || server === transport,
    );
    if (link === undefined) return transport;
    const end = new WireEnd(transport, this.#loop, this.#turnMs);
    let ends = this.#ends.get(process);
    if (ends === undefined) this.#ends.set(process, (ends = new Map<MemoryLink, WireEnd>()));
    ends.set(link, end);
    return end;
  }
}

/** One end of a link, as its process has it: it may be over while the end of the network is not. */
class WireEnd implements Transport {
  readonly #inner: Transport;
  readonly #loop: VirtualLoop;
  readonly #turnMs: number;
  /** Whether its end is to be kept from the other side for now. */
  isHeld = false;
  #sink: TransportSink | undefined;
  #isCut = false;
  #isReported = false;

  constructor(inner: Transport, loop: VirtualLoop, turnMs: number) {
    this.#inner = inner;
    this.#loop = loop;
    this.#turnMs = turnMs;
  }

  get description(): string {
    return this.#inner.description;
  }

  get queuedBytes(): number {
    return this.#isCut ? 0 : this.#inner.queuedBytes;
  }

  open(sink: TransportSink): void {
    this.#sink = sink;
    this.#inner.open({
      onChunk: (chunk) => {
        if (!this.#isCut) sink.onChunk(chunk);
      },
      onWritable: () => {
        if (!this.#isCut) sink.onWritable();
      },
      onClosed: (error) => {
        if (!this.#isCut) this.#report(error);
      },
    });
    if (this.#isCut) this.#reportSoon(undefined);
  }

  write(...pieces: readonly Uint8Array[]): boolean {
    return this.#isCut || this.#inner.write(...pieces);
  }

  scheduleFlush(flush: () => void): void {
    this.#inner.scheduleFlush(() => {
      if (!this.#isReported) flush();
    });
  }

  afterReading(callback: () => void): void {
    const call = (): void => {
      this.#inner.afterReading(() => {
        if (!this.#isReported) callback();
      });
    };
    if (this.#turnMs === 0) call();
    else this.#loop.after(this.#turnMs, call);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(): void {
    if (!this.#isCut) this.#inner.close();
  }

  destroy(): void {
    if (this.#isCut) return;
    if (!this.isHeld) {
      this.#inner.destroy();
      return;
    }
    this.#isCut = true;
    this.#reportSoon(undefined);
  }

  /** Its process hears that it is broken, and the other side does not. */
  sever(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#inner.resume();
    this.#reportSoon(Object.assign(new Error('the link was severed'), { code: 'ECONNRESET' }));
  }

  /** The other side hears of its end, if it is over. */
  release(): void {
    this.isHeld = false;
    if (this.#isCut) this.#inner.destroy();
  }

  #reportSoon(error: Error | undefined): void {
    this.#loop.after(0, () => {
      this.#report(error);
    });
  }

  #report(error: Error | undefined): void {
    if (this.#isReported || this.#sink === undefined) return;
    this.#isReported = true;
    this.#sink.onClosed(error);
  }
}
