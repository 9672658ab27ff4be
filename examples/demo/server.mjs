/**
 * The server of the demo. Everything it tells, it learned from a hook, from a call, or from the outcome of a call.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { groupBy, mergeMap, take } from 'rxjs';
import { currentCall, RPCServer } from 'tandem-rpc';
import { bow, describe, follow, setup, short, tell } from './actor.mjs';

const nameOf = (connectionID) => server.connectionUniqueIdentifier(connectionID) || 'somebody';
const idOf = (name) => server.connections().find((connectionID) => nameOf(connectionID) === name);
const commandsOf = (name) => server.remoteProxyObject(idOf(name), 'clientCommands');

class DemoServer extends RPCServer {
  connectionMade(connectionID) {
    const client = nameOf(connectionID);
    const line = `● ${client} is connected as ${short(connectionID)}; connected now: ${this.connections().length}`;
    tell('connected', line, { client });
  }

  disconnectionMade(connectionID, reason) {
    const client = nameOf(connectionID);
    tell('gone', `○ ${client} (${short(connectionID)}) is gone: ${reason}`, { client, code: reason.code });
  }

  async remoteProxyObjectRegistered(connectionID, name) {
    if (name !== 'Bank') return;
    const client = nameOf(connectionID);
    tell('bank', `! ${client} has registered "Bank": bank.giveMeAllYourMoney()`, { client });
    const bank = this.remoteProxyObject(connectionID, 'Bank');
    const amount = await bank.giveMeAllYourMoney();
    tell('robbed', `← ${client} hands over ${amount} gold coins`, { client, amount });
  }
}

class ServerCommands {
  printMessage(text) {
    const client = nameOf(currentCall().connectionID);
    tell('message', `← ${client} says: ${text}`, { client });
  }

  async passNote(to, text) {
    const from = nameOf(currentCall().connectionID);
    tell('note', `→ passes a note from ${from} on to ${to}`, { from, to });
    return await commandsOf(to).printMessage(`(a note from ${from}) ${text}`);
  }

  share(coins, people) {
    if (people === 0) throw new RangeError(`${coins} coins cannot be shared among nobody`);
    return coins / people;
  }

  async finishTheSong() {
    const client = nameOf(currentCall().connectionID);
    tell('singing', `← ${client} wants to hear the end of the song`, { client });
    await pause(500);
    return 'la la la!';
  }
}

const cues = {
  async greet({ client }) {
    const answer = await commandsOf(client).printMessage('Hello World!');
    tell('greeted', `← ${client} answers: ${answer}`, { client });
  },

  watchHeartbeats({ each }) {
    server.heartbeat$
      .pipe(
        groupBy(({ connectionID }) => connectionID),
        mergeMap((beats$) => beats$.pipe(take(each))),
        take(each * server.connections().length),
      )
      .subscribe(({ connectionID, roundTripMs }) => {
        const client = nameOf(connectionID);
        tell('heartbeat', `♥ ${client.padEnd(5)} answered in ${roundTripMs.toFixed(2)} ms`, { client });
      });
  },

  async thinkHard({ client }) {
    tell('asked', `→ asks ${client} for the meaning of life, which takes a while`, { client });
    const error = await commandsOf(client)
      .ponder()
      .catch((reason) => reason);
    tell('unanswered', `✗ the open call ended with ${describe(error)}`, { executed: error.executed });
  },

  async stop() {
    tell('stopping', '→ stops, once the running calls have ended');
    await server.stop({ drainInSeconds: 5 });
    tell('stopped', '○ has stopped');
    await server.dispose();
    bow();
  },
};

const server = new DemoServer({ ...setup, localProxyObjects: { serverCommands: new ServerCommands() } });
follow(cues);
try {
  await server.start();
  const { host, port } = server.address();
  tell('listening', `● listens on ${host}:${port} (process ${process.pid})`, { port });
} catch (error) {
  tell('refused', `✗ ${error.name}: ${error.message}`, { error: error.name });
  await server.dispose();
  bow();
}
