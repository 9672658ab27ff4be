/**
 * One world: a server, its clients, the network between them, and everything that their users and fate may do to them.
 */
import { Administrators } from './administrators.js';
import { Calls } from './calls.js';
import { VirtualCollector } from './collector.js';
import { Fate } from './fate.js';
import { Ground } from './ground.js';
import { Offers } from './offers.js';
import { Population, port } from './population.js';
import { References } from './references.js';
import { StreamAccounts } from './stream-accounts.js';
import { StreamReaders } from './stream-readers.js';
import { Thief } from './thief.js';
import type { Tokens } from './token-watch.js';
import { Users } from './users.js';
import { WallClock } from './wall-clock.js';

/** One world, made from a seed. */
export class World {
  readonly ground: Ground;
  readonly collector = new VirtualCollector();
  readonly wallClock: WallClock;
  readonly streams: StreamAccounts;
  readonly readers: StreamReaders;
  readonly references: References;
  readonly offers: Offers;
  readonly population: Population;
  readonly users: Users;
  readonly fate: Fate;
  readonly thief: Thief;
  readonly #administrators: Administrators;

  /**
   * @param seed - decides everything
   * @param keepsTrace - whether what happens is to be read line by line
   * @param tokens - that a thief has seen
   */
  constructor(seed: number, keepsTrace: boolean, tokens: Tokens) {
    const ground = new Ground(seed, keepsTrace);
    this.ground = ground;
    const { random, profile, loop, ledger } = ground;
    const trace = ground.trace.note;
    this.wallClock = new WallClock(loop);
    this.streams = new StreamAccounts(ledger, trace, ground.expectEnd);
    this.readers = new StreamReaders({
      random,
      profile,
      loop,
      ledger,
      accounts: this.streams,
      isQuiet: () => ground.isQuiet,
    });
    const calls = new Calls(ground);
    const { collector, streams, readers } = this;
    const { options: callOptions } = calls;
    this.references = new References({ random, profile, loop, ledger, collector, trace, callOptions });
    const { references } = this;
    this.fate = new Fate(ground, this.wallClock, () => this.population.present);
    this.offers = new Offers(ground, {
      streams,
      references,
      calls,
      onBody: (peer, id) => {
        this.users.inBody(peer, id);
      },
    });
    const { offers } = this;
    this.population = new Population(ground, {
      offers,
      onHook: (peer, kind, id) => {
        this.users.inHook(peer, kind, id);
      },
    });
    const { population } = this;
    this.thief = new Thief(ground, { tokens, lentNumbers: () => references.lentNumbers() });
    const administrators = new Administrators(ground, population, offers);
    this.#administrators = administrators;
    this.users = new Users(ground, { population, administrators, calls, readers, references });
  }

  /** Plans what will happen. */
  plan(): void {
    const { random, profile, loop } = this.ground;
    const { server, clients } = this.population;
    if (profile.isCalm || random.chance(0.9)) this.ground.ledger.await('start()', server.start());
    for (const client of clients) {
      loop.after(random.between(0, random.pick([0, 100, 500])), () => {
        if (client.canStart()) client.connectToServer();
      });
    }
    for (let count = 0; count < profile.operations; count++) {
      loop.after(random.between(0, profile.durationMs), () => {
        if (this.ground.isQuiet) return;
        this.#operate();
      });
    }
    for (let count = 0; count < profile.thefts; count++) {
      loop.after(random.between(0, profile.durationMs), () => {
        this.thief.strike(port);
      });
    }
  }

  /** Does one thing. */
  #operate(): void {
    const { random, profile } = this.ground;
    if (profile.isCalm || random.chance(0.55)) this.users.useSomething();
    else if (profile.isSteadfast || random.chance(0.6)) this.fate.disturb();
    else this.#administrators.administer();
  }
}
