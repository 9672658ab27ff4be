import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';

/** What each example prints. */
const examples: Readonly<Record<string, readonly string[]>> = {
  'already-running': ['a Tandem server runs there already', 'another program has the port: http'],
  authentication: [
    'errors$ of the server: AuthenticationError',
    'errors$ of the client: AuthenticationError',
    'ben is refused, and disconnected',
    'ben sees gold',
    'safe.empty is not allowed, executed: no',
    'shared-token sees gold',
    'errors$ of the server: AuthenticationError',
    'AuthenticationError at an impostor; still trying',
  ],
  bank: [
    'the client is connected',
    'a client has registered "Bank"',
    'the bank handed over 1234 coins',
    'the bank has 0 left',
  ],
  codec: ['msgpackr: Vega, 1850', 'msgpack: Vega, 1850'],
  'connection-hooks': [
    'menu: anna',
    'menu: anna, ben',
    'anna is gone: the client disconnected',
    'menu: ben',
    'ben is gone: the server stops',
    'menu: (empty)',
  ],
  'dedicated-ports': [
    "the client comes to the server's port",
    'the client comes to a port of its own',
    'and all calls go through the latter',
  ],
  'errors-and-timeouts': [
    'soup for table 7',
    "RangeError SOLD_OUT sold out { dish: 'unicorn' }",
    'RemoteError, executed: yes',
    'RPCTimeoutError, executed: unknown',
    'kitchen: nobody waits for stew any more',
    'not hungry any more',
    'kitchen: nobody waits for goulash any more',
    'errors$ of the server: kitchen.order, which was notified, failed: sold out',
  ],
  exposure: ['open: deposit, close', 'narrow: deposit'],
  'faults-in-virtual-time': [
    'faults: 61, the first at 321 ms: link 1 is clogged toClient for 0.895 s',
    'calls accounted for: 120',
    'the till has what it must have: true',
    'connected again: true',
  ],
  greeter: ['Hello, Tandem!'],
  drain: [
    'rye: 50 %',
    'rye: 100 %',
    "[ 'rye from the old oven', 'spelt from the new oven' ]",
    'the old server: not running, the new one has 1 client',
  ],
  hello: ['at the server: Hello World!', 'at the client: Hello World!'],
  'main-thread-host': ['server: connectionMade, within a frame', 'client: connectionMade, within a frame'],
  'menu-on-main-thread': [
    'menu: 0 items',
    'menu: 1 items',
    'menu: 2 items',
    'menu: 1 items',
    'menu: 0 items',
    'server: the menu has 1 items',
    'server: the menu has 2 items',
  ],
  resume: [
    'cut 1: connected: false, resumed: true',
    'cut 2: connected: false, resumed: true',
    'cut 3: connected: false, resumed: true',
    '20 pages in 20 turns of the press',
    'strokes in order, none missing: true',
    'sessions that ended: 0',
  ],
  reactive: [
    'server: 0 connected',
    'server: 1 connected',
    'server: 0 connected',
    'client: disconnected',
    'client: auto connecting',
    'client: connecting',
    'client: connected',
    'client: disconnecting',
    'client: disconnected',
    'temperature: unknown',
    'temperature: 21 degrees',
    'temperature: unknown',
    'temperature: 22 degrees',
    'temperature: unknown',
    'every stream has completed',
  ],
  status: [
    'Server status changed to: starting',
    'Server status changed to: running',
    'Server status changed to: stopping',
    'Server status changed to: not running',
    'Server is not running',
    'Client status changed to: auto connecting',
    'Client status changed to: connecting',
    'Client status changed to: connected',
    'Client status changed to: disconnecting',
    'Client status changed to: disconnected',
    'Client is not running',
  ],
  'virtual-time': [
    '     0 ms  disconnected',
    '     0 ms  auto connecting',
    '    10 ms  connecting',
    '    30 ms  connected',
    '  5000 ms  the cable is held',
    '  7040 ms  anna: timeout',
    '  7050 ms  auto connecting',
    ' 10000 ms  the cable is let go',
    ' 10000 ms  connecting',
    ' 10020 ms  connected',
    ' 12000 ms  disconnecting',
    ' 12000 ms  disconnected',
  ],
  accounts: [
    'anna has 100',
    'our own account: true; balances: 70, 30',
    'references held: 2',
    'references held: 0',
  ],
  'call-options': [
    'about 5 s to go: yes',
    'restocked at attempt 3',
    'one, two',
    'NotConnectedError',
    'after a restart: no letters',
  ],
  chat: [
    'welcome, anna',
    'welcome, ben',
    'ben hears anna: hello ben',
    'anna hears ben: hello anna',
    'streams of the server: 4',
    'streams of the server: 0',
  ],
  interceptors: [
    'incoming safe.open: the lock is stuck',
    'outgoing safe.open: the lock is stuck',
    'incoming safe.open: the lock is stuck',
    'outgoing safe.open: the lock is stuck',
    'incoming safe.open: gold, at attempt 3',
    'outgoing safe.open: gold, at attempt 3',
    'gold, at attempt 3',
  ],
  'price-feed': ['last 10000', 'missed more than 1000', 'shown + missed = 10000'],
  progress: [
    'Metropolis: 25 %',
    'Metropolis: 50 %',
    'Metropolis: 75 %',
    'Metropolis: 100 %',
    'Metropolis is done',
    'Nosferatu: 25 %',
    'Nosferatu: 50 %',
    'Nosferatu: the audience has left',
  ],
  upload: ['metropolis.mkv: 32000 KiB', 'never 100 chunks ahead'],
  validation: [
    '10 for the journey',
    'InvalidArgumentsError, executed: no',
    'arguments[0]: Too small: expected number to be >0',
  ],
};

/** Two ends print in no fixed order: the lines are put in order of who speaks, each speaker's own order kept. */
function bySpeaker(lines: readonly string[]): string[] {
  const speaker = (line: string): string => /^\w+/.exec(line)?.[0] ?? '';
  return [...lines].sort((left, right) => speaker(left).localeCompare(speaker(right)));
}

describe('the examples', () => {
  it('are all listed here', () => {
    const files = readdirSync('examples').filter((file) => file.endsWith('.ts'));
    expect(Object.keys(examples).sort()).toEqual(files.map((file) => file.slice(0, -'.ts'.length)).sort());
  });

  it.each(Object.entries(examples))('%s prints what it shows, and ends by itself', async (name, lines) => {
    const child = spawn(process.execPath, ['--import', 'tsx', `examples/${name}.ts`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const code = new Promise((resolve) => child.once('close', resolve));
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
    expect(stderr.toString()).toBe('');
    expect(bySpeaker(stdout.toString().trimEnd().split('\n'))).toEqual(bySpeaker(lines));
    expect(await code).toBe(0);
  });
});
