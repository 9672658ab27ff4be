/**
 * The I/O thread as the main thread has it: started with the first need, restarted when it dies, ended with the last user.
 *
 * One for the thread that uses it, whatever the number of servers and clients there. It routes what the thread tells to the ends that were attached, by
 * their numbers, and knows no sockets. Commands of one turn are posted together.
 */
import { RPCError } from '../errors.js';
import { LoopClock } from './loop-clock.js';
import type { ThreadCommand, ThreadData, ThreadEvent } from './thread-messages.js';

/** What the main thread needs of a worker thread. */
export interface ThreadWorker {
  /** Hands over commands; these buffers are given away. */
  post(commands: readonly ThreadCommand[], buffers: readonly ArrayBuffer[]): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Does not. */
  unref(): void;
  /** Ends it; it may still tell something. */
  terminate(): void;
}

/** Receives what a worker thread tells. */
export interface ThreadSink {
  /** What happened in a turn. */
  onEvents(events: readonly ThreadEvent[]): void;
  /** It has ended, for whatever reason. May be told twice. */
  onDeath(why: string): void;
}

/** Starts a worker thread, which tells nothing before this returns. Throws where threads are not to be had. */
export type SpawnThread = (data: ThreadData, sink: ThreadSink) => ThreadWorker;

/** Whoever is told by number what happens on the thread. */
export interface ThreadEnd {
  /** Something happened. */
  onEvent(event: ThreadEvent): void;
  /** The thread died, and with it what it held for this end; `isFinal`: no other one is started for now. */
  onThreadLost(error: Error, isFinal: boolean): void;
}

/** So many deaths within a minute are no accident: then no further thread is started until the minute is over. */
const maxDeaths = 3;
const deathsMs = 60_000;

/**
 * So many bytes to be written do not wait for the end of the turn, then twice, four times as many, and so on: the thread writes, and
 * the peer computes, while this one goes on (`link/connection` says what that is worth). Doubling bounds the posts of a turn.
 */
const firstEarlyBytes = 4_096;

/** Before a thread is started again, doubled at each death within the minute; in milliseconds. */
const firstRestartMs = 100;

/** The I/O thread. */
export class IOThread {
  readonly #spawn: SpawnThread;
  readonly #now: () => number;
  readonly #clock = new LoopClock();
  readonly #ends = new Map<number, ThreadEnd>();
  #users = 0;
  #worker: ThreadWorker | undefined;
  #commands: ThreadCommand[] = [];
  #buffers: ArrayBuffer[] = [];
  #bytes = 0;
  #earlyBytes = firstEarlyBytes;
  #isPostDue = false;
  #isReceiving = false;
  #deathsAtMs: number[] = [];
  #restart: NodeJS.Timeout | undefined;
  #lastID = 0;

  /**
   * @param spawn - starts a thread
   * @param now - a monotonic time in milliseconds
   */
  constructor(spawn: SpawnThread, now: () => number) {
    this.#spawn = spawn;
    this.#now = now;
  }

  /** Somebody may need it from now on. */
  use(): void {
    this.#users += 1;
  }

  /** Somebody does not need it any more; with the last one, and the last end attached, the thread ends. */
  leave(): void {
    this.#users -= 1;
    this.#endIfUnused();
  }

  /** A number for a dial or a listener. */
  nextID(): number {
    this.#lastID += 2;
    return this.#lastID;
  }

  /** Has an end told of what happens under a number. As long as there is one the process stays alive. */
  attach(id: number, end: ThreadEnd): void {
    this.#ends.set(id, end);
    if (this.#ends.size > 1) return;
    this.#clock.start();
    this.#worker?.ref();
  }

  /** The end is over. */
  detach(id: number): void {
    if (!this.#ends.delete(id) || this.#ends.size > 0) return;
    this.#clock.stop();
    this.#worker?.unref();
    this.#endIfUnused();
  }

  /** Has the thread do something, in order; `buffer` is given away with it. Starts the thread if there is none. */
  tell(command: ThreadCommand, buffer?: ArrayBuffer): void {
    this.#commands.push(command);
    if (buffer !== undefined) {
      this.#buffers.push(buffer);
      this.#bytes += buffer.byteLength;
      if (this.#bytes >= this.#earlyBytes) this.#postEarly();
    }
    if (this.#isReceiving || this.#isPostDue) return;
    this.#isPostDue = true;
    process.nextTick(() => {
      this.#isPostDue = false;
      this.#endTurn();
    });
  }

  /** Only to a thread that is there: starting one may end transports, which none of their own methods may do. */
  #postEarly(): void {
    if (this.#worker === undefined) return;
    this.#earlyBytes *= 2;
    this.#post();
  }

  #endTurn(): void {
    this.#post();
    this.#earlyBytes = firstEarlyBytes;
  }

  #post(): void {
    if (this.#commands.length === 0 || !this.#isThere()) return;
    const commands = this.#commands;
    const buffers = this.#buffers;
    this.#commands = [];
    this.#buffers = [];
    this.#bytes = 0;
    this.#worker?.post(commands, buffers);
  }

  /** Whether there is a thread; starts one if that is possible now. */
  #isThere(): boolean {
    if (this.#worker !== undefined) return true;
    if (this.#restart !== undefined) return false;
    const earliestMs = this.#now() - deathsMs;
    this.#deathsAtMs = this.#deathsAtMs.filter((atMs) => atMs > earliestMs);
    const deaths = this.#deathsAtMs.length;
    if (deaths >= maxDeaths) {
      const text = `the I/O thread died ${deaths} times within a minute: none is started until that is over`;
      this.#lose(new RPCError(text, {}, 'io-thread'), true);
      return false;
    }
    if (deaths === 0) return this.#start();
    this.#restart = setTimeout(
      () => {
        this.#restart = undefined;
        if (this.#start()) this.#post();
      },
      firstRestartMs * 2 ** (deaths - 1),
    );
    return false;
  }

  #start(): boolean {
    try {
      const worker: ThreadWorker = this.#spawn(
        { loopClock: this.#clock.memory },
        {
          onEvents: (events) => {
            if (this.#worker === worker) this.#receive(events);
          },
          onDeath: (why) => {
            if (this.#worker === worker) this.#died(why);
          },
        },
      );
      this.#worker = worker;
      if (this.#ends.size === 0) worker.unref();
      return true;
    } catch (cause) {
      const text = `no I/O thread could be started (thread: true): ${String(cause)}`;
      this.#lose(new RPCError(text, { cause }, 'io-thread'), true);
      return false;
    }
  }

  #receive(events: readonly ThreadEvent[]): void {
    this.#isReceiving = true;
    try {
      for (const event of events) {
        const id = event.type === 'accepted' ? event.listener : event.id;
        this.#ends.get(id)?.onEvent(event);
      }
    } finally {
      this.#isReceiving = false;
      this.#endTurn();
    }
  }

  #died(why: string): void {
    this.#worker = undefined;
    this.#deathsAtMs.push(this.#now());
    this.#lose(new RPCError(`the I/O thread died: ${why}`, {}, 'io-thread'), false);
    // Listeners have asked for their places again.
    this.#post();
  }

  #lose(error: Error, isFinal: boolean): void {
    this.#commands = [];
    this.#buffers = [];
    this.#bytes = 0;
    this.#isReceiving = true;
    for (const end of [...this.#ends.values()]) end.onThreadLost(error, isFinal);
    this.#isReceiving = false;
  }

  #endIfUnused(): void {
    if (this.#users > 0 || this.#ends.size > 0) return;
    clearTimeout(this.#restart);
    this.#restart = undefined;
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.terminate();
  }
}
