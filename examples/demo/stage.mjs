/**
 * The stage: starts processes, prints what they tell, and waits for what a scene expects of them, within its time.
 * Whatever happens, it leaves no process behind, and it ends only those it has started.
 */
import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { printLine } from './screen.mjs';

/** Something that a scene expects has not happened, or something has that none expects. */
class Mishap extends Error {}

/** The processes of a play. */
export class Stage {
  #actors = new Map();
  /** Told, and not yet looked at by a scene. */
  #events = [];
  #expectations = new Set();
  #mishap;

  constructor() {
    // Runs in every case but SIGKILL, where the processes see that the stage is gone and end by themselves.
    process.once('exit', () => this.#endAll());
    for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
      process.once(signal, () => {
        printLine('demo', `○ ${signal}: ends every process it has started`);
        process.exit(code);
      });
    }
    // Nobody reads any more (`npm start | head`): that ends the play as well.
    process.stdout.once('error', () => process.exit(1));
  }

  /** The names of the processes that live. */
  get actors() {
    return [...this.#actors.keys()];
  }

  /** Starts a process under a name. */
  enter(name, file, setup) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = fork(path, [JSON.stringify(setup)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#actors.set(name, child);
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on('line', (line) => printLine(name, `  ${line}`));
    }
    child.on('message', ({ what, line, ...facts }) => {
      printLine(name, line);
      this.#receive({ who: name, what, facts });
    });
    child.on('error', (error) => this.#fail(`${name}: ${error.message}`));
    child.on('exit', (code, signal) => {
      this.#actors.delete(name);
      this.#receive({ who: name, what: 'exit', facts: { code, signal } });
    });
  }

  /** Has a process do something. */
  cue(name, cue, facts = {}) {
    this.#actors.get(name).send({ ...facts, cue });
  }

  /** Sends a signal to a process. */
  signal(name, signal, line) {
    printLine('demo', `${line} (${signal})`);
    this.#actors.get(name).kill(signal);
  }

  /** Stops a process; another one ends it should the stage be gone before it goes on. */
  stop(name, guard, line) {
    this.cue(guard, 'guard', { pid: this.#actors.get(name).pid });
    this.signal(name, 'SIGSTOP', line);
  }

  /** Ends `stop`. */
  goOn(name, guard, line) {
    this.signal(name, 'SIGCONT', line);
    this.cue(guard, 'guard');
  }

  /** Forgets what was told in an earlier scene. */
  forget() {
    this.#events = [];
  }

  /**
   * Waits until a process tells something; what it has told in this scene already counts, once.
   * @param {string} who the process
   * @param {string} what the event
   * @param {object} facts those that it must have
   */
  expect(who, what, facts = {}) {
    const fits = (event) =>
      event.who === who &&
      event.what === what &&
      Object.entries(facts).every(([name, value]) => event.facts[name] === value);
    const at = this.#events.findIndex(fits);
    if (at >= 0) return Promise.resolve(this.#events.splice(at, 1)[0].facts);
    return new Promise((resolve, reject) => {
      const wish = Object.entries(facts).map(([name, value]) => `, ${name} ${value}`);
      const expectation = { text: `${who}: ${what}${wish.join('')}`, fits, resolve, reject };
      this.#expectations.add(expectation);
      if (this.#mishap) reject(this.#mishap);
    });
  }

  /** Plays a scene; rejects with a Mishap unless everything that it expects happens within its time. */
  async play({ withinSeconds, act }) {
    this.forget();
    const timer = setTimeout(() => {
      const missing = [...this.#expectations].map(({ text }) => `“${text}”`);
      this.#fail(`within ${withinSeconds} s this has not happened: ${missing.join(' and ')}`);
    }, withinSeconds * 1_000);
    await act(this).finally(() => clearTimeout(timer));
    if (this.#mishap) throw this.#mishap;
  }

  #receive(event) {
    for (const expectation of this.#expectations) {
      if (!expectation.fits(event)) continue;
      this.#expectations.delete(expectation);
      expectation.resolve(event.facts);
      return;
    }
    const { code, signal } = event.facts;
    // Ctrl-C in a terminal reaches all at once; the stage's own handler deals with it.
    if (event.what === 'exit' && code !== 0 && signal !== 'SIGINT')
      this.#fail(`${event.who} has ended unasked (${signal ?? `exit code ${code}`})`);
    this.#events.push(event);
  }

  #fail(text) {
    this.#mishap ??= new Mishap(text);
    for (const { reject } of this.#expectations) reject(this.#mishap);
    this.#expectations.clear();
  }

  #endAll() {
    // SIGKILL ends stopped processes too.
    for (const child of this.#actors.values()) child.kill('SIGKILL');
  }
}
