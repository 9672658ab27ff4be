/**
 * What is alive: the heap after a collection.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are alive; collects first. */
export function aliveBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** The same after finalizers have run, and what they let go was collected. */
export async function aliveBytesAtRest(): Promise<number> {
  for (let turns = 0; turns < 5; turns += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return aliveBytes();
}
