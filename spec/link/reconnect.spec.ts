import { describe, expect, it } from '@jest/globals';
import { Backoff } from '../../src/link/backoff.js';
import { Reconnect } from '../../src/link/reconnect.js';
import type { Address, DialSink, Transport, TransportFailure } from '../../src/transports/transport.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { VirtualClock } from '../helpers/virtual-clock.js';

interface HandDial {
  readonly address: Address;
  readonly sink: DialSink;
  isCancelled: boolean;
}

const refused: TransportFailure = { kind: 'refused', error: new Error('nobody listens') };

/** A Reconnect whose dials have the outcome that the spec gives them; pauses are 50 ms and then 150, 250, 450 … */
function bench(
  onFailed: (reconnect: Reconnect) => void = () => {},
  addresses: readonly [Address, ...Address[]] = [{ host: 'h', port: 1 }],
  isBound = () => false,
) {
  const clock = new VirtualClock();
  const dials: HandDial[] = [];
  const transports: [Transport, string | undefined][] = [];
  const failures: TransportFailure[] = [];
  const backoff = new Backoff(100, 1_000, () => 1);
  const reconnect: Reconnect = new Reconnect(
    {
      transports: {
        dial: (address, sink) => {
          const dial: HandDial = { address, sink, isCancelled: false };
          dials.push(dial);
          return { cancel: () => (dial.isCancelled = true) };
        },
        listen: () => ({ close: () => {} }),
      },
      addresses,
      isBound,
      scheduler: clock,
      dialTimeoutMs: () => 3_000,
      backoff,
    },
    {
      onTransport: (transport, ticket) => transports.push([transport, ticket]),
      onFailed: (failure) => {
        failures.push(failure);
        onFailed(reconnect);
      },
    },
  );
  const last = (): HandDial => {
    const dial = dials.at(-1);
    if (dial === undefined) throw new Error('nothing was dialled');
    return dial;
  };
  return { clock, dials, transports, failures, reconnect, backoff, last };
}

describe('Reconnect', () => {
  it('does nothing before it starts, and then dials at once', () => {
    const { dials, clock, reconnect, last } = bench();
    clock.pass(10_000);
    expect(dials).toHaveLength(0);
    reconnect.start();
    expect(last().address).toEqual({ host: 'h', port: 1 });
  });

  it('hands on the transport, and arms nothing', () => {
    const { clock, transports, reconnect, last } = bench();
    reconnect.start();
    const transport = new HandTransport();
    last().sink.onTransport(transport);
    expect(transports).toEqual([[transport, undefined]]);
    expect(clock.armed).toBe(0);
  });

  it('dials again after a failure, when the pause is over', () => {
    const { clock, dials, failures, reconnect, last } = bench();
    reconnect.start();
    last().sink.onFailed(refused);
    expect(failures).toEqual([refused]);
    clock.pass(149);
    expect(dials).toHaveLength(1);
    clock.pass(1);
    expect(dials).toHaveLength(2);
    last().sink.onFailed(refused);
    clock.pass(249);
    expect(dials).toHaveLength(2);
    clock.pass(1);
    expect(dials).toHaveLength(3);
  });

  it('dials again when the transport is over', () => {
    const { clock, dials, reconnect, last } = bench();
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    reconnect.ended(undefined);
    clock.pass(150);
    expect(dials).toHaveLength(2);
  });

  it('waits so much longer as the server asked for', () => {
    const { clock, dials, reconnect, last } = bench();
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    reconnect.ended(2_000);
    clock.pass(2_149);
    expect(dials).toHaveLength(1);
    clock.pass(1);
    expect(dials).toHaveLength(2);
  });

  it('makes one attempt at a time, though it is told twice of one end', () => {
    const { clock, dials, reconnect, last } = bench();
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    reconnect.ended(undefined);
    reconnect.ended(undefined);
    expect(clock.armed).toBe(1);
    clock.pass(1_000);
    expect(dials).toHaveLength(2);
  });

  it('gives a dial up that has no outcome in time', () => {
    const { clock, dials, failures, reconnect, last } = bench();
    reconnect.start();
    clock.pass(2_999);
    expect(failures).toHaveLength(0);
    clock.pass(1);
    expect(last().isCancelled).toBe(true);
    expect(failures).toEqual([
      {
        kind: 'other',
        error: expect.objectContaining({ message: 'no answer to the dial within 3000 ms' }),
      },
    ]);
    clock.pass(150);
    expect(dials).toHaveLength(2);
  });

  it('follows a handover to the other port of the same host, with the ticket', () => {
    const { transports, dials, reconnect, last } = bench();
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    reconnect.handOver(4_001, 'T');
    expect(last().address).toEqual({ host: 'h', port: 4_001 });
    const transport = new HandTransport();
    last().sink.onTransport(transport);
    expect(transports.at(-1)).toEqual([transport, 'T']);
    expect(dials).toHaveLength(2);
  });

  it('returns to the first address after a handover that came to nothing', () => {
    const { clock, transports, reconnect, last } = bench();
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    reconnect.handOver(4_001, 'T');
    last().sink.onFailed(refused);
    clock.pass(150);
    expect(last().address).toEqual({ host: 'h', port: 1 });
    last().sink.onTransport(new HandTransport());
    expect(transports.at(-1)?.[1]).toBeUndefined();
  });

  describe('once stopped', () => {
    it('gives up the dial', () => {
      const { clock, reconnect, last } = bench();
      reconnect.start();
      reconnect.stop();
      expect([last().isCancelled, clock.armed]).toEqual([true, 0]);
    });

    it('does not dial, whatever happens', () => {
      const { clock, dials, reconnect, last } = bench();
      reconnect.start();
      last().sink.onTransport(new HandTransport());
      reconnect.stop();
      reconnect.stop();
      reconnect.ended(undefined);
      reconnect.handOver(1, 'T');
      clock.pass(60_000);
      expect([dials.length, clock.armed]).toEqual([1, 0]);
    });

    it('drops the pause', () => {
      const { clock, dials, reconnect, last } = bench();
      reconnect.start();
      last().sink.onFailed(refused);
      reconnect.stop();
      clock.pass(60_000);
      expect([dials.length, clock.armed]).toEqual([1, 0]);
    });

    it('stays so when it was stopped by the one who heard of the failure', () => {
      const { clock, dials, reconnect, last } = bench((each) => each.stop());
      reconnect.start();
      last().sink.onFailed(refused);
      clock.pass(60_000);
      expect([dials.length, clock.armed]).toEqual([1, 0]);
    });
  });
});

