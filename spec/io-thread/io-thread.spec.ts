import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { defaultLimits } from '../../src/protocol/limits.js';
import { IOThread, type ThreadSink } from '../../src/io-thread/io-thread.js';
import { threadTransports } from '../../src/io-thread/thread-transports.js';
import { first, RecordingDialSink, RecordingListenSink, RecordingSink } from '../helpers/recording-sinks.js';
import { ThreadBeside } from '../helpers/thread-beside.js';

const anyPort = { host: '127.0.0.1', port: 0 };

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

/** A provider on a thread beside the spec. */
function provided() {
  const beside = new ThreadBeside();
  return { beside, provider: threadTransports(defaultLimits, beside.thread) };
}

/** The same, with a listener and both ends of a connection, open. */
async function connected() {
  const { beside, provider } = provided();
  const listening = new RecordingListenSink();
  const listener = provider.listen(anyPort, listening);
  await until(() => listening.addresses.length > 0);
  const address = first(listening.addresses);
  const dialling = new RecordingDialSink();
  provider.dial(address, dialling);
  await until(() => listening.accepted.length > 0 && dialling.connected.length > 0);
  const [server, client] = [first(listening.accepted), first(dialling.connected)];
  const [atServer, atClient] = [new RecordingSink(), new RecordingSink()];
  server.open(atServer);
  client.open(atClient);
  return { beside, provider, listening, listener, address, server, client, atServer, atClient };
}

describe('the I/O thread', () => {
  it('is started with the first need, not before', () => {
    const { beside, provider } = provided();
    expect(beside.programs).toHaveLength(0);
    provider.dispose?.();
    expect(beside.programs).toHaveLength(0);
  });

  it('is one for all who use it, and ends when the last is done and the last transport has ended', async () => {
    const { beside, provider, listener, server, client, atServer, atClient } = await connected();
    const other = threadTransports(defaultLimits, beside.thread);
    const dialling = new RecordingDialSink();
    other.dial({ host: '127.0.0.1', port: 1 }, dialling);
    await until(() => dialling.calls > 0);
    const [program] = beside.programs;
    expect(beside.programs).toHaveLength(1);
    provider.dispose?.();
    provider.dispose?.();
    other.dispose?.();
    expect(program?.isTerminated).toBe(false);
    let isClosed = false;
    listener.close(() => {
      isClosed = true;
    });
    client.close();
    server.close();
    await until(() => isClosed && atServer.hasEnded && atClient.hasEnded);
    expect(program?.isTerminated).toBe(true);
  });

  it('keeps the process alive as long as something is open on it', async () => {
    const { beside, listener, server, client, atServer, atClient } = await connected();
    const [program] = beside.programs;
    expect(program?.isRef).toBe(true);
    server.destroy();
    client.destroy();
    let isClosed = false;
    listener.close(() => {
      isClosed = true;
    });
    await until(() => isClosed && atServer.hasEnded && atClient.hasEnded);
    expect(program?.isRef).toBe(false);
  });

  it('takes its connections with it when it dies, and has its listeners again on another one', async () => {
    const { beside, listening, address, provider, atServer, atClient, listener } = await connected();
    beside.programs[0]?.die('out of memory');
    await until(() => atServer.hasEnded && atClient.hasEnded);
    for (const { ends } of [atServer, atClient]) {
      expect(ends).toEqual([
        expect.objectContaining({ code: 'io-thread', message: 'the I/O thread died: out of memory' }),
      ]);
    }
    await until(() => beside.programs[1]?.events.some(({ type }) => type === 'listening') === true);
    expect(listening.addresses).toEqual([address]);
    const dialling = new RecordingDialSink();
    provider.dial(address, dialling);
    await until(() => listening.accepted.length === 2 && dialling.connected.length === 1);
    for (const transport of [...listening.accepted, ...dialling.connected]) transport.destroy();
    listener.close(() => {});
  });

  it('fails what is being dialled when it dies, as any attempt that may do better next time', async () => {
    const { beside, provider } = provided();
    const dialling = new RecordingDialSink();
    provider.dial({ host: '127.0.0.1', port: 9 }, dialling);
    await until(() => beside.programs.length === 1);
    beside.programs[0]?.die('for a spec');
    await until(() => dialling.calls > 0);
    expect(dialling.failures).toEqual([
      { kind: 'other', error: new Error('the I/O thread died: for a spec') },
    ]);
    expect(dialling.failures[0]?.error).not.toHaveProperty('code');
  });

  it('answers who closes a listener while it dies', async () => {
    const { beside, provider } = provided();
    const listening = new RecordingListenSink();
    const listener = provider.listen(anyPort, listening);
    await until(() => listening.addresses.length > 0);
    let closed = 0;
    listener.close(() => {
      closed += 1;
    });
    beside.programs[0]?.die('for a spec');
    await until(() => closed === 1);
    expect(listening.failures).toEqual([]);
  });

  it('is not started again after three deaths within a minute, and says so; then it is', async () => {
    const { beside, provider } = provided();
    const listening = new RecordingListenSink();
    provider.listen(anyPort, listening);
    await until(() => listening.addresses.length > 0);
    for (let deaths = 1; deaths <= 3; deaths++) {
      await until(() => beside.programs.length === deaths);
      beside.programs.at(-1)?.die('again');
    }
    await until(() => listening.failures.length > 0);
    const text = 'the I/O thread died 3 times within a minute: none is started until that is over';
    expect(listening.failures).toEqual([
      { kind: 'other', error: expect.objectContaining({ code: 'io-thread', message: text }) },
    ]);
    const dialling = new RecordingDialSink();
    provider.dial(anyPort, dialling);
    await until(() => dialling.calls > 0);
    expect(dialling.failures).toEqual([
      { kind: 'other', error: expect.objectContaining({ code: 'io-thread', message: text }) },
    ]);
    beside.nowMs = 60_001;
    const later = new RecordingListenSink();
    const listener = provider.listen(anyPort, later);
    await until(() => later.addresses.length > 0);
    listener.close(() => {});
  });

  it('says clearly that there is none where the platform has no threads', async () => {
    const { beside, provider } = provided();
    beside.failure = new Error('not here');
    const listening = new RecordingListenSink();
    provider.listen(anyPort, listening);
    await until(() => listening.calls > 0);
    expect(listening.failures).toEqual([
      {
        kind: 'other',
        error: expect.objectContaining({
          code: 'io-thread',
          message: 'no I/O thread could be started (thread: true): Error: not here',
        }),
      },
    ]);
  });

  it('is told once a turn, and early of what is much: 4 KiB, then twice as much, and so on', async () => {
    const { beside, client, server, listener, atServer, atClient } = await connected();
    const program = first(beside.programs);
    for (const [pieces, posts] of [
      [3, 1],
      [4, 1],
      [5, 2],
      [13, 3],
      [3, 1],
    ] as const) {
      const before = program.posts;
      const expected = atServer.byteCount + pieces * 1_024;
      for (let piece = 0; piece < pieces; piece++) client.write(new Uint8Array(1_024));
      await until(() => atServer.byteCount === expected);
      expect(program.posts - before).toBe(posts);
    }
    client.destroy();
    server.destroy();
    listener.close(() => {});
    await until(() => atServer.hasEnded && atClient.hasEnded);
  });

  it('does not start another one for what has ended with the last', async () => {
    const { beside, client, server, listener, atClient } = await connected();
    let isClosed = false;
    listener.close(() => {
      isClosed = true;
    });
    await until(() => isClosed);
    beside.programs[0]?.die('for a spec');
    await until(() => atClient.hasEnded);
    for (const transport of [client, server]) {
      transport.close();
      transport.destroy();
      transport.write(Uint8Array.of(1));
      transport.afterReading(() => undefined);
    }
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(beside.programs).toHaveLength(1);
  });
});

