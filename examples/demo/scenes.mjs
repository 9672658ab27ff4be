/**
 * The scenes: what the stage has its processes do, and what it expects to hear of it, in time.
 */
import { printLine } from './screen.mjs';

const timing = { timeoutInSeconds: 4, heartbeatIntervalInSeconds: 1 };
const clients = ['anna', 'ben', 'carla'];
let port = 0;

function enterServer(stage, name = 'server') {
  stage.enter(name, 'server.mjs', { ...timing, port });
}

function enterClient(stage, identifier) {
  const reconnect = { maxDelayInSeconds: 1 };
  stage.enter(identifier, 'client.mjs', { ...timing, port, identifier, reconnect });
}

/** The client has found the server, and the server has seen it come. */
const meet = (stage, client) =>
  Promise.all([stage.expect(client, 'connected'), stage.expect('server', 'connected', { client })]);

/** How long something took to be noticed. */
async function noticed(expectation) {
  const from = performance.now();
  await expectation;
  printLine('demo', `✓ noticed after ${((performance.now() - from) / 1_000).toFixed(3)} s`);
}

/** The play. */
export const scenes = [
  {
    title: 'A server starts, and three clients find it; each says who it is',
    withinSeconds: 15,
    async act(stage) {
      enterServer(stage);
      ({ port } = await stage.expect('server', 'listening'));
      for (const client of clients) enterClient(stage, client);
      await Promise.all(clients.map((client) => meet(stage, client)));
    },
  },
  {
    title: 'Calls in both directions, and one right through the server',
    withinSeconds: 15,
    async act(stage) {
      stage.cue('anna', 'callServer', { text: 'Hello World!' });
      await stage.expect('server', 'message', { client: 'anna' });
      await stage.expect('anna', 'called');
      stage.cue('server', 'greet', { client: 'anna' });
      await stage.expect('anna', 'message');
      await stage.expect('server', 'greeted');
      stage.cue('carla', 'passNote', { to: 'ben', text: 'lunch at noon?' });
      await stage.expect('server', 'note', { from: 'carla', to: 'ben' });
      await stage.expect('ben', 'message');
      await stage.expect('carla', 'passed');
      stage.cue('carla', 'share', { coins: 12, people: 0 });
      await stage.expect('carla', 'failed', { executed: 'yes' });
    },
  },
  {
    title: 'A client registers a bank after it has connected; a hook of the server calls it',
    withinSeconds: 15,
    async act(stage) {
      stage.cue('ben', 'registerBank');
      await stage.expect('server', 'bank', { client: 'ben' });
      await stage.expect('ben', 'robbed');
      await stage.expect('server', 'robbed', { client: 'ben', amount: 1_234 });
    },
  },
  {
    title: 'A second server wants the same port',
    withinSeconds: 15,
    async act(stage) {
      enterServer(stage, 'rival');
      await stage.expect('rival', 'refused', { error: 'ServerAlreadyRunningException' });
      await stage.expect('rival', 'exit', { code: 0 });
    },
  },
  {
    title: 'Heartbeats, each with its round trip',
    withinSeconds: 15,
    async act(stage) {
      stage.cue('server', 'watchHeartbeats', { each: 3 });
      for (let beat = 0; beat < 3; beat += 1) {
        await Promise.all(clients.map((client) => stage.expect('server', 'heartbeat', { client })));
      }
    },
  },
  {
    title: 'A client is killed while it answers a call',
    withinSeconds: 15,
    async act(stage) {
      stage.cue('server', 'thinkHard', { client: 'ben' });
      await stage.expect('ben', 'pondering');
      stage.signal('ben', 'SIGKILL', '✂ kills ben');
      await Promise.all([
        noticed(stage.expect('server', 'gone', { client: 'ben', code: 'connection-lost' })),
        stage.expect('server', 'unanswered', { executed: 'unknown' }),
        stage.expect('ben', 'exit', { signal: 'SIGKILL' }),
      ]);
      printLine('demo', '  starts ben again');
      enterClient(stage, 'ben');
      await meet(stage, 'ben');
    },
  },
  {
    title: 'A client is stopped: its connection stays open, but its heart stands still',
    withinSeconds: 15,
    needs: 'SIGSTOP',
    async act(stage) {
      stage.stop('carla', 'server', '✂ stops carla');
      await noticed(stage.expect('server', 'gone', { client: 'carla', code: 'timeout' }));
      stage.goOn('carla', 'server', '  lets carla go on');
      await Promise.all([stage.expect('carla', 'gone'), meet(stage, 'carla')]);
      stage.cue('carla', 'callServer', { text: 'I must have dozed off' });
      await stage.expect('carla', 'called');
    },
  },
  {
    title: 'The server is killed, and started again on the same port; the clients find it again',
    withinSeconds: 15,
    async act(stage) {
      stage.signal('server', 'SIGKILL', '✂ kills the server');
      await Promise.all([
        noticed(Promise.all(clients.map((client) => stage.expect(client, 'gone')))),
        stage.expect('server', 'exit', { signal: 'SIGKILL' }),
      ]);
      printLine('demo', '  starts the server again');
      enterServer(stage);
      await Promise.all([
        stage.expect('server', 'listening'),
        ...clients.map((client) => meet(stage, client)),
      ]);
      stage.cue('anna', 'callServer', { text: 'the same proxy, another server' });
      await stage.expect('server', 'message', { client: 'anna' });
      await stage.expect('anna', 'called');
    },
  },
  {
    title: 'An orderly end: one client leaves, the server lets a running call finish, and all go home',
    withinSeconds: 15,
    async act(stage) {
      stage.cue('ben', 'leave');
      await stage.expect('server', 'gone', { client: 'ben', code: 'disconnected' });
      stage.cue('anna', 'sing');
      await stage.expect('server', 'singing', { client: 'anna' });
      stage.cue('server', 'stop');
      await stage.expect('anna', 'sung');
      await stage.expect('server', 'stopped');
      for (const client of ['anna', 'carla']) {
        await stage.expect(client, 'gone', { code: 'server-stopped' });
        stage.cue(client, 'leave');
      }
      await Promise.all([...clients, 'server'].map((name) => stage.expect(name, 'exit', { code: 0 })));
    },
  },
].filter(({ needs }) => needs === undefined || process.platform !== 'win32');