describe('Reconnect with several addresses', () => {
  const three = [1, 2, 3].map((port) => ({ host: 'h', port })) as [Address, ...Address[]];

  /** Ports in the order in which they are dialled, each of which fails, with the times. */
  function failing(
    world: ReturnType<typeof bench>,
    count: number,
  ): (readonly [atMs: number, port: number])[] {
    const { clock, dials, last } = world;
    const seen: (readonly [atMs: number, port: number])[] = [];
    const { length } = dials;
    while (seen.length < count) {
      while (dials.length < length + seen.length) clock.pass(1);
      seen.push([clock.now(), last().address.port]);
      last().sink.onFailed(refused);
    }
    return seen;
  }

  it('dials them in turn; pauses grow from round to round', () => {
    const world = bench(undefined, three);
    world.reconnect.start();
    expect(failing(world, 7)).toEqual([
      [0, 1],
      [50, 2],
      [100, 3],
      [250, 1],
      [300, 2],
      [350, 3],
      [600, 1],
    ]);
  });

  it('comes back to the one that it had, and then tries the others', () => {
    const world = bench(undefined, three);
    const { reconnect, backoff, clock, dials, last } = world;
    reconnect.start();
    last().sink.onFailed(refused);
    clock.pass(50);
    last().sink.onTransport(new HandTransport());
    backoff.established(clock.now());
    reconnect.ended(undefined);
    clock.pass(50);
    expect(dials.map(({ address }) => address.port)).toEqual([1, 2, 2]);
    expect(failing(world, 3).map(([, port]) => port)).toEqual([2, 3, 1]);
  });

  it('passes on from one that lets it in and throws it out', () => {
    const { reconnect, backoff, clock, dials, last } = bench(undefined, three);
    reconnect.start();
    for (let round = 0; round < 2; round += 1) {
      last().sink.onTransport(new HandTransport());
      backoff.established(clock.now());
      reconnect.ended(undefined);
      clock.pass(300);
    }
    expect(dials.map(({ address }) => address.port)).toEqual([1, 1, 2]);
  });

  it('leaves one that takes no new calls for the next, nearly at once', () => {
    const { reconnect, backoff, clock, dials, last } = bench(undefined, three);
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    backoff.established(0);
    reconnect.leave(2_000);
    clock.pass(50);
    expect(dials.map(({ address }) => address.port)).toEqual([1, 2]);
    expect(reconnect.address).toEqual(three[1]);
  });

  it('passes over those that asked for a pause, and waits for the first of them if all did', () => {
    const { reconnect, clock, dials, last } = bench(undefined, three.slice(0, 2) as [Address, Address]);
    reconnect.start();
    for (const askedMs of [2_000, 1_000]) {
      last().sink.onTransport(new HandTransport());
      reconnect.ended(askedMs);
      clock.pass(50);
    }
    expect(dials.map(({ address }) => address.port)).toEqual([1, 2]);
    // The pause of the second round, and what is left of its second.
    clock.pass(1_000 + 150 - 50);
    expect(dials.map(({ address }) => address.port)).toEqual([1, 2, 2]);
  });

  it('keeps to one address while what it looks for is there', () => {
    const world = bench(undefined, three, () => true);
    world.reconnect.start();
    expect(failing(world, 3)).toEqual([
      [0, 1],
      [150, 1],
      [400, 1],
    ]);
  });

  it('does nothing once it was stopped', () => {
    const { reconnect, clock, dials, last } = bench(undefined, three);
    reconnect.start();
    last().sink.onTransport(new HandTransport());
    reconnect.stop();
    reconnect.leave(undefined);
    clock.pass(10_000);
    expect(dials).toHaveLength(1);
  });
});