describe('the pause between deaths of the I/O thread', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  /** A thread that somebody always wants, whose every start is counted. */
  function wanted() {
    const sinks: ThreadSink[] = [];
    const losses: boolean[] = [];
    const thread = new IOThread(
      (_data, sink) => {
        sinks.push(sink);
        return { post: () => {}, ref: () => {}, unref: () => {}, terminate: () => {} };
      },
      () => performance.now(),
    );
    const want = (): void => {
      thread.tell({ type: 'unlisten', id: 2 });
      jest.advanceTimersByTime(0);
    };
    thread.attach(2, {
      onEvent: () => {},
      onThreadLost: (_error, isFinal) => {
        losses.push(isFinal);
        if (!isFinal) want();
      },
    });
    want();
    return { sinks, losses, want, die: () => sinks.at(-1)?.onDeath('for a spec') };
  }

  it('doubles, from 0.1 s', () => {
    const { sinks, losses, die } = wanted();
    for (const [starts, pauseMs] of [
      [1, 100],
      [2, 200],
    ] as const) {
      die();
      jest.advanceTimersByTime(pauseMs - 1);
      expect(sinks).toHaveLength(starts);
      jest.advanceTimersByTime(1);
      expect(sinks).toHaveLength(starts + 1);
    }
    die();
    jest.advanceTimersByTime(50_000);
    expect([sinks.length, losses]).toEqual([3, [false, false, false, true]]);
  });

  it('is as short as at first for deaths that are a minute apart', () => {
    const { sinks, losses, die } = wanted();
    for (let starts = 1; starts < 10; starts++) {
      die();
      jest.advanceTimersByTime(100);
      expect(sinks).toHaveLength(starts + 1);
      jest.advanceTimersByTime(60_000);
    }
    expect(losses).not.toContain(true);
  });

  it('counts those of the last 60 seconds', () => {
    const { sinks, losses, die, want } = wanted();
    die();
    jest.advanceTimersByTime(50_000);
    die();
    jest.advanceTimersByTime(20_000);
    die(); // the second within a minute
    jest.advanceTimersByTime(200);
    expect(sinks).toHaveLength(4);
    die();
    expect(losses.at(-1)).toBe(true);
    jest.advanceTimersByTime(39_799);
    want();
    expect(sinks).toHaveLength(4);
    jest.advanceTimersByTime(2);
    want(); // two are left, the oldest is over
    jest.advanceTimersByTime(200);
    expect(sinks).toHaveLength(5);
  });
});
