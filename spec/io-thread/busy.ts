/**
 * Runs `busy-program` in processes of its own.
 */
import { readFileSync } from 'node:fs';
import { runProgram } from '../helpers/child-process.js';

/** What came of a busy main thread. */
export interface BusyReport {
  /** Until the call was answered that was made meanwhile, in milliseconds; -1 if it failed. */
  readonly answeredMs: number;
  /** The longest lag that the client was told of, in milliseconds. */
  readonly longestLagMs: number;
  /** How often the server, and the client, lost the connection. */
  readonly losses: number;
  readonly clientLosses: number;
  /** Bytes that have arrived in the end. */
  readonly sunkBytes: number;
  /** By how much the server's process grew while it was busy. */
  readonly grownBytes: number;
}

const file = new URL('./spec/io-thread/busy-program.ts', `file://${process.cwd()}/`);

/**
 * Has a server's main thread be busy.
 *
 * @param seconds - for so long
 * @param bytes - that a client sends meanwhile, and afterwards
 * @param thread - whether the server's sockets are on the I/O thread
 */
export async function busy(seconds: number, bytes: number, thread = true): Promise<BusyReport> {
  const limitMs = (seconds + 60) * 1_000;
  const args = [String(seconds), String(bytes), String(thread)];
  const { code, output } = await runProgram(readFileSync(file, 'utf8'), args, limitMs);
  if (code !== 0) throw new Error(`the program ended with ${code}: ${output}`);
  return JSON.parse(output) as BusyReport;
}

/** Milliseconds between two heartbeats of the program: the last one that tells of the lag may be so much before its end. */
const intervalMs = 667;

/** What is not as it must be with the I/O thread. */
export function faultsOf(report: BusyReport, seconds: number, bytes: number): string[] {
  const { losses, clientLosses, answeredMs, longestLagMs, sunkBytes, grownBytes } = report;
  const faults: string[] = [];
  if (losses + clientLosses > 0) faults.push(`lost ${losses} and ${clientLosses} times`);
  if (answeredMs < 0) faults.push('the call failed');
  if (longestLagMs < seconds * 1_000 - intervalMs - 333 || longestLagMs > seconds * 1_000 + 1_000)
    faults.push(`a lag of ${longestLagMs} ms was told`);
  if (sunkBytes < bytes) faults.push(`${sunkBytes} of ${bytes} bytes have arrived`);
  if (grownBytes > 32 * 1024 * 1024) faults.push(`${grownBytes} bytes more in memory`);
  return faults;
}
