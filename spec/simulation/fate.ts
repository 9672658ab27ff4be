/**
 * What nobody wants and everybody must live with: broken, frozen, deaf and slow links, processes that stand still, clocks that jump.
 */
import type { MemoryLink } from '../../src/transports/memory-link.js';
import type { Ground } from './ground.js';
import type { SimulatedPeer } from './peers.js';
import type { VirtualProcess } from './virtual-loop.js';
import type { WallClock } from './wall-clock.js';

const bothDirections = ['toServer', 'toClient'] as const;

/** Fate in one world. */
export class Fate {
  readonly #ground: Ground;
  readonly #wallClock: WallClock;
  readonly #present: () => readonly SimulatedPeer[];
  #isFlapping = false;

  /**
   * @param ground - the world's
   * @param wallClock - that is set forward and back
   * @param present - who is there
   */
  constructor(ground: Ground, wallClock: WallClock, present: () => readonly SimulatedPeer[]) {
    this.#ground = ground;
    this.#wallClock = wallClock;
    this.#present = present;
    const { random, network, profile } = ground;
    network.onLink = (link) => {
      if (random.chance(0.5)) link.latencyMs = random.between(0, 2 * profile.latencyMs);
      if (this.#isFlapping && !ground.isQuiet) this.#cutSoon(link);
    };
  }

  /** Does one thing to the network, a process or a clock. */
  disturb(): void {
    const { random, network, loop, trace, profile } = this.#ground;
    const link = network.links.length === 0 ? undefined : random.pick(network.links);
    const ms = random.between(1, random.pick([20, 300, 4_000]));
    const kind = random.weighted({
      cut: 3,
      cutAfter: 4,
      freeze: 2,
      freezeAll: 1,
      half: 2,
      refuse: 1,
      latency: 2,
      slice: 1,
      block: 2,
      jump: 1,
      sever: 1.5,
      hold: 1.5,
      flap: 0.7,
      setClock: 0.7,
    });
    trace.note(`fate ${kind} ${link?.number ?? 0}`);
    switch (kind) {
      case 'cut':
        link?.cut();
        return;
      case 'cutAfter':
        link?.cutAfterBytes(random.pick(bothDirections), random.whole(0, random.pick([10, 200, 70_000])));
        return;
      case 'freeze':
        link?.freeze();
        loop.after(ms, () => link?.thaw());
        return;
      case 'freezeAll':
        network.freeze();
        loop.after(ms, () => network.thaw());
        return;
      case 'half':
        link?.halfOpen(random.pick(bothDirections));
        this.#ground.hasDeafLinks = true;
        if (random.chance(0.5)) loop.after(ms, () => link?.heal());
        return;
      case 'refuse':
        network.refuseConnections = true;
        loop.after(ms, () => {
          network.refuseConnections = false;
        });
        return;
      case 'latency':
        if (link !== undefined) link.latencyMs = random.between(0, 200);
        return;
      case 'slice':
        network.sliceBytes = random.chance(0.5)
          ? undefined
          : random.whole(profile.maxBytes > 9_000 ? 999 : 1, 9_000);
        return;
      case 'block':
        this.#block(random.pick(this.#present()).process, ms);
        return;
      case 'jump':
        loop.jump(ms);
        for (const { process } of this.#ground.peers) process.blockedMs += ms;
        return;
      case 'sever':
        if (link !== undefined) this.#sever(link, ms);
        return;
      case 'hold':
        if (link !== undefined) this.#hold(link, ms);
        return;
      case 'flap':
        this.#isFlapping = true;
        loop.after(ms, () => {
          this.#isFlapping = false;
        });
        return;
      case 'setClock':
        this.#wallClock.set(random.pick([-1, 1]) * random.pick([1_000, 60_000, 86_400_000]));
    }
  }

  /** A link breaks for one of its ends, and what was sent by it goes on arriving for a while. */
  #sever(link: MemoryLink, ms: number): void {
    const { random, wires, loop } = this.#ground;
    this.#ground.hasDeafLinks = true;
    if (random.chance(0.5)) wires.hold(link);
    wires.sever(link, random);
    loop.after(ms, () => {
      wires.release(link, random.between(0, 300));
    });
  }

  /** A link stands still, and what is under way on it arrives in the end, also if it was given up long before. */
  #hold(link: MemoryLink, ms: number): void {
    const { random, wires, loop } = this.#ground;
    this.#ground.hasDeafLinks = true;
    wires.hold(link);
    loop.after(ms, () => {
      wires.release(link, random.between(0, 300));
    });
  }

  /** New links do not last: long enough to be made, mostly, and not to show themselves good. */
  #cutSoon(link: MemoryLink): void {
    const { random, loop } = this.#ground;
    if (random.chance(0.3)) link.cutAfterBytes(random.pick(bothDirections), random.whole(1, 3_000));
    else
      loop.after(random.between(0, 60) + 5 * link.latencyMs, () => {
        if (!this.#ground.isQuiet) link.cut();
      });
  }

  #block(process: VirtualProcess, ms: number): void {
    if (process.isBlocked) return;
    const { wires, random, loop } = this.#ground;
    const links = wires.linksOf(process);
    const isNetworkFirst = random.chance(0.5);
    process.block();
    for (const link of links) link.freeze();
    loop.after(ms, () => {
      if (isNetworkFirst) for (const link of links) link.thaw();
      process.unblock(ms);
      if (!isNetworkFirst) for (const link of links) link.thaw();
    });
  }
}
