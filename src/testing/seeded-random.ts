/**
 * Chance that comes again: the same seed gives the same draws, on every machine.
 */

/**
 * Makes a source of chance for `random` options: of networks, proxies, servers and clients.
 * @param seed - any whole number; neighbouring ones have nothing in common
 * @returns a function that gives numbers from 0 up to, and without, 1 (mulberry32)
 */
export function seededRandom(seed: number): () => number {
  // Neighbouring seeds would begin alike.
  let state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 0;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
