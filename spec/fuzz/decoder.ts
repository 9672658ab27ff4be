/**
 * Frames of every sort against what reads them: nothing but the library's own two errors, quickly, and nothing kept.
 */
import { LimitExceededError, ProtocolError } from '../../src/errors.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { Inbox } from '../../src/protocol/inbox.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { builtIn, type CodecMaker } from '../helpers/codecs.js';
import { SeededRandom } from '../simulation/seeded-random.js';
import { drawFrame, framed } from './frames.js';

/** What came of it. */
export interface DecoderReport {
  frames: number;
  accepted: number;
  slowestMs: number;
  /** The growth of the process from the first tenth to the end, in bytes. */
  grownBytes: number;
  readonly faults: string[];
}

/** Bounds: the time of one frame, and the growth of the process. */
const decoderBounds = { slowestMs: 50, grownBytes: 64 * 1024 * 1024 };

/** All of them share it, as the connections of a process do. */
const pool = new FragmentPool();

/** Reads so many frames. */
export function fuzzDecoder(frames: number, seed: number, make: CodecMaker = builtIn): DecoderReport {
  const report: DecoderReport = { frames: 0, accepted: 0, slowestMs: 0, grownBytes: 0, faults: [] };
  const random = new SeededRandom(seed);
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  let startBytes = 0;
  let inbox = new Inbox(make(), defaultLimits, pool);
  for (; report.frames < frames; report.frames++) {
    if (report.frames === Math.floor(frames / 10)) startBytes = process.memoryUsage.rss();
    const frame = framed(drawFrame(random));
    const isStranger = random.chance(0.2);
    const startMs = performance.now();
    try {
      inbox.push(frame);
      while (inbox.read(isStranger) !== undefined) report.accepted += 1;
    } catch (error) {
      if (!(error instanceof ProtocolError) && !(error instanceof LimitExceededError))
        report.faults.push(
          `frame ${report.frames}: ${String(error)}: ${Buffer.from(frame).toString('hex', 0, 200)}`,
        );
      inbox = new Inbox(make(), defaultLimits, pool);
    }
    const ms = performance.now() - startMs;
    // What the system or the collector took is not the frame's: read again, it shows what it costs by itself.
    const ownMs =
      ms > decoderBounds.slowestMs ? Math.min(ms, readAgainMs(frame, make), readAgainMs(frame, make)) : ms;
    report.slowestMs = Math.max(report.slowestMs, ownMs);
  }
  Error.stackTraceLimit = stackTraceLimit;
  report.grownBytes = process.memoryUsage.rss() - startBytes;
  if (report.slowestMs > decoderBounds.slowestMs) report.faults.push(`a frame took ${report.slowestMs} ms`);
  if (report.grownBytes > decoderBounds.grownBytes)
    report.faults.push(`${report.grownBytes} bytes were kept`);
  return report;
}

function readAgainMs(frame: Uint8Array, make: CodecMaker): number {
  const inbox = new Inbox(make(), defaultLimits, pool);
  const startMs = performance.now();
  try {
    inbox.push(frame);
    inbox.read(false);
  } catch {
    // Which error it is was judged the first time.
  }
  return performance.now() - startMs;
}
