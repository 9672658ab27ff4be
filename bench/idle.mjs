// What a connection costs that does nothing: how much more of a process is in memory (its resident set) for each.
//
// Fresh processes; a few connections are made and given up first, so that what is loaded and compiled once does not
// count. Then so many are made, each with one call; garbage is collected, and what both processes have in memory is
// compared with what they had before. What the system keeps for its sockets is not in that.
import { Pair } from './pairs.mjs';

const name = 'idle connections';
const warmUpConnections = 200;
const counts = [1_000, 5_000];

/** Whether a part of a name is in the name of this. */
export const isIdleWanted = (part) => name.includes(part);

/**
 * Measures all peers, one after the other.
 *
 * @param {ReadonlyMap<string, string>} peers
 * @param {(text: string) => void} tell
 * @returns {Promise<{ figures: Record<string, import('./measure.mjs').Figures>, failures: import('./measure.mjs').Failure[] }>}
 */
export async function measureIdle(peers, tell) {
  const figures = {};
  const failures = [];
  for (const [peer, entry] of peers) {
    tell(`${name}: ${peer}`);
    figures[peer] = {};
    let pair;
    try {
      pair = await Pair.open(entry, ['--expose-gc']);
      await measurePair(pair, figures[peer]);
    } catch (error) {
      failures.push({ peer, workload: name, error: error.message });
    } finally {
      // Thousands of connections need not be closed one by one.
      pair?.kill();
    }
  }
  return { figures, failures };
}

async function measurePair(pair, figures) {
  await pair.hold(warmUpConnections);
  await pair.release();
  const before = await pair.residentBytes();
  let held = 0;
  for (const count of counts) {
    await pair.hold(count - held);
    held = count;
    const now = await pair.residentBytes();
    for (const end of ['server', 'client']) {
      figures[`${count.toLocaleString('en')} ${name}: KiB of the ${end} for each`] =
        (now[end] - before[end]) / 1024 / count;
    }
  }
}
